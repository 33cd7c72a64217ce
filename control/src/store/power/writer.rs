//! Who writes while it is watched? This test's own binary, run once more under `strace`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::trace::{self, Event};
use crate::store::{Change, Sqlite, Store, contract};

/// The store's file.
pub(super) const STORE: &str = "turnout.db";
/// How many revisions are made: enough that the log is taken over into the database more than once.
pub(super) const REVISIONS: u64 = 200;
/// Where the second process writes; without it, it is not the second.
const PLACE: &str = "TURNOUT_POWER_WRITER";
/// How large a value is, so that each takes pages of its own.
const LARGE: usize = 20_000;

/// What happened to the files while all revisions were made.
pub(super) fn traced(folder: &Path) -> Vec<Event> {
    let (written, traced) = (folder.join("store"), folder.join("trace"));
    std::fs::create_dir(&written).unwrap();
    let calls = "trace=openat,write,pwrite64,ftruncate,fsync,fdatasync,unlink,rename,close";
    let ran = Command::new("strace")
        .args(["-f", "-qq", "-y", "-xx", "-s", "70000", "-e", "signal=none", "-e", calls, "-o"])
        .arg(&traced)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::power::writer::write", "--nocapture", "--test-threads=1"])
        .env(PLACE, &written)
        .output()
        .unwrap_or_else(|error| panic!("strace is needed, see `make packages`: {error}"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    trace::read(&std::fs::read_to_string(traced).unwrap(), &written)
}

/// Does nothing where it was not started by [`traced`].
#[test]
fn write() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let store = Sqlite::open(&Path::new(&place).join(STORE)).unwrap();
    for revision in 1..=REVISIONS {
        contract::commit(&store, revision, &changes(revision)).unwrap();
        store.keep(&[("kept".into(), Some(revision.to_string()))]).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}{revision}", trace::SAID).unwrap();
        out.flush().unwrap();
    }
}

fn changes(revision: u64) -> Vec<Change> {
    let large = format!("{revision} ").repeat(LARGE / 4);
    let mut changes = vec![
        ("newest".to_owned(), Some(revision.to_string())),
        (format!("one of seven/{}", revision % 7), Some(large)),
    ];
    if revision.is_multiple_of(5) {
        changes.push((format!("one of seven/{}", (revision + 3) % 7), None));
    }
    changes
}

/// The state as all revisions up to this one make it.
pub(super) fn values(newest: u64) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, value) in (1..=newest).flat_map(changes) {
        match value {
            Some(value) => values.insert(key, value),
            None => values.remove(&key),
        };
    }
    values
}
