//! How are records linked? Each line holds the hash of the one before, and is followed by its own.
//!
//! A line is a JSON object: `seq`, `prev`, then the record. Its hash is the SHA-256 of that text. As exported, `hash` is
//! the object's last member, so that a line is checked without knowing what it means: take `,"hash":"…"` out, and hash
//! what is left.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::digest::sha256;

/// What the first line of a chain has in the place of the hash of the one before.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const MEMBER: &str = ",\"hash\":\"";

/// The newest link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number, from 1; 0 where there is none yet.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

/// One link of a chain, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number and hash.
    pub head: Head,
    /// The text that was hashed.
    pub text: String,
}

#[derive(Serialize, Deserialize)]
struct Linked<R> {
    seq: u64,
    prev: String,
    #[serde(flatten)]
    record: R,
}

impl Line {
    /// The next link of the chain that ends with `head`.
    #[must_use]
    pub fn after(head: &Head, record: &Record) -> Self {
        let seq = head.seq.saturating_add(1);
        let linked = Linked { seq, prev: head.hash.clone(), record };
        // Maps with text keys, texts and numbers: nothing that JSON could not write.
        let text = serde_json::to_string(&linked).unwrap_or_default();
        Self { head: Head { seq, hash: sha256(text.as_bytes()) }, text }
    }

    /// So many links after `head`, one per record.
    #[must_use]
    pub fn all_after<'r>(head: &Head, records: impl IntoIterator<Item = &'r Record>) -> Vec<Self> {
        let link = |head: &mut Head, record: &Record| {
            let line = Self::after(head, record);
            *head = line.head.clone();
            Some(line)
        };
        records.into_iter().scan(head.clone(), link).collect()
    }

    /// The line as it is exported: with its hash at the end, without a line break.
    #[must_use]
    pub fn exported(&self) -> String {
        let open = self.text.strip_suffix('}').unwrap_or(&self.text);
        format!("{open}{MEMBER}{}\"}}", self.head.hash)
    }

    /// Reads an exported line, and checks that its hash is its own.
    ///
    /// # Errors
    /// When it is no such line, or was changed.
    pub fn read(exported: &str) -> Result<Self, Broken> {
        let exported = exported.trim_end();
        let (open, rest) = exported.rsplit_once(MEMBER).ok_or(Broken::NotALine)?;
        let hash = rest.strip_suffix("\"}").ok_or(Broken::NotALine)?;
        let text = format!("{open}}}");
        let seq = linked(&text)?.seq;
        if sha256(text.as_bytes()) != hash {
            return Err(Broken::Changed { seq });
        }
        Ok(Self { head: Head { seq, hash: hash.to_owned() }, text })
    }

    /// What the line says.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub fn record(&self) -> Result<Record, Broken> {
        linked(&self.text).map(|linked| linked.record)
    }
}

fn linked(text: &str) -> Result<Linked<Record>, Broken> {
    serde_json::from_str(text).map_err(|_not_one| Broken::NotALine)
}

/// Why a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// This is none of its lines.
    #[error("this is not a line of an audit")]
    NotALine,
    /// The line is not what it was when it was written.
    #[error("line {seq} was changed after it was written: its hash is another one")]
    Changed {
        /// Its number.
        seq: u64,
    },
    /// The line does not follow the one before it.
    #[error(
        "line {seq} does not follow line {after}: something between them was taken out or put in"
    )]
    Gap {
        /// Its number.
        seq: u64,
        /// The one before.
        after: u64,
    },
    /// A head that was signed earlier is not a link of this chain.
    #[error("{0}")]
    OtherChain(String),
}

impl Broken {
    pub(crate) fn other(what: impl Display) -> Self {
        Self::OtherChain(what.to_string())
    }
}

/// Goes along a chain, line by line.
#[derive(Debug, Default)]
pub struct Verifier {
    first: Option<u64>,
    last: Option<Head>,
    /// Heads that must be met on the way.
    expected: Vec<Head>,
}

impl Verifier {
    /// One that must meet this head on its way.
    #[must_use]
    pub fn meeting(head: Head) -> Self {
        Self::default().also_meeting(head)
    }

    /// The same, but it must meet this head, too.
    #[must_use]
    pub fn also_meeting(mut self, head: Head) -> Self {
        self.expected.push(head);
        self
    }

    /// Takes the next line of the chain.
    ///
    /// # Errors
    /// When it was changed, or does not follow the last one.
    pub fn take(&mut self, exported: &str) -> Result<(), Broken> {
        let line = Line::read(exported)?;
        let Linked { seq, prev, .. } = linked(&line.text)?;
        // A chain that is kept for a while only begins later than with its first line.
        let before = self.last.clone().unwrap_or_else(|| Head {
            seq: seq.saturating_sub(1),
            hash: if seq == 1 { GENESIS.to_owned() } else { prev.clone() },
        });
        if seq != before.seq.saturating_add(1) || prev != before.hash {
            return Err(Broken::Gap { seq, after: before.seq });
        }
        let mut met = self.expected.extract_if(.., |expected| expected.seq == seq);
        if met.any(|expected| expected != line.head) {
            return Err(Broken::other(format!(
                "line {seq} is another one than was signed: this is not the same chain"
            )));
        }
        drop(met);
        self.first.get_or_insert(seq);
        self.last = Some(line.head);
        Ok(())
    }

    /// The first and the last link that were met; none where there was no line.
    ///
    /// # Errors
    /// When the head that had to be met was not.
    pub fn end(self) -> Result<Option<(u64, Head)>, Broken> {
        match self.expected.iter().find(|expected| expected.seq > 0) {
            Some(missed) => {
                let seq = missed.seq;
                Err(Broken::other(format!("line {seq}, which was signed, is not there any more")))
            }
            None => Ok(self.first.zip(self.last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rules::Revision;

    use super::*;
    use crate::audit::Via;

    fn chain(count: u64) -> Vec<String> {
        let record = |n| {
            let before = Revision(n);
            Record::new(Timestamp::UNIX_EPOCH, "ann", &Via::PROCESS, "shift", before)
                .accepted(Revision(n + 1), "sms: \"off\" -> canary 5%, {odd} \u{1f600}")
        };
        let records: Vec<Record> = (0..count).map(record).collect();
        Line::all_after(&Head::default(), &records).iter().map(Line::exported).collect()
    }

    fn verify(lines: &[String]) -> Result<Option<(u64, Head)>, Broken> {
        let mut verifier = Verifier::default();
        lines.iter().try_for_each(|line| verifier.take(line))?;
        verifier.end()
    }

    #[test]
    fn a_whole_chain_holds() {
        let lines = chain(5);
        let (first, head) = verify(&lines).unwrap().unwrap();
        assert_eq!((first, head.seq), (1, 5));
        assert_eq!(verify(&[]), Ok(None));
        let (first, _) = verify(&lines[2..]).unwrap().unwrap();
        assert_eq!(first, 3, "what is older may be gone");
        let line: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!((&line["seq"], &line["actor"]), (&2.into(), &"ann".into()));
    }

    #[test]
    fn no_character_can_be_changed_unnoticed() {
        let lines = chain(3);
        for at in 0..lines[1].len() {
            let mut bytes = lines[1].clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let forged = [lines[0].clone(), changed, lines[2].clone()];
            assert!(verify(&forged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn nothing_can_be_taken_out_put_in_or_moved() {
        let lines = chain(4);
        let without = [lines[0].clone(), lines[2].clone()];
        assert_eq!(verify(&without), Err(Broken::Gap { seq: 3, after: 1 }));
        let moved = [lines[0].clone(), lines[2].clone(), lines[1].clone()];
        assert!(matches!(verify(&moved), Err(Broken::Gap { .. })));
        let twice = [lines[0].clone(), lines[0].clone()];
        assert_eq!(verify(&twice), Err(Broken::Gap { seq: 1, after: 1 }));
    }

    #[test]
    fn a_chain_that_was_written_anew_is_not_the_one_that_was_signed() {
        let lines = chain(3);
        let signed = Line::read(&lines[1]).unwrap().head;
        let along = |lines: &[String]| {
            let mut verifier = Verifier::meeting(signed.clone());
            lines.iter().try_for_each(|line| verifier.take(line))?;
            verifier.end()
        };
        assert!(along(&lines).is_ok());
        assert!(matches!(along(&lines[..1]), Err(Broken::OtherChain(_))), "cut off");
        let record = Record::new(Timestamp::UNIX_EPOCH, "eve", &Via::PROCESS, "shift", Revision(1));
        let anew = Line::all_after(&Head::default(), &[record.clone(), record]);
        let anew: Vec<String> = anew.iter().map(Line::exported).collect();
        assert!(verify(&anew).is_ok());
        assert!(matches!(along(&anew), Err(Broken::OtherChain(_))));
    }
}
