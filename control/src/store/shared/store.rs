//! How is the state kept in Redis? Compared and set by one script, so that of many nodes one is first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::RedisSettings;
use redis::{Cmd, RedisError, cmd};
use rules::Revision;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::hints::Hints;
use super::link::Link;
use super::notes::Place;
use super::safety;
use super::scripts::{CLOCK, COMMIT, ENTRIES, LEASE, LOAD, RECORD};
use crate::audit::{Head, Line, Record};
use crate::digest::unique;
use crate::store::{
    Caution, Change, Commit, CommitError, CommitNote, Entry, Newest, Store, StoreError, Stored,
};

/// How often an audit's head is taken anew when other nodes wrote meanwhile.
const ATTEMPTS: usize = 50;

/// The store that a fleet shares.
#[derive(Debug)]
pub struct Shared {
    settings: RedisSettings,
    writer: Link,
    reader: Link,
    /// The audit's newest link, as it was last heard of.
    audited: Mutex<Head>,
    hints: Hints,
}

/// An entry, as it is stored.
#[derive(Serialize, Deserialize)]
struct EntryText {
    /// By which a node knows its own again.
    id: String,
    #[serde(flatten)]
    entry: Entry,
}

/// A change to undo: key, whether there was a value, and the value.
pub(super) type Undo = Vec<(String, String, String)>;

impl Shared {
    /// The store in this Redis. Nothing is asked yet, so that a node starts even while it is away.
    #[must_use]
    pub fn new(settings: &RedisSettings) -> Self {
        let [writer, reader, listener] = [(); 3].map(|()| Link::new(settings.clone()));
        let channel = key(&settings.prefix, "told");
        Self {
            settings: settings.clone(),
            writer,
            reader,
            audited: Mutex::default(),
            hints: Hints::new(listener, channel),
        }
    }

    pub(super) const fn settings(&self) -> &RedisSettings {
        &self.settings
    }

    pub(super) const fn writer(&self) -> &Link {
        &self.writer
    }

    pub(super) const fn reader(&self) -> &Link {
        &self.reader
    }

    pub(super) fn key(&self, name: &str) -> String {
        key(&self.settings.prefix, name)
    }

    fn eval(&self, script: &str, keys: &[&str]) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(script).arg(keys.len());
        for name in keys {
            command.arg(self.key(name));
        }
        command
    }

    /// Has a script that links audit lines run, with lines after the head that it turns out to have, by a deadline.
    fn link(
        &self,
        records: &[&Record],
        with_lines: impl Fn(&Head, u64) -> Cmd,
    ) -> Result<(String, String), StoreError> {
        let mut head = self.audited.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for _ in 0..ATTEMPTS {
            let lines = Line::all_after(&head, records.iter().copied());
            let command = |deadline_us| {
                let mut command = with_lines(&head, deadline_us);
                for Line { head, text } in &lines {
                    command.arg(head.seq).arg(&head.hash).arg(text);
                }
                command
            };
            let asked = self.writer.ask_in_time(&self.eval(CLOCK, &["head"]), command);
            let (what, first, second): (String, String, String) = asked.map_err(failed)?;
            if what != "audited" {
                if what == "done" {
                    head = lines.last().map_or(head, |line| line.head.clone());
                }
                *self.audited.lock().unwrap_or_else(PoisonError::into_inner) = head;
                return Ok((what, first));
            }
            let seq =
                first.parse().map_err(|_not_one| corrupt("audit", &"its head is no number"))?;
            head = if seq == 0 { Head::default() } else { Head { seq, hash: second } };
        }
        Err(StoreError::Failed("the audit's head is always another one".into()))
    }

    fn load_one(&self, revision: Option<Revision>) -> Result<Option<Stored>, StoreError> {
        let mut command = self.eval(LOAD, &["head", "state", "revisions"]);
        command.arg(revision.map_or_else(String::new, |revision| revision.0.to_string()));
        let (entry, mut values, undo): (String, BTreeMap<String, String>, Vec<String>) =
            self.reader.ask(&command).map_err(failed)?;
        if entry.is_empty() {
            return Ok(None);
        }
        for step in undo {
            undone(&mut values, &step)?;
        }
        Ok(Some(Stored { entry: parse(&entry)?, values }))
    }

    /// Whether a revision that could not be stored now is the one that a broken connection stored before.
    fn is_there(&self, entry: &Entry, id: &str) -> bool {
        let mut command = cmd("HGET");
        command.arg(self.key("revisions")).arg(entry.revision.0);
        let found = self.reader.ask::<Option<String>>(&command).ok().flatten();
        found.and_then(|text| read::<EntryText>("revision", &text).ok()).is_some_and(|e| e.id == id)
    }
}

impl Store for Shared {
    fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.load_one(None)
    }

    fn load_at(&self, revision: Revision) -> Result<Option<Stored>, StoreError> {
        self.load_one(Some(revision))
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), CommitError> {
        let Commit { expected, entry, changes, record, fence, epoch, note } = *commit;
        if entry.revision.0 != expected.0.saturating_add(1) {
            return Err(CommitError::Conflict { present: self.newest()?.revision });
        }
        let RedisSettings { keep_revisions, keep_audit, .. } = &self.settings;
        let id = unique();
        let text = text(entry, &id);
        let records: Vec<&Record> = record.into_iter().collect();
        let (what, present) = self.link(&records, |head, deadline_us| {
            let keys = ["head", "state", "revisions", "audit"].map(|name| self.key(name));
            let notes = note.iter().flat_map(|note| self.notes_keys(&note.key));
            let keys: Vec<String> = keys.into_iter().chain(notes).collect();
            let mut command = cmd("EVAL");
            command.arg(COMMIT).arg(keys.len()).arg(keys);
            command.arg(unique()).arg(expected.0).arg(head.seq);
            command.arg(fence.map_or_else(String::new, |fence| fence.to_string()));
            command.arg(entry.revision.0).arg(&text).arg(keep_revisions).arg(keep_audit);
            command.arg(self.key("told")).arg(epoch.unwrap_or_default()).arg(deadline_us);
            command.arg(changes.len());
            for (key, value) in changes {
                command.arg(key).arg(i32::from(value.is_some()));
                command.arg(value.as_deref().unwrap_or_default());
            }
            if let Some(CommitNote { key, value, keep, instead_of }) = note {
                let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
                command.arg(key).arg(value).arg(keep_ms);
                command.arg(instead_of.as_deref().unwrap_or_default());
            }
            command
        })?;
        match &*what {
            "done" => Ok(()),
            "fenced" => Err(CommitError::Fenced),
            "repeated" if self.is_there(entry, &id) => Ok(()),
            "repeated" => Err(CommitError::Repeated),
            "late" => {
                Err(StoreError::Failed("it got to it too late, and changed nothing".into()).into())
            }
            "foreign" => Err(StoreError::Held("it has another history".to_owned()).into()),
            // A connection that broke may have stored it before it was asked again.
            _ if self.is_there(entry, &id) => Ok(()),
            _ => Err(CommitError::Conflict { present: Revision(present.parse().unwrap_or(0)) }),
        }
    }

    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        let mut command = self.eval(ENTRIES, &["head", "revisions"]);
        let found: Vec<String> =
            self.reader.ask(command.arg(first.0).arg(last.0)).map_err(failed)?;
        found.iter().map(|text| parse(text)).collect()
    }

    fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        let keep = self.settings.keep_audit;
        let records: Vec<&Record> = records.iter().collect();
        // What is late has the wrong head by then, or tells the same.
        let linked = self.link(&records, |head, _| {
            let mut command = self.eval(RECORD, &["head", "audit"]);
            command.arg(head.seq).arg(keep);
            command
        });
        linked.map(drop)
    }

    fn audited(&self) -> Result<Head, StoreError> {
        let mut command = cmd("HMGET");
        command.arg(self.key("head")).arg("seq").arg("hash");
        let (seq, hash): (Option<u64>, Option<String>) =
            self.reader.ask(&command).map_err(failed)?;
        Ok(seq.zip(hash).map_or_else(Head::default, |(seq, hash)| Head { seq, hash }))
    }

    fn lines(&self, first: u64, last: u64) -> Result<Vec<Line>, StoreError> {
        let mut command = cmd("XRANGE");
        command.arg(self.key("audit")).arg(format!("{first}-0")).arg(format!("{last}-0"));
        let found: Vec<(String, Vec<String>)> = self.reader.ask(&command).map_err(failed)?;
        let line = |(id, fields): (String, Vec<String>)| {
            let seq = id.split('-').next().and_then(|seq| seq.parse().ok());
            match (seq, fields.as_slice()) {
                (Some(seq), [_, hash, _, text]) => {
                    Ok(Line { head: Head { seq, hash: hash.clone() }, text: text.clone() })
                }
                _ => Err(corrupt("audit", &format!("line {id} is of another form"))),
            }
        };
        found.into_iter().map(line).collect()
    }

    fn note(&self, key: &str, value: &str, keep: Duration) -> Result<Option<String>, StoreError> {
        self.put_note(key, value, keep, Place::Free)
    }

    fn renote(&self, key: &str, value: Option<&str>, keep: Duration) -> Result<(), StoreError> {
        match value {
            Some(value) => self.put_note(key, value, keep, Place::Any).map(drop),
            None => self.drop_note(key),
        }
    }

    fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.list_notes(prefix)
    }

    fn keep(&self, notes: &[Change]) -> Result<(), StoreError> {
        self.keep_notes(notes)
    }

    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.kept_notes()
    }

    fn newest(&self) -> Result<Newest, StoreError> {
        let mut command = cmd("HMGET");
        command.arg(self.key("head")).arg("revision").arg("epoch");
        let (revision, epoch): (Option<u64>, Option<String>) =
            self.reader.ask(&command).map_err(failed)?;
        Ok(Newest { revision: Revision(revision.unwrap_or(0)), epoch })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn hints(&self) -> Option<Arc<Notify>> {
        Some(self.hints.heard())
    }

    fn cautions(&self) -> Result<Vec<Caution>, StoreError> {
        safety::cautions(&self.reader, &self.settings.servers).map_err(failed)
    }

    fn lease(&self, holder: &str, keep: Duration) -> Result<Option<u64>, StoreError> {
        let mut command = self.eval(LEASE, &["lease", "head"]);
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        self.writer.ask(command.arg(holder).arg(keep_ms)).map_err(failed)
    }
}

/// Undoes a revision's changes, and says what they were.
pub(super) fn undone(
    values: &mut BTreeMap<String, String>,
    undo: &str,
) -> Result<Vec<Change>, StoreError> {
    // An empty list looks like this where Lua wrote it.
    let undo = if undo == "{}" { Undo::new() } else { read("undo", undo)? };
    let undo_one = |(key, was_there, value): (String, String, String)| {
        let change = (key.clone(), values.get(&key).cloned());
        if was_there == "1" {
            values.insert(key, value);
        } else {
            values.remove(&key);
        }
        change
    };
    Ok(undo.into_iter().map(undo_one).collect())
}

fn key(prefix: &str, name: &str) -> String {
    format!("{{{prefix}}}:{name}")
}

pub(super) fn text(entry: &Entry, id: &str) -> String {
    let text = EntryText { id: id.to_owned(), entry: entry.clone() };
    // Texts and numbers: nothing that JSON could not write.
    serde_json::to_string(&text).unwrap_or_default()
}

pub(super) fn parse(text: &str) -> Result<Entry, StoreError> {
    read::<EntryText>("revision", text).map(|text| text.entry)
}

fn read<'t, T: Deserialize<'t>>(what: &str, text: &'t str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(what, &error))
}

pub(super) fn corrupt(what: &str, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), reason: reason.to_string() }
}

pub(super) fn failed(error: RedisError) -> StoreError {
    StoreError::Failed(Box::new(error))
}
