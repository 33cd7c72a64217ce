//! How much is an alias still used, and by whom?

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::TenantId;

/// How many tenants an alias counts by name. The rest are `other` (INV-7).
const TENANT_SLOTS: usize = 64;

/// How often an alias was used, by whom, and when last: tells when it is safe to remove.
#[derive(Debug)]
pub struct AliasCounters {
    requests: AtomicU64,
    last_seen_unix: AtomicI64,
    tenants: Box<[OnceLock<(TenantId, AtomicU64, AtomicI64)>]>,
}

/// One tenant's use of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantUse {
    /// The tenant.
    pub tenant: TenantId,
    /// Its requests.
    pub requests: u64,
    /// The last one, in seconds since 1970.
    pub last_seen_unix: i64,
}

impl Default for AliasCounters {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            last_seen_unix: AtomicI64::new(0),
            tenants: (0..TENANT_SLOTS).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl AliasCounters {
    pub(super) fn record(&self, tenant: Option<&TenantId>, now_unix: i64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.last_seen_unix.fetch_max(now_unix, Ordering::Relaxed);
        let Some(tenant) = tenant else { return };
        for slot in &self.tenants {
            let entry =
                slot.get_or_init(|| (tenant.clone(), AtomicU64::new(0), AtomicI64::new(now_unix)));
            if entry.0 == *tenant {
                entry.1.fetch_add(1, Ordering::Relaxed);
                entry.2.fetch_max(now_unix, Ordering::Relaxed);
                return;
            }
        }
    }

    /// All requests that used the alias.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// When it was last used, in seconds since 1970; none before its first use.
    #[must_use]
    pub fn last_seen_unix(&self) -> Option<i64> {
        Some(self.last_seen_unix.load(Ordering::Relaxed)).filter(|seconds| *seconds != 0)
    }

    /// Its use per tenant named in the configuration, up to 64 of them.
    pub fn tenants(&self) -> impl Iterator<Item = TenantUse> + use<'_> {
        self.tenants.iter().filter_map(OnceLock::get).map(|(tenant, requests, last)| TenantUse {
            tenant: tenant.clone(),
            requests: requests.load(Ordering::Relaxed),
            last_seen_unix: last.load(Ordering::Relaxed),
        })
    }
}
