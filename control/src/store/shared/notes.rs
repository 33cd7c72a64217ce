//! How are notes kept in Redis? Each kind in a hash of its own, beside a set that says when they end; those that stay in one.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::cmd;

use super::scripts::{KEEP, NOTE, NOTES};
use super::store::{Shared, failed};
use crate::store::{Change, MAX_NOTES, StoreError};

/// Whether a note goes into the place of another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Only where there is none.
    Free,
    /// In any case.
    Any,
}

impl Shared {
    /// Keeps a note; gives the one that was there instead.
    pub(super) fn put_note(
        &self,
        key: &str,
        value: &str,
        keep: Duration,
        place: Place,
    ) -> Result<Option<String>, StoreError> {
        let [notes, ends] = self.notes_keys(key);
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let mut command = cmd("EVAL");
        command.arg(NOTE).arg(2).arg(notes).arg(ends);
        command.arg(key).arg(value).arg(keep_ms).arg(MAX_NOTES).arg(i32::from(place == Place::Any));
        self.writer().ask(&command).map_err(failed)
    }

    /// Keeps a note no more.
    pub(super) fn drop_note(&self, key: &str) -> Result<(), StoreError> {
        let [notes, ends] = self.notes_keys(key);
        let (mut first, mut second) = (cmd("HDEL"), cmd("ZREM"));
        // A note whose end is left behind is over when that comes.
        self.writer().ask::<()>(first.arg(notes).arg(key)).map_err(failed)?;
        self.writer().ask::<()>(second.arg(ends).arg(key)).map_err(failed)
    }

    /// The notes whose keys begin so.
    pub(super) fn list_notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let [notes, ends] = self.notes_keys(prefix);
        let mut command = cmd("EVAL");
        command.arg(NOTES).arg(2).arg(notes).arg(ends);
        let found: Vec<(String, String)> = self.reader().ask(&command).map_err(failed)?;
        let mut found: Vec<_> =
            found.into_iter().filter(|(key, _)| key.starts_with(prefix)).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Keeps notes that stay.
    pub(super) fn keep_notes(&self, notes: &[Change]) -> Result<(), StoreError> {
        let mut command = cmd("EVAL");
        command.arg(KEEP).arg(1).arg(self.key("kept"));
        for (key, value) in notes {
            let is_set = i32::from(value.is_some());
            command.arg(key).arg(is_set).arg(value.as_deref().unwrap_or_default());
        }
        self.writer().ask::<()>(&command).map_err(failed)
    }

    /// All notes that stay.
    pub(super) fn kept_notes(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let mut command = cmd("HGETALL");
        self.reader().ask(command.arg(self.key("kept"))).map_err(failed)
    }

    pub(super) fn notes_keys(&self, key: &str) -> [String; 2] {
        let kind = key.split('/').next().unwrap_or_default();
        let notes = self.key(&format!("notes:{kind}"));
        let ends = format!("{notes}:ends");
        [notes, ends]
    }
}
