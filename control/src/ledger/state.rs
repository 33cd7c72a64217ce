//! How is a state read? A configuration given as text, a revision from the store, and what both are compiled to.

use std::sync::Arc;

use config::{Compiled, Live, Problems, compile};
use jiff::Timestamp;
use rules::Revision;

use super::{Declined, Ledger, Present};
use crate::command::Configuration;
use crate::desired::{self, Desired, keys};
use crate::file::ConfigFile;
use crate::store::Stored;

impl Ledger {
    /// A configuration's text, read as if it stood in the file.
    ///
    /// # Errors
    /// When it is not a configuration.
    pub fn configuration(&self, text: Arc<str>, now: Timestamp) -> Result<Configuration, Problems> {
        let document = Arc::new(self.file.read(&text)?);
        Ok(Configuration { text, document, accepted_unix: now.as_second(), from_file: false })
    }

    /// The state of a revision; none where there is no such revision.
    ///
    /// # Errors
    /// When it cannot be loaded, or its configuration refers to what is no longer there.
    pub fn state_of(&self, revision: Revision) -> Result<Option<Desired>, Declined> {
        let Some(stored) = self.stored(revision)? else { return Ok(None) };
        self.read(&stored, Some(&self.present().desired)).map(Some)
    }

    pub(super) fn read(
        &self,
        stored: &Stored,
        known: Option<&Desired>,
    ) -> Result<Desired, Declined> {
        let unread = keys::unread(&stored.values)?;
        read_stored(&self.file, unread, known).map_err(Declined::Invalid)
    }
}

/// Reads the configuration of a stored state. Where the text is that of a known state, so is the document.
pub(crate) fn read_stored(
    file: &ConfigFile,
    unread: keys::Unread,
    known: Option<&Desired>,
) -> Result<Desired, Problems> {
    let keys::Unread { text, accepted_unix, live, rollouts, steady, passed_over } = unread;
    let known = known.map(|known| &known.configuration).filter(|known| known.text == text);
    let document = match known {
        Some(known) => Arc::clone(&known.document),
        None => Arc::new(file.read(&text)?),
    };
    let from_file = passed_over.is_none();
    let configuration = Configuration { text, document, accepted_unix, from_file };
    let (rollouts, steady) = (Arc::new(rollouts), Arc::new(steady));
    Ok(Desired { configuration, live, rollouts, steady, passed_over })
}

/// Compiles a desired state. The clock is that of the configuration's acceptance: a sunset that has passed since then
/// must not stop a rollback or a restart.
pub(crate) fn compiled(
    desired: &Desired,
    revision: Revision,
    previous: Option<&Present>,
) -> Result<Compiled, Problems> {
    let Configuration { document, accepted_unix, .. } = &desired.configuration;
    let previous = previous.map(|previous| &previous.compiled);
    let counting = desired::counting(desired);
    if counting.is_empty() {
        return compile(document, &desired.live, revision, previous, *accepted_unix);
    }
    let live = Live { counting: Arc::new(counting), ..desired.live.clone() };
    compile(document, &live, revision, previous, *accepted_unix)
}
