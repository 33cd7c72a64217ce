//! Who guesses? An address that fails too often hears only that, and a good token is good all the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many failures an address has at once, and how long one of them counts.
const AT_ONCE: u32 = 10;
const COUNTS_FOR: Duration = Duration::from_secs(6);
/// How many addresses are remembered; those that failed longest ago are forgotten first. (INV-7)
const MAX_ADDRESSES: usize = 1_024;

/// The failures of late, by address.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, Counted>>);

#[derive(Debug, Clone, Copy)]
struct Counted {
    failures: u32,
    since: Instant,
}

impl Failures {
    /// Counts a failure. Says whether the address may still be told what was wrong.
    pub fn count(&self, address: IpAddr, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(&address) && all.len() >= MAX_ADDRESSES {
            forget(&mut all, now);
        }
        let counted = all.entry(address).or_insert(Counted { failures: 0, since: now });
        *counted = counted.at(now);
        counted.failures = counted.failures.saturating_add(1).min(AT_ONCE + 1);
        counted.failures <= AT_ONCE
    }
}

impl Counted {
    /// What of it still counts.
    fn at(self, now: Instant) -> Self {
        let spans = now.saturating_duration_since(self.since).as_secs() / COUNTS_FOR.as_secs();
        let spans = u32::try_from(spans).unwrap_or(u32::MAX);
        let failures = self.failures.saturating_sub(spans);
        let since = if failures == 0 { now } else { self.since + COUNTS_FOR * spans };
        Self { failures, since }
    }
}

fn forget(all: &mut HashMap<IpAddr, Counted>, now: Instant) {
    all.retain(|_, counted| counted.at(now).failures > 0);
    if all.len() >= MAX_ADDRESSES {
        let oldest =
            all.iter().min_by_key(|(_, counted)| counted.since).map(|(address, _)| *address);
        oldest.map(|address| all.remove(&address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_is_slowed_down_alone() {
        let (failures, now) = (Failures::default(), Instant::now());
        let [one, other] = [1, 2].map(|n| IpAddr::from([127, 0, 0, n]));
        let told = |address, at| (0..20).filter(|_| failures.count(address, at)).count();
        assert_eq!(told(one, now), 10);
        assert_eq!(told(other, now), 10);
        assert_eq!(told(one, now + Duration::from_secs(5)), 0);
        assert_eq!(told(one, now + Duration::from_secs(12)), 1);
        assert_eq!(told(one, now + Duration::from_secs(1_000)), 10);
    }

    #[test]
    fn many_addresses_are_bounded() {
        let (failures, now) = (Failures::default(), Instant::now());
        for n in 0..5_000_u32 {
            failures.count(IpAddr::from(n.to_be_bytes()), now + Duration::from_micros(n.into()));
        }
        assert_eq!(failures.0.lock().unwrap().len(), MAX_ADDRESSES);
    }
}
