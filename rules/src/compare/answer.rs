//! Which two answers are compared, and what comes out? The order of checks: status, headers, body.

use http::HeaderMap;

use super::findings::{Findings, OverBudget};
use super::{CompareRules, Difference, DifferenceKind, Location, ValueClass, body, headers};
use crate::exchange::{NotComparable, Outcome};

/// One arm's answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The whole body, as it came.
    pub body: &'a [u8],
}

/// What came of comparing two answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The same, not the same, or not to be told.
    pub outcome: Outcome,
    /// Where they differ: each signature once, at most 100 of them.
    pub differences: Vec<Difference>,
}

/// Compares two answers to the same request.
///
/// Another status is one difference, and nothing else is looked at: an error page does not say which fields changed.
/// Content codings are not undone: bodies in the same coding are compared byte for byte, others not at all.
///
/// ```
/// use http::HeaderMap;
/// use rules::compare::{Answer, CompareRules, compare};
/// use rules::exchange::Outcome;
/// let headers: HeaderMap = [(http::header::CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect();
/// let stable = Answer { status: 200, headers: &headers, body: br#"{"price": 1.0, "id": 7}"# };
/// let candidate = Answer { body: br#"{"id":7,"price":1}"#, ..stable };
/// assert_eq!(compare(&CompareRules::default(), &stable, &candidate).outcome, Outcome::Match);
/// let candidate = Answer { body: br#"{"id":7,"price":"1"}"#, ..stable };
/// let comparison = compare(&CompareRules::default(), &stable, &candidate);
/// assert_eq!(&*comparison.differences[0].path, "/price");
/// ```
#[must_use]
pub fn compare(rules: &CompareRules, stable: &Answer<'_>, candidate: &Answer<'_>) -> Comparison {
    if stable.status != candidate.status {
        return Comparison {
            outcome: Outcome::Mismatch,
            differences: vec![status_difference(stable.status, candidate.status)],
        };
    }
    let mut findings = Findings::default();
    headers::compare(rules, stable.headers, candidate.headers, &mut findings);
    let judged = body::compare(rules, stable, candidate, &mut findings);
    let differences = findings.into_differences();
    let outcome = match judged {
        // What was seen to differ stays so, even where not everything could be looked at.
        _ if !differences.is_empty() => Outcome::Mismatch,
        Ok(()) => Outcome::Match,
        Err(reason) => Outcome::NotComparable(reason),
    };
    Comparison { outcome, differences }
}

impl From<OverBudget> for NotComparable {
    fn from(_: OverBudget) -> Self {
        Self::Budget
    }
}

/// Which statuses they are is nobody's data, and what people look for first: it stands in the path.
fn status_difference(stable: u16, candidate: u16) -> Difference {
    Difference {
        location: Location::Status,
        path: format!("{stable} -> {candidate}").into(),
        kind: DifferenceKind::Value,
        classes: (ValueClass::Number, ValueClass::Number),
        relation: None,
    }
}
