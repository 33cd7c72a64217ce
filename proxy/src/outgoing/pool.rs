//! Which connections to targets wait to be used again?
//!
//! Pingora's own pool has a task and a timer for each connection that waits, which come and go with every request
//! (docs/hot-path.md). Here a connection only lies on its pile, and all are looked at once a second.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::sleep;

use crate::connection::{Transport, Wait};

/// How often it is looked which connections have waited for too long, or were closed by their targets.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many are looked at before requests that wait for the pool have their turn.
const LOOKED_AT: usize = 32;

/// Connections that wait, each pile with the one on top that was used last.
#[derive(Debug)]
pub(super) struct Pool {
    piles: Mutex<Piles>,
    /// How many may wait at a time, of all targets together.
    most: usize,
    /// Whether they are looked at.
    watched: AtomicBool,
}

#[derive(Debug, Default)]
struct Piles {
    all: HashMap<u64, VecDeque<Waiting>>,
    count: usize,
}

/// What a connection leads to, and how long it may wait there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) pool: Arc<Pool>,
    /// The same for all that may stand in for each other: Pingora's own hash of a peer.
    pub(super) key: u64,
    /// What two of the same hash are told apart by; none where it is no address of the internet.
    pub(super) address: Option<SocketAddr>,
    pub(super) longest: Option<Duration>,
}

/// A connection that waits, with the memory and the timer that it had.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) inner: Transport,
    pub(super) kept: Vec<u8>,
    pub(super) wait: Wait,
    address: Option<SocketAddr>,
    since: Instant,
    /// Until when; for ever where there is no end.
    until: Option<Instant>,
}

impl Pool {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let (piles, watched) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { piles, most, watched })
    }

    fn piles(&self) -> MutexGuard<'_, Piles> {
        self.piles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From the first connection on, looks at all of them for as long as there is such a pool.
    fn watch(self: &Arc<Self>) {
        if self.watched.swap(true, Ordering::Relaxed) {
            return;
        }
        let pool = Arc::downgrade(self);
        Handle::current().spawn(async move {
            loop {
                sleep(LOOK_EVERY).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.let_go(Instant::now());
            }
        });
    }

    /// Closes what has waited for too long, and what its target has closed. Not all at once, for requests wait meanwhile.
    fn let_go(&self, now: Instant) {
        let keys: Vec<u64> = self.piles().all.keys().copied().collect();
        for key in keys {
            let mut left = usize::MAX;
            while left > 0 {
                let (gone, more) = self.piles().let_go(key, left, now);
                // Closing takes a system call each.
                drop(gone);
                left = more;
            }
        }
    }
}

impl Place {
    /// The connection to here that was used last, if one waits and is still open.
    pub(super) fn take(&self) -> Option<Waiting> {
        let now = Instant::now();
        loop {
            let mut waiting = self.pool.piles().take(self)?;
            if waiting.may_wait(now) && waiting.is_open() {
                return Some(waiting);
            }
        }
    }

    /// Has a connection wait here. Where too many do, another one is closed for it.
    pub(super) fn keep(&self, inner: Transport, kept: Vec<u8>, wait: Wait) {
        let since = Instant::now();
        let until = self.longest.and_then(|longest| since.checked_add(longest));
        let waiting = Waiting { inner, kept, wait, address: self.address, since, until };
        let left_out = self.pool.piles().put(self.key, waiting, self.pool.most);
        drop(left_out);
        self.pool.watch();
    }
}

impl Piles {
    fn take(&mut self, place: &Place) -> Option<Waiting> {
        let pile = self.all.get_mut(&place.key)?;
        let at = pile.iter().rposition(|waiting| waiting.address == place.address)?;
        self.count -= 1;
        pile.remove(at)
    }

    fn put(&mut self, key: u64, waiting: Waiting, most: usize) -> Option<Waiting> {
        let left_out = if self.count < most { None } else { self.oldest() };
        self.all.entry(key).or_default().push_back(waiting);
        self.count += 1;
        left_out
    }

    /// The one that has waited for the longest, of all of them: of its pile it lies at the bottom.
    fn oldest(&mut self) -> Option<Waiting> {
        let bottoms = self.all.iter().filter_map(|(key, pile)| Some((pile.front()?.since, *key)));
        let (_, key) = bottoms.min()?;
        self.count -= 1;
        self.all.get_mut(&key)?.pop_front()
    }

    /// Lets go of what may not wait among some of a pile, from the top of what is left of it down; says how many are left
    /// then. Who comes or goes meanwhile does so at the top, so that none of the others is passed over.
    fn let_go(&mut self, key: u64, left: usize, now: Instant) -> (Vec<Waiting>, usize) {
        let Some(pile) = self.all.get_mut(&key) else { return (Vec::new(), 0) };
        let end = left.min(pile.len());
        let begin = end.saturating_sub(LOOKED_AT);
        let mut gone = Vec::new();
        for place in (begin..end).rev() {
            let stays = |waiting: &mut Waiting| waiting.may_wait(now) && waiting.is_open();
            if !pile.get_mut(place).is_some_and(stays) {
                gone.extend(pile.remove(place));
            }
        }
        if pile.is_empty() {
            self.all.remove(&key);
        }
        self.count -= gone.len();
        (gone, begin)
    }
}

impl Waiting {
    fn may_wait(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether nothing has come, not even its end: nobody speaks without being asked.
    fn is_open(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut probe = ReadBuf::new(&mut byte);
        let stream = self.inner.stream_mut();
        let read =
            pin!(unconstrained(poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut probe))));
        read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

#[cfg(test)]
mod tests {
    use pingora::protocols::l4::stream::Stream as Socket;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn place(pool: &Arc<Pool>, key: u64, longest: Option<Duration>) -> Place {
        let address = Some(([127, 0, 0, 1], 80).into());
        Place { pool: Arc::clone(pool), key, address, longest }
    }

    /// A connection, and its other end.
    async fn pair() -> (Transport, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        (Transport::new(Box::new(Socket::from(ours))), theirs)
    }

    /// Has a connection wait; tells which one it is, and gives its other end.
    async fn keep(place: &Place) -> (i32, TcpStream) {
        let (inner, theirs) = pair().await;
        let id = inner.stream().id();
        place.keep(inner, Vec::new(), Wait::default());
        (id, theirs)
    }

    fn taken(place: &Place) -> Option<i32> {
        place.take().map(|waiting| waiting.inner.stream().id())
    }

    #[tokio::test]
    async fn who_was_used_last_is_used_next_for_the_same_place_alone() {
        let pool = Pool::new(8);
        let (here, there) = (place(&pool, 1, Some(LONG)), place(&pool, 2, None));
        let elsewhere = Place { address: Some(([127, 0, 0, 1], 81).into()), ..here.clone() };
        let (first, _one) = keep(&here).await;
        let (second, _two) = keep(&here).await;
        let (third, _three) = keep(&there).await;
        assert_eq!(taken(&elsewhere), None, "of the same hash by accident");
        assert_eq!(taken(&here), Some(second));
        assert_eq!(taken(&here), Some(first));
        assert_eq!(taken(&here), None);
        assert_eq!(taken(&there), Some(third));
        assert_eq!(pool.piles().count, 0);
    }

    #[tokio::test]
    async fn what_is_closed_or_speaks_unasked_is_not_used() {
        let pool = Pool::new(8);
        let here = place(&pool, 1, Some(LONG));
        let (open, _theirs) = keep(&here).await;
        let (_, closed) = keep(&here).await;
        let (_, mut loud) = keep(&here).await;
        drop(closed);
        loud.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        // The runtime hears of it when it next looks.
        while pool.piles().count > 1 {
            tokio::task::yield_now().await;
            pool.let_go(Instant::now());
        }
        assert_eq!(taken(&here), Some(open));
    }

    #[tokio::test]
    async fn nobody_waits_for_too_long() {
        let pool = Pool::new(8);
        let (here, for_ever) = (place(&pool, 1, Some(LONG)), place(&pool, 2, None));
        let (_, _one) = keep(&here).await;
        let (stays, _two) = keep(&for_ever).await;
        pool.let_go(Instant::now());
        assert_eq!(pool.piles().count, 2);
        pool.let_go(Instant::now() + LONG);
        assert_eq!(pool.piles().count, 1);
        assert_eq!(pool.piles().all.len(), 1);
        assert_eq!(taken(&for_ever), Some(stays));
        keep(&place(&pool, 3, Some(Duration::ZERO))).await;
        assert_eq!(taken(&place(&pool, 3, None)), None, "even before somebody looks");
    }

    #[tokio::test]
    async fn where_too_many_wait_an_old_one_makes_room() {
        let pool = Pool::new(2);
        let here = place(&pool, 1, Some(LONG));
        let (_, _one) = keep(&here).await;
        let (second, _two) = keep(&here).await;
        let (third, _three) = keep(&here).await;
        assert_eq!(pool.piles().count, 2);
        assert_eq!((taken(&here), taken(&here), taken(&here)), (Some(third), Some(second), None));
        let there = place(&pool, 2, Some(LONG));
        let (_, _four) = keep(&there).await;
        let (fifth, _five) = keep(&here).await;
        let (sixth, _six) = keep(&here).await;
        assert_eq!(taken(&there), None, "whosever it is");
        assert_eq!((taken(&here), taken(&here)), (Some(sixth), Some(fifth)));
    }

    #[tokio::test]
    async fn a_large_pile_is_looked_at_from_top_to_bottom() {
        let pool = Pool::new(usize::MAX);
        let (here, gone) = (place(&pool, 1, Some(LONG)), place(&pool, 1, Some(Duration::ZERO)));
        let mut stay = Vec::new();
        for _ in 0..LOOKED_AT {
            keep(&gone).await;
            stay.push(keep(&here).await);
            keep(&gone).await;
        }
        pool.let_go(Instant::now());
        assert_eq!(pool.piles().count, stay.len());
        for (id, _theirs) in stay.iter().rev() {
            assert_eq!(taken(&here), Some(*id));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pool_is_looked_at_as_long_as_it_is_there() {
        let pool = Pool::new(8);
        let (_, mut theirs) = keep(&place(&pool, 1, Some(Duration::ZERO))).await;
        // Its end is the other end's, too.
        assert_eq!(tokio::io::AsyncReadExt::read(&mut theirs, &mut [0; 1]).await.unwrap(), 0);
        assert_eq!(pool.piles().count, 0);
        assert_eq!(Arc::strong_count(&pool), 1);
    }
}
