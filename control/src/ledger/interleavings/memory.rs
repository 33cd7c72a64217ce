//! A store in memory that the nodes of a test share, each by a wire that can be cut, lose answers, and be late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rules::Revision;
use tokio::sync::Notify;

use crate::audit::{Head, Line, Record};
use crate::store::{Change, Commit, CommitError, Entry, Newest, Store, StoreError, Stored};

/// What a fleet shares.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) entries: Vec<Entry>,
    values: BTreeMap<String, String>,
    /// The route's shift after each entry.
    pub(super) shifts: Vec<Option<String>>,
    /// What was sent and hangs, each with when it was.
    hanging: Vec<(u64, Hanging)>,
    /// How many steps were taken.
    pub(super) now: u64,
}

/// A commit that outlives whoever sent it.
#[derive(Debug)]
struct Hanging {
    expected: Revision,
    entry: Entry,
    changes: Vec<Change>,
}

impl Memory {
    fn commit(
        &mut self,
        expected: Revision,
        entry: &Entry,
        changes: &[Change],
    ) -> Result<(), CommitError> {
        let present = self.entries.last().map_or(Revision(0), |entry| entry.revision);
        if present != expected {
            return Err(CommitError::Conflict { present });
        }
        self.entries.push(entry.clone());
        for (key, value) in changes {
            match value {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
        self.shifts.push(self.values.get("shift/sms").cloned());
        Ok(())
    }

    /// Carries out what hangs, but nothing that whoever sent it has given up since, as the Redis does.
    pub(super) fn go_on(&mut self) {
        for (sent, Hanging { expected, entry, changes }) in std::mem::take(&mut self.hanging) {
            if sent == self.now {
                self.commit(expected, &entry, &changes).ok();
            }
        }
    }
}

/// How a node gets to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Whole,
    /// Nothing arrives.
    Cut,
    /// What is sent arrives and is carried out, and nobody hears of it.
    Deaf,
    /// What is sent arrives later.
    Hung,
}

/// One node's way to it.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) memory: Arc<Mutex<Memory>>,
    pub(super) wire: Arc<Mutex<Wire>>,
}

impl Way {
    pub(super) fn is(&self, wire: Wire) {
        *self.wire.lock().unwrap() = wire;
    }

    pub(super) fn is_whole(&self) -> bool {
        *self.wire.lock().unwrap() == Wire::Whole
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut Memory) -> T) -> Result<T, StoreError> {
        if !self.is_whole() {
            return Err(StoreError::Failed("nothing is heard".into()));
        }
        Ok(ask(&mut self.memory.lock().unwrap()))
    }
}

impl Store for Way {
    fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.ask(|memory| {
            let entry = memory.entries.last()?.clone();
            Some(Stored { entry, values: memory.values.clone() })
        })
    }

    fn load_at(&self, _: Revision) -> Result<Option<Stored>, StoreError> {
        Ok(None)
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), CommitError> {
        let Commit { expected, entry, changes, .. } = *commit;
        let mut memory = self.memory.lock().unwrap();
        match *self.wire.lock().unwrap() {
            Wire::Whole => return memory.commit(expected, entry, changes),
            Wire::Deaf => drop(memory.commit(expected, entry, changes)),
            Wire::Hung => {
                let (entry, changes) = (entry.clone(), changes.to_vec());
                let sent = memory.now;
                memory.hanging.push((sent, Hanging { expected, entry, changes }));
            }
            Wire::Cut => {}
        }
        Err(StoreError::Failed("nothing is heard".into()).into())
    }

    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        let within = |entry: &&Entry| (first..=last).contains(&entry.revision);
        self.ask(|memory| memory.entries.iter().filter(within).cloned().collect())
    }

    fn record(&self, _: &[Record]) -> Result<(), StoreError> {
        self.ask(|_| ())
    }

    fn audited(&self) -> Result<Head, StoreError> {
        Ok(Head::default())
    }

    fn lines(&self, _: u64, _: u64) -> Result<Vec<Line>, StoreError> {
        Ok(Vec::new())
    }

    fn note(&self, _: &str, _: &str, _: Duration) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn renote(&self, _: &str, _: Option<&str>, _: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep(&self, _: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }

    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError> {
        Ok(BTreeMap::new())
    }

    fn notes(&self, _: &str) -> Result<Vec<(String, String)>, StoreError> {
        Ok(Vec::new())
    }

    fn newest(&self) -> Result<Newest, StoreError> {
        self.ask(|memory| {
            let revision = memory.entries.last().map_or(Revision(0), |entry| entry.revision);
            let epoch = (revision > Revision(0)).then(|| "one".to_owned());
            Newest { revision, epoch }
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn hints(&self) -> Option<Arc<Notify>> {
        None
    }
}
