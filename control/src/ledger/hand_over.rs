//! How does another process go on with the state? Commands wait until it has the store, or until it is clear that it fails.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rules::Revision;

use super::Ledger;
use crate::store::StoreError;

/// How long commands wait for the store to come back. Later it is tried each second, and they fail until then.
const RETAKEN_WITHIN: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// Why the state cannot be handed over now. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// What serves is known to this process alone.
    #[error("the store fails, and a rollback that serves is not stored yet: it would be lost")]
    Unstored,
    /// The other process did not take it.
    #[error("the other process did not take over")]
    NotTaken,
    /// That has happened already.
    #[error("another process has taken over already")]
    HandedOver,
}

impl Ledger {
    /// Lets go of the store and has `take` wait until another process serves by it; the revision is the one to begin with.
    ///
    /// Commands wait meanwhile, rollbacks too: what is stored by two processes at once would be lost by one of them. If the
    /// other one takes over, they are declined with [`super::Declined::HandedOver`], and asked again they reach it. If not,
    /// they are carried out here, as if nothing had been.
    ///
    /// # Errors
    /// When it cannot be handed over, or was not taken.
    pub fn hand_over(&self, take: impl FnOnce(Revision) -> bool) -> Result<(), HandOverError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.handed_over.load(Ordering::Relaxed) {
            return Err(HandOverError::HandedOver);
        }
        let _serving = loop {
            if let Err(error) = self.settle() {
                tracing::debug!(error = &error as &dyn std::error::Error, "the store still fails");
                return Err(HandOverError::Unstored);
            }
            let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
            // A rollback may have come in between.
            if !self.has_unstored() {
                break serving;
            }
        };
        self.store_unrecorded();
        self.store.release();
        if !take(self.present().revision()) {
            self.retake();
            return Err(HandOverError::NotTaken);
        }
        self.handed_over.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the store back from a process that failed, and may be on its way out still.
    fn retake(&self) {
        let begun = Instant::now();
        while let Err(error) = self.store.retake() {
            if begun.elapsed() > RETAKEN_WITHIN {
                self.without_store.store(true, Ordering::Relaxed);
                self.store_failed(&error, "the store cannot be taken back yet");
                return;
            }
            sleep(LOOK);
        }
    }

    /// Whether another process serves in this one's place.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed)
    }

    /// Whether a process that failed to take over still keeps the store from this one.
    #[must_use]
    pub fn is_without_store(&self) -> bool {
        self.without_store.load(Ordering::Relaxed)
    }

    /// Tries once more to take the store back.
    ///
    /// # Errors
    /// When the other process still has it.
    pub fn try_to_retake(&self) -> Result<(), StoreError> {
        self.store.retake()?;
        self.without_store.store(false, Ordering::Relaxed);
        self.meters.store_served();
        tracing::info!("the store is taken back");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use jiff::Timestamp;
    use rules::Revision;

    use super::*;
    use crate::ledger::fragile::{Setup, order, rollback, setup, shift};
    use crate::ledger::{Declined, Reach};
    use crate::store::{Sqlite, Store};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_command_waits_and_is_told_to_ask_the_other_process() {
        let Setup { ledger, _folder, .. } = setup();
        let path = _folder.path().join("turnout.db");
        let (asked, waits) = mpsc::channel();
        let mut asking = None;
        let handed = ledger.hand_over(|revision| {
            assert_eq!(revision, Revision(1));
            let ledger = Arc::clone(&ledger);
            asking = Some(std::thread::spawn(move || {
                asked.send(()).unwrap();
                ledger.execute(&order(rollback(), None), NOW)
            }));
            waits.recv().unwrap();
            Sqlite::open(&path).is_ok()
        });
        assert_eq!(handed, Ok(()));
        let declined = asking.unwrap().join().unwrap();
        assert!(matches!(declined, Err(Declined::HandedOver)), "{declined:?}");
        assert_eq!(ledger.hand_over(|_| true), Err(HandOverError::HandedOver));
        assert_eq!(
            Sqlite::open(&path).unwrap().load().unwrap().unwrap().entry.revision,
            Revision(1)
        );
    }

    #[test]
    fn what_is_not_taken_goes_on_here() {
        let Setup { ledger, _folder, .. } = setup();
        assert_eq!(ledger.hand_over(|_| false), Err(HandOverError::NotTaken));
        let done = ledger.execute(&order(shift("5%"), None), NOW).unwrap();
        assert_eq!((done.revision, done.reach), (Revision(2), Reach::Stored));
    }

    #[test]
    fn a_rollback_goes_on_while_one_that_failed_still_has_the_store() {
        let Setup { ledger, _folder, .. } = setup();
        ledger.execute(&order(shift("5%"), None), NOW).unwrap();
        let mut stuck = None;
        let handed = ledger.hand_over(|_| {
            stuck = Some(Sqlite::open(&_folder.path().join("turnout.db")).unwrap());
            false
        });
        assert_eq!(handed, Err(HandOverError::NotTaken));
        let done = ledger.execute(&order(rollback(), None), NOW).unwrap();
        assert_eq!(done.reach, Reach::Node);
        assert!(ledger.is_without_store() && ledger.try_to_retake().is_err());
        drop(stuck);
        ledger.try_to_retake().unwrap();
        ledger.store_unstored().unwrap();
        assert!(!ledger.has_unstored() && !ledger.is_without_store());
    }

    #[test]
    fn what_is_not_stored_is_not_handed_over() {
        use std::sync::atomic::Ordering::Relaxed;
        let Setup { ledger, store, _folder } = setup();
        ledger.execute(&order(shift("5%"), None), NOW).unwrap();
        store.broken.store(true, Relaxed);
        ledger.execute(&order(rollback(), None), NOW).unwrap();
        let handed = ledger.hand_over(|_| panic!("it was offered"));
        assert_eq!(handed, Err(HandOverError::Unstored));
        store.broken.store(false, Relaxed);
        assert_eq!(ledger.hand_over(|_| true), Ok(()));
    }
}
