//! What must every store do? One suite that each of them passes.

use rules::Revision;

use super::{Change, CommitError, Entry, Store};

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

fn commit(store: &dyn Store, revision: u64, changes: &[Change]) -> Result<(), CommitError> {
    let entry = entry(revision, &format!("change {revision}"));
    store.commit(Revision(revision - 1), &entry, changes)
}

fn values(store: &dyn Store, revision: u64) -> Vec<(String, String)> {
    store.load_at(Revision(revision)).unwrap().unwrap().values.into_iter().collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Runs the whole suite; `open` makes a fresh store and what keeps it alive.
pub(crate) fn run<Alive>(open: &mut dyn FnMut() -> (Alive, Box<dyn Store>)) {
    let cases: [fn(&dyn Store); 7] = [
        begins_empty,
        shows_every_revision,
        stores_one_command_once,
        keeps_entries_whole,
        lists_entries_by_span,
        lets_one_of_many_through,
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
    let again = store.commit(Revision(0), &entry(1, "again"), &[set("a", "2")]);
    assert!(matches!(again, Err(CommitError::Conflict { present: Revision(1) })));
    let too_far = store.commit(Revision(2), &entry(3, "too far"), &[set("a", "3")]);
    assert!(matches!(too_far, Err(CommitError::Conflict { present: Revision(1) })));
    let skips = store.commit(Revision(1), &entry(3, "skips one"), &[set("a", "3")]);
    assert!(matches!(skips, Err(CommitError::Conflict { present: Revision(1) })));
    assert_eq!(values(store, 1), [pair("a", "1")]);
    assert_eq!(store.load().unwrap().unwrap().entry.summary, "change 1");
}

fn keeps_entries_whole(store: &dyn Store) {
    let mut first = entry(1, "sms: canary 5% -> 25%");
    first.actor = "Zoë <z@example.org>".into();
    first.why = "quotes ' \" and\nlines".into();
    first.at = "2026-11-21T10:00:00.123456789Z".parse().unwrap();
    store.commit(Revision(0), &first, &[]).unwrap();
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
