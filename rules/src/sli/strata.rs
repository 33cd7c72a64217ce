//! Whose requests failed, where whole tenants move? Counts per part of all tenants, without anybody's name.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::gate::Tally;
use crate::{Arm, Bucket};

/// Into how many parts tenants are divided, by their buckets: a few share one only where there are very many. (INV-7)
const STRATA: usize = 1_000;

/// Requests and failures of all arms, for each part of the tenants.
#[derive(Debug)]
pub struct Strata(Box<[[Counted; Arm::ALL.len()]]>);

#[derive(Debug, Default)]
struct Counted {
    requests: AtomicU64,
    failed: AtomicU64,
}

impl Default for Strata {
    fn default() -> Self {
        Self((0..STRATA).map(|_| Default::default()).collect())
    }
}

impl Strata {
    pub(super) fn record(&self, tenant: Bucket, arm: Arm, failed: bool) {
        let place = usize::from(tenant.index()) * STRATA / 10_000;
        let Some([stable, candidate, baseline]) = self.0.get(place) else { return };
        let counted = match arm {
            Arm::Stable => stable,
            Arm::Candidate => candidate,
            Arm::Baseline => baseline,
        };
        counted.requests.fetch_add(1, Ordering::Relaxed);
        if failed {
            counted.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts as they stand, in the order of [`Arm::ALL`].
    #[must_use]
    pub fn counts(&self) -> Vec<[Tally; Arm::ALL.len()]> {
        let load = |one: &Counted| {
            Tally::new(one.failed.load(Ordering::Relaxed), one.requests.load(Ordering::Relaxed))
        };
        self.0.iter().map(|arms| arms.each_ref().map(load)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_has_its_place() {
        let strata = Strata::default();
        for n in 0..5_000 {
            strata.record(Bucket::of("sms", &format!("tenant-{n}")), Arm::Stable, n == 7);
        }
        let counts = strata.counts();
        assert_eq!(counts.len(), STRATA);
        let all = counts.iter().map(|[stable, ..]| *stable).fold(Tally::default(), Tally::plus);
        assert_eq!(all, Tally::new(1, 5_000));
        assert!(
            counts.iter().all(|[stable, candidate, _]| stable.total < 20 && candidate.total == 0)
        );
    }
}
