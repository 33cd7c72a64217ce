//! What must every store do? One suite that each of them passes.

use std::time::Duration;

use rules::Revision;

use super::{Change, Commit, CommitError, CommitNote, Entry, Store};
use crate::audit::{Line, Record, Verifier, Via};

/// An entry as a command would make it.
pub(crate) fn entry(revision: u64, summary: &str) -> Entry {
    Entry {
        revision: Revision(revision),
        at: "2026-11-21T10:00:00Z".parse().unwrap(),
        actor: "ann".into(),
        why: "a test".into(),
        command: "shift".into(),
        arguments: serde_json::json!({"route": "sms"}),
        summary: summary.into(),
    }
}

fn set(key: &str, value: &str) -> Change {
    (key.to_owned(), Some(value.to_owned()))
}

fn removed(key: &str) -> Change {
    (key.to_owned(), None)
}

/// A record as a command would make it.
pub(crate) fn record(revision: u64) -> Record {
    let at = "2026-11-21T10:00:00Z".parse().unwrap();
    let record = Record::new(at, "ann", &Via::PROCESS, "shift", Revision(revision - 1));
    record.accepted(Revision(revision), &format!("change {revision}"))
}

/// Stores the next revision, with its record.
pub(crate) fn commit(
    store: &dyn Store,
    revision: u64,
    changes: &[Change],
) -> Result<(), CommitError> {
    let entry = entry(revision, &format!("change {revision}"));
    let record = record(revision);
    store.commit(&Commit::new(Revision(revision - 1), &entry, changes).noting(&record))
}

/// A revision that can or cannot be stored.
fn attempt(
    store: &dyn Store,
    expected: u64,
    entry: &Entry,
    changes: &[Change],
) -> Result<(), CommitError> {
    let record = record(entry.revision.0);
    store.commit(&Commit::new(Revision(expected), entry, changes).noting(&record))
}

fn values(store: &dyn Store, revision: u64) -> Vec<(String, String)> {
    store.load_at(Revision(revision)).unwrap().unwrap().values.into_iter().collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Runs the whole suite; `open` makes a fresh store and what keeps it alive.
pub(crate) fn run<Alive>(open: &mut dyn FnMut() -> (Alive, Box<dyn Store>)) {
    let cases: [fn(&dyn Store); 11] = [
        begins_empty,
        shows_every_revision,
        stores_one_command_once,
        keeps_entries_whole,
        lists_entries_by_span,
        lets_one_of_many_through,
        chains_what_is_recorded,
        chains_what_many_record,
        keeps_notes_for_a_while,
        keeps_a_note_and_a_revision_together_or_neither,
        keeps_notes_beside_the_state,
    ];
    for case in cases {
        let (_alive, store) = open();
        case(&*store);
    }
}

fn begins_empty(store: &dyn Store) {
    assert_eq!(store.load().unwrap(), None);
    assert_eq!(store.load_at(Revision(1)).unwrap(), None);
    assert!(store.revisions(Revision(0), Revision(100)).unwrap().is_empty());
}

fn shows_every_revision(store: &dyn Store) {
    commit(store, 1, &[set("a", "1"), set("b", "1")]).unwrap();
    commit(store, 2, &[set("a", "2")]).unwrap();
    commit(store, 3, &[removed("b"), set("c", "3")]).unwrap();
    commit(store, 4, &[]).unwrap();
    commit(store, 5, &[set("b", "5")]).unwrap();
    assert_eq!(values(store, 1), [pair("a", "1"), pair("b", "1")]);
    assert_eq!(values(store, 2), [pair("a", "2"), pair("b", "1")]);
    assert_eq!(values(store, 3), [pair("a", "2"), pair("c", "3")]);
    assert_eq!(values(store, 4), values(store, 3));
    assert_eq!(values(store, 5), [pair("a", "2"), pair("b", "5"), pair("c", "3")]);
    assert_eq!(store.load().unwrap(), store.load_at(Revision(5)).unwrap());
    assert_eq!(store.load_at(Revision(6)).unwrap(), None);
}

fn stores_one_command_once(store: &dyn Store) {
    commit(store, 1, &[set("a", "1")]).unwrap();
    let again = attempt(store, 0, &entry(1, "again"), &[set("a", "2")]);
    assert!(matches!(again, Err(CommitError::Conflict { present: Revision(1) })));
    let too_far = attempt(store, 2, &entry(3, "too far"), &[set("a", "3")]);
    assert!(matches!(too_far, Err(CommitError::Conflict { present: Revision(1) })));
    let skips = attempt(store, 1, &entry(3, "skips one"), &[set("a", "3")]);
    assert!(matches!(skips, Err(CommitError::Conflict { present: Revision(1) })));
    assert_eq!(values(store, 1), [pair("a", "1")]);
    assert_eq!(store.load().unwrap().unwrap().entry.summary, "change 1");
}

fn keeps_entries_whole(store: &dyn Store) {
    let mut first = entry(1, "sms: canary 5% -> 25%");
    first.actor = "Zoë <z@example.org>".into();
    first.why = "quotes ' \" and\nlines".into();
    first.at = "2026-11-21T10:00:00.123456789Z".parse().unwrap();
    attempt(store, 0, &first, &[]).unwrap();
    assert_eq!(store.load().unwrap().unwrap().entry, first);
}

fn lists_entries_by_span(store: &dyn Store) {
    for revision in 1..=5 {
        commit(store, revision, &[]).unwrap();
    }
    let listed = |first, last| -> Vec<u64> {
        let entries = store.revisions(Revision(first), Revision(last)).unwrap();
        entries.iter().map(|entry| entry.revision.0).collect()
    };
    assert_eq!(listed(2, 4), [2, 3, 4]);
    assert_eq!(listed(4, 1_000), [4, 5]);
    assert!(listed(6, 9).is_empty());
}

fn keeps_notes_beside_the_state(store: &dyn Store) {
    commit(store, 1, &[set("a", "1")]).unwrap();
    assert!(store.kept().unwrap().is_empty());
    store.keep(&[set("x", "1"), set("y", "1")]).unwrap();
    store.keep(&[set("x", "2"), removed("y"), removed("z")]).unwrap();
    assert_eq!(store.kept().unwrap().into_iter().collect::<Vec<_>>(), [pair("x", "2")]);
    assert_eq!(values(store, 1), [pair("a", "1")]);
    commit(store, 2, &[]).unwrap();
}

fn lets_one_of_many_through(store: &dyn Store) {
    let accepted = std::thread::scope(|scope| {
        let attempt = |n: usize| commit(store, 1, &[set("winner", &n.to_string())]).is_ok();
        let attempts: Vec<_> = (0..8).map(|n| scope.spawn(move || attempt(n))).collect();
        attempts.into_iter().map(|t| t.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(accepted, 1);
}

fn exported(store: &dyn Store) -> Vec<String> {
    store.lines(1, 1_000).unwrap().iter().map(Line::exported).collect()
}

fn verified(store: &dyn Store) -> u64 {
    let mut verifier = Verifier::default();
    exported(store).iter().for_each(|line| verifier.take(line).unwrap());
    let end = verifier.end().unwrap().map(|(_, head)| head).unwrap_or_default();
    assert_eq!(end, store.audited().unwrap());
    end.seq
}

fn chains_what_is_recorded(store: &dyn Store) {
    assert_eq!(verified(store), 0);
    commit(store, 1, &[set("a", "1")]).unwrap();
    let refused = record(1).refused("no_candidate");
    store.record(&[refused.clone(), refused.clone()]).unwrap();
    store.record(&[]).unwrap();
    commit(store, 2, &[]).unwrap();
    // What is not stored leaves no line of its own.
    assert!(commit(store, 2, &[]).is_err());
    assert_eq!(verified(store), 4);
    let records: Vec<Record> =
        store.lines(1, 9).unwrap().iter().map(|line| line.record().unwrap()).collect();
    assert_eq!(records, [record(1), refused.clone(), refused, record(2)]);
    let some: Vec<u64> = store.lines(2, 3).unwrap().iter().map(|line| line.head.seq).collect();
    assert_eq!(some, [2, 3]);
}

fn chains_what_many_record(store: &dyn Store) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| store.record(&[record(1).refused("late")]).unwrap());
        }
    });
    assert_eq!(verified(store), 8);
}

fn keeps_a_note_and_a_revision_together_or_neither(store: &dyn Store) {
    let keep = Duration::from_secs(60);
    let note = |value: &str, instead_of: Option<&str>| CommitNote {
        key: "a/1".to_owned(),
        value: value.to_owned(),
        keep,
        instead_of: instead_of.map(str::to_owned),
    };
    let with = |revision: u64, note: &CommitNote| {
        let (entry, record) = (entry(revision, "noted"), record(revision));
        let changes = [set("a", "1"), set("b", "2")];
        let commit = Commit::new(Revision(revision - 1), &entry, &changes);
        store.commit(&commit.noting(&record).with(Some(note)))
    };
    let told = || store.notes("a/").unwrap().pop().map(|(_, value)| value);
    // Where nothing is there, and where what may be there is.
    with(1, &note("first", Some("reserved"))).unwrap();
    assert_eq!(told().as_deref(), Some("first"));
    assert_eq!(store.load().unwrap().unwrap().values.len(), 2);
    store.renote("a/1", Some("reserved"), keep).unwrap();
    with(2, &note("second", Some("reserved"))).unwrap();
    // Another one is there: nothing is stored.
    let repeated = with(3, &note("third", Some("reserved")));
    assert!(matches!(repeated, Err(CommitError::Repeated)), "{repeated:?}");
    assert_eq!(told().as_deref(), Some("second"));
    assert_eq!(store.newest().unwrap().revision, Revision(2));
    assert_eq!(store.audited().unwrap().seq, 2);
    // A late one leaves no note, either; and one that need not care takes any place.
    assert!(matches!(with(2, &note("late", None)), Err(CommitError::Conflict { .. })));
    assert_eq!(told().as_deref(), Some("second"));
    with(3, &note("third", None)).unwrap();
    assert_eq!(told().as_deref(), Some("third"));
}

fn keeps_notes_for_a_while(store: &dyn Store) {
    let hour = Duration::from_secs(3_600);
    assert_eq!(store.note("a/1", "first", hour).unwrap(), None);
    assert_eq!(store.note("a/1", "second", hour).unwrap().as_deref(), Some("first"));
    store.renote("a/1", Some("third"), hour).unwrap();
    store.note("a/2", "x", hour).unwrap();
    store.note("b/1", "y", hour).unwrap();
    assert_eq!(store.notes("a/").unwrap(), [pair("a/1", "third"), pair("a/2", "x")]);
    store.renote("a/2", None, hour).unwrap();
    assert_eq!(store.notes("a/").unwrap(), [pair("a/1", "third")]);
    store.note("a/3", "over at once", Duration::from_millis(1)).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !store.notes("a/3").unwrap().is_empty() {
        assert!(std::time::Instant::now() < deadline, "it is kept for good");
    }
    assert_eq!(store.note("a/3", "anew", hour).unwrap(), None);
    assert!(store.load().unwrap().is_none(), "notes are no revisions");
}
