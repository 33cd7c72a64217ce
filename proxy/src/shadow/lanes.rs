//! Which thread carries a copy? Each stays on one thread from its first byte to its comparison, and so do the connections that
//! it takes: the threads of copies do not wake one another.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rules::exchange::NotComparable;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::capture::{Pending, Primary};
use super::exchange;

/// Threads that send copies and compare answers.
pub(super) const LANES: usize = 2;
/// Copies that wait until their thread takes them up: as many as come within 20 ms, which comparing two long answers may take,
/// where there are 12,000 a second. More of them mean that there is no CPU left for copies. (INV-7)
const MOST_WAITING: usize = 256;
/// What is taken up later than this is not sent any more: its answer would be held against one from another time, and what
/// has been sent would have to wait even longer.
const TOO_LATE: Duration = Duration::from_secs(3);
/// By how much they give way to others (Linux's nice value): of a core that both want, a request's thread gets three times as much
/// as each of them (sched(7)), and it goes on when it wakes one. (INV-8)
const NICE: i32 = 5;

/// The threads that carry copies. They end, and let go of what they carry, when nobody can send them anything any more.
#[derive(Debug, Default)]
pub(super) struct Lanes(Vec<Lane>);

#[derive(Debug)]
struct Lane {
    onramp: Onramp,
    carried: Arc<AtomicUsize>,
}

/// The way onto a lane.
#[derive(Debug, Clone)]
pub(super) struct Onramp(Sender<Departure>);

/// A copy that is to be sent now, and from where its primary's answer will come.
#[derive(Debug)]
struct Departure {
    due: Instant,
    pending: Box<Pending>,
    primary: oneshot::Receiver<Result<Primary, NotComparable>>,
}

/// A place on a lane, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// The lane's number: connections belong to one.
    pub(super) lane: usize,
    carried: Arc<AtomicUsize>,
}

impl Lanes {
    /// Starts the threads.
    ///
    /// # Errors
    /// When they cannot all be had.
    pub(super) fn start() -> io::Result<Self> {
        (0..LANES).map(|_| Lane::start()).collect::<io::Result<_>>().map(Self)
    }

    /// A place on the lane that carries the least, and the way onto it; none where there are no lanes.
    pub(super) fn place(&self) -> Option<(Place, Onramp)> {
        let carried = |(_, lane): &(usize, &Lane)| lane.carried.load(Ordering::Relaxed);
        let (number, lane) = self.0.iter().enumerate().min_by_key(carried)?;
        lane.carried.fetch_add(1, Ordering::Relaxed);
        let place = Place { lane: number, carried: Arc::clone(&lane.carried) };
        Some((place, lane.onramp.clone()))
    }
}

impl Lane {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (onramp, departures) = channel(MOST_WAITING);
        let carry = move || carry(&runtime, departures);
        drop(thread::Builder::new().name("shadow".to_owned()).spawn(carry)?);
        Ok(Self { onramp: Onramp(onramp), carried: Arc::default() })
    }
}

impl Onramp {
    /// The way onto a lane whose thread never comes by.
    #[cfg(test)]
    pub(super) fn stuck(room: usize) -> (Self, impl Sized) {
        let (onramp, departures) = channel(room);
        (Self(onramp), departures)
    }

    /// Sends a copy on its way that is due now; where too many wait for that, it is shed. Says which.
    pub(super) fn depart(
        self,
        due: Instant,
        pending: Box<Pending>,
        primary: oneshot::Receiver<Result<Primary, NotComparable>>,
    ) -> bool {
        let departed = self.0.try_send(Departure { due, pending, primary });
        match departed {
            Ok(()) => true,
            // The thread is gone only when it has come to grief.
            Err(TrySendError::Full(shed) | TrySendError::Closed(shed)) => {
                shed.pending.settle_unsent(NotComparable::Shed);
                false
            }
        }
    }
}

fn carry(runtime: &Runtime, mut departures: Receiver<Departure>) {
    // Of this thread alone, as only Linux has it.
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::nice(NICE)
    {
        tracing::debug!(%error, "copies take the CPU as requests do");
    }
    runtime.block_on(async move {
        while let Some(Departure { due, pending, primary }) = departures.recv().await {
            if due.elapsed() > TOO_LATE {
                pending.settle_unsent(NotComparable::Shed);
            } else {
                drop(tokio::spawn(exchange::run(pending, primary)));
            }
        }
    });
}

impl Drop for Place {
    fn drop(&mut self) {
        self.carried.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_takes_the_lane_that_carries_the_least() {
        let lanes = Lanes::start().unwrap();
        let place = || lanes.place().unwrap().0;
        let (first, second) = (place(), place());
        assert_eq!((first.lane, second.lane), (0, 1));
        drop(second);
        assert_eq!(place().lane, 1, "the other one carries one");
        drop(first);
        assert_eq!(place().lane, 0);
    }
}
