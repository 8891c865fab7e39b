//! `portcullis session play`: the recording is fetched whole, checked frame by frame while it is shown, and filtered so
//! that it can draw on this terminal and do nothing else to it.

use super::api::{Api, As};
use super::{CliError, Desk, Outcome};
use anyhow::Context as _;
use portcullis_model::id::SessionId;
use portcullis_recording::{Player, Reader, Source, Speed, Tail};
use std::io::{Seek as _, Write as _};
use std::time::Duration;

pub(super) async fn run(desk: &Desk, id: &SessionId, speed: f64, idle_limit: Option<f64>) -> Result<Outcome, CliError> {
    let speed = Speed::try_from(speed).map_err(|error| CliError::Usage(format!("--speed: {error}")))?;
    let idle_limit = match idle_limit.map(Duration::try_from_secs_f64) {
        None => None,
        Some(Ok(limit)) => Some(limit),
        Some(Err(_)) => return Err(CliError::Usage("--idle-limit takes a number of seconds, 0 or more".to_owned())),
    };
    let file = fetch(desk, id).await?;
    let reader = Reader::new(Source::from(file)).context("the recording cannot be read")?;
    let mut player = Player::new(reader, speed, idle_limit);
    let shown = show(&mut player).await;
    // whatever happened, the viewer gets the terminal back as it was
    write(&player.restore())?;
    shown?;
    match player.reader().tail() {
        Some(Tail::Closed) => Ok(Outcome::Done),
        _ => {
            let _ = writeln!(std::io::stderr(), "\nportcullis: the recording is not closed: the session runs, or was cut off here");
            Ok(Outcome::Done)
        }
    }
}

/// The whole recording, in a file without a name.
pub(super) async fn fetch(desk: &Desk, id: &SessionId) -> Result<std::fs::File, CliError> {
    let mut response = Api::new(desk, As::Auditor)?.download(&format!("/v1/sessions/{id}/recording")).await?;
    let mut file = tempfile::tempfile().context("no room for the recording")?;
    while let Some(chunk) = response.chunk().await.context("the recording broke off")? {
        file.write_all(&chunk).context("no room for the recording")?;
    }
    file.rewind()?;
    Ok(file)
}

async fn show(player: &mut Player) -> Result<(), CliError> {
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    for step in player.by_ref() {
        let step = step.context("the recording is damaged")?;
        tokio::select! {
            () = tokio::time::sleep(step.delay) => {}
            _ = &mut interrupt => return Ok(()),
        }
        write(&step.bytes)?;
    }
    Ok(())
}

fn write(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
