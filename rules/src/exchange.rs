//! What came of one shadowed exchange? Exactly one outcome, and a report without anybody's data.

use std::fmt;
use std::sync::Arc;

use crate::compare::{CompareRules, Comparison, Samples};
use crate::{CohortName, RouteName};

/// Why the two answers of an exchange could not be compared. A 5xx is an answer; a transport failure is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotComparable {
    /// The other arm took too long.
    ShadowTimeout,
    /// The other arm could not be reached.
    ShadowConnect,
    /// The other arm's answer broke off.
    ShadowTruncated,
    /// The copy was not sent, because the queue was full or the breaker open.
    Shed,
    /// The serving arm took too long.
    PrimaryTimeout,
    /// The serving arm could not be reached, or broke off.
    PrimaryConnect,
    /// The client went away before its answer was complete.
    ClientAbort,
    /// Comparing took too many steps.
    Budget,
    /// The exchange became another protocol.
    Upgrade,
    /// The answer never ends.
    Stream,
    /// One answer's content coding could not be undone.
    DecodeOneSided,
    /// The request's body is over the bound, so no copy was sent; or only one of two answers in different codings was short
    /// enough to be kept.
    Oversize,
}

/// What came of one shadowed exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The same answer.
    Match,
    /// Not the same answer.
    Mismatch,
    /// Two answers were not to be had, or not to be compared.
    NotComparable(NotComparable),
}

impl NotComparable {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::ShadowTimeout,
        Self::ShadowConnect,
        Self::ShadowTruncated,
        Self::Shed,
        Self::PrimaryTimeout,
        Self::PrimaryConnect,
        Self::ClientAbort,
        Self::Budget,
        Self::Upgrade,
        Self::Stream,
        Self::DecodeOneSided,
        Self::Oversize,
    ];

    /// Whether an arm failed to answer; else it was not asked, or its answer could not be compared.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::ShadowTimeout
                | Self::ShadowConnect
                | Self::ShadowTruncated
                | Self::PrimaryTimeout
                | Self::PrimaryConnect
        )
    }

    /// The reason's name, as API and metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShadowTimeout => "shadow_timeout",
            Self::ShadowConnect => "shadow_connect",
            Self::ShadowTruncated => "shadow_truncated",
            Self::Shed => "shed",
            Self::PrimaryTimeout => "primary_timeout",
            Self::PrimaryConnect => "primary_connect",
            Self::ClientAbort => "client_abort",
            Self::Budget => "budget",
            Self::Upgrade => "upgrade",
            Self::Stream => "stream",
            Self::DecodeOneSided => "decode_one_sided",
            Self::Oversize => "oversize",
        }
    }
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 14] = [
        Self::Match,
        Self::Mismatch,
        Self::NotComparable(NotComparable::ShadowTimeout),
        Self::NotComparable(NotComparable::ShadowConnect),
        Self::NotComparable(NotComparable::ShadowTruncated),
        Self::NotComparable(NotComparable::Shed),
        Self::NotComparable(NotComparable::PrimaryTimeout),
        Self::NotComparable(NotComparable::PrimaryConnect),
        Self::NotComparable(NotComparable::ClientAbort),
        Self::NotComparable(NotComparable::Budget),
        Self::NotComparable(NotComparable::Upgrade),
        Self::NotComparable(NotComparable::Stream),
        Self::NotComparable(NotComparable::DecodeOneSided),
        Self::NotComparable(NotComparable::Oversize),
    ];

    /// The outcome's name, as API and metrics write it: the reason stands for what is not comparable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::NotComparable(reason) => reason.as_str(),
        }
    }

    /// Whether two answers were compared.
    #[must_use]
    pub const fn is_compared(self) -> bool {
        matches!(self, Self::Match | Self::Mismatch)
    }

    pub(crate) const fn place(self) -> usize {
        match self {
            Self::Match => 0,
            Self::Mismatch => 1,
            Self::NotComparable(reason) => 2 + reason as usize,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the proxy tells the control plane of one shadowed exchange. It holds no value of any answer, but for samples of a
/// route that opted in. (INV-12)
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeReport {
    /// The route.
    pub route: RouteName,
    /// The request's id, by which people find its line in the access log.
    pub exchange_id: Box<str>,
    /// The cohort that decided about the request, where one did.
    pub cohort: Option<CohortName>,
    /// Whose request it was: a print of the tenant's id, good for telling tenants apart and for nothing else.
    pub tenant: Option<u64>,
    /// The status that stable answered with, or none where it gave no answer.
    pub stable_status: Option<u16>,
    /// The status that the candidate answered with, or none where it gave no answer.
    pub candidate_status: Option<u16>,
    /// What came of it: stable on the left.
    pub comparison: Comparison,
    /// The rules it was compared by, which `comparison.uses` counts by their numbers.
    pub rules: Arc<CompareRules>,
    /// Values of what differs, where the route opted in and anything does.
    pub samples: Option<Samples>,
    /// When it was compared, in milliseconds since 1970.
    pub at_unix_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_place_and_its_name() {
        let mut names = std::collections::HashSet::new();
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.place(), place);
            assert!(names.insert(outcome.as_str()));
        }
        for (number, reason) in NotComparable::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
    }
}
