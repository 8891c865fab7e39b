use super::super::evidence::fixture::Fixture;
use super::*;
use portcullis_model::event::EventKind;
use portcullis_model::wire::packet;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};
use std::fs::File;
use std::io::{Read as _, Write as _};

/// A relay over pipes, with the gateway and the program played by the test.
struct Stage {
    relay: Relay,
    fixture: Fixture,
    gateway: Packets,
    program: Program,
}

struct Program {
    input: File,
    output: Option<File>,
    error: Option<File>,
}

fn stage() -> Stage {
    stage_with(Relay::new)
}

fn stage_with(relay: impl FnOnce(OwnedFd, Outlets) -> Relay) -> Stage {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let pipe = || rustix::pipe::pipe().unwrap();
    let ((in_read, in_write), (out_read, out_write), (err_read, err_write)) = (pipe(), pipe(), pipe());
    let outlet = |fd| Outlet::new(fd).unwrap();
    let outlets = Outlets::Pipes { input: outlet(in_write), output: outlet(out_read), error: outlet(err_read) };
    Stage {
        relay: relay(ours, outlets),
        fixture: Fixture::new(),
        gateway: Packets::new(theirs, 64 * 1024 * 1024),
        program: Program { input: in_read.into(), output: Some(out_write.into()), error: Some(err_write.into()) },
    }
}

impl Stage {
    fn client_sends(&mut self, message: &ToKeeper) {
        self.gateway.send(message, None).unwrap();
    }

    /// One turn of the keeper, without waiting.
    fn turn(&mut self) -> Result<Vec<Wish>, End> {
        let wishes = self.relay.take_input()?;
        self.relay.pass_input(&mut self.fixture.evidence)?;
        self.relay.pass_output(&mut self.fixture.evidence)?;
        self.gateway.flush().unwrap();
        Ok(wishes)
    }

    fn client_hears(&mut self) -> Vec<FromKeeper> {
        let mut heard = Vec::new();
        while let Ok(Received::Message(message, _)) = self.gateway.receive(&mut Intake::new()) {
            heard.push(message);
        }
        heard
    }

    fn program_hears(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.program.input.read_exact(&mut bytes).unwrap();
        bytes
    }
}

fn joined(messages: &[FromKeeper]) -> Vec<u8> {
    messages.iter().flat_map(|message| match message { FromKeeper::Output(bytes) => bytes.clone(), other => panic!("{other:?}") }).collect()
}

#[test]
fn bytes_are_recorded_and_passed_on_both_ways() {
    let mut stage = stage();
    stage.client_sends(&ToKeeper::Input(b"one\ntwo".to_vec()));
    stage.program.output.as_mut().unwrap().write_all(b"out\xff").unwrap();
    stage.program.error.as_mut().unwrap().write_all(b"err").unwrap();
    stage.turn().unwrap();
    assert_eq!(stage.program_hears(7), b"one\ntwo");
    let heard = stage.client_hears();
    assert!(heard == [FromKeeper::Output(b"out\xff".to_vec()), FromKeeper::ErrorOutput(b"err".to_vec())]);
    assert_eq!(stage.fixture.read(), (b"one\ntwo".to_vec(), b"out\xff".to_vec(), b"err".to_vec(), vec![]));
}

#[test]
fn what_is_carried_is_counted_bounded_and_not_recorded() {
    let mut stage = stage_with(|gateway, outlets| Relay::carrying(gateway, outlets, 20));
    stage.client_sends(&ToKeeper::Input(b"0123456789".to_vec()));
    stage.program.output.as_mut().unwrap().write_all(b"abcdefghij").unwrap();
    stage.program.error.as_mut().unwrap().write_all(b"err").unwrap();
    stage.turn().unwrap();
    assert_eq!(stage.program_hears(10), b"0123456789");
    assert_eq!(stage.relay.carried(), Some((10, 10)));
    assert_eq!(stage.fixture.read(), (vec![], vec![], b"err".to_vec(), vec![]));
    stage.program.output.as_mut().unwrap().write_all(b"k").unwrap();
    let end = stage.turn().unwrap_err();
    assert!(matches!(&end.cause, EndCause::Fault(what) if what.contains("as much as a session may")), "{end:?}");
}

#[test]
fn the_end_of_input_comes_after_all_of_it() {
    let mut stage = stage();
    stage.client_sends(&ToKeeper::Input(vec![b'x'; CHUNK_MAX]));
    stage.client_sends(&ToKeeper::Input(vec![b'y'; CHUNK_MAX]));
    stage.client_sends(&ToKeeper::Input(vec![b'z'; CHUNK_MAX]));
    stage.client_sends(&ToKeeper::Eof);
    stage.client_sends(&ToKeeper::Input(b"after the end".to_vec()));
    let mut heard = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        stage.turn().unwrap();
        let mut poll = [rustix::event::PollFd::new(&stage.program.input, rustix::event::PollFlags::IN)];
        if rustix::event::poll(&mut poll, Some(&crate::warden::timespec(std::time::Duration::ZERO))).unwrap() == 0 {
            continue;
        }
        match stage.program.input.read(&mut buffer).unwrap() {
            0 => break,
            n => heard.extend_from_slice(&buffer[..n]),
        }
    }
    assert_eq!(heard.len(), 3 * CHUNK_MAX);
    assert_eq!(stage.fixture.read().0.len(), 3 * CHUNK_MAX);
}

#[test]
fn a_program_that_does_not_read_stops_the_reading_of_input() {
    let mut stage = stage();
    // a large paste
    for _ in 0..64 {
        stage.client_sends(&ToKeeper::Input(vec![b'p'; 16 * 1024]));
    }
    for _ in 0..100 {
        stage.turn().unwrap();
    }
    assert!(!stage.relay.interests().gateway.unwrap().1, "input is not waited for");
    assert!(stage.relay.interests().sink.is_some(), "the program is");
    assert!(stage.relay.fresh.len() + stage.relay.recorded.len() <= INPUT_MAX + CHUNK_MAX);
    let mut heard = 0;
    while heard < 64 * 16 * 1024 {
        heard += stage.program_hears(4096).len();
        stage.turn().unwrap();
    }
    assert_eq!(stage.fixture.read().0.len(), 1024 * 1024);
}

#[test]
fn a_gateway_that_does_not_read_stops_the_reading_of_output() {
    let mut stage = stage();
    let output = stage.program.output.take().unwrap();
    let outlet_flags = rustix::fs::fcntl_getfl(&output).unwrap();
    rustix::fs::fcntl_setfl(&output, outlet_flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut written = 0usize;
    // until a turn makes no room for more
    loop {
        let before = written;
        while let Ok(n) = rustix::io::write(&output, &vec![u8::try_from(written % 251).unwrap(); 4096]) {
            written += n;
        }
        stage.turn().unwrap();
        if written == before {
            break;
        }
        assert!(written < 4 * 1024 * 1024, "the program is held up");
    }
    assert!(stage.relay.interests().sources.is_empty());
    drop(output);
    let mut heard = Vec::new();
    while heard.len() < written {
        heard.extend(joined(&stage.client_hears()));
        stage.turn().unwrap();
    }
    assert_eq!(heard.len(), written);
    assert_eq!(heard, stage.fixture.read().1, "nothing is lost, and all is recorded");
}

#[test]
fn the_last_output_is_said_before_the_exit_even_to_a_slow_gateway() {
    let mut stage = stage();
    stage.program.output.as_mut().unwrap().write_all(&[b'l'; 60_000]).unwrap();
    drop((stage.program.output.take(), stage.program.error.take()));
    stage.relay.pass_last_output(&mut stage.fixture.evidence).unwrap();
    stage.relay.say_exit(ExitStatus::Code(3)).unwrap();
    stage.relay.deliver(Instant::now() + std::time::Duration::from_secs(5));
    let mut heard = stage.client_hears();
    assert!(heard.pop() == Some(FromKeeper::Exit(ExitStatus::Code(3))));
    assert_eq!(joined(&heard).len(), 60_000);
}

#[test]
fn when_access_ends_the_client_hears_why_and_nothing_more() {
    let mut stage = stage();
    stage.program.output.as_mut().unwrap().write_all(b"unseen").unwrap();
    stage.relay.close(Some("portcullis: session ended: x".into()));
    stage.relay.record_leftovers(&mut stage.fixture.evidence).unwrap();
    assert!(stage.client_hears() == [FromKeeper::Ending("portcullis: session ended: x".into())]);
    assert!(matches!(stage.gateway.receive::<FromKeeper>(&mut Intake::new()), Ok(Received::Closed)));
    assert_eq!(stage.fixture.read().1, b"unseen", "it is evidence all the same");
}

#[test]
fn a_gateway_that_breaks_the_protocol_or_goes_ends_the_session() {
    let mut broken = stage();
    broken.client_sends(&ToKeeper::Input(vec![0; CHUNK_MAX + 1]));
    assert!(matches!(broken.turn(), Err(End { cause: EndCause::Fault(_), .. })));
    let mut garbage = stage();
    rustix::net::send(&garbage.gateway, b"\xff\xff\xff", SendFlags::empty()).unwrap();
    assert!(matches!(garbage.turn(), Err(End { cause: EndCause::Fault(_), .. })));
    let Stage { mut relay, gateway, .. } = stage();
    drop(gateway);
    assert!(matches!(relay.take_input(), Err(End { cause: EndCause::Disconnect, .. })));
}

#[test]
fn wishes_are_handed_on() {
    let mut stage = stage();
    let size = WindowSize { cols: 1, rows: 2, width_px: 3, height_px: 4 };
    stage.client_sends(&ToKeeper::Resize(size));
    stage.client_sends(&ToKeeper::Signal(SessionSignal::Int));
    assert_eq!(stage.turn().unwrap(), [Wish::Resize(size), Wish::Signal(SessionSignal::Int)]);
    assert!(packet::encode(&FromKeeper::Output(vec![0; CHUNK_MAX])).is_ok(), "a chunk fits a packet");
}

mod terminal {
    use super::*;
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    use std::time::Duration;

    fn terminal() -> Option<(Relay, Fixture, Packets, File)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let Ok(master) = openpt(flags) else {
            eprintln!("SKIPPED: no pseudo-terminals here");
            return None;
        };
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let relay = Relay::new(ours, Outlets::Terminal(Outlet::new(master).unwrap()));
        Some((relay, Fixture::new(), Packets::new(theirs, 64 * 1024 * 1024), slave.into()))
    }

    fn set(slave: &File, change: impl Fn(&mut LocalModes)) {
        let mut termios = tcgetattr(slave).unwrap();
        change(&mut termios.local_modes);
        tcsetattr(slave, OptionalActions::Now, &termios).unwrap();
    }

    fn types(relay: &mut Relay, fixture: &mut Fixture, client: &mut Packets, text: &[u8]) {
        client.send(&ToKeeper::Input(text.to_vec()), None).unwrap();
        relay.take_input().unwrap();
        relay.pass_input(&mut fixture.evidence).unwrap();
        relay.pass_output(&mut fixture.evidence).unwrap();
    }

    #[test]
    fn a_password_reaches_the_program_and_not_the_record() {
        let Some((mut relay, mut fixture, mut client, mut slave)) = terminal() else { return };
        // the kernel treats what was written as the flags say when it gets to it: what a program has read is past that
        let reads = |slave: &mut File, line: &str| {
            let mut buffer = [0; 64];
            let length = slave.read(&mut buffer).unwrap();
            assert_eq!(String::from_utf8_lossy(&buffer[..length]), line);
        };
        types(&mut relay, &mut fixture, &mut client, b"su\n");
        reads(&mut slave, "su\n");
        slave.write_all(b"Password: ").unwrap();
        set(&slave, |modes| modes.remove(LocalModes::ECHO));
        types(&mut relay, &mut fixture, &mut client, b"hunter2\n");
        reads(&mut slave, "hunter2\n");
        set(&slave, |modes| modes.insert(LocalModes::ECHO));
        types(&mut relay, &mut fixture, &mut client, b"id\n");
        reads(&mut slave, "id\n");
        relay.pass_output(&mut fixture.evidence).unwrap();
        let (input, output, _, events) = fixture.read();
        assert_eq!(input, b"su\nid\n");
        assert_eq!(events, [EventKind::Masked { bytes: 8 }]);
        assert!(!output.windows(7).any(|w| w == b"hunter2"), "{}", String::from_utf8_lossy(&output));
    }

    #[test]
    fn a_megabyte_is_pasted_whole() {
        let Some((mut relay, mut fixture, mut client, mut slave)) = terminal() else { return };
        set(&slave, |modes| modes.remove(LocalModes::ECHO | LocalModes::ICANON));
        let line = [&b"x".repeat(79)[..], b"\n"].concat();
        let paste = line.repeat(1024 * 1024 / 80);
        for chunk in paste.chunks(CHUNK_MAX) {
            client.send(&ToKeeper::Input(chunk.to_vec()), None).unwrap();
        }
        let reader = std::thread::spawn(move || {
            let (mut heard, mut buffer) = (0, vec![0; 64 * 1024]);
            while heard < 1024 * 1024 / 80 * 80 {
                heard += slave.read(&mut buffer).unwrap();
            }
            heard
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        while !reader.is_finished() {
            assert!(Instant::now() < deadline, "the paste is stuck");
            client.flush().unwrap();
            relay.take_input().unwrap();
            relay.pass_input(&mut fixture.evidence).unwrap();
            relay.pass_output(&mut fixture.evidence).unwrap();
        }
        assert_eq!(reader.join().unwrap(), paste.len());
        assert_eq!(fixture.read().0, paste);
    }

    #[test]
    fn what_was_written_last_is_said_after_the_program_has_gone() {
        let Some((mut relay, mut fixture, client, mut slave)) = terminal() else { return };
        slave.write_all(b"the last words").unwrap();
        drop(slave);
        relay.pass_last_output(&mut fixture.evidence).unwrap();
        relay.pass_last_output(&mut fixture.evidence).unwrap();
        assert!(relay.terminal().is_none(), "hung up");
        let mut heard = Vec::new();
        while let Ok(Received::Message(FromKeeper::Output(bytes), _)) = client.receive(&mut Intake::new()) {
            heard.extend(bytes);
        }
        assert_eq!(heard, b"the last words");
    }
}
