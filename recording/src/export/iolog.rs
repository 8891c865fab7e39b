//! As a log of sudo's, what `sudoreplay -d FOLDER/.. NAME` reads: a folder with one file a stream, and one with their timing.
//!
//! The form is that of sudo 1.9 (its manual page sudo_logsrvd, "I/O log files"): `log` with a line of who, where and how large, `log.json`
//! with the same, `timing` with the number of a stream, the pause before and the number of bytes. Files are not compressed, which
//! sudo's readers take as well.

use super::{Beginning, ExportError, Exported, Keys, Output, Shown, said, walk};
use crate::reader::{Body, Reader};
use portcullis_model::event::EventKind;
use portcullis_model::session::{Purpose, WindowSize};
use serde_json::json;
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

/// A stream, by its number in `timing` (`IO_EVENT_*` of sudo's iolog.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
    TtyIn = 3,
    TtyOut = 4,
}

const RESIZED: u8 = 5;
const NAMES: [&str; 5] = ["stdin", "stdout", "stderr", "ttyin", "ttyout"];

/// Writes the rest of a recording that was just opened into `folder`, which must not be there yet.
///
/// # Errors
/// No recording, or one that cannot be written out.
pub fn export<R: Read>(reader: &mut Reader<R>, keys: Keys, output: Output, folder: &Path) -> Result<Exported, ExportError> {
    let beginning = Beginning::read(reader)?;
    DirBuilder::new().mode(0o700).create(folder)?;
    let mut log = Log { folder, timing: create(folder, "timing")?, streams: Default::default(), last: Duration::ZERO };
    log.describe(&beginning)?;
    let terminal = beginning.window.is_some();
    let mut shown = Shown::new(output, &beginning);
    let exported = walk(reader, |frame| {
        let at = frame.elapsed;
        match frame.body {
            Body::Output(bytes) => log.bytes(at, if terminal { Stream::TtyOut } else { Stream::Stdout }, &shown.pass(bytes)),
            Body::ErrorOutput(bytes) => log.bytes(at, if terminal { Stream::TtyOut } else { Stream::Stderr }, &shown.pass(bytes)),
            Body::Input(bytes) if keys == Keys::Included => log.bytes(at, if terminal { Stream::TtyIn } else { Stream::Stdin }, &bytes),
            Body::Event(event) => match event.kind {
                EventKind::Resized(size) => log.resized(at, said(size)),
                _ => Ok(()),
            },
            Body::Input(_) => Ok(()),
        }
    })?;
    log.close()?;
    Ok(exported)
}

struct Log<'a> {
    folder: &'a Path,
    timing: BufWriter<File>,
    streams: [Option<BufWriter<File>>; 5],
    last: Duration,
}

impl Log<'_> {
    fn describe(&mut self, beginning: &Beginning) -> io::Result<()> {
        let facts = &beginning.facts;
        let WindowSize { cols, rows, .. } = beginning.size();
        let command = match &beginning.purpose {
            Purpose::Command(command) => String::from_utf8_lossy(command).replace('\n', " "),
            Purpose::Shell => "shell".to_owned(),
            Purpose::Sftp => "sftp".to_owned(),
            Purpose::Forward(forward) => format!("forward {}:{}", forward.host, forward.port),
        };
        let terminal = if beginning.window.is_some() { "terminal" } else { "unknown" };
        let mut log = create(self.folder, "log")?;
        writeln!(log, "{}:{}:{}::{terminal}:{rows}:{cols}\n/\n{command}", beginning.at.0 / 1000, facts.operator, facts.account)?;
        log.flush()?;
        let mut described = create(self.folder, "log.json")?;
        let seconds = json!({"seconds": beginning.at.0 / 1000, "nanoseconds": beginning.at.0 % 1000 * 1_000_000});
        let described_as = json!({
            "timestamp": seconds, "columns": cols, "lines": rows, "command": command, "runargv": [command], "runuid": facts.uid, "runuser": facts.account,
            "submitcwd": "/", "submithost": facts.target, "submituser": facts.operator, "ttyname": terminal,
        });
        // sudo 1.9.13 takes no number that ends right before a brace
        serde_json::to_writer_pretty(&mut described, &described_as)?;
        described.flush()
    }

    fn bytes(&mut self, at: Duration, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let number = stream as usize;
        if let (Some(place), Some(name)) = (self.streams.get_mut(number), NAMES.get(number)) {
            let file = match place {
                Some(file) => file,
                empty => empty.insert(create(self.folder, name)?),
            };
            file.write_all(bytes)?;
        }
        let pause = self.pause(at);
        writeln!(self.timing, "{number} {pause} {}", bytes.len())
    }

    fn resized(&mut self, at: Duration, size: WindowSize) -> io::Result<()> {
        let pause = self.pause(at);
        writeln!(self.timing, "{RESIZED} {pause} {} {}", size.rows, size.cols)
    }

    fn pause(&mut self, at: Duration) -> String {
        let pause = at.saturating_sub(self.last);
        self.last = at;
        format!("{}.{:09}", pause.as_secs(), pause.subsec_nanos())
    }

    fn close(mut self) -> io::Result<()> {
        self.timing.flush()?;
        self.streams.iter_mut().flatten().try_for_each(Write::flush)
    }
}

fn create(folder: &Path, name: &str) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::options().write(true).create_new(true).mode(0o600).open(folder.join(name))?))
}
