//! Where recordings come from: a folder of evidence, or the controller.

use super::super::super::api::{Api, As};
use super::super::super::{CliError, Desk};
use anyhow::Context as _;
use portcullis_control::api::types::{Page, SessionView};
use portcullis_policy::Module;
use portcullis_recording::{FILE_NAME, Source as Bytes};
use std::collections::VecDeque;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// A recording's name, and its bytes or why there are none.
pub(super) type Recording = (String, Result<Bytes, String>);

/// Recordings, one after another.
pub(super) enum Source {
    Folder(Folder),
    Archive(Archive),
}

impl Source {
    /// The next one.
    pub(super) async fn next(&mut self, module: &Module) -> Result<Option<Recording>, CliError> {
        match self {
            Self::Folder(folder) => Ok(folder.next()),
            Self::Archive(archive) => archive.next(module).await,
        }
    }
}

/// A folder with one folder for each session.
pub(super) struct Folder(VecDeque<PathBuf>);

impl Folder {
    pub(super) fn open(folder: &Path) -> Result<Self, CliError> {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = entries.with_context(|| format!("cannot read the folder of evidence {}", folder.display()))?;
        let mut sessions: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        sessions.sort();
        if sessions.is_empty() {
            return Err(anyhow::anyhow!("{} holds no sessions", folder.display()).into());
        }
        Ok(Self(sessions.into()))
    }

    fn next(&mut self) -> Option<Recording> {
        let session = self.0.pop_front()?;
        let name = session.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // a link, which could lead out of the evidence, is not followed
        Some((name, Bytes::open(&session.join(FILE_NAME)).map(|(bytes, _)| bytes).map_err(|error| error.to_string())))
    }
}

/// The controller's recordings.
pub(super) struct Archive {
    api: Api,
    page: VecDeque<SessionView>,
    after: Option<String>,
    last: bool,
}

impl Archive {
    pub(super) fn open(desk: &Desk) -> Result<Self, CliError> {
        Ok(Self { api: Api::new(desk, As::Auditor)?, page: VecDeque::new(), after: None, last: false })
    }

    async fn next(&mut self, module: &Module) -> Result<Option<Recording>, CliError> {
        loop {
            let Some(session) = self.page.pop_front() else {
                if self.last {
                    return Ok(None);
                }
                let after = self.after.take().map_or(String::new(), |after| format!("&after={after}"));
                let Page { items, next } = self.api.get::<Page<SessionView>>(&format!("/v1/sessions?limit=200{after}")).await?;
                self.last = next.is_none();
                (self.page, self.after) = (items.into(), next);
                continue;
            };
            let facts = &session.facts;
            // what is of another action is not worth the way
            if module.is_for(facts.action, facts.role) {
                let name = facts.id.to_string();
                let fetched = self.fetch(&name).await.map_err(|error| format!("{error:#}"));
                return Ok(Some((name, fetched)));
            }
        }
    }

    async fn fetch(&self, id: &str) -> Result<Bytes, CliError> {
        let mut response = self.api.download(&format!("/v1/sessions/{id}/recording")).await?;
        let mut file = tempfile::tempfile().context("no room for the recording")?;
        while let Some(chunk) = response.chunk().await.context("the recording broke off")? {
            file.write_all(&chunk).context("no room for the recording")?;
        }
        file.rewind()?;
        Ok(file.into())
    }
}
