//! Does a rollback serve at once and win, whatever becomes of the store?

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Instant;

use jiff::Timestamp;
use rules::Revision;

use super::super::fragile::{Fragile, Setup, execute, order, rollback, setup, shift};
use super::super::{Declined, Done, Ledger, Order, Reach};
use crate::command::{self, Command};
use crate::store::{Commit, Entry, Store, contract};

#[test]
fn a_rollback_serves_while_the_store_fails() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("50%"), None).unwrap();
    store.broken.store(true, Ordering::Relaxed);
    let done = execute(&ledger, rollback(), None).unwrap();
    assert_eq!((done.revision, done.changed, done.reach), (Revision(3), true, Reach::Node));
    assert!(
        done.warnings.iter().any(|warning| warning.contains("the store does not serve")),
        "{done:?}"
    );
    assert_eq!(ledger.cell().load().revision, Revision(3));
    assert!(!ledger.meters().is_store_up());
    let again = execute(&ledger, rollback(), None).unwrap();
    assert_eq!((again.changed, again.reach), (false, Reach::Node), "still not stored");
    assert!(matches!(execute(&ledger, shift("5%"), None), Err(Declined::Store(_))));
    assert!(ledger.store_unstored().is_err());
    let told = ledger.entries(Revision(1), Revision(9)).unwrap();
    assert_eq!(told.iter().map(|entry| entry.revision.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(ledger.state_of(Revision(3)).unwrap().unwrap(), ledger.present().desired);
    assert_eq!(store.load().unwrap().unwrap().entry.revision, Revision(2));
}

/// A command that is inside the store until it is told to go on.
fn hanging<'s>(
    scope: &'s Scope<'s, '_>,
    ledger: &'s Arc<Ledger>,
    store: &Fragile,
    command: Command,
) -> (ScopedJoinHandle<'s, Done>, mpsc::Sender<()>) {
    let (go_on, gate) = mpsc::channel();
    *store.gate.lock().unwrap() = Some(gate);
    let hangs = scope.spawn(move || execute(ledger, command, None).unwrap());
    while store.gate.lock().unwrap().is_some() {
        std::thread::yield_now();
    }
    (hangs, go_on)
}

#[test]
fn a_rollback_serves_while_a_command_hangs_in_the_store() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("50%"), None).unwrap();
    std::thread::scope(|scope| {
        let (shifting, go_on) = hanging(scope, &ledger, &store, shift("60%"));
        let rolling_back = scope.spawn(|| execute(&ledger, rollback(), None).unwrap());
        // It serves before the other command is done.
        while ledger.present().revision() < Revision(3) {
            std::thread::yield_now();
        }
        assert_eq!(ledger.cell().load().revision, Revision(3));
        assert_eq!(ledger.present().entry.command, "rollback");
        go_on.send(()).unwrap();
        let (shifted, rolled_back) = (shifting.join().unwrap(), rolling_back.join().unwrap());
        assert_eq!((shifted.revision, shifted.reach), (Revision(3), Reach::Stored));
        assert_eq!((rolled_back.revision, rolled_back.reach), (Revision(4), Reach::Stored));
    });
    let present = ledger.present();
    assert_eq!((present.revision(), &*present.entry.command), (Revision(4), "rollback"));
    assert_eq!(present.entry.summary, "sms: rolled back, canary 60% -> off");
    assert_eq!(store.load().unwrap().unwrap().entry, present.entry);
    assert!(!ledger.has_unstored());
}

#[test]
fn a_rollback_by_which_nothing_changes_yet_wins_over_a_command_that_is_being_stored() {
    let Setup { ledger, store, _folder } = setup();
    std::thread::scope(|scope| {
        let (shifting, go_on) = hanging(scope, &ledger, &store, shift("60%"));
        let rolling_back = scope.spawn(|| execute(&ledger, rollback(), None).unwrap());
        while ledger.present().entry.command != "rollback" && !rolling_back.is_finished() {
            std::thread::yield_now();
        }
        go_on.send(()).unwrap();
        assert_eq!(shifting.join().unwrap().reach, Reach::Stored);
        assert!(rolling_back.join().unwrap().changed);
    });
    let present = ledger.present();
    assert_eq!(present.entry.summary, "sms: rolled back, canary 60% -> off");
    assert_eq!(store.load().unwrap().unwrap().entry, present.entry);
}

#[test]
fn a_rollback_that_is_stored_already_is_not_done_twice() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("50%"), None).unwrap();
    store.broken.store(true, Ordering::Relaxed);
    let known = Order { id: Some("one".into()), ..order(rollback(), None) };
    ledger.execute(&known, Timestamp::UNIX_EPOCH).unwrap();
    store.broken.store(false, Ordering::Relaxed);
    // Another node was told the same, and then somebody who knew of it moved traffic again.
    let changes =
        |share: &str| [("shift/sms".to_owned(), Some(format!("{{\"share\":\"{share}\"}}")))];
    let told = Entry {
        command: "rollback".into(),
        arguments: serde_json::json!({"route": "sms", "id": "one"}),
        ..contract::entry(3, "elsewhere")
    };
    store.commit(&Commit::new(Revision(2), &told, &changes("0%"))).unwrap();
    let later = contract::entry(4, "later");
    store.commit(&Commit::new(Revision(3), &later, &changes("5%"))).unwrap();
    ledger.store_unstored().unwrap();
    let present = ledger.present();
    assert_eq!(present.revision(), Revision(5));
    assert_eq!(present.entry.summary, "sms: rolled back, canary 50% -> off: done before");
    let share = present.desired.live.routes["sms"].default.share;
    assert_eq!(share.to_string(), "5%");
}

#[test]
fn a_kept_rollback_is_stored_before_the_next_command() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("50%"), None).unwrap();
    store.broken.store(true, Ordering::Relaxed);
    execute(&ledger, rollback(), None).unwrap();
    let rolled_back = ledger.present();
    store.broken.store(false, Ordering::Relaxed);
    let done = execute(&ledger, shift("5%"), None).unwrap();
    assert_eq!((done.revision, done.reach), (Revision(4), Reach::Stored));
    assert!(done.warnings.is_empty() && !ledger.has_unstored());
    let stored = store.load_at(Revision(3)).unwrap().unwrap();
    assert_eq!(stored.entry, rolled_back.entry);
    assert_eq!(ledger.state_of(Revision(3)).unwrap().unwrap(), rolled_back.desired);
}

#[test]
fn a_kept_rollback_wins_over_what_another_process_stored() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("50%"), None).unwrap();
    store.broken.store(true, Ordering::Relaxed);
    execute(&ledger, rollback(), None).unwrap();
    store.broken.store(false, Ordering::Relaxed);
    let lock = [("lock/acme".to_owned(), Some("\"blocked\"".to_owned()))];
    store.commit(&Commit::new(Revision(2), &contract::entry(3, "elsewhere"), &lock)).unwrap();
    ledger.store_unstored().unwrap();
    let present = ledger.present();
    assert_eq!(present.revision(), Revision(4));
    assert_eq!(ledger.cell().load().revision, Revision(4));
    assert_eq!(present.entry.summary, "sms: rolled back, canary 50% -> off");
    assert_eq!(present.desired.live.locks.len(), 1, "the other's change is kept");
    assert_eq!(store.load().unwrap().unwrap().entry, present.entry);
    assert!(!ledger.has_unstored() && ledger.meters().is_store_up());
}

/// Makes a store hang in whatever is asked of it first, a commit apart, until what is given is dropped.
fn hang(store: &Fragile) -> mpsc::Sender<()> {
    store.shared.store(true, Ordering::Relaxed);
    let (go_on, gate) = mpsc::channel();
    *store.other_gate.lock().unwrap() = Some(gate);
    go_on
}

#[test]
fn the_record_of_a_rollback_waits_for_a_store_that_hangs_and_nobody_waits_for_it() {
    let Setup { ledger, store, _folder } = setup();
    let go_on = hang(&store);
    let route = "nobody".parse().unwrap();
    let unknown = Command::Rollback { route, scope: command::Scope::Route, keep_shadow: false };
    let refused = || execute(&ledger, unknown.clone(), None);
    assert!(matches!(refused(), Err(Declined::Refused(_))));
    assert!(ledger.has_unrecorded());
    while store.other_gate.lock().unwrap().is_some() {
        std::thread::yield_now();
    }
    // Nor does the next one, while the store has the first.
    assert!(matches!(refused(), Err(Declined::Refused(_))));
    assert_eq!(store.lines(1, 9).unwrap().len(), 0);
    drop(go_on);
    while ledger.has_unrecorded() {
        std::thread::yield_now();
    }
    assert_eq!(store.lines(1, 9).unwrap().len(), 2, "each once");
}

#[test]
fn a_rollback_waits_for_nobody_who_reads_the_history() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("50%"), None).unwrap();
    let go_on = hang(&store);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| ledger.entries(Revision(1), Revision(9)).unwrap());
        while store.other_gate.lock().unwrap().is_some() {
            std::thread::yield_now();
        }
        let done = execute(&ledger, rollback(), None).unwrap();
        assert!(done.changed && !reading.is_finished());
        drop(go_on);
        assert_eq!(reading.join().unwrap().first().unwrap().revision, Revision(1));
    });
}

#[test]
fn a_rollback_by_which_nothing_changes_waits_for_a_store_that_hangs_no_longer_than_others() {
    // One that changes something asks the store once, the other one is looked at first.
    let took = |changes: bool| {
        let Setup { ledger, store, _folder } = setup();
        if changes {
            execute(&ledger, shift("50%"), None).unwrap();
        }
        let (asking, (committing, gate)) = (hang(&store), mpsc::channel());
        *store.gate.lock().unwrap() = Some(gate);
        let begun = Instant::now();
        let done = execute(&ledger, rollback(), None).unwrap();
        let elapsed = begun.elapsed();
        assert_eq!((done.changed, done.reach), (true, Reach::Node));
        drop((asking, committing));
        elapsed
    };
    let (once, twice) = (took(true), took(false));
    assert!(twice < once * 7 / 4, "{once:?} {twice:?}");
}
