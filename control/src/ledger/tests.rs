//! A command is carried out whole, or nothing of it: with stores that fail, lie and are faster.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};

use jiff::Timestamp;
use rules::Revision;

use super::fragile::{Setup, YAML, execute, order, rollback, setup, shift};
use super::lookup::Lookups;
use super::{Declined, Once, Order, compiled};
use crate::audit::{Line, Outcome, Record};
use crate::command::Command;
use crate::hour::Hour;
use crate::store::{Commit, Store, contract};

#[test]
fn what_cannot_be_stored_changes_nothing() {
    let Setup { ledger, store, _folder } = setup();
    let (before, snapshot) = (ledger.present(), ledger.cell().load());
    store.broken.store(true, Ordering::Relaxed);
    assert!(matches!(execute(&ledger, shift("5%"), None), Err(Declined::Store(_))));
    assert!(Arc::ptr_eq(&before, &ledger.present()));
    assert!(Arc::ptr_eq(&snapshot, &ledger.cell().load()));
    assert!(!ledger.meters().is_store_up());
    store.broken.store(false, Ordering::Relaxed);
    assert_eq!(execute(&ledger, shift("5%"), None).unwrap().revision, Revision(2));
    assert!(ledger.meters().is_store_up());
}

#[test]
fn what_does_not_compile_is_not_stored() {
    let Setup { ledger, store, _folder } = setup();
    let targets = vec![config::TargetSpec { address: "no address".into(), weight: 1 }];
    let command = Command::Targets { upstream: "old".parse().unwrap(), targets };
    assert!(matches!(execute(&ledger, command, None), Err(Declined::Invalid(_))));
    assert_eq!(ledger.present().revision(), Revision(1));
    assert_eq!(store.load().unwrap().unwrap().entry.revision, Revision(1));
}

#[test]
fn a_command_on_an_older_revision_is_late() {
    let Setup { ledger, .. } = setup();
    execute(&ledger, shift("5%"), Some(1)).unwrap();
    match execute(&ledger, shift("10%"), Some(1)) {
        Err(Declined::Stale { present, actor }) => {
            assert_eq!((present, actor.as_str()), (Revision(2), "ann"));
        }
        other => panic!("{other:?}"),
    }
    execute(&ledger, shift("10%"), Some(2)).unwrap();
}

#[test]
fn what_another_process_stored_is_taken_over_first() {
    let Setup { ledger, store, _folder } = setup();
    let changes = [("lock/acme".to_owned(), Some("\"blocked\"".to_owned()))];
    store.commit(&Commit::new(Revision(1), &contract::entry(2, "elsewhere"), &changes)).unwrap();
    let done = execute(&ledger, shift("5%"), None).unwrap();
    assert_eq!(done.revision, Revision(3));
    let present = ledger.present();
    assert_eq!(present.desired.live.locks.len(), 1, "the other's change is kept");
    assert_eq!(ledger.cell().load().revision, Revision(3));
}

#[test]
fn whoever_expects_a_revision_hears_of_another_process() {
    let Setup { ledger, store, _folder } = setup();
    store.commit(&Commit::new(Revision(1), &contract::entry(2, "elsewhere"), &[])).unwrap();
    let late = execute(&ledger, shift("5%"), Some(1));
    assert!(matches!(late, Err(Declined::Stale { present: Revision(2), .. })), "{late:?}");
    assert_eq!(ledger.cell().load().revision, Revision(2));
}

#[test]
fn a_commit_that_only_seemed_to_fail_serves() {
    let Setup { ledger, store, _folder } = setup();
    store.loses_answers.store(true, Ordering::Relaxed);
    let done = execute(&ledger, shift("5%"), None).unwrap();
    assert_eq!((done.revision, done.changed), (Revision(2), true));
    assert_eq!(ledger.cell().load().revision, Revision(2));
}

#[test]
fn a_request_that_comes_twice_is_stored_once() {
    let Setup { ledger, store, _folder } = setup();
    let once =
        Once { key: "once/1".into(), under_way: r#"{"asked":"a"}"#.into(), asked: "a".into() };
    store.note(&once.key, &once.under_way, Once::KEPT_FOR).unwrap();
    let asked = |share| Order { once: Some(once.clone()), ..order(shift(share), None) };
    ledger.execute(&asked("5%"), Timestamp::UNIX_EPOCH).unwrap();
    let noted = store.notes("once/").unwrap();
    assert_eq!(noted, [("once/1".to_owned(), r#"{"asked":"a","made":2}"#.to_owned())]);
    // It waited behind the first one all the time, and nobody knows of it any more.
    let again = ledger.execute(&asked("6%"), Timestamp::UNIX_EPOCH);
    assert!(matches!(again, Err(Declined::Repeated)), "{again:?}");
    assert_eq!(ledger.present().revision(), Revision(2));
}

#[test]
fn a_preview_leaves_everything_as_it_is() {
    let Setup { ledger, store, _folder } = setup();
    let preview = ledger.preview(&order(shift("5%"), None), &Hour::default()).unwrap();
    assert_eq!((preview.changed, preview.summary.as_str()), (true, "sms: off -> canary 5%"));
    assert!(preview.diff.contains("+shift/sms {\"share\":\"5%\""), "{}", preview.diff);
    assert_eq!(ledger.present().revision(), Revision(1));
    assert_eq!(store.load().unwrap().unwrap().entry.revision, Revision(1));
}

#[test]
fn what_needs_a_restart_is_said() {
    let Setup { ledger, .. } = setup();
    let text = format!("status: {{address: 127.0.0.1:9999}}\ndrain: 5s\n{YAML}");
    let now = Timestamp::UNIX_EPOCH;
    let apply = |text: &str| Command::Apply(ledger.configuration(text.into(), now).unwrap());
    let restart = "status, drain changed: that takes effect when Turnout is started again";
    assert_eq!(execute(&ledger, apply(&text), None).unwrap().warnings, [restart]);
    let again = execute(&ledger, apply(&format!("# still\n{text}")), None).unwrap();
    assert_eq!(again.warnings, [restart], "until it is started again");
    assert!(execute(&ledger, apply(YAML), None).unwrap().warnings.is_empty());
}

#[test]
fn an_older_state_is_found_whole() {
    let Setup { ledger, .. } = setup();
    execute(&ledger, shift("5%"), None).unwrap();
    let then = ledger.present();
    execute(&ledger, rollback(), None).unwrap();
    let found = ledger.state_of(Revision(2)).unwrap().unwrap();
    assert_eq!(found, then.desired);
    assert!(Arc::ptr_eq(&found.configuration.document, &then.desired.configuration.document));
    assert!(ledger.state_of(Revision(9)).unwrap().is_none());
}

#[test]
fn a_sunset_that_passes_stops_neither_shift_nor_rollback() {
    let Setup { ledger, .. } = setup();
    let text = YAML.replace(
        "canonical: /v1/sms,",
        "canonical: /v1/sms, aliases: [{path: /old, deprecated: 2026-01-01, sunset: 2026-06-30}],",
    );
    let before: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let after: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
    let apply = |now| Command::Apply(ledger.configuration(text.as_str().into(), now).unwrap());
    assert!(matches!(execute(&ledger, apply(after), None), Err(Declined::Invalid(_))));
    execute(&ledger, apply(before), None).unwrap();
    let order = order(rollback(), None);
    execute(&ledger, shift("5%"), None).unwrap();
    ledger.execute(&order, after).unwrap();
    // What a restart compiles.
    let stored = ledger.state_of(ledger.present().revision()).unwrap().unwrap();
    compiled(&stored, ledger.present().revision(), None).unwrap();
}

fn swap(address: &str) -> Command {
    let targets = vec![config::TargetSpec { address: address.into(), weight: 1 }];
    Command::Targets { upstream: "new".parse().unwrap(), targets }
}

#[test]
fn a_new_targets_name_is_known_before_it_serves() {
    let Setup { mut ledger, _folder, .. } = setup();
    let known: SocketAddr = "10.0.0.1:80".parse().unwrap();
    Arc::get_mut(&mut ledger).unwrap().lookups =
        Lookups::by(
            move |address| {
                if address.host() == "known.internal" { vec![known] } else { Vec::new() }
            },
        );
    execute(&ledger, swap("known.internal:80"), None).unwrap();
    let snapshot = ledger.cell().load();
    let upstream = snapshot.upstreams.iter().find(|u| u.name.as_str() == "new").unwrap();
    assert_eq!(*upstream.targets[0].state.addresses(), [known]);
    match execute(&ledger, swap("unknown.internal:80"), None) {
        Err(Declined::Unresolved(what)) => assert!(what.contains("unknown.internal:80"), "{what}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(ledger.present().revision(), Revision(2));
}

#[test]
fn a_configuration_with_an_unknown_name_is_taken_with_a_warning() {
    let Setup { mut ledger, _folder, .. } = setup();
    Arc::get_mut(&mut ledger).unwrap().lookups = Lookups::by(|_| Vec::new());
    let text = YAML.replace("127.0.0.1:3002", "unknown.internal:80");
    let configuration = ledger.configuration(text.as_str().into(), Timestamp::UNIX_EPOCH);
    let done = execute(&ledger, Command::Apply(configuration.unwrap()), None).unwrap();
    assert_eq!(done.warnings, ["upstream new: no address is known for unknown.internal:80"]);
}

#[test]
fn a_name_that_is_not_found_in_time_holds_up_no_rollback() {
    let Setup { mut ledger, _folder, .. } = setup();
    execute(&ledger, shift("5%"), None).unwrap();
    let (asked, is_asked) = mpsc::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    Arc::get_mut(&mut ledger).unwrap().lookups = Lookups::by(move |_| {
        asked.send(()).ok();
        gate.lock().unwrap().recv().ok();
        Vec::new()
    });
    std::thread::scope(|scope| {
        let swapping = scope.spawn(|| execute(&ledger, swap("slow.internal:80"), None));
        is_asked.recv().unwrap();
        execute(&ledger, rollback(), None).unwrap();
        assert!(matches!(swapping.join().unwrap(), Err(Declined::Unresolved(_))));
    });
    drop(go_on);
}

fn audit(store: &dyn Store) -> Vec<(String, Outcome, u64, u64)> {
    let record = |line: &Line| {
        let record = line.record().unwrap();
        (record.command, record.outcome, record.before, record.after)
    };
    store.lines(1, 100).unwrap().iter().map(record).collect()
}

#[test]
fn every_command_is_accounted_for_whatever_came_of_it() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("5%"), None).unwrap();
    execute(&ledger, shift("5%"), None).unwrap();
    assert!(execute(&ledger, shift("10%"), Some(1)).is_err());
    let (shift, expected) = (
        "shift".to_owned(),
        [(Outcome::Accepted, 1, 2), (Outcome::Unchanged, 2, 2), (Outcome::Refused, 2, 2)],
    );
    assert_eq!(audit(&store), expected.map(|(outcome, a, b)| (shift.clone(), outcome, a, b)));
    let refused = store.lines(3, 3).unwrap()[0].record().unwrap();
    assert_eq!((refused.code.as_deref(), &*refused.why), (Some("revision_conflict"), "a test"));
}

#[test]
fn what_happens_while_the_store_fails_is_accounted_for_later() {
    let Setup { ledger, store, _folder } = setup();
    execute(&ledger, shift("50%"), None).unwrap();
    store.broken.store(true, Ordering::Relaxed);
    assert!(execute(&ledger, shift("60%"), None).is_err());
    execute(&ledger, rollback(), None).unwrap();
    assert!(ledger.has_unrecorded());
    assert_eq!(audit(&store).len(), 1);
    store.broken.store(false, Ordering::Relaxed);
    ledger.store_unstored().unwrap();
    assert!(!ledger.has_unrecorded());
    let records: Vec<_> =
        store.lines(2, 9).unwrap().iter().map(|line| line.record().unwrap()).collect();
    let told = |r: &Record| (r.command.clone(), r.code.clone(), r.scope.clone());
    let told: Vec<_> = records.iter().map(told).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            ("rollback".into(), None, some("node")),
            ("shift".into(), some("store_unavailable"), None),
        ]
    );
}
