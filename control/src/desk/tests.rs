//! Does nobody at the desk wait for another: rollbacks, commands, readers, and askers who go away?

use std::sync::mpsc;

use rules::Revision;

use super::*;
use crate::ledger::fragile::{Setup, order, rollback, seal, setup, shift};
use crate::parity::kit::differing;

/// Waits until a revision is published.
async fn published(desk: &Desk, revision: u64) {
    let mut events = desk.ledger().events().listen();
    while desk.ledger().present().revision() < Revision(revision) {
        let limit = std::time::Duration::from_secs(10);
        tokio::time::timeout(limit, events.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_rollback_overtakes_commands_that_wait() {
    let Setup { ledger, _folder, .. } = setup();
    let desk = Arc::new(Desk::new(ledger, seal(), Timestamp::UNIX_EPOCH));
    desk.command(order(shift("5%"), None)).await.unwrap();
    let turn = desk.turn().await;
    let waiting = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.command(order(shift("50%"), None)).await }
    });
    let done = desk.command(order(rollback(), None)).await.unwrap();
    assert_eq!(done.revision, Revision(3));
    assert!(!waiting.is_finished());
    drop(turn);
    assert_eq!(waiting.await.unwrap().unwrap().summary, "sms: off -> canary 50%");
}

#[test]
fn who_looks_sees_what_has_just_come_in() {
    let Setup { ledger, _folder, .. } = setup();
    let desk = Desk::new(ledger, seal(), Timestamp::UNIX_EPOCH);
    let (offers, reports) = tokio::sync::mpsc::channel(4);
    let signatures = || desk.parity().signatures(&"sms".parse().unwrap()).len();
    desk.listen(reports);
    for (paths, seen) in [(&["/a"][..], 1), (&["/a", "/b"], 2)] {
        offers.try_send(differing("x", 0, paths)).unwrap();
        assert_eq!(signatures(), seen);
    }
}

#[test]
fn a_rollback_needs_no_thread_that_readers_can_use_up() {
    let Setup { ledger, _folder, .. } = setup();
    let desk = Arc::new(Desk::new(ledger, seal(), Timestamp::UNIX_EPOCH));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    let (go_on, gate) = mpsc::channel::<()>();
    runtime.block_on(async {
        let reading = tokio::spawn({
            let desk = Arc::clone(&desk);
            async move { desk.blocking(move |_| gate.recv()).await }
        });
        tokio::task::yield_now().await;
        let limit = std::time::Duration::from_secs(10);
        let done = desk.command(order(shift("5%"), None));
        let done = tokio::time::timeout(limit, done).await;
        drop(go_on);
        assert_eq!(done.unwrap().unwrap().revision, Revision(2));
        assert!(reading.await.unwrap().unwrap().is_err());
    });
}

#[tokio::test]
async fn a_command_goes_on_when_the_asker_goes_away() {
    let Setup { ledger, store, _folder } = setup();
    let desk = Arc::new(Desk::new(ledger, seal(), Timestamp::UNIX_EPOCH));
    let (go_on, gate) = mpsc::channel();
    *store.gate.lock().unwrap() = Some(gate);
    let asked = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.command(order(shift("5%"), None)).await }
    });
    while store.gate.lock().unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    assert_eq!(desk.ledger().present().revision(), Revision(1));
    go_on.send(()).unwrap();
    published(&desk, 2).await;
    assert_eq!(desk.ledger().cell().load().revision, Revision(2));
}
