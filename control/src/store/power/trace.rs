//! What did a process do to its files? Read from what `strace -f -y -xx` writes down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What the process says before the number of each revision that is acknowledged.
pub(super) const SAID: &str = "acknowledged ";

/// One thing that happened, in the order of time. Names are those of files in the watched folder.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Event {
    Created(String),
    Wrote { name: String, at: usize, bytes: Vec<u8> },
    Truncated { name: String, length: usize },
    Synced(String),
    SyncedFolder,
    Removed(String),
    Said(u64),
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Created(name) => write!(f, "created {name}"),
            Self::Wrote { name, at, bytes } => write!(f, "wrote {name} {at}+{}", bytes.len()),
            Self::Truncated { name, length } => write!(f, "truncated {name} to {length}"),
            Self::Synced(name) => write!(f, "synced {name}"),
            Self::SyncedFolder => write!(f, "synced the folder"),
            Self::Removed(name) => write!(f, "removed {name}"),
            Self::Said(revision) => write!(f, "said r{revision}"),
        }
    }
}

/// All events of a trace.
pub(super) fn read(text: &str, folder: &Path) -> Vec<Event> {
    let mut reader = Reader::of(folder);
    for line in text.lines() {
        let (pid, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        // A call during which another thread was seen is written down in two parts.
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            reader.begun.insert(pid.to_owned(), begun.to_owned());
        } else if rest.starts_with("<... ") {
            let begun = reader.begun.remove(pid).unwrap();
            let (_, end) = rest.split_once("resumed>").unwrap();
            reader.call(&format!("{begun}{end}"));
        } else {
            reader.call(rest);
        }
    }
    reader.events
}

struct Reader<'f> {
    folder: &'f Path,
    begun: BTreeMap<String, String>,
    there: BTreeSet<String>,
    ends: BTreeMap<String, usize>,
    events: Vec<Event>,
}

impl<'f> Reader<'f> {
    fn of(folder: &'f Path) -> Self {
        let (begun, there, ends) = Default::default();
        Self { folder, begun, there, ends, events: Vec::new() }
    }

    fn call(&mut self, call: &str) {
        let Some((name, rest)) = call.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return };
        if result.starts_with('-') {
            return;
        }
        let arguments: Vec<&str> = arguments.trim_end().trim_end_matches(')').split(", ").collect();
        match (name, arguments.as_slice()) {
            ("openat", [_, path, flags, ..]) => self.opened(&quoted(path), flags),
            ("unlink", [path]) => {
                if let Some(name) = self.name(&quoted(path)) {
                    self.there.remove(&name);
                    self.events.push(Event::Removed(name));
                }
            }
            ("rename", _) => panic!("the store renames nothing: {call}"),
            ("pwrite64", [file, bytes, _, at]) => self.wrote(file, bytes, Some(at)),
            ("write", [file, bytes, _]) => self.wrote(file, bytes, None),
            ("ftruncate", [file, length]) => {
                if let Some(name) = self.file(file) {
                    let length = length.parse().unwrap();
                    self.events.push(Event::Truncated { name, length });
                }
            }
            ("fsync" | "fdatasync", [file]) => match self.file(file) {
                Some(name) => self.events.push(Event::Synced(name)),
                None if opened_as(file) == self.folder.display().to_string() => {
                    self.events.push(Event::SyncedFolder);
                }
                None => {}
            },
            _ => {}
        }
    }

    fn opened(&mut self, path: &str, flags: &str) {
        let Some(name) = self.name(path) else { return };
        if flags.contains("O_CREAT") && self.there.insert(name.clone()) {
            self.events.push(Event::Created(name));
        }
    }

    fn wrote(&mut self, file: &str, text: &str, at: Option<&str>) {
        assert!(!text.ends_with("..."), "a write is cut off");
        let bytes = unescaped(text.trim_matches('"'));
        let Some(name) = self.file(file) else {
            let said = String::from_utf8_lossy(&bytes);
            let said = said.lines().filter_map(|line| line.rsplit_once(SAID)?.1.parse().ok());
            return self.events.extend(said.map(Event::Said));
        };
        // Only the lock's file is written without saying where, and it is never shortened after that.
        let end = self.ends.entry(name.clone()).or_default();
        let at = at.map_or(*end, |at| at.parse().unwrap());
        *end = at + bytes.len();
        self.events.push(Event::Wrote { name, at, bytes });
    }

    /// The name of an open file, if it is one of the watched.
    fn file(&self, file: &str) -> Option<String> {
        self.name(&opened_as(file))
    }

    fn name(&self, path: &str) -> Option<String> {
        let name = Path::new(path).strip_prefix(self.folder).ok()?.to_str()?;
        // What is shared between connections is made anew by the first that opens the store.
        (!name.is_empty() && !name.ends_with("-shm")).then(|| name.to_owned())
    }
}

/// The path of an open file, as in `3</some/path>`.
fn opened_as(file: &str) -> String {
    let path = file.split_once('<').map_or("", |(_, path)| path.trim_end_matches('>'));
    String::from_utf8(unescaped(path)).unwrap()
}

fn quoted(text: &str) -> String {
    String::from_utf8(unescaped(text.trim_matches('"'))).unwrap()
}

/// Undoes `\x2f`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        match (first, more) {
            (b'\\', [b'x', high, low, more @ ..]) => {
                let digit =
                    |digit: &u8| u8::try_from(char::from(*digit).to_digit(16).unwrap()).unwrap();
                bytes.push(digit(high) << 4 | digit(low));
                rest = more;
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    bytes
}
