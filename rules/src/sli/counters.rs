//! What does a route keep of its arms, cohorts, aliases and shadows?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{AliasCounters, Histogram, HistogramCounts, SeriesKey, SeriesTable, Strata};
use crate::cohort::CohortId;
use crate::exchange::Outcome;
use crate::route::{Arm, FamilyId};
use crate::{Bucket, CohortName, TenantId};

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
    /// The metric's label set.
    pub key: SeriesKey,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// Whether a tester chose the arm: counted apart, and left out of SLIs and gates.
    pub overridden: bool,
    /// When it ended, in seconds since 1970.
    pub now_unix: i64,
}

/// The SLIs of one arm.
#[derive(Debug, Default)]
pub struct ArmCounters {
    requests: AtomicU64,
    errors: [AtomicU64; ErrorClass::ALL.len()],
    overridden: AtomicU64,
    fallbacks: AtomicU64,
    latency: OnceLock<Histogram>,
    series: OnceLock<Box<SeriesTable>>,
}

/// The SLIs of one arm at one moment, or between two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArmCounts {
    /// Exchanges, without those a tester chose the arm for.
    pub requests: u64,
    /// Of those, per [`ErrorClass::ALL`].
    pub errors: [u64; ErrorClass::ALL.len()],
    /// Exchanges that a tester chose the arm for.
    pub overridden: u64,
    /// Exchanges that stable served because this arm could not.
    pub fallbacks: u64,
    /// How long the exchanges took.
    pub latency: HistogramCounts,
}

impl ArmCounts {
    /// The exchanges that failed by the arm's fault.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let faults = ErrorClass::ALL.iter().zip(self.errors);
        faults.filter(|(class, _)| **class != ErrorClass::ClientAbort).map(|(_, n)| n).sum()
    }

    /// Adds what was counted elsewhere, or at another time.
    pub fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        for (sum, more) in self.errors.iter_mut().zip(more.errors) {
            *sum += more;
        }
        self.overridden += more.overridden;
        self.fallbacks += more.fallbacks;
        // What counted nothing needs no buckets either.
        if more.latency.total() > 0 {
            self.latency.add(more.latency.occupied());
        }
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let errors = self.errors.iter().zip(earlier.errors);
        let mut differences = errors.map(|(now, before)| now.saturating_sub(before));
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            errors: std::array::from_fn(|_| differences.next().unwrap_or(0)),
            overridden: self.overridden.saturating_sub(earlier.overridden),
            fallbacks: self.fallbacks.saturating_sub(earlier.fallbacks),
            latency: self.latency.since(&earlier.latency),
        }
    }
}

impl ArmCounters {
    fn record(&self, seen: &Observation<'_>, latency: Duration) {
        if seen.overridden {
            self.overridden.fetch_add(1, Ordering::Relaxed);
        } else {
            self.count(seen.key.error, latency);
        }
    }

    fn record_fallback(&self, failed: ErrorClass, latency: Duration) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
        self.count(Some(failed), latency);
    }

    fn count(&self, error: Option<ErrorClass>, latency: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(counter) = error.and_then(|class| self.errors.get(class as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.latency.get_or_init(Histogram::default).record(latency);
    }

    /// How many exchanges were counted, overridden ones included: tells cheaply whether there is anything new.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.requests.load(Ordering::Relaxed) + self.overridden.load(Ordering::Relaxed)
    }

    /// The counts as they stand.
    #[must_use]
    pub fn counts(&self) -> ArmCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ArmCounts {
            requests: load(&self.requests),
            errors: std::array::from_fn(|i| self.errors.get(i).map_or(0, load)),
            overridden: load(&self.overridden),
            fallbacks: load(&self.fallbacks),
            latency: self.latency.get().map(Histogram::counts).unwrap_or_default(),
        }
    }

    /// Exchanges that stable served because this arm could not.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }

    /// The label sets of the standard metrics; none before the first request.
    #[must_use]
    pub fn series(&self) -> Option<&SeriesTable> {
        self.series.get().map(Box::as_ref)
    }
}

/// What became of a request's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShadowResult {
    /// Sent, and answered.
    Answered,
    /// Sent, but no whole answer came in time.
    Failed,
    /// Not sent: the queue was full, by count or bytes.
    Shed,
    /// Not sent: the circuit breaker is open after too many failures.
    BreakerOpen,
    /// Not sent: the request's body is over the bound.
    Oversize,
}

impl ShadowResult {
    /// All results.
    pub const ALL: [Self; 5] =
        [Self::Answered, Self::Failed, Self::Shed, Self::BreakerOpen, Self::Oversize];

    /// The result's name, as metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Shed => "shed",
            Self::BreakerOpen => "breaker_open",
            Self::Oversize => "oversize",
        }
    }
}

/// Both arms' SLIs.
type ArmPair = [Arc<ArmCounters>; 2];

/// Everything that is counted of one route; the parts outlive a snapshot, found again by name.
#[derive(Debug, Default)]
pub struct RouteCounters {
    arms: ArmPair,
    cohorts: Box<[(CohortName, ArmPair)]>,
    /// One per alias, in the order of the route's families, with the alias's path.
    aliases: Box<[(Box<str>, Arc<AliasCounters>)]>,
    shadow: Arc<ShadowCounters>,
    /// None before the first request of a tenant.
    strata: Arc<OnceLock<Strata>>,
}

#[derive(Debug, Default)]
struct ShadowCounters {
    results: [AtomicU64; ShadowResult::ALL.len()],
    twins: [AtomicU64; ShadowResult::ALL.len()],
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

impl RouteCounters {
    /// Counters for these cohorts and alias paths, which go on with what `previous` counted under the same names.
    #[must_use]
    pub fn new(previous: Option<&Self>, cohorts: &[CohortName], aliases: &[Box<str>]) -> Self {
        let cohort = |name: &CohortName| {
            let known = previous.and_then(|p| p.cohorts.iter().find(|(known, _)| known == name));
            (name.clone(), known.map(|(_, pair)| pair.clone()).unwrap_or_default())
        };
        let alias = |path: &str| {
            let known = previous.and_then(|p| p.aliases.iter().find(|(known, _)| **known == *path));
            (path.into(), known.map(|(_, counters)| Arc::clone(counters)).unwrap_or_default())
        };
        Self {
            arms: previous.map(|p| p.arms.clone()).unwrap_or_default(),
            cohorts: cohorts.iter().map(cohort).collect(),
            aliases: aliases.iter().map(|path| alias(path)).collect(),
            shadow: previous.map(|p| Arc::clone(&p.shadow)).unwrap_or_default(),
            strata: previous.map(|p| Arc::clone(&p.strata)).unwrap_or_default(),
        }
    }

    /// Counts one finished exchange.
    pub fn record(&self, seen: &Observation<'_>) {
        self.record_with(seen, seen.duration);
    }

    /// Counts an exchange that stable served because the candidate failed it `after` so long: an error of the candidate,
    /// too, though no client saw it. Each arm answers for the time that it took itself.
    pub fn record_fallback(&self, seen: &Observation<'_>, failed: ErrorClass, after: Duration) {
        if !seen.overridden {
            self.of(Arm::Candidate, seen.cohort).for_each(|arm| arm.record_fallback(failed, after));
            self.record_stratum(seen, Arm::Candidate, Some(failed));
        }
        self.record_with(seen, seen.duration.saturating_sub(after));
    }

    fn record_with(&self, seen: &Observation<'_>, latency: Duration) {
        self.of(seen.arm, seen.cohort).for_each(|arm| arm.record(seen, latency));
        let series = self.arm(seen.arm).series.get_or_init(Box::default);
        series.record(seen.key, seen.duration);
        self.record_alias(seen.family, seen.tenant, seen.now_unix);
        if !seen.overridden {
            self.record_stratum(seen, seen.arm, seen.key.error);
        }
    }

    fn record_stratum(&self, seen: &Observation<'_>, arm: Arm, error: Option<ErrorClass>) {
        if let Some(bucket) = seen.bucket {
            let failed = error.is_some_and(|class| class != ErrorClass::ClientAbort);
            self.strata.get_or_init(Strata::default).record(bucket, arm, failed);
        }
    }

    /// What is counted of tenants without their names; none before the first request of one.
    #[must_use]
    pub fn strata(&self) -> Option<&Strata> {
        self.strata.get()
    }

    /// An arm's SLIs: of all requests, and of a cohort's.
    fn of(&self, arm: Arm, cohort: Option<CohortId>) -> impl Iterator<Item = &ArmCounters> {
        let cohort = cohort.and_then(|id| self.cohorts.get(usize::try_from(id.0).ok()?));
        let of_cohort = cohort.map(|(_, pair)| of_pair(pair, arm));
        [self.arm(arm)].into_iter().chain(of_cohort).map(|counters| &**counters)
    }

    /// Counts the use of an alias, whoever answered; the canonical path is none.
    pub fn record_alias(&self, family: FamilyId, tenant: Option<&TenantId>, now_unix: i64) {
        let alias = usize::from(family.0).checked_sub(1);
        if let Some((_, alias)) = alias.and_then(|place| self.aliases.get(place)) {
            alias.record(tenant, now_unix);
        }
    }

    /// Counts what became of a copy.
    pub fn record_shadow(&self, result: ShadowResult) {
        if let Some(counter) = self.shadow.results.get(result as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what became of a second request to stable.
    pub fn record_twin(&self, result: ShadowResult) {
        if let Some(counter) = self.shadow.twins.get(result as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what came of a shadowed exchange.
    pub fn record_outcome(&self, outcome: Outcome) {
        if let Some(counter) = self.shadow.outcomes.get(outcome.place()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One arm's SLIs.
    #[must_use]
    pub const fn arm(&self, arm: Arm) -> &Arc<ArmCounters> {
        of_pair(&self.arms, arm)
    }

    /// Each cohort's SLIs, stable first.
    pub fn cohorts(&self) -> impl Iterator<Item = (&CohortName, &[Arc<ArmCounters>; 2])> {
        self.cohorts.iter().map(|(name, pair)| (name, pair))
    }

    /// Each alias's use, by its path as written.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &AliasCounters)> {
        self.aliases.iter().map(|(path, counters)| (&**path, &**counters))
    }

    /// How often each result of a copy was seen.
    #[must_use]
    pub fn shadow_results(&self) -> [(ShadowResult, u64); ShadowResult::ALL.len()] {
        ShadowResult::ALL.map(|result| {
            let counter = self.shadow.results.get(result as usize);
            (result, counter.map_or(0, |counter| counter.load(Ordering::Relaxed)))
        })
    }

    /// How often each result of a second request to stable was seen.
    #[must_use]
    pub fn twin_results(&self) -> [(ShadowResult, u64); ShadowResult::ALL.len()] {
        ShadowResult::ALL.map(|result| {
            let counter = self.shadow.twins.get(result as usize);
            (result, counter.map_or(0, |counter| counter.load(Ordering::Relaxed)))
        })
    }

    /// How often each outcome of a shadowed exchange was seen.
    #[must_use]
    pub fn outcomes(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| {
            let counter = self.shadow.outcomes.get(outcome.place());
            (outcome, counter.map_or(0, |counter| counter.load(Ordering::Relaxed)))
        })
    }
}

const fn of_pair([stable, candidate]: &ArmPair, arm: Arm) -> &Arc<ArmCounters> {
    match arm {
        Arm::Stable => stable,
        Arm::Candidate => candidate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sli::{Scheme, TenantUse};
    use http::{Method, Version};

    fn seen(arm: Arm, status: u16, error: Option<ErrorClass>) -> Observation<'static> {
        Observation {
            arm,
            cohort: Some(CohortId(1)),
            family: FamilyId(1),
            tenant: None,
            bucket: None,
            key: SeriesKey::new(&Method::GET, status, error, Scheme::Http, Version::HTTP_11),
            duration: Duration::from_millis(10),
            overridden: false,
            now_unix: 1_000,
        }
    }

    #[test]
    fn what_was_counted_goes_on_under_the_same_names() {
        let names: Vec<CohortName> = ["AF", "IN"].map(|name| name.parse().unwrap()).into();
        let first = RouteCounters::new(None, &names, &["/old".into()]);
        let acme: TenantId = "acme".parse().unwrap();
        first.record(&Observation { tenant: Some(&acme), ..seen(Arm::Candidate, 200, None) });
        first.record(&seen(Arm::Candidate, 503, Some(ErrorClass::ServerError)));
        first.record(&seen(Arm::Candidate, 499, Some(ErrorClass::ClientAbort)));
        first.record(&Observation { overridden: true, ..seen(Arm::Candidate, 200, None) });
        first.record_outcome(Outcome::Match);

        let reordered: Vec<CohortName> = ["IN", "AF"].map(|name| name.parse().unwrap()).into();
        let second = RouteCounters::new(Some(&first), &reordered, &["/new".into(), "/old".into()]);
        let candidate = second.arm(Arm::Candidate).counts();
        assert_eq!((candidate.requests, candidate.failed(), candidate.overridden), (3, 1, 1));
        let cohorts: Vec<(String, u64)> = second
            .cohorts()
            .map(|(name, [_, candidate])| (name.to_string(), candidate.counts().requests))
            .collect();
        assert_eq!(cohorts, [("IN".to_owned(), 3), ("AF".to_owned(), 0)]);
        let uses: Vec<(String, u64)> = second
            .aliases()
            .map(|(path, counters)| (path.to_owned(), counters.requests()))
            .collect();
        assert_eq!(uses, [("/new".to_owned(), 0), ("/old".to_owned(), 4)]);
        let (_, old) = second.aliases().nth(1).unwrap();
        assert_eq!(old.last_seen_unix(), Some(1_000));
        let by_tenant: Vec<TenantUse> = old.tenants().collect();
        assert_eq!(by_tenant, [TenantUse { tenant: acme, requests: 1, last_seen_unix: 1_000 }]);
        assert!(second.outcomes().contains(&(Outcome::Match, 1)));
    }

    #[test]
    fn a_fallback_is_the_candidates_error_and_each_arm_answers_for_its_own_time() {
        let africa: CohortName = "AF".parse().unwrap();
        let counters = RouteCounters::new(None, &[africa], &["/old".into()]);
        let duration = Duration::from_millis(1_010);
        let seen =
            Observation { cohort: Some(CohortId(0)), duration, ..seen(Arm::Stable, 200, None) };
        counters.record_fallback(&seen, ErrorClass::Timeout, Duration::from_secs(1));
        let (_, of_cohort) = counters.cohorts().next().unwrap();
        for [stable, candidate] in [&counters.arms, of_cohort] {
            let (stable, candidate) = (stable.counts(), candidate.counts());
            assert_eq!((stable.requests, stable.failed(), stable.fallbacks), (1, 0, 0));
            assert_eq!((candidate.requests, candidate.failed(), candidate.fallbacks), (1, 1, 1));
            assert!(stable.latency.quantile(0.5).unwrap().as_millis() < 12);
            assert!((1_000..1_070).contains(&candidate.latency.quantile(0.5).unwrap().as_millis()));
        }
        let tester = Observation { overridden: true, ..seen };
        counters.record_fallback(&tester, ErrorClass::Timeout, Duration::from_secs(1));
        assert_eq!(counters.arm(Arm::Candidate).counts().requests, 1);
        assert_eq!(counters.arm(Arm::Stable).counts().overridden, 1);
    }
}
