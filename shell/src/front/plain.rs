//! Lines from a terminal that only shows text (`TERM=dumb`): the terminal's own line editing is all there is.

use super::interactive::Input;
use super::messages::show;
use super::prompt::{MORE, Shown};
use super::{Front, FrontError};
use crate::parse::Collector;
use crate::terminal::Terminal;
use crate::wait;
use rustix::fd::AsFd;

/// Longest line that a terminal hands out.
const LINE: usize = 4096;

/// A plain terminal.
#[derive(Debug, Default)]
pub(super) struct Plain {
    typed: Vec<u8>,
}

impl Plain {
    /// Reads what the operator enters next.
    pub(super) fn read(&mut self, shown: &Shown, front: &mut Front, terminal: &Terminal) -> Result<Input, FrontError> {
        let mut collector = Collector::default();
        let _ = front.interrupts.take();
        loop {
            let prompt = if collector.is_empty() { shown.plain() } else { MORE.to_owned() };
            show(&prompt)?;
            let line = match self.line(front, terminal)? {
                Input::Text(line) => line,
                Input::End if !collector.is_empty() => return Ok(Input::Text(collector.finish().unwrap_or_default())),
                other => return Ok(other),
            };
            if let Some(unit) = collector.push(&line, &front.parser) {
                return Ok(Input::Text(unit));
            }
        }
    }

    fn line(&mut self, front: &mut Front, terminal: &Terminal) -> Result<Input, FrontError> {
        loop {
            if let Some(end) = self.typed.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                let rest = self.typed.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.typed, rest);
                line.pop();
                // it was read before there was a prompt to echo it after
                show(&format!("{}\n", portcullis_model::bytes::printable(&line)))?;
                line.push(b'\n');
                return Ok(Input::Text(line));
            }
            let [typed, said, interrupt] = wait::readable([terminal.as_fd(), front.keeper.as_fd(), front.interrupts.as_fd()], None)?;
            if interrupt && front.interrupts.take() {
                self.typed.clear();
                show("\n")?;
                return Ok(Input::Interrupted);
            }
            if said {
                front.keeper.pump()?;
                front.say_notices();
            }
            if typed {
                let mut room = [0; LINE];
                let read = match rustix::io::read(terminal, &mut room) {
                    Err(rustix::io::Errno::INTR) => continue,
                    read => read?,
                };
                if read == 0 {
                    let line = std::mem::take(&mut self.typed);
                    return Ok(if line.is_empty() { Input::End } else { Input::Text(line) });
                }
                self.typed.extend_from_slice(room.get(..read).unwrap_or_default());
                if self.typed.ends_with(b"\n") {
                    return Ok(Input::Text(std::mem::take(&mut self.typed)));
                }
            }
        }
    }
}
