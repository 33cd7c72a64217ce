//! Which two answers are compared, and what comes out? The order of checks: status, headers, body, trailers.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};

use super::findings::{Findings, OverBudget};
use super::{
    CompareRules, Difference, DifferenceKind, Drift, Fields, Found, Location, Pinpoint, RuleUse,
    SamplePolicy, Samples, ValueClass, body, headers,
};
use crate::exchange::{NotComparable, Outcome};
use crate::{Rewrite, Upstream};

/// A body, as far as it was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// All of it, as it came: still in its content coding.
    Whole(&'a [u8]),
    /// Too long to be kept: its SHA-256, taken as it went by, and its length.
    Hashed {
        /// The hash of the bytes as they came.
        digest: [u8; 32],
        /// How many they were.
        bytes: u64,
    },
}

/// What an arm calls itself. A reference to it is compared as the client knows the place.
#[derive(Debug, Clone)]
pub struct Home {
    /// The Host that it was asked for.
    pub host: Option<HeaderValue>,
    /// Where it is: the address of each target means the arm, too.
    pub upstreams: Vec<Arc<Upstream>>,
    /// From the arm's paths to the canonical one.
    pub back: Rewrite,
}

impl Home {
    /// Whether an authority means the arm, in whatever case.
    pub(super) fn is_called(&self, authority: &str) -> bool {
        let is_host =
            |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
        let mut targets = self.upstreams.iter().flat_map(|upstream| &upstream.targets);
        self.host.as_ref().is_some_and(is_host)
            || targets.any(|target| target.address.is_written(authority))
    }
}

/// One arm's answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: Body<'a>,
    /// The fields after the body, where there are any.
    pub trailers: Option<&'a HeaderMap>,
    /// What the arm calls itself, where that is known.
    pub home: Option<&'a Home>,
}

impl<'a> Answer<'a> {
    /// An answer with a whole body and without trailers.
    #[must_use]
    pub const fn new(status: u16, headers: &'a HeaderMap, body: &'a [u8]) -> Self {
        Self { status, headers, body: Body::Whole(body), trailers: None, home: None }
    }
}

/// The answers to one request.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// Stable's answer.
    pub stable: Answer<'a>,
    /// The candidate's.
    pub candidate: Answer<'a>,
    /// A second one of stable's, for a sampled share of safe requests: what differs between the two by value is noise.
    pub twin: Option<Answer<'a>>,
}

/// What came of comparing two answers. It holds no value of either. (INV-12)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The same, not the same, or not to be told.
    pub outcome: Outcome,
    /// The fields by what came of them; none where the outcome is that it cannot be told.
    pub fields: Fields,
    /// Where they differ: each signature once, at most 100 of them. Their fields add up to the mismatched ones, but for
    /// the unlisted.
    pub differences: Vec<Found>,
    /// Mismatched fields of signatures beyond those 100.
    pub unlisted: u64,
    /// Whether everything was looked into: not so where only hashes were compared, or where what was found to differ was
    /// enough before the bounds were reached.
    pub is_whole: bool,
    /// Which rules on places applied, and to how many fields.
    pub uses: Vec<RuleUse>,
    /// Where two answers of stable differ by value; none where no second one was there to be compared.
    pub drifts: Option<Vec<Drift>>,
}

/// Compares two answers to the same request.
///
/// Another status is one difference, and nothing else is looked at: an error page does not say which fields changed.
/// Stable's fields are all mismatched then.
///
/// ```
/// use http::{HeaderMap, Method};
/// use rules::compare::{Answer, CompareRules, Pair, compare};
/// use rules::exchange::Outcome;
/// let headers: HeaderMap = [(http::header::CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect();
/// let stable = Answer::new(200, &headers, br#"{"price": 1.0, "id": 7}"#);
/// let candidate = Answer::new(200, &headers, br#"{"id":7,"price":1}"#);
/// let pair = Pair { method: &Method::GET, stable, candidate, twin: None };
/// assert_eq!(compare(&CompareRules::default(), &pair).outcome, Outcome::Match);
/// let candidate = Answer::new(200, &headers, br#"{"id":7,"price":"1"}"#);
/// let comparison = compare(&CompareRules::default(), &Pair { candidate, ..pair });
/// assert_eq!(&*comparison.differences[0].difference.path, "/price");
/// assert_eq!((comparison.fields.equal, comparison.fields.mismatched), (3, 1), "status, content-type and /id are equal");
/// ```
#[must_use]
pub fn compare(rules: &CompareRules, pair: &Pair<'_>) -> Comparison {
    compared(rules, pair, Findings::default()).0
}

/// Compares as [`compare`] does, and says where exactly the answers differ: at most 1,000 times.
#[must_use]
pub fn pinpoint(rules: &CompareRules, pair: &Pair<'_>) -> (Comparison, Vec<Pinpoint>) {
    let (comparison, kept) = compared(rules, pair, Findings::pinpointing());
    (comparison, kept.pinpoints)
}

/// Compares as [`compare`] does, and keeps values of what differs, as far as the policy lets them: for a route that opted
/// in. (INV-12)
#[must_use]
pub fn sample(
    rules: &CompareRules,
    pair: &Pair<'_>,
    policy: &Arc<SamplePolicy>,
) -> (Comparison, Option<Samples>) {
    let findings = Findings::sampling(Arc::clone(policy));
    let (comparison, kept) = compared(rules, pair, findings);
    (comparison, kept.samples)
}

fn compared(rules: &CompareRules, pair: &Pair<'_>, mut findings: Findings) -> (Comparison, Kept) {
    // Another status says nothing of how steady the fields are.
    let twin = pair.twin.filter(|twin| twin.status == pair.stable.status);
    let judged = if pair.stable.status == pair.candidate.status {
        findings.tally.fields.equal += 1;
        parts(rules, pair, twin, &mut findings)
    } else {
        statuses(rules, pair, &mut findings);
        Ok(())
    };
    let outcome = match judged {
        Ok(()) if findings.differs() => Outcome::Mismatch,
        Ok(()) => Outcome::Match,
        // What was seen to differ stays so, even where not everything could be looked at.
        Err(_) if findings.differs() => {
            findings.is_partial = true;
            Outcome::Mismatch
        }
        Err(reason) => Outcome::NotComparable(reason),
    };
    let parts = findings.into_parts();
    let comparison = Comparison {
        outcome,
        fields: if outcome.is_compared() { parts.fields } else { Fields::default() },
        differences: parts.differences,
        unlisted: parts.unlisted,
        is_whole: parts.is_whole,
        uses: parts.uses,
        drifts: twin.map(|_| parts.drifts),
    };
    (comparison, Kept { pinpoints: parts.pinpoints, samples: parts.samples })
}

/// What is kept of an exchange beside its comparison, where somebody asked for it.
struct Kept {
    pinpoints: Vec<Pinpoint>,
    samples: Option<Samples>,
}

/// Compares what there is beside the status.
fn parts(
    rules: &CompareRules,
    pair: &Pair<'_>,
    twin: Option<Answer<'_>>,
    findings: &mut Findings,
) -> Result<(), NotComparable> {
    if let Some(twin) = &twin {
        let mut learning = Findings::learning();
        headers::compare(rules, &pair.stable, twin, &mut learning);
        findings.apply(learning);
    }
    headers::compare(rules, &pair.stable, &pair.candidate, findings);
    body::compare(rules, pair, twin, findings)
}

/// Which statuses they are is nobody's data, and what people look for first: it stands in the path.
fn statuses(rules: &CompareRules, pair: &Pair<'_>, findings: &mut Findings) {
    let (stable, candidate) = (pair.stable.status, pair.candidate.status);
    let difference = Difference {
        location: Location::Status,
        path: format!("{stable} -> {candidate}").into(),
        kind: DifferenceKind::Value,
        classes: (ValueClass::Number, ValueClass::Number),
        relation: None,
    };
    findings.pinpoint(&difference, || {
        (Some(stable.to_string().into()), Some(candidate.to_string().into()))
    });
    let weight = body::weight(rules, pair.method, &pair.stable, findings);
    findings.tally.fields.ignored += weight.ignored;
    findings.add(difference, 1 + weight.mismatched);
}

impl From<OverBudget> for NotComparable {
    fn from(_: OverBudget) -> Self {
        Self::Budget
    }
}

impl Comparison {
    /// What an exchange is that cannot be compared.
    #[must_use]
    pub const fn impossible(reason: NotComparable) -> Self {
        Self {
            outcome: Outcome::NotComparable(reason),
            fields: Fields { equal: 0, mismatched: 0, ignored: 0, masked: 0 },
            differences: Vec::new(),
            unlisted: 0,
            is_whole: false,
            uses: Vec::new(),
            drifts: None,
        }
    }
}
