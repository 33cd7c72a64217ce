//! Has a read waited for too long? One timer per connection, which is set anew only when it goes off.
//!
//! Pingora makes a timer for each read that waits. Nearly none of them ever goes off, so that it is enough to know when the
//! wait began; docs/hot-path.md has what that saves.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The waits of one connection, of which there is one at a time.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    /// Something has come: who waits from now on waits anew.
    pub(crate) const fn end(&mut self) {
        self.since = None;
    }

    /// Nobody waits for now: a timer must not hold on to the task that last did.
    pub(crate) fn rest(&mut self) {
        self.end();
        let mut nobody = Context::from_waker(Waker::noop());
        let is_over = |timer: &mut Pin<Box<Sleep>>| timer.as_mut().poll(&mut nobody).is_ready();
        if self.timer.as_mut().is_some_and(is_over) {
            self.timer = None;
        }
    }

    /// Waits, and is ready once that has taken so long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, longest: Duration) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let Some(due) = since.checked_add(longest) else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // A timer that goes off earlier, of a wait before this one, is as good until then.
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= due {
                *self = Self::default();
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tokio::time::{sleep, timeout};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_secs(15);

    /// How many seconds a wait takes from now on.
    async fn waited(wait: &mut Wait, longest: Duration) -> u64 {
        let begun = Instant::now();
        poll_fn(|cx| wait.poll(cx, longest)).await;
        begun.elapsed().as_secs()
    }

    /// Waits for nothing so long, and then something comes.
    async fn wait_in_vain(wait: &mut Wait, longest: Duration, for_: Duration) {
        let waited = timeout(for_, poll_fn(|cx| wait.poll(cx, longest))).await;
        assert!(waited.is_err());
        wait.end();
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_takes_its_own_time() {
        let mut wait = Wait::default();
        assert_eq!(waited(&mut wait, LONG).await, 60);
        assert_eq!(waited(&mut wait, SHORT).await, 15);
        wait_in_vain(&mut wait, LONG, SHORT).await;
        assert_eq!(waited(&mut wait, SHORT).await, 15, "a timer that would go off later");
        wait_in_vain(&mut wait, SHORT, Duration::from_secs(10)).await;
        assert_eq!(waited(&mut wait, LONG).await, 60, "a timer that goes off earlier");
        wait_in_vain(&mut wait, SHORT, Duration::from_secs(10)).await;
        sleep(LONG).await;
        assert_eq!(waited(&mut wait, SHORT).await, 15, "a timer that has gone off");
    }

    #[tokio::test(start_paused = true)]
    async fn who_rests_is_held_by_no_timer() {
        struct Task;
        impl std::task::Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let (mut wait, task) = (Wait::default(), Arc::new(Task));
        let waker = Waker::from(Arc::clone(&task));
        assert!(wait.poll(&mut Context::from_waker(&waker), LONG).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 2);
        wait.rest();
        assert_eq!(Arc::strong_count(&task), 1);
        assert_eq!(waited(&mut wait, SHORT).await, 15);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_again_waits_on() {
        let mut wait = Wait::default();
        let begun = Instant::now();
        for _ in 0..5 {
            let waited = timeout(Duration::from_secs(2), poll_fn(|cx| wait.poll(cx, SHORT))).await;
            assert!(waited.is_err());
        }
        waited(&mut wait, SHORT).await;
        assert_eq!(begun.elapsed().as_secs(), 15);
        wait_in_vain(&mut wait, Duration::MAX, LONG).await;
    }
}
