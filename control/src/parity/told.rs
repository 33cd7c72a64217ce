//! What is told of a route? How alike its arms are, and what that rests on.

use std::sync::Arc;

use rules::CohortName;
use rules::compare::CompareRules;

use super::noise::NoiseState;
use super::route::OfRoute;
use super::spans::{Point, Span, SpanTally, Spans};
use super::tally::Tally;
use super::uses::RuleState;

/// What was counted of a route or cohort, over all spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Since when the stage is counted, in milliseconds since 1970.
    pub stage_since_unix_ms: i64,
    /// Over each span, the shortest first.
    pub spans: [SpanTally; 4],
}

impl Counted {
    pub(super) fn of(spans: &Spans, now_unix_ms: i64) -> Self {
        Self {
            stage_since_unix_ms: spans.stage_since_unix_ms(),
            spans: Span::ALL.map(|span| SpanTally { span, tally: spans.tally(span, now_unix_ms) }),
        }
    }

    /// What was counted over a span.
    #[must_use]
    pub fn over(&self, span: Span) -> Tally {
        let found = self.spans.iter().find(|counted| counted.span == span);
        found.map(|counted| counted.tally).unwrap_or_default()
    }
}

/// How alike a route's arms are.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteParity {
    /// Since when anything is counted under these rules, in milliseconds since 1970.
    pub since_unix_ms: i64,
    /// Exchanges that were compared since then.
    pub compared: u64,
    /// Of all exchanges.
    pub all: Counted,
    /// Of each cohort's.
    pub cohorts: Vec<(CohortName, Counted)>,
    /// How it went lately.
    pub trend: Vec<Point>,
    /// Where stable itself is not steady.
    pub noise: NoiseState,
    /// The rules on places, by which all of this was compared.
    pub rules: Arc<CompareRules>,
    /// What each of them did.
    pub uses: Vec<RuleState>,
    /// In how many ways answers differ.
    pub signatures: usize,
    /// How many of those are excused.
    pub excused_signatures: usize,
    /// How many of the others differ in nothing but values: stable itself may do so.
    pub by_value_signatures: usize,
    /// How often a signature had no room.
    pub overflow: u64,
    /// Exchanges that were not counted, because they were compared by rules that are no longer in force.
    pub outdated: u64,
}

impl RouteParity {
    /// What is known before any exchange was seen.
    #[must_use]
    pub fn nothing_yet(rules: &Arc<CompareRules>, now_unix_ms: i64) -> Self {
        OfRoute::new(Arc::clone(rules), now_unix_ms).told(now_unix_ms)
    }
}
