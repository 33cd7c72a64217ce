//! How does a test wait? For a condition, with a deadline; never for a while.

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Waits until the condition holds, and fails the test, naming the condition, when it never does.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    eventually_some(what, async || holds().await.then_some(())).await;
}

/// Waits until there is something to see, and gives it.
pub(crate) async fn eventually_some<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    match within(PATIENCE, look).await {
        Some(seen) => seen,
        None => panic!("never came true within {PATIENCE:?}: {what}"),
    }
}

/// What there is to see before the time is up, if anything.
pub(crate) async fn within<T>(
    time: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(seen) = look().await {
            return Some(seen);
        }
        if Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Does something with each of many, sixteen at a time.
pub(crate) async fn each_of<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
    items: impl IntoIterator<Item = T>,
    act: impl Fn(T) -> F,
) {
    let mut running = tokio::task::JoinSet::new();
    for item in items {
        if running.len() >= 16 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(act(item));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}
