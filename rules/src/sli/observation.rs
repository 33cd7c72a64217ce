//! What is counted of one finished exchange?

use std::time::Duration;

use super::{SeriesKey, TenantCounters};
use crate::cohort::CohortId;
use crate::route::{Arm, FamilyId};
use crate::{Bucket, TenantId};

/// What went wrong with an exchange, from the client's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The arm answered with a 5xx status.
    ServerError,
    /// No connection to the arm could be made.
    Connect,
    /// The arm took too long.
    Timeout,
    /// The connection to the arm broke, or what came from it was not HTTP.
    Transport,
    /// The arm answered with a status that the route counts as a failure.
    BadStatus,
    /// The client went away. Not the arm's fault: counted, but in no error rate.
    ClientAbort,
}

impl ErrorClass {
    /// All classes.
    pub const ALL: [Self; 6] = [
        Self::ServerError,
        Self::Connect,
        Self::Timeout,
        Self::Transport,
        Self::BadStatus,
        Self::ClientAbort,
    ];

    /// The class's name, as metrics and logs write it (`error.type`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerError => "server_error",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::BadStatus => "bad_status",
            Self::ClientAbort => "client_abort",
        }
    }
}

/// One finished exchange, as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'o> {
    /// The arm that was to serve it.
    pub arm: Arm,
    /// The cohort its tenant belongs to, the first as written.
    pub cohort: Option<CohortId>,
    /// The path family that the client used.
    pub family: FamilyId,
    /// The tenant, where the configuration names it.
    pub tenant: Option<&'o TenantId>,
    /// The tenant's bucket, where there is a tenant: tells tenants apart without a name.
    pub bucket: Option<Bucket>,
    /// Where the tenant's requests are counted by themselves, because of a rollout of its own.
    pub own: Option<&'o TenantCounters>,
    /// The metric's label set.
    pub key: SeriesKey,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// Whether a tester chose the arm: counted apart, and left out of SLIs and gates.
    pub overridden: bool,
    /// When it ended, in seconds since 1970.
    pub now_unix: i64,
}
