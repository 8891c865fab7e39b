//! Files in and out with the stock clients: `sftp`, `scp`, `scp -O`; what is refused, what is recorded, what a revoke leaves.
#![expect(clippy::indexing_slicing, reason = "a test")]

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::client::finish;
use portcullis_tests::{Access, Output, Stage, StageOptions, wait};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// `sftp -b - ...` with these commands.
fn sftp(access: &Access, commands: &str) -> Result<Output> {
    let batch = access.home.join(format!("batch-{}", commands.len()));
    std::fs::write(&batch, commands)?;
    let mut sftp = Command::new("sftp");
    sftp.arg("-b").arg(&batch).args(options(access)).arg(access.destination()).stdin(Stdio::null());
    finish(sftp)
}

/// The options of ssh as sftp and scp want them.
fn options(access: &Access) -> Vec<String> {
    access.arguments().into_iter().map(|argument| if argument == "-p" { "-P".to_owned() } else { argument }).collect()
}

fn scp(access: &Access, more: &[&str], from: &OsStr, to: &OsStr) -> Result<Output> {
    let mut scp = Command::new("scp");
    scp.args(more).args(options(access)).arg(from).arg(to).stdin(Stdio::null());
    finish(scp)
}

fn remote(access: &Access, path: &str) -> String {
    format!("{}:{path}", access.destination())
}

/// The events of the newest ended session, as JSON lines.
fn events(stage: &Stage) -> Result<Vec<Value>> {
    let id = wait::until("the session to be listed as ended", wait::LONG, || {
        let sessions = stage.sessions().ok()?;
        let newest = sessions.first()?;
        (newest["state"] == "ended").then(|| newest["facts"]["id"].as_str().map(str::to_owned))?
    })?;
    events_of(&stage.data().join("evidence").join(id).join("recording"))
}

/// The events of a recording, read by the format that docs/recording-format.md describes.
fn events_of(recording: &Path) -> Result<Vec<Value>> {
    let mut bytes = Vec::new();
    portcullis_recording::Source::open(recording)?.0.read_to_end(&mut bytes)?;
    let (mut at, mut events) = (80, Vec::new());
    while let Some(head) = bytes.get(at..at + 40) {
        let length = u32::from_le_bytes(head[..4].try_into()?) as usize;
        if head[4] == 1 {
            events.push(serde_json::from_slice(bytes.get(at + 40..at + 40 + length).context("torn")?)?);
        }
        at += 40 + length + 32;
    }
    Ok(events)
}

/// Kinds and paths of the file subjects that were decided on: `read /etc/hostname`, `!write /etc/x` for a refusal.
fn decided(events: &[Value]) -> Vec<String> {
    let one = |event: &Value| {
        let kind = &event["kind"];
        let (sign, decision) = if kind["allowed"].is_object() { ("", &kind["allowed"]) } else { ("!", &kind["denied"]) };
        let file = decision.pointer("/subject/File")?;
        Some(format!("{sign}{} {}", file["kind"].as_str()?.to_lowercase(), file["path"].as_str().map_or_else(|| file["path"].to_string(), str::to_owned)))
    };
    events.iter().filter_map(one).collect()
}

fn transfers(events: &[Value]) -> Vec<&Value> {
    events.iter().map(|event| &event["kind"]["transferred"]).filter(|transferred| transferred.is_object()).collect()
}

fn sha256(path: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(path).output()?;
    Ok(String::from_utf8(output.stdout)?.split(' ').next().context("no digest")?.to_owned())
}

fn random_file(path: &Path, bytes: usize) -> Result<()> {
    let mut data = vec![0; bytes];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut data)?;
    Ok(std::fs::write(path, data)?)
}

#[test]
fn files_go_in_and_come_out_whole_and_are_recorded() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let (here, back) = (access.home.join("here"), access.home.join("back"));
    random_file(&here, 3_000_000)?;
    let script = format!(
        "pwd\nput {0} up\nls -l up\nget up {1}\nmkdir d\nrename up d/up\nsymlink up d/link\nln d/up d/hard\nls -la d\nchmod 600 d/up\nrm d/link\nrm d/hard\nrm d/up\nrmdir d\nget /etc/hostname {1}-name\ndf .\n",
        here.display(),
        back.display()
    );
    let done = sftp(&access, &script)?;
    ensure!(done.status == Some(0), "{done:?}\n{}", stage.output());
    ensure!(done.stdout.contains(&format!("/home/{}", access.account)) && done.stdout.contains("3000000"), "{done:?}");
    ensure!(sha256(&here)? == sha256(&back)?, "the file came back changed");
    let events = events(&stage)?;
    let decided = decided(&events);
    let home = format!("/home/{}", access.account);
    for wanted in [
        format!("write {home}/up"), format!("read {home}/up"), format!("makedirectory {home}/d"), format!("rename {home}/up"), format!("link {home}/d/up"), format!("list {home}/d"),
        format!("setattributes {home}/d/up"), format!("remove {home}/d/link"), format!("remove {home}/d"), "read /etc/hostname".to_owned(),
    ] {
        ensure!(decided.contains(&wanted), "{wanted:?} is not among {decided:#?}");
    }
    let digest = sha256(&here)?;
    let whole = transfers(&events).into_iter().filter(|t| t["moved"]["sha256"] == digest.as_str() && t["moved"]["bytes"] == 3_000_000 && t["end"] == "closed").count();
    ensure!(whole == 2, "{:#?}", transfers(&events));
    let set = events.iter().find_map(|event| event.pointer("/kind/allowed/subject/File/attributes").filter(|set| set.is_object())).context("no attributes are recorded")?;
    ensure!(set["mode"] == 0o600, "{set}");
    // the same for people
    let id = stage.sessions()?.first().and_then(|newest| newest["facts"]["id"].as_str().map(str::to_owned)).context("no session")?;
    let shown = finish(stage.cli(&["session", "show", &id]))?;
    for wanted in [format!("3000000 bytes, SHA-256 {digest}, closed"), format!("SetAttributes {home}/d/up (mode 0600)"), format!("Rename {home}/up -> {home}/d/up")] {
        ensure!(shown.stdout.contains(&wanted), "{wanted:?} is not in {}", shown.all());
    }
    // the protocol's bytes are counted, not kept
    let carried = events.iter().find(|event| event["kind"]["carried"].is_object()).context("nothing was carried")?;
    ensure!(carried["kind"]["carried"]["input"].as_u64() > Some(3_000_000) && carried["kind"]["carried"]["output"].as_u64() > Some(3_000_000), "{carried}");
    Ok(())
}

#[test]
fn scp_works_in_both_modes_and_no_shell_reads_the_name() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let tree = access.home.join("tree");
    std::fs::create_dir_all(tree.join("inner"))?;
    random_file(&tree.join("a"), 700_000)?;
    std::fs::write(tree.join("inner/b"), "b")?;
    std::fs::write(tree.join("inner/empty"), "")?;
    for mode in ["-s", "-O"] {
        let up = scp(&access, &[mode, "-r", "-p"], tree.as_os_str(), OsStr::new(&remote(&access, &format!("tree{mode}"))))?;
        ensure!(up.status == Some(0), "{mode}: {up:?}\n{}", stage.output());
        let decided = decided(&events(&stage)?);
        ensure!(decided.iter().any(|d| d == &format!("write /home/{}/tree{mode}/inner/b", access.account)), "{mode}: {decided:#?}");
        let down = access.home.join(format!("down{mode}"));
        let out = scp(&access, &[mode, "-p"], OsStr::new(&remote(&access, "/etc/hostname")), down.as_os_str())?;
        ensure!(out.status == Some(0) && std::fs::read(&down)? == std::fs::read("/etc/hostname")?, "{mode}: {out:?}");
        let all = access.home.join(format!("all{mode}"));
        let out = scp(&access, &[mode, "-r"], OsStr::new(&remote(&access, "/etc/ssl/certs")), all.as_os_str())?;
        ensure!(out.status == Some(0) || out.stderr.contains("No such file"), "{mode}: {out:?}");
        // refused: the module and the rule are named, the file is not there
        let refused = scp(&access, &[mode], tree.join("a").as_os_str(), OsStr::new(&remote(&access, "/etc/x")))?;
        ensure!(refused.status != Some(0) && refused.stderr.contains("denied by INFRA_DIAG@") && refused.stderr.contains("rule file-write"), "{mode}: {refused:?}");
    }
    // with the old protocol the name would be the shell's to expand: here it is a name
    for name in ["$(touch /tmp/ran)", "`id`", "a;id", "*", "a b"] {
        let refused = scp(&access, &["-O"], OsStr::new(&remote(&access, name)), access.home.join("never").as_os_str())?;
        ensure!(refused.status != Some(0) && refused.stderr.contains("No such file"), "{name}: {refused:?}");
        ensure!(!refused.all().contains("uid="), "{refused:?}");
    }
    // rsync is a program like any other, and not one that is allowed
    let rsync = access.run_with_input(&["rsync --server -logDtpre.iLsfxCIvu . /tmp/x"], b"")?;
    ensure!(rsync.status == Some(126) && rsync.stdout.is_empty(), "{rsync:?}");
    ensure!(rsync.stderr.lines().count() == 1 && rsync.stderr.starts_with("portcullis: denied by INFRA_DIAG@"), "{rsync:?}");
    Ok(())
}

#[test]
fn what_leads_out_is_judged_where_it_leads() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let here = access.home.join("one");
    std::fs::write(&here, "one")?;
    // each line alone: the first failure of a batch ends it
    for (line, refused) in [
        (format!("put {} /etc/x", here.display()), Some("!write /etc/x")),
        (format!("put {} ../../etc/x", here.display()), Some("!write /etc/x")),
        (format!("put {} /tmp/../etc/./x", here.display()), Some("!write /etc/x")),
        (format!("symlink /etc/hostname l\nput {} l", here.display()), None),
        ("mkdir /etc/d".to_owned(), Some("!makedirectory /etc/d")),
        ("rm /etc/hostname".to_owned(), Some("!remove /etc/hostname")),
        ("rename /etc/hostname h".to_owned(), Some("!rename /etc/hostname")),
        ("chmod 777 /etc/hostname".to_owned(), Some("!setattributes /etc/hostname")),
        ("ln /etc/hostname h".to_owned(), Some("!link /etc/hostname")),
    ] {
        let done = sftp(&access, &format!("{line}\n"))?;
        ensure!(done.status != Some(0) && done.stderr.contains("denied by INFRA_DIAG@") && done.stderr.contains("rule file-write"), "{line}: {done:?}");
        let decided = decided(&events(&stage)?);
        ensure!(refused.is_none_or(|refused| decided.iter().any(|d| d == refused)), "{line}: {decided:?}");
    }
    // a link of /proc is not a name
    let done = sftp(&access, &format!("get /proc/self/fd/0 {0}\n", access.home.join("never").display()))?;
    ensure!(done.status != Some(0), "{done:?}");
    let done = sftp(&access, &format!("get /proc/self/root/etc/hostname {0}\n", access.home.join("never").display()))?;
    ensure!(done.status != Some(0), "{done:?}");
    Ok(())
}

/// A raw SFTP session: packets as they are given, replies as they come.
struct Raw {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Raw {
    fn start(access: &Access) -> Result<Self> {
        let mut raw = Self::start_silent(access)?;
        raw.send(1, &[&3_u32.to_be_bytes()])?;
        ensure!(raw.reply()?.first() == Some(&2), "no version");
        Ok(raw)
    }

    fn start_silent(access: &Access) -> Result<Self> {
        let mut child = access.ssh(&["-s"], &["sftp"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take().context("no output")?);
        Ok(Self { child, input, output })
    }

    fn send(&mut self, kind: u8, fields: &[&[u8]]) -> Result<()> {
        let body: Vec<u8> = fields.concat();
        let packet = [&u32::try_from(body.len() + 1)?.to_be_bytes()[..], &[kind], &body].concat();
        Ok(self.input.as_mut().context("closed")?.write_all(&packet)?)
    }

    fn reply(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length)?;
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        self.output.read_exact(&mut packet)?;
        Ok(packet)
    }

    /// Sends a request and gives the status of its reply: the code, or -1 for a reply of another kind.
    fn status(&mut self, kind: u8, fields: &[&[u8]]) -> Result<i64> {
        self.send(kind, &[&[&7_u32.to_be_bytes()[..]], fields].concat())?;
        let reply = self.reply()?;
        ensure!(reply.get(1..5) == Some(&7_u32.to_be_bytes()[..]), "a reply to nothing: {reply:?}");
        Ok(if reply[0] == 101 { i64::from(u32::from_be_bytes(reply[5..9].try_into()?)) } else { -1 })
    }

    /// Opens a file; its handle.
    fn open(&mut self, path: &[u8], flags: u32) -> Result<Vec<u8>> {
        self.send(3, &[&7_u32.to_be_bytes(), &string(path), &flags.to_be_bytes(), &0_u32.to_be_bytes()])?;
        let reply = self.reply()?;
        ensure!(reply[0] == 102, "not opened: {reply:?}");
        Ok(reply[9..].to_vec())
    }

    /// Ends the client's side and waits; what was said on standard error.
    fn finish(mut self) -> Result<(Option<i32>, String)> {
        drop(self.input.take());
        let output = self.child.wait_with_output()?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes()[..], bytes].concat()
}

#[test]
fn names_are_bytes() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let here = access.home.join(OsStr::from_bytes(b"\xff\xfe name\x1b[2J"));
    random_file(&here, 1000)?;
    let up = scp(&access, &["-O"], here.as_os_str(), OsStr::new(&remote(&access, "/tmp/")))?;
    ensure!(up.status == Some(0), "{up:?}");
    let recorded = events(&stage)?;
    let raw = |event: &Value| event.pointer("/kind/allowed/subject/File/path/base64").is_some();
    ensure!(recorded.iter().any(raw), "the name is not recorded as bytes: {:#?}", decided(&recorded));
    let mut sftp = Raw::start(&access)?;
    let name = b"/tmp/\xff\xfe\n";
    let handle = sftp.open(name, 2 | 8)?;
    ensure!(sftp.status(6, &[&string(&handle), &0_u64.to_be_bytes(), &string(b"abc")])? == 0);
    ensure!(sftp.status(4, &[&string(&handle)])? == 0);
    ensure!(sftp.status(17, &[&string(name)])? == -1, "its attributes");
    ensure!(sftp.status(13, &[&string(name)])? == 0);
    ensure!(sftp.status(17, &[&string(b"/tmp/\0x")])? == 4, "a NUL byte");
    ensure!(sftp.finish()?.0 == Some(0));
    Ok(())
}

#[test]
fn nonsense_is_answered_or_ends_the_session_and_nothing_else() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut sftp = Raw::start(&access)?;
    // a cut field, one too many, an unknown type, an unknown extension, a handle of nobody's
    ensure!(sftp.status(17, &[&[0, 0, 0, 9, b'x']])? == 5);
    ensure!(sftp.status(17, &[&string(b"/tmp"), b"more"])? == 5);
    ensure!(sftp.status(99, &[b"anything"])? == 8);
    ensure!(sftp.status(200, &[&string(b"no-such@example.com"), b"x"])? == 8);
    ensure!(sftp.status(5, &[&string(b"\0\0\0\x09"), &0_u64.to_be_bytes(), &5_u32.to_be_bytes()])? == 4);
    ensure!(sftp.status(4, &[&string(b"")])? == 4);
    ensure!(sftp.status(17, &[&string(b"/tmp")])? == -1, "it goes on");
    ensure!(sftp.finish()?.0 == Some(0));
    for begin in [&b"\0\0\0\0"[..], b"\xff\xff\xff\xff", b"\0\x04\0\x01", b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\x05\x11\0\0\0\x01", b"\0\0\0\x01\x01"] {
        let mut sftp = Raw::start_silent(&access)?;
        // it may have ended before all of it is written
        let _ = sftp.input.as_mut().context("no input")?.write_all(begin);
        let (status, said) = sftp.finish()?;
        ensure!(status == Some(1) && said.lines().count() == 1 && said.starts_with("portcullis: "), "{begin:?}: {status:?} {said}");
    }
    Ok(())
}

#[test]
fn ten_thousand_handles_and_a_huge_folder_are_bounded() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut sftp = Raw::start(&access)?;
    let mut open = 0;
    for _ in 0..10_000 {
        match sftp.status(3, &[&string(b"/etc/hostname"), &1_u32.to_be_bytes(), &0_u32.to_be_bytes()])? {
            -1 => open += 1,
            status => ensure!(status == 4, "{status}"),
        }
    }
    ensure!(open == 512, "{open} are open");
    for n in 0..3000 {
        let status = sftp.status(14, &[&string(format!("/tmp/{n:0>200}").as_bytes()), &0_u32.to_be_bytes()])?;
        ensure!(status == 0, "{n}: {status}");
    }
    ensure!(sftp.status(4, &[&string(&0_u32.to_be_bytes())])? == 0);
    sftp.send(11, &[&7_u32.to_be_bytes(), &string(b"/tmp")])?;
    let handle = sftp.reply()?[9..].to_vec();
    let mut entries = 0;
    loop {
        sftp.send(12, &[&7_u32.to_be_bytes(), &string(&handle)])?;
        let reply = sftp.reply()?;
        if reply[0] == 101 {
            break;
        }
        ensure!(reply.len() < 256 * 1024, "{} bytes", reply.len());
        entries += u32::from_be_bytes(reply[5..9].try_into()?);
    }
    ensure!(entries == 3002, "{entries}");
    ensure!(sftp.finish()?.0 == Some(0));
    Ok(())
}

#[test]
fn a_revoke_in_the_middle_of_an_upload_is_on_record() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut sftp = Raw::start(&access)?;
    let handle = sftp.open(b"/tmp/half", 2 | 8)?;
    let piece = vec![b'x'; 128 * 1024];
    for n in 0..80_u64 {
        ensure!(sftp.status(6, &[&string(&handle), &(n * 128 * 1024).to_be_bytes(), &string(&piece)])? == 0);
    }
    let receipt = stage.revoke(&access)?;
    ensure!(receipt.survivors == 0 && receipt.killed >= 1, "{receipt:?}");
    let (status, _) = sftp.finish()?;
    ensure!(status != Some(0), "{status:?}");
    let events = events(&stage)?;
    let cut: Vec<_> = transfers(&events).into_iter().filter(|t| t["end"] == "cut").collect();
    ensure!(cut.len() == 1 && cut[0]["moved"]["bytes"].as_u64() >= Some(8 * 1024 * 1024), "{:#?}", transfers(&events));
    // a client that leaves without closing has not sent a whole file either
    let access = stage.grant("INFRA_DIAG")?;
    let mut sftp = Raw::start(&access)?;
    let handle = sftp.open(b"/tmp/half", 2 | 8)?;
    ensure!(sftp.status(6, &[&string(&handle), &0_u64.to_be_bytes(), &string(b"abc")])? == 0);
    sftp.finish()?;
    let events = self::events(&stage)?;
    let cut: Vec<_> = transfers(&events).into_iter().filter(|t| t["end"] == "cut" && t["moved"]["bytes"] == 3).collect();
    ensure!(cut.len() == 1, "{:#?}", transfers(&events));
    Ok(())
}

#[test]
fn a_full_home_is_an_error_that_is_told() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let big = access.home.join("big");
    std::fs::File::create(&big)?.set_len(100 * 1024 * 1024)?;
    for mode in ["-s", "-O"] {
        let full = scp(&access, &[mode], big.as_os_str(), OsStr::new(&remote(&access, "big")))?;
        ensure!(full.status != Some(0), "{mode}: {full:?}");
    }
    // what has come of it is there, until it is removed
    ensure!(sftp(&access, "rm big\n")?.status == Some(0));
    let small = access.home.join("small");
    random_file(&small, 1000)?;
    ensure!(scp(&access, &[], small.as_os_str(), OsStr::new(&remote(&access, "small")))?.status == Some(0));
    Ok(())
}

#[test]
fn what_is_no_file_is_neither_waited_for_nor_transferred() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: sessions share a folder only where Portcullis runs as root");
        return Ok(());
    }
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant("INFRA_FULL")?;
    let made = "import os, socket; os.mkfifo('/tmp/pipe'); socket.socket(socket.AF_UNIX).bind('/tmp/socket'); os.symlink('/tmp/pipe', '/tmp/to-pipe'); os.symlink('/proc/self/fd/0', '/tmp/to-fd'); \
        os.symlink('/tmp/loop', '/tmp/loop'); os.symlink('/proc/1/root/etc/passwd', '/tmp/to-root')";
    let made = access.run_with_input(&["/usr/bin/python3 -"], made.as_bytes())?;
    ensure!(made.status == Some(0), "{made:?}");
    let mut sftp = Raw::start(&access)?;
    let names = [
        "/tmp/pipe", "/tmp/to-pipe", "/tmp/socket", "/tmp/to-fd", "/tmp/to-root", "/tmp/loop", "/dev/zero", "/dev/full", "/dev/tty", "/dev/stdin", "/dev/fd/0", "/dev/pts/ptmx", "/dev/ptmx", "/proc/self/fd/0",
        "/proc/self/exe", "/proc/self/root/etc/passwd", "/proc/self/cwd/x", "/proc/1/mem", "/proc/1/environ", "/proc/kmsg", "/proc/kcore", "/proc/sysrq-trigger", "/tmp", "/",
    ];
    for name in names {
        // to be read, to be written, both and emptied, made anew
        for flags in [1_u32, 2, 1 | 2 | 8 | 16, 2 | 8 | 32] {
            let status = sftp.status(3, &[&string(name.as_bytes()), &flags.to_be_bytes(), &0_u32.to_be_bytes()]);
            ensure!(matches!(status, Ok(2..=4)), "{name}, flags {flags}: {status:?}");
        }
        // another name for it, in the folder that can be written to
        let link = [string(b"hardlink@openssh.com"), string(name.as_bytes()), string(b"/tmp/hard")].concat();
        let linked = sftp.status(200, &[&link])?;
        ensure!(linked != 0, "{name} has another name now");
    }
    // the server is there for what is a file
    let handle = sftp.open(b"/tmp/file", 2 | 8)?;
    ensure!(sftp.status(4, &[&string(&handle)])? == 0);
    ensure!(sftp.finish()?.0 == Some(0));
    Ok(())
}

#[test]
fn nothing_is_judged_by_nobody() -> Result<()> {
    let stage = Stage::with(&StageOptions::from_environment()?)?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut sftp = Raw::start(&access)?;
    ensure!(sftp.status(17, &[&string(b"/tmp")])? == -1);
    let judge = portcullis_tests::stage::processes_with(&stage.program("portcullis-judge").display().to_string());
    for pid in judge {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("no pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    }
    wait::until("a refusal without a judge", wait::LONG, || (sftp.status(17, &[&string(b"/tmp")]).ok()? == 3).then_some(()))?;
    wait::until("the judge to be back", wait::LONG, || (sftp.status(17, &[&string(b"/tmp")]).ok()? == -1).then_some(()))?;
    let (_, said) = sftp.finish()?;
    ensure!(said.contains("judge"), "{said}");
    Ok(())
}

/// In a session: `name` is by turns a file, and a link to what must not be reached, until `stop` is there.
const SWAPS: &str = r"
import os
name, kept, forbidden, stop = '/tmp/name', '/tmp/kept', '/tmp/FORBIDDEN', '/tmp/stop'
os.makedirs(forbidden, exist_ok=True)
os.makedirs('/tmp/good', exist_ok=True)
for folder in (forbidden, '/tmp/good'):
    with open(folder + '/file', 'w') as file:
        file.write('untouched')
with open(kept, 'w') as file:
    file.write('kept')
os.symlink(forbidden + '/file', '/tmp/link')
os.symlink('/tmp/good', '/tmp/folder')
print('ready', flush=True)
n = 0
while not os.path.exists(stop):
    n += 1
    # what has the name is always a file or a link, never nothing
    os.link(kept, '/tmp/next')
    os.rename('/tmp/next', name)
    os.symlink(forbidden + '/file', '/tmp/next')
    os.rename('/tmp/next', name)
    for to in (forbidden, '/tmp/good'):
        os.symlink(to, '/tmp/next-folder')
        os.rename('/tmp/next-folder', '/tmp/folder')
assert n > 100, n
with open(forbidden + '/file') as file:
    print('after', n > 100, file.read(), sorted(os.listdir(forbidden)))
";

#[test]
fn names_that_are_swapped_by_another_session_lead_nowhere() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: sessions share a folder only where Portcullis runs as root");
        return Ok(());
    }
    let stage = Stage::with(&StageOptions::from_environment()?.with_canary()?)?;
    let access = stage.grant("INFRA_FULL")?;
    let mut swapper = access.ssh(&[], &["/usr/bin/python3 -"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    swapper.stdin.take().context("no input")?.write_all(SWAPS.as_bytes())?;
    let mut ready = [0; 6];
    swapper.stdout.as_mut().context("no output")?.read_exact(&mut ready)?;
    let mut sftp = Raw::start(&access)?;
    ensure!(sftp.status(3, &[&string(b"/tmp/FORBIDDEN/file"), &1_u32.to_be_bytes(), &0_u32.to_be_bytes()])? == 3, "the module does not refuse it");
    let (mut opened, mut refused) = (0, 0);
    for n in 0..600_u32 {
        // to write, emptied; to read; new in a folder; removed; renamed into; attributes
        let file = |name: &str| string(name.as_bytes());
        let new = file(&format!("/tmp/folder/new{n}"));
        for (flags, name) in [(2 | 16, file("/tmp/name")), (1, file("/tmp/name")), (2 | 8 | 16, file("/tmp/folder/file")), (2 | 8 | 32, new.clone())] {
            sftp.send(3, &[&7_u32.to_be_bytes(), &name, &u32::to_be_bytes(flags), &0_u32.to_be_bytes()])?;
            let reply = sftp.reply()?;
            if reply[0] != 102 {
                refused += 1;
                continue;
            }
            opened += 1;
            let handle = reply[9..].to_vec();
            if flags == 1 {
                sftp.send(5, &[&7_u32.to_be_bytes(), &string(&handle), &0_u64.to_be_bytes(), &100_u32.to_be_bytes()])?;
                let read = sftp.reply()?;
                ensure!(!read.ends_with(b"untouched"), "what must not be read was read");
            } else {
                sftp.status(6, &[&string(&handle), &0_u64.to_be_bytes(), &string(b"evil")])?;
            }
            sftp.status(4, &[&string(&handle)])?;
        }
        sftp.status(13, &[&new])?;
        sftp.status(18, &[&file("/tmp/kept2"), &file("/tmp/folder/renamed")])?;
        sftp.status(9, &[&file("/tmp/name"), &1_u32.to_be_bytes(), &0_u64.to_be_bytes()])?;
    }
    let handle = sftp.open(b"/tmp/stop", 2 | 8)?;
    sftp.status(4, &[&string(&handle)])?;
    sftp.finish()?;
    let output = swapper.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("after True untouched ['file']"), "{said}");
    ensure!(opened > 50 && refused > 50, "the race was not one: {opened} opened, {refused} refused");
    Ok(())
}
