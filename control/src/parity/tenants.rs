//! How many tenants saw it? Counted exactly as long as they are few, and estimated from a sample of prints beyond.

/// Prints that are kept; up to so many tenants are told exactly.
const MOST_KEPT: usize = 64;

/// The smallest prints of those that came by. A print is a hash, spread evenly, so that the smallest ones are a sample
/// that tells how many there were (Z. Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002).
/// The estimate's standard error is about an eighth.
#[derive(Debug, Clone, Default)]
pub(super) struct Tenants(Vec<u64>);

/// How many tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantCount {
    /// So many.
    pub count: u64,
    /// Whether that is an estimate.
    pub is_estimate: bool,
}

impl Tenants {
    pub(super) fn add(&mut self, print: u64) {
        let Err(place) = self.0.binary_search(&print) else { return };
        if place < MOST_KEPT {
            self.0.insert(place, print);
            self.0.truncate(MOST_KEPT);
        }
    }

    pub(super) fn count(&self) -> TenantCount {
        match self.0.get(MOST_KEPT - 1) {
            Some(largest) => {
                let kept = u128::try_from(MOST_KEPT - 1).unwrap_or(u128::MAX);
                let whole = u128::from(u64::MAX);
                let count = kept * whole / u128::from(*largest).max(1);
                TenantCount { count: u64::try_from(count).unwrap_or(u64::MAX), is_estimate: true }
            }
            None => TenantCount {
                count: u64::try_from(self.0.len()).unwrap_or(u64::MAX),
                is_estimate: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    fn print(tenant: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        tenant.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn few_are_counted_and_many_estimated() {
        for many in [0, 1, 63, 200, 5_000, 100_000] {
            let mut tenants = Tenants::default();
            for tenant in (0..many).chain(0..many) {
                tenants.add(print(tenant));
            }
            let told = tenants.count();
            assert_eq!(told.is_estimate, many > 63);
            let off = if told.is_estimate { many / 3 } else { 0 };
            assert!(told.count.abs_diff(many) <= off, "{many}: {told:?}");
            assert!(tenants.0.len() <= MOST_KEPT);
        }
    }
}
