//! What does a gate say, and why? The verdict together with everything it rests on.

use std::fmt;

use super::tally::Tallies;

/// What a gate says. The order is that of gravity: the gravest of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing stands in the way.
    Pass,
    /// Not known yet: neither on nor back.
    Hold,
    /// Back.
    Fail,
}

/// By which rule it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Whether the candidate is worse than stable by more than is tolerated.
    Harm,
    /// Whether it is surely not several times as bad as stable.
    NotWorse,
    /// Whether it keeps a limit of its own.
    Absolute,
    /// Whether it failed many requests within seconds, on one node.
    FastBurn,
    /// Whether the answers are alike.
    Parity,
    /// Whether enough of what is there can be compared.
    Comparability,
    /// What another system says.
    External,
    /// Whether there were enough requests.
    Sample,
    /// Whether there were enough different tenants.
    Tenants,
}

/// Why it was judged so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grounds {
    /// The figure is over its limit.
    OverLimit,
    /// The figure is within its limit.
    WithinLimit,
    /// More requests are needed.
    TooFew,
    /// One of the arms has had no requests.
    NoRequests,
    /// Stable exceeds the limit as well, so that the candidate is not known to be at fault.
    StableToo,
    /// It could not be asked, or did not answer in time.
    NoAnswer,
    /// Evidence for harm is not enough.
    NoEvidence,
    /// What was asked for is so.
    Met,
    /// What was asked for is not so.
    Unmet,
    /// What it said is too old.
    Stale,
}

/// One gate's verdict with its evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// By which rule.
    pub rule: Rule,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub grounds: Grounds,
    /// The counts it rests on.
    pub seen: Tallies,
    /// The bound, ratio or logarithm of evidence that was looked at.
    pub figure: Option<f64>,
    /// What it was held against.
    pub limit: Option<f64>,
    /// How many further requests it needs, where that can be said.
    pub needs: Option<u64>,
}

/// The gravest of several verdicts; a pass where there are none.
#[must_use]
pub fn gravest<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Verdict {
    findings.into_iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Pass)
}

macro_rules! written {
    ($type:ident, $($variant:ident = $text:literal),+) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name, as API, metrics and audit write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

written!(Verdict, Pass = "pass", Hold = "hold", Fail = "fail");
written!(
    Rule,
    Harm = "harm",
    NotWorse = "not_worse",
    Absolute = "absolute",
    FastBurn = "fast_burn",
    Parity = "parity",
    Comparability = "comparability",
    External = "external",
    Sample = "sample",
    Tenants = "tenants"
);
written!(
    Grounds,
    OverLimit = "over_limit",
    WithinLimit = "within_limit",
    TooFew = "too_few",
    NoRequests = "no_requests",
    StableToo = "stable_too",
    NoAnswer = "no_answer",
    NoEvidence = "no_evidence",
    Met = "met",
    Unmet = "unmet",
    Stale = "stale"
);
