//! What is served? A revision compiled for serving: immutable, its unchanged parts shared with the one before.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::cohort::{Cohort, CohortId, Told};
use crate::flag::FlagSet;
use crate::limits::ClientLimits;
use crate::matching::RouteTable;
use crate::route::{RouteId, UpstreamId};
use crate::shift::Shifts;
use crate::sli::RolloutCounters;
use crate::tenant::Tenants;
use crate::tls::ListenerTls;
use crate::token::{Issuer, IssuerId};
use crate::upstream::Upstream;

/// The number of one immutable version of the desired state. It only grows. (INV-5)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// A revision compiled for serving.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Which revision it is.
    pub revision: Revision,
    /// The routes, and how they are found.
    pub table: Arc<RouteTable>,
    /// Each route's shifts, by [`RouteId`].
    pub shifts: Box<[Arc<Shifts>]>,
    /// What is counted for rollouts under way; nothing for routes that have none.
    pub rollouts: HashMap<RouteId, Arc<RolloutCounters>>,
    /// The upstreams, by [`UpstreamId`].
    pub upstreams: Box<[Arc<Upstream>]>,
    /// The cohorts, by [`CohortId`].
    pub cohorts: Arc<[Cohort]>,
    /// Those of them that requests' headers tell.
    pub told: Arc<[Told]>,
    /// What is known of tenants.
    pub tenants: Arc<Tenants>,
    /// The flags, by [`crate::flag::FlagId`].
    pub flags: FlagSet,
    /// Who signs tokens, by [`crate::token::IssuerId`].
    pub issuers: Arc<[Issuer]>,
    /// The peers whose identity and forwarding headers are believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// What clients may take.
    pub limits: ClientLimits,
    /// How TLS is ended, on the listeners that have it.
    pub tls: Arc<[ListenerTls]>,
}

impl Snapshot {
    /// A route's shifts.
    #[must_use]
    pub fn shifts_of(&self, route: RouteId) -> Option<&Arc<Shifts>> {
        self.shifts.get(usize::try_from(route.0).ok()?)
    }

    /// The upstream of an id.
    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> Option<&Arc<Upstream>> {
        self.upstreams.get(usize::try_from(id.0).ok()?)
    }

    /// The cohort of an id.
    #[must_use]
    pub fn cohort(&self, id: CohortId) -> Option<&Cohort> {
        self.cohorts.get(usize::try_from(id.0).ok()?)
    }

    /// The issuer of an id.
    #[must_use]
    pub fn issuer(&self, id: IssuerId) -> Option<&Issuer> {
        self.issuers.get(usize::try_from(id.0).ok()?)
    }

    /// Whether a peer's identity headers are believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }
}
