//! How is all that is in Redis read, and put into an empty one? Put aside in pieces first, then into its place in one step.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use redis::{Cmd, cmd};
use rules::Revision;

use super::scripts::{PLACE, STAGE_LINES};
use super::store::{Shared, Undo, corrupt, failed, parse, text, undone};
use crate::audit::{Head, Line};
use crate::digest::unique;
use crate::store::whole::{MOVED_NOTES, Movable, Note, Step, Whole, change};
use crate::store::{Store, StoreError};

/// How often reading begins anew because somebody wrote meanwhile.
const ATTEMPTS: usize = 5;
/// How many lines, and how many fields, go over at a time.
const PIECE: usize = 200;
/// How long pieces stay that never come into their place.
const STAGED_FOR: Duration = Duration::from_secs(3_600);

impl Movable for Shared {
    fn whole(&self) -> Result<Whole, StoreError> {
        for _ in 0..ATTEMPTS {
            let before = self.head()?;
            let whole = self.read_whole()?;
            if self.head()? == before {
                return Ok(whole);
            }
        }
        Err(StoreError::Failed("somebody writes to it all the time: stop the nodes first".into()))
    }

    fn fill(&self, whole: &Whole) -> Result<(), StoreError> {
        let (id, mut staged) = (unique(), Vec::new());
        let mut stage = |name: &str| {
            let at = self.key(&format!("moving:{id}:{name}"));
            staged.push((at.clone(), self.key(name)));
            at
        };
        let values = whole.values();
        self.stage_hash(&stage("state"), values.iter())?;
        let revisions = self.revisions_of(whole)?;
        self.stage_hash(&stage("revisions"), revisions.iter())?;
        self.stage_lines(&stage("audit"), &whole.lines)?;
        self.stage_hash(&stage("kept"), whole.kept.iter())?;
        for kind in MOVED_NOTES {
            let of_kind = |note: &&Note| note.key.split('/').next() == Some(kind);
            let notes: Vec<&Note> = whole.notes.iter().filter(of_kind).collect();
            let texts = notes.iter().map(|note| (&note.key, &note.value));
            self.stage_hash(&stage(&format!("notes:{kind}")), texts)?;
            self.stage_ends(&stage(&format!("notes:{kind}:ends")), &notes)?;
        }
        self.place(whole, &id, &staged)
    }
}

impl Shared {
    /// What changes with every write that matters.
    fn head(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.reader().ask(cmd("HGETALL").arg(self.key("head"))).map_err(failed)
    }

    fn hash(&self, name: &str) -> Result<BTreeMap<String, String>, StoreError> {
        self.reader().ask(cmd("HGETALL").arg(self.key(name))).map_err(failed)
    }

    fn read_whole(&self) -> Result<Whole, StoreError> {
        let newest = self.newest()?;
        Ok(Whole {
            steps: steps(newest.revision, self.hash("state")?, &self.hash("revisions")?)?,
            epoch: newest.epoch,
            lines: self.all_lines()?,
            kept: self.kept()?,
            notes: self.ending_notes()?,
        })
    }

    fn all_lines(&self) -> Result<Vec<Line>, StoreError> {
        let mut oldest = cmd("XRANGE");
        oldest.arg(self.key("audit")).arg("-").arg("+").arg("COUNT").arg(1);
        let oldest: Vec<(String, Vec<String>)> = self.reader().ask(&oldest).map_err(failed)?;
        let first = oldest.first().and_then(|(id, _)| id.split('-').next()?.parse().ok());
        let (mut lines, mut next) = (Vec::new(), first.unwrap_or(1_u64));
        let last = self.audited()?.seq;
        while next <= last {
            let end = next.saturating_add(999).min(last);
            lines.extend(self.lines(next, end)?);
            next = end.saturating_add(1);
        }
        Ok(lines)
    }

    fn ending_notes(&self) -> Result<Vec<Note>, StoreError> {
        let mut notes = Vec::new();
        for kind in MOVED_NOTES {
            let mut ends = cmd("ZRANGE");
            ends.arg(self.key(&format!("notes:{kind}:ends"))).arg(0).arg(-1).arg("WITHSCORES");
            let ends: Vec<(String, f64)> = self.reader().ask(&ends).map_err(failed)?;
            let ends: BTreeMap<String, f64> = ends.into_iter().collect();
            for (key, value) in self.list_notes(kind)? {
                let Some(ends) = ends.get(&key) else { continue };
                let ends = jiff::SignedDuration::try_from_secs_f64(ends / 1_000.0)
                    .and_then(Timestamp::from_duration)
                    .and_then(|ends| ends.round(jiff::Unit::Millisecond))
                    .ok();
                notes.push(Note { key, value, ends: ends.unwrap_or(Timestamp::MAX) });
            }
        }
        notes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(notes)
    }

    /// The hash of revisions, as commits would have made it, without those that are too old to be kept.
    fn revisions_of(&self, whole: &Whole) -> Result<BTreeMap<String, String>, StoreError> {
        let keep = u64::from(self.settings().keep_revisions);
        let (mut values, mut hash) = (BTreeMap::<String, String>::new(), BTreeMap::new());
        for Step { entry, changes } in &whole.steps {
            let mut undo = Undo::new();
            for (key, value) in changes {
                let was = values.get(key).cloned();
                let is_set = if was.is_some() { "1" } else { "0" };
                undo.push((key.clone(), is_set.to_owned(), was.unwrap_or_default()));
                change(&mut values, key, value.as_ref());
            }
            if entry.revision.0.saturating_add(keep) > whole.revision().0 {
                let undo = serde_json::to_string(&undo).map_err(|e| corrupt("undo", &e))?;
                hash.insert(format!("{}:undo", entry.revision.0), undo);
                hash.insert(entry.revision.0.to_string(), text(entry, &unique()));
            }
        }
        Ok(hash)
    }

    fn stage_hash<'t>(
        &self,
        at: &str,
        fields: impl Iterator<Item = (&'t String, &'t String)>,
    ) -> Result<(), StoreError> {
        let fields: Vec<_> = fields.collect();
        for piece in fields.chunks(PIECE) {
            let mut command = cmd("HSET");
            command.arg(at);
            for (key, value) in piece {
                command.arg(key).arg(value);
            }
            self.stage(at, &command)?;
        }
        Ok(())
    }

    fn stage_ends(&self, at: &str, notes: &[&Note]) -> Result<(), StoreError> {
        for piece in notes.chunks(PIECE) {
            let mut command = cmd("ZADD");
            command.arg(at);
            for note in piece {
                command.arg(note.ends.as_millisecond()).arg(&note.key);
            }
            self.stage(at, &command)?;
        }
        Ok(())
    }

    /// The newest lines, as many as are kept.
    fn stage_lines(&self, at: &str, lines: &[Line]) -> Result<(), StoreError> {
        let keep = usize::try_from(self.settings().keep_audit).unwrap_or(usize::MAX);
        let kept = lines.get(lines.len().saturating_sub(keep)..).unwrap_or_default();
        for piece in kept.chunks(PIECE) {
            let mut command = cmd("EVAL");
            command.arg(STAGE_LINES).arg(1).arg(at);
            for Line { head: Head { seq, hash }, text } in piece {
                command.arg(seq).arg(hash).arg(text);
            }
            self.stage(at, &command)?;
        }
        Ok(())
    }

    /// Puts a piece aside. It goes by itself where the rest never comes.
    fn stage(&self, at: &str, command: &Cmd) -> Result<(), StoreError> {
        self.writer().ask::<redis::Value>(command).map_err(failed)?;
        let mut end = cmd("PEXPIRE");
        let end = end.arg(at).arg(u64::try_from(STAGED_FOR.as_millis()).unwrap_or(u64::MAX));
        self.writer().ask::<redis::Value>(end).map(drop).map_err(failed)
    }

    /// Puts all pieces into their places, if nothing is there.
    fn place(
        &self,
        whole: &Whole,
        id: &str,
        staged: &[(String, String)],
    ) -> Result<(), StoreError> {
        let mut command = cmd("EVAL");
        command.arg(PLACE).arg(1 + 2 * staged.len()).arg(self.key("head"));
        for (from, to) in staged {
            command.arg(from).arg(to);
        }
        let (head, epoch) = (whole.head(), whole.epoch.clone().unwrap_or_else(unique));
        command.arg(id).arg(whole.revision().0).arg(head.seq).arg(&head.hash).arg(epoch);
        let placed: String = self.writer().ask(&command).map_err(failed)?;
        match &*placed {
            "done" => Ok(()),
            _ => Err(StoreError::NotEmpty(format!("Redis under {:?}", self.settings().prefix))),
        }
    }
}

/// What each revision that is kept changed. What it undid is known on the way back from the newest one.
fn steps(
    newest: Revision,
    mut values: BTreeMap<String, String>,
    kept: &BTreeMap<String, String>,
) -> Result<Vec<Step>, StoreError> {
    let mut steps = Vec::new();
    let entry = |revision: u64| kept.get(&revision.to_string());
    let mut revision = newest.0;
    while let Some(text) = entry(revision) {
        let older = revision.checked_sub(1).filter(|older| entry(*older).is_some());
        let undo = kept.get(&format!("{revision}:undo"));
        let changes = match (older, undo) {
            (Some(_), Some(undo)) => undone(&mut values, undo)?,
            (Some(_), None) => {
                return Err(corrupt("undo", &format!("that of r{revision} is missing")));
            }
            (None, _) => {
                values.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
            }
        };
        steps.push(Step { entry: parse(text)?, changes });
        let Some(older) = older else { break };
        revision = older;
    }
    steps.reverse();
    Ok(steps)
}
