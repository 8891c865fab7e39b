//! A session that was recorded, in the forms of other programs, as those programs read it: asciinema, tlog-play, sudoreplay.

use anyhow::{Context as _, Result, ensure};
use portcullis_tests::{Stage, Terminal};
use std::path::Path;

/// What was drawn, without how.
fn drawn(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

#[test]
fn other_programs_show_what_the_operator_saw() -> Result<()> {
    let stage = Stage::start()?;
    let access = stage.grant("INFRA_DIAG")?;
    let mut terminal = access.terminal()?;
    terminal.expect("$ ")?;
    terminal.line("echo shown-$((40+2)); printf '\\xff\\n'")?;
    terminal.expect("shown-42")?;
    terminal.resize(40, 120)?;
    terminal.expect("$ ")?;
    // answers of a terminal that an operator would have the viewer's shell run
    terminal.line("printf '\\033[6n\\033]52;c;cm0K\\007'; docker run -v /:/mnt debian")?;
    terminal.expect("denied by INFRA_DIAG")?;
    terminal.line("printf '\\033[6n\\033]52;c;cm0K\\007after\\n'")?;
    terminal.expect("after")?;
    terminal.line("exit")?;
    terminal.wait()?;
    let id = stage.sessions()?.first().and_then(|session| session["facts"]["id"].as_str().map(str::to_owned)).context("there is no session")?;
    let folder = stage.folder().join("exports");
    std::fs::create_dir(&folder)?;
    let export = |form: &str, more: &[&str]| -> Result<String> {
        let place = folder.join(form).display().to_string();
        let mut args = vec!["session", "export", &id, "--form", form, "-o", &place];
        args.extend(more);
        let output = stage.cli(&args).output()?;
        ensure!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        let again = stage.cli(&args).output()?;
        ensure!(again.status.code() == Some(2) && String::from_utf8_lossy(&again.stderr).contains("nothing is written over"), "{form}: {again:?}");
        Ok(place)
    };

    let shows = |what: &str, text: &str| -> Result<()> {
        for wanted in ["shown-42", "denied by INFRA_DIAG", "after"] {
            ensure!(text.contains(wanted), "{what} does not show {wanted:?}: {text:?}");
        }
        ensure!(!text.contains("\x1b[6n") && !text.contains("cm0K\x07"), "{what} would make a terminal act: {text:?}");
        Ok(())
    };
    shows("asciinema", &played(&["asciinema", "cat", &export("cast-v2", &[])?])?)?;
    let film = std::fs::read_to_string(export("cast", &["--keys"])?)?;
    let events: Vec<serde_json::Value> = film.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |code: &str| events.iter().skip(1).filter(|event| event[1] == code).filter_map(|event| event[2].as_str()).collect::<Vec<_>>();
    shows("the film", &of("o").concat())?;
    ensure!(of("m").iter().any(|mark| mark.starts_with("denied by") && mark.contains("docker run -v /:/mnt debian")), "{:?}", of("m"));
    ensure!(of("r").contains(&"120x40") && of("i").concat().contains("docker run"), "{film}");

    let tlog = export("tlog", &[])?;
    shows("tlog-play", &played(&["tlog-play", "--reader=file", &format!("--file-path={tlog}"), "--speed=1000"])?)?;

    let iolog = export("iolog", &["--keys"])?;
    let name = Path::new(&iolog).file_name().and_then(|name| name.to_str()).context("a folder has a name")?.to_owned();
    let parent = folder.display().to_string();
    shows("sudoreplay", &played(&["sudoreplay", "-n", "-s", "1000", "-d", &parent, &name])?)?;

    let place = export("transcript", &[])?;
    let transcript = std::fs::read_to_string(&place)?;
    ensure!(transcript.contains("  | shown-42\n") && transcript.contains("DENIED: "), "{transcript}");
    ensure!(!transcript.contains('\x1b'), "{transcript}");
    Ok(())
}

/// What a player draws on a terminal of its own.
fn played(command: &[&str]) -> Result<String> {
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let mut terminal = Terminal::start(&command)?;
    let ended = terminal.wait().with_context(|| format!("{command:?}"))?;
    let shown = drawn(&terminal.bytes());
    ensure!(ended.success(), "{command:?}: {ended}: {shown}");
    Ok(shown)
}
