//! How does a node begin in the place of one that still serves? Everything is tried first, so that little is left to fail.

use std::path::PathBuf;
use std::sync::Arc;

use config::Settings;
use jiff::Timestamp;
use rules::Revision;

use super::Node;
use super::open::{Found, Opening, StartError, open_seal};
use crate::desired::{Desired, keys};
use crate::desk::Desk;
use crate::file::{ConfigFile, Content};
use crate::ledger::{Ledger, Present, compiled, read_stored};
use crate::local::{Kept, LastGood};
use crate::referred::Seen;
use crate::store::Stored;

/// What a node would begin with, if the state were its own.
#[derive(Debug)]
pub struct Rehearsal {
    /// Where the state is.
    pub store: PathBuf,
    /// The settings that the process would start with.
    pub settings: Arc<Settings>,
}

/// Whether the file says something that is not in force yet.
enum News {
    Something(Arc<Settings>),
    Nothing,
}

impl Node {
    /// Reads and compiles what there is while another process has the state. Nothing is written.
    ///
    /// Stricter than [`Node::open`]: a file that is not valid is a reason to leave the other process alone.
    ///
    /// # Errors
    /// When file or state cannot be read, do not compile, or there is no state.
    pub fn rehearse(opening: &Opening) -> Result<Rehearsal, StartError> {
        let found = Found::look(opening);
        let path = found.path.clone();
        let stored = found.peek()?.ok_or_else(|| StartError::NoState(path.clone()))?;
        let present = restored(&found.file, &stored)?;
        let settings = match news(found, &present)? {
            News::Something(settings) => settings,
            News::Nothing => present.compiled.settings,
        };
        Ok(Rehearsal { store: path, settings })
    }

    /// Opens and locks the store that another process has let go, and restores the state. Nothing is stored before
    /// [`Node::serve`]: what the file says beyond the state is taken then.
    ///
    /// # Errors
    /// As [`Node::rehearse`].
    pub fn take_over(opening: &Opening) -> Result<Self, StartError> {
        let found = Found::look(opening);
        let seal = open_seal(&found.path)?;
        let store = found.open_store()?;
        let stored = store.load()?.ok_or_else(|| StartError::NoState(found.path.clone()))?;
        let history = store.newest()?.epoch;
        let present = restored(&found.file, &stored)?;
        tracing::info!(revision = present.revision().0, "the state is taken over");
        let (path, file) = (found.path.clone(), found.file.clone());
        let content = found.content.clone();
        // Whoever watches the file finds news where nothing was known of it.
        let (content, settings) = match news(found, &present)? {
            News::Something(settings) => (Content::Err(String::new()), settings),
            News::Nothing => (content, Arc::clone(&present.compiled.settings)),
        };
        let last_good = store.is_shared().then(|| LastGood::of(&path));
        let ledger = Ledger::new(store, file, present).starting_with(settings).keeping(
            last_good,
            Kept::of(&path),
            history,
        );
        let desk = Arc::new(Desk::new(ledger, seal, Timestamp::now()));
        desk.ledger().take_up_kept();
        let seen = Seen::now(content, &desk.ledger().present().desired.configuration.document);
        Ok(Self { store: path, desk, seen })
    }
}

fn restored(file: &ConfigFile, stored: &Stored) -> Result<Present, StartError> {
    let unread = keys::unread(&stored.values)?;
    let desired = read_stored(file, unread, None).map_err(StartError::Config)?;
    let compiled = compiled(&desired, stored.entry.revision, None).map_err(StartError::Config)?;
    Ok(Present { entry: stored.entry.clone(), desired, compiled })
}

/// What the file would change. One that was passed over stays so until it is another.
fn news(found: Found, present: &Present) -> Result<News, StartError> {
    let written = found.written?;
    if found.content.as_ref().ok() == present.desired.passed_over.as_ref() {
        return Ok(News::Nothing);
    }
    let next = Revision(present.revision().0.saturating_add(1));
    let desired = Desired::under(written, &present.desired.live);
    let compiled = compiled(&desired, next, Some(present)).map_err(StartError::Config)?;
    Ok(News::Something(compiled.settings))
}
