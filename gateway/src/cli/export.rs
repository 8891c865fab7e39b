//! `portcullis session export`: the recording is fetched whole, checked frame by frame, and written in the form of another program.
//!
//! Nothing is written over, and what is written is for its owner alone.

use super::play::fetch;
use super::screen::shown;
use super::{CliError, Desk, Outcome};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use portcullis_model::id::SessionId;
use portcullis_recording::export::asciicast::{self, Version};
use portcullis_recording::export::{Exported, Keys, Output, iolog, tlog, transcript};
use portcullis_recording::{Damage, Reader};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What other programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// asciicast 3: asciinema 3 and its player
    Cast,
    /// asciicast 2: older asciinema, Debian 12's too
    CastV2,
    /// Plain text: the screen, line by line, between what was decided
    Transcript,
    /// tlog's messages: tlog-play --reader=file --file-path=FILE
    Tlog,
    /// A folder as sudo's: sudoreplay -d PARENT FOLDER
    Iolog,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    id: SessionId,
    /// The form
    #[arg(long, value_enum, default_value_t = Form::Cast)]
    form: Form,
    /// Where to; a file, or for iolog a folder, which is not there yet. Standard output without it
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Also what was typed, as far as the terminal echoed
    #[arg(long)]
    keys: bool,
    /// Every byte of the output, even what makes a viewer's terminal act: for programs, not for screens
    #[arg(long)]
    raw: bool,
}

pub(super) async fn run(desk: &Desk, export: Export) -> Result<Outcome, CliError> {
    let Export { id, form, output: place, keys, raw } = export;
    let keys = if keys { Keys::Included } else { Keys::LeftOut };
    let output = if raw { Output::AsItWas } else { Output::Drawing };
    if form == Form::Transcript && raw {
        return Err(CliError::Usage("--raw is for films; a transcript is text".to_owned()));
    }
    if form == Form::Transcript && keys == Keys::Included {
        return Err(CliError::Usage("--keys is for films; a transcript has what was typed as the screen showed it".to_owned()));
    }
    if raw && place.is_none() && io::stdout().is_terminal() {
        return Err(CliError::Usage("--raw writes what makes a terminal act; it goes into a file: add -o FILE".to_owned()));
    }
    let folder = match (form, &place) {
        (Form::Iolog, Some(folder)) => Some(folder.clone()),
        (Form::Iolog, None) => return Err(CliError::Usage("this form is a folder: add -o FOLDER".to_owned())),
        _ => None,
    };
    // before the recording is fetched, so that a name that is taken is said at once
    let out: Box<dyn Write> = match (&folder, &place) {
        (Some(folder), _) if folder.exists() => return Err(taken(folder)),
        (Some(_), _) => Box::new(io::sink()),
        (None, Some(file)) => Box::new(create(file)?),
        (None, None) => Box::new(io::stdout()),
    };
    let mut out = BufWriter::new(out);
    let recording = fetch(desk, &id).await?;
    let mut reader = Reader::new(BufReader::new(recording)).context("the recording cannot be read")?;
    let exported = match (form, folder) {
        (_, Some(folder)) => iolog::export(&mut reader, keys, output, &folder),
        (Form::CastV2, _) => asciicast::export(&mut reader, Version::V2, keys, output, &mut out),
        (Form::Transcript, _) => transcript::export(&mut reader, &mut out),
        (Form::Tlog, _) => tlog::export(&mut reader, keys, output, &mut out),
        (Form::Cast | Form::Iolog, _) => asciicast::export(&mut reader, Version::V3, keys, output, &mut out),
    };
    out.flush().context("cannot write the export")?;
    Ok(told(&exported.context("the session was not exported")?))
}

fn told(exported: &Exported) -> Outcome {
    let (outcome, words) = match &exported.damage {
        None => return Outcome::Done,
        Some(Damage::NotClosed) => (Outcome::Done, "the recording is not closed: the session runs, or was cut off here".to_owned()),
        Some(Damage::Torn { at }) => (Outcome::Failed, format!("the recording's last frame, at byte {at}, is not whole; what is before it was exported")),
        Some(Damage::BadFrame { seq, reason }) => (Outcome::Failed, format!("frame {seq} of the recording is not what was written: {}; what is before it was exported", shown(reason))),
    };
    let _ = writeln!(io::stderr(), "portcullis: {words}");
    outcome
}

fn create(file: &Path) -> Result<File, CliError> {
    match File::options().write(true).create_new(true).mode(0o600).open(file) {
        Ok(created) => Ok(created),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken(file)),
        Err(error) => Err(anyhow::Error::new(error).context(format!("cannot write {}", file.display())).into()),
    }
}

fn taken(place: &Path) -> CliError {
    CliError::Usage(format!("{} is there already; nothing is written over", place.display()))
}
