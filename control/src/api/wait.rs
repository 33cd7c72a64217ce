//! How long is waited until the whole fleet serves what was asked for?

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::problem::Problem;
use super::site::Site;
use crate::fleet::{self, Serving};
use crate::ledger::{Done, Reach};

/// How long where nobody says how long, and how long at most.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);
/// How long an answer waits for a store that does not say, beyond what was asked for.
const MOMENT: Duration = Duration::from_millis(300);
/// How often it is looked.
const EVERY: Duration = Duration::from_millis(50);

/// Whether an answer waits until all nodes serve, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait(Option<Duration>);

impl Wait {
    /// Reads `wait=all&timeout=5s`.
    pub(super) fn read(wait: Option<&str>, timeout: Option<&str>) -> Result<Self, Problem> {
        match (wait, timeout) {
            (None, None) => Ok(Self(None)),
            (Some("all"), timeout) => {
                let span = timeout.map(span).unwrap_or(Some(PATIENCE));
                let wrong = "a timeout is a time such as 5s, of 60s at most";
                let span = span.filter(|span| *span <= LONGEST);
                let span = span.ok_or_else(|| Problem::bad_request("bad_timeout", wrong))?;
                Ok(Self(Some(span)))
            }
            _ => Err(Problem::bad_request("bad_wait", "only `wait=all` can be waited for")),
        }
    }

    /// How many nodes serve what was done: at once, or as soon as all do, or when the time is up. None where there is no
    /// fleet, or nobody knows.
    pub(super) async fn served(self, site: &Arc<Site>, done: &Done) -> Option<Serving> {
        let store = site.desk().ledger().store();
        if !store.is_shared() || done.reach == Reach::Node {
            return None;
        }
        let (until, revision) = (Instant::now() + self.0.unwrap_or_default(), done.revision);
        loop {
            let look = move |site: &Site| fleet::serving(site.desk().ledger().store(), revision);
            let seen = timeout_at(until + MOMENT, site.blocking(look)).await.ok()?.ok()?.ok()?;
            if seen.serving == seen.nodes || Instant::now() >= until {
                return Some(seen);
            }
            sleep(EVERY).await;
        }
    }
}

fn span(text: &str) -> Option<Duration> {
    let span: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_can_be_waited_for_and_not_for_ever() {
        assert_eq!(Wait::read(None, None).unwrap(), Wait(None));
        assert_eq!(Wait::read(Some("all"), None).unwrap(), Wait(Some(PATIENCE)));
        let some = Wait::read(Some("all"), Some("250ms")).unwrap();
        assert_eq!(some, Wait(Some(Duration::from_millis(250))));
        for (wait, timeout) in [
            (Some("some"), None),
            (None, Some("5s")),
            (Some("all"), Some("5")),
            (Some("all"), Some("61s")),
            (Some("all"), Some("-1s")),
        ] {
            assert!(Wait::read(wait, timeout).is_err(), "{wait:?} {timeout:?}");
        }
    }
}
