//! What does a power loss leave of the embedded store? Everything that was acknowledged, whatever the disk had not got yet.
//!
//! A [`writer`] in a process of its own makes revisions and says after each that it is done, while `strace` writes down what
//! it does to its files. [`trace`] reads that, and [`disk`] says what may be left when the power goes at any point of it:
//! all that was synced, and of what was not any part, down to single sectors. The real store is opened on that.

mod disk;
mod trace;
mod writer;

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rules::Revision;

use self::disk::Disk;
use self::trace::Event;
use crate::audit::Verifier;
use crate::store::{Sqlite, Store, StoreError};

/// How many losses are tried.
fn losses() -> usize {
    if std::env::var_os("TURNOUT_LONG").is_some() { 10_000 } else { 300 }
}

/// What became of all losses that were tried.
#[derive(Debug, Default)]
struct Tried {
    losses: usize,
    /// The last revision that was acknowledged.
    acknowledged: u64,
    /// What was not as it must be, a sentence each.
    wrong: Vec<String>,
    /// How often something was written to the database itself, not to its log.
    checkpointed: usize,
}

/// Lets the power go so many times, spread evenly over all that happens.
fn lose_power(events: &[Event], wanted: usize) -> Tried {
    let (mut disk, mut random, mut tried) =
        (Disk::default(), StdRng::seed_from_u64(7), Tried::default());
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Said(revision) => tried.acknowledged = *revision,
            event => disk.take(event),
        }
        while tried.losses < wanted * (at + 1) / events.len() {
            let left = tempfile::tempdir().unwrap();
            disk.lose_power(left.path(), &mut random);
            if let Err(what) = holds(left.path(), tried.acknowledged) {
                let loss = tried.losses;
                tried.wrong.push(format!("loss {loss}, after {event:?}, {}: {what}", at + 1));
            }
            tried.losses += 1;
        }
    }
    tried.checkpointed = disk.writes_of(writer::STORE);
    tried
}

#[test]
fn a_power_loss_at_any_point_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let events = writer::traced(folder.path());
    let tried = lose_power(&events, losses());
    assert!(tried.wrong.is_empty(), "{:#?}", tried.wrong);
    assert_eq!((tried.losses, tried.acknowledged), (losses(), writer::REVISIONS));
    assert!(tried.checkpointed > 20, "the log never went into the database: {tried:?}");
    println!("{tried:?}, {} events", events.len());
}

#[test]
fn a_disk_that_only_says_that_it_has_synced_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = writer::traced(folder.path());
    events.retain(|event| !matches!(event, Event::Synced(name) if name.ends_with("-wal")));
    assert!(!lose_power(&events, 50).wrong.is_empty());
}

/// Everything acknowledged is there, the revision after it wholly or not at all, and the audit holds.
fn holds(folder: &Path, acknowledged: u64) -> Result<(), String> {
    let said = |error: StoreError| format!("{error}: {:?}", std::error::Error::source(&error));
    let store = Sqlite::open(&folder.join(writer::STORE)).map_err(said)?;
    let newest = store.newest().map_err(said)?.revision;
    if newest.0 != acknowledged && newest.0 != acknowledged + 1 {
        return Err(format!("r{acknowledged} was acknowledged, {newest} is there"));
    }
    let values = store.load().map_err(said)?.map(|stored| stored.values).unwrap_or_default();
    if values != writer::values(newest.0) {
        return Err(format!("the state is not that of {newest}"));
    }
    let kept = store.kept().map_err(said)?.get("kept").map_or(0, |value| value.parse().unwrap());
    if kept < acknowledged {
        return Err(format!("the note of r{acknowledged} was acknowledged, r{kept}'s is there"));
    }
    let mut verifier = Verifier::default();
    for line in store.lines(1, u64::MAX).map_err(said)? {
        verifier.take(&line.exported()).map_err(|broken| broken.to_string())?;
    }
    let lines =
        verifier.end().map_err(|broken| broken.to_string())?.map_or(0, |(_, head)| head.seq);
    let entries = store.revisions(Revision(1), newest).map_err(said)?.len();
    if (lines, u64::try_from(entries).unwrap()) != (newest.0, newest.0) {
        return Err(format!("{lines} lines and {entries} entries of {newest}"));
    }
    Ok(())
}

#[test]
fn before_each_acknowledgement_the_disk_was_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (mut syncs, mut said) = (0, 0);
    for event in writer::traced(folder.path()) {
        match event {
            Event::Synced(name) if name.starts_with(writer::STORE) => syncs += 1,
            Event::Said(revision) => {
                // The revision's own, and that of the note after it.
                assert!(syncs >= 2, "r{revision} was acknowledged after {syncs} syncs");
                (syncs, said) = (0, revision);
            }
            _ => {}
        }
    }
    assert_eq!(said, writer::REVISIONS);
}
