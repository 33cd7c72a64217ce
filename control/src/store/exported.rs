//! How is a whole state written as text, and read back? As JSON lines that say how many they are and what their hash is.
//!
//! The first line says which version of the form it is. Then come the revisions, oldest first, each with what it changed;
//! the audit's lines as they are exported alone, too; notes; and at last how many lines there were, their SHA-256, and the
//! audit's newest link, signed by whoever exported it.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::whole::{NotWhole, Note, Step, Whole};
use super::{Change, Entry};
use crate::audit::{Broken, Line, Seal, SignedHead};
use crate::desired::keys;
use crate::digest::hex;

/// The version that is written. It changes when an older Turnout would misread what is new.
const VERSION: u32 = 1;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Part {
    TurnoutStore(Beginning),
    Revision(Revised),
    Audit(String),
    Kept { key: String, value: String },
    Note { key: String, value: String, ends: Timestamp },
    End(End),
}

#[derive(Serialize, Deserialize)]
struct Beginning {
    version: u32,
    at: Timestamp,
    epoch: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Revised {
    #[serde(flatten)]
    entry: Entry,
    changes: BTreeMap<String, Option<String>>,
}

#[derive(Serialize, Deserialize)]
struct End {
    lines: u64,
    sha256: String,
    head: SignedHead,
}

/// Why a text is no whole state.
#[derive(Debug, thiserror::Error)]
pub enum BadExport {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// A line is none of those that there are.
    #[error("line {line} is no line of an exported state: {reason}")]
    Line {
        /// Its number.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version wrote it.
    #[error(
        "it is of version {found}, and this Turnout knows version {VERSION}: import it with the one that wrote it"
    )]
    TooNew {
        /// Its version.
        found: u32,
    },
    /// It does not end as it should.
    #[error("it is cut off: its last line is missing")]
    CutOff,
    /// It is not what was written.
    #[error(
        "it was changed after it was exported: its lines have another hash than the last one says"
    )]
    Changed,
    /// What its last line signs cannot be trusted.
    #[error(transparent)]
    Head(Broken),
    /// Something is missing in between.
    #[error(transparent)]
    NotWhole(#[from] NotWhole),
    /// The state itself cannot be understood.
    #[error(transparent)]
    State(#[from] super::StoreError),
}

/// Writes a whole state.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(
    whole: &Whole,
    seal: &Seal,
    now: Timestamp,
    to: impl Write,
) -> Result<(), std::io::Error> {
    let mut out = Hashed { to, lines: 0, hash: sha256() };
    let beginning = Beginning { version: VERSION, at: now, epoch: whole.epoch.clone() };
    out.line(&Part::TurnoutStore(beginning))?;
    for Step { entry, changes } in &whole.steps {
        let changes = changes.iter().cloned().collect();
        out.line(&Part::Revision(Revised { entry: entry.clone(), changes }))?;
    }
    for line in &whole.lines {
        out.line(&Part::Audit(line.exported()))?;
    }
    for (key, value) in &whole.kept {
        out.line(&Part::Kept { key: key.clone(), value: value.clone() })?;
    }
    for Note { key, value, ends } in whole.notes.iter().cloned() {
        out.line(&Part::Note { key, value, ends })?;
    }
    let (lines, sha256) = (out.lines, out.sum());
    out.line(&Part::End(End { lines, sha256, head: seal.sign(whole.head(), now) }))?;
    out.to.flush()
}

/// Reads a whole state, and checks all of it: that nothing was changed, that nothing is missing, that the audit's chain holds
/// and meets the signed link, and that the newest state can be understood.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn read(from: impl BufRead) -> Result<Whole, BadExport> {
    let (mut whole, mut hash, mut count) = (Whole::default(), sha256(), 0_u64);
    let mut end = None;
    for line in from.lines() {
        let line = line.map_err(BadExport::Unreadable)?;
        let number = count.saturating_add(1);
        let wrong = |reason: &str| BadExport::Line { line: number, reason: reason.to_owned() };
        if end.is_some() {
            return Err(wrong("nothing comes after the last line"));
        }
        let part = part(&line).map_err(|reason| wrong(&reason))?;
        if matches!(part, Part::TurnoutStore(_)) != (number == 1) {
            return Err(wrong("exactly the first line says which version it is"));
        }
        match part {
            Part::End(said) => end = Some(said),
            part => take(&mut whole, part, number)?,
        }
        if end.is_none() {
            hash.update(line.as_bytes());
            hash.update(b"\n");
            count = number;
        }
    }
    let End { lines, sha256, head } = end.ok_or(BadExport::CutOff)?;
    if lines != count || sha256 != hex(hash.finish().as_ref()) {
        return Err(BadExport::Changed);
    }
    head.verify().map_err(BadExport::Head)?;
    whole.check(&head.head)?;
    if !whole.steps.is_empty() {
        keys::unread(&whole.values())?;
    }
    Ok(whole)
}

/// Reads one line. What it holds is not repeated in the reason.
fn part(line: &str) -> Result<Part, String> {
    serde_json::from_str(line).map_err(|error| match error.classify() {
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            format!("it is not JSON from column {} on", error.column())
        }
        _ => format!("it is of another form, at column {}", error.column()),
    })
}

fn take(whole: &mut Whole, part: Part, line: u64) -> Result<(), BadExport> {
    let wrong = |reason: String| BadExport::Line { line, reason };
    match part {
        Part::TurnoutStore(Beginning { version, .. }) if version > VERSION => {
            return Err(BadExport::TooNew { found: version });
        }
        Part::TurnoutStore(beginning) => whole.epoch = beginning.epoch,
        Part::Revision(Revised { entry, changes }) => {
            let changes: Vec<Change> = changes.into_iter().collect();
            whole.steps.push(Step { entry, changes });
        }
        Part::Audit(line) => {
            whole.lines.push(Line::read(&line).map_err(|broken| wrong(broken.to_string()))?);
        }
        Part::Kept { key, value } => {
            whole.kept.insert(key, value);
        }
        Part::Note { key, value, ends } => whole.notes.push(Note { key, value, ends }),
        Part::End(_) => {}
    }
    Ok(())
}

fn sha256() -> ring::digest::Context {
    ring::digest::Context::new(&ring::digest::SHA256)
}

/// Writes lines, and knows their hash.
struct Hashed<W> {
    to: W,
    lines: u64,
    hash: ring::digest::Context,
}

impl<W: Write> Hashed<W> {
    fn line(&mut self, part: &Part) -> Result<(), std::io::Error> {
        let mut text = serde_json::to_string(part)?;
        text.push('\n');
        self.hash.update(text.as_bytes());
        self.lines = self.lines.saturating_add(1);
        self.to.write_all(text.as_bytes())
    }

    fn sum(&self) -> String {
        hex(self.hash.clone().finish().as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fragile;
    use crate::store::{Movable, Store};

    fn exported() -> (Whole, String) {
        let setup = fragile::setup();
        let store = setup.store.inner();
        store.record(&[crate::store::contract::record(1)]).unwrap();
        store.keep(&[("rollout/sms".into(), Some("{}".into()))]).unwrap();
        let whole = store.whole().unwrap();
        let mut text = Vec::new();
        write(&whole, &fragile::seal(), Timestamp::UNIX_EPOCH, &mut text).unwrap();
        (whole, String::from_utf8(text).unwrap())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (whole, text) = exported();
        assert_eq!(read(text.as_bytes()).unwrap(), whole);
        assert!(text.starts_with("{\"turnout_store\":{\"version\":1,"), "{text}");
    }

    #[test]
    fn nothing_can_be_cut_off_changed_or_moved() {
        let (_, text) = exported();
        let lines: Vec<&str> = text.lines().collect();
        for without in 0..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(without);
            assert!(read(fewer.join("\n").as_bytes()).is_err(), "line {without}");
        }
        // Without the last line break it is still whole.
        for at in 0..text.len() - 1 {
            assert!(read(&text.as_bytes()[..at]).is_err(), "cut off after {at}");
        }
        let errors = [
            (text.replacen("\"why\":\"a test\"", "\"why\":\"another\"", 1), "was changed"),
            (text.replacen("\"version\":1", "\"version\":2", 1), "is of version 2"),
            (text.replacen("{\"turnout_store\"", "{\"other\"", 1), "line 1 is no line"),
            (String::new(), "cut off"),
            (format!("{text}{{}}\n"), "nothing comes after"),
        ];
        for (text, told) in errors {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
