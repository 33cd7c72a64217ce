//! Is there news? What Redis tells at once is a hint only: whoever misses it finds the same a second later by asking.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::RedisResult;
use tokio::sync::Notify;

use super::link::Link;

/// How long a listener waits before it looks whether it is still wanted, or connects anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens to what other nodes tell.
#[derive(Debug)]
pub(super) struct Hints {
    link: Arc<Link>,
    channel: String,
    heard: OnceLock<Arc<Notify>>,
    ended: Arc<AtomicBool>,
}

impl Hints {
    pub(super) fn new(link: Link, channel: String) -> Self {
        let (heard, ended) = (OnceLock::new(), Arc::default());
        Self { link: Arc::new(link), channel, heard, ended }
    }

    /// What is notified when there is news. The first one who asks begins the listening.
    pub(super) fn heard(&self) -> Arc<Notify> {
        Arc::clone(self.heard.get_or_init(|| {
            let heard = Arc::new(Notify::new());
            let (link, channel) = (Arc::clone(&self.link), self.channel.clone());
            let (told, ended) = (Arc::clone(&heard), Arc::clone(&self.ended));
            let thread = std::thread::Builder::new().name("turnout-hints".to_owned());
            let listening = thread.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    if let Err(error) = listen(&link, &channel, &told, &ended) {
                        tracing::debug!(%error, "nothing is heard of other nodes");
                        std::thread::sleep(PAUSE);
                    }
                }
            });
            if let Err(error) = listening {
                tracing::warn!(%error, "nothing is heard of other nodes: news comes by asking");
            }
            heard
        }))
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn listen(link: &Link, channel: &str, told: &Notify, ended: &AtomicBool) -> RedisResult<()> {
    let mut connection = link.client()?.get_connection_with_timeout(PAUSE)?;
    let mut listening = connection.as_pubsub();
    listening.subscribe(channel)?;
    listening.set_read_timeout(Some(PAUSE))?;
    while !ended.load(Ordering::Relaxed) {
        match listening.get_message() {
            Ok(_) => told.notify_one(),
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
