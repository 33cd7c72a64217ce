//! What does a route keep of its arms, cohorts, aliases and shadows?

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::shadow::ShadowCounters;
use super::{AliasCounters, ArmCounters, Arms, ErrorClass, Observation, ShadowResult, Strata};
use crate::exchange::Outcome;
use crate::route::{Arm, FamilyId};
use crate::{CohortName, TenantId};

/// Everything that is counted of one route; the parts outlive a snapshot, found again by name.
#[derive(Debug, Default)]
pub struct RouteCounters {
    arms: Arms,
    cohorts: Box<[(CohortName, Arms)]>,
    /// One per alias, in the order of the route's families, with the alias's path.
    aliases: Box<[(Box<str>, Arc<AliasCounters>)]>,
    shadow: Arc<ShadowCounters>,
    /// None before the first request of a tenant.
    strata: Arc<OnceLock<Strata>>,
}

impl RouteCounters {
    /// Counters for these cohorts and alias paths, which go on with what `previous` counted under the same names.
    #[must_use]
    pub fn new(previous: Option<&Self>, cohorts: &[CohortName], aliases: &[Box<str>]) -> Self {
        let cohort = |name: &CohortName| {
            let known = previous.and_then(|p| p.cohorts.iter().find(|(known, _)| known == name));
            (name.clone(), known.map(|(_, arms)| arms.clone()).unwrap_or_default())
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

    /// Counts an exchange that stable served because another arm failed it `after` so long: an error of that arm, too, though
    /// no client saw it. Each arm answers for the time that it took itself.
    pub fn record_fallback(
        &self,
        seen: &Observation<'_>,
        (arm, failed): (Arm, ErrorClass),
        after: Duration,
    ) {
        if !seen.overridden {
            self.of(arm, seen).for_each(|arm| arm.record_fallback(failed, after));
            self.record_stratum(seen, arm, Some(failed));
        }
        self.record_with(seen, seen.duration.saturating_sub(after));
    }

    fn record_with(&self, seen: &Observation<'_>, latency: Duration) {
        self.of(seen.arm, seen).for_each(|arm| arm.record(seen, latency));
        self.arm(seen.arm).record_series(seen.key, seen.duration);
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

    /// An arm's SLIs: of all requests, of a cohort's, and of a tenant's.
    fn of<'c>(&'c self, arm: Arm, seen: &Observation<'c>) -> impl Iterator<Item = &'c ArmCounters> {
        let cohort = seen.cohort.and_then(|id| self.cohorts.get(usize::try_from(id.0).ok()?));
        let of_cohort = cohort.map(|(_, arms)| &**arms.of(arm));
        let of_tenant = seen.own.map(|own| own.arm(arm));
        [&**self.arm(arm)].into_iter().chain(of_cohort).chain(of_tenant)
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
        self.shadow.record_result(result);
    }

    /// Counts what became of a second request to stable.
    pub fn record_twin(&self, result: ShadowResult) {
        self.shadow.record_twin(result);
    }

    /// Counts what came of a shadowed exchange.
    pub fn record_outcome(&self, outcome: Outcome) {
        self.shadow.outcomes().record(outcome);
    }

    /// One arm's SLIs.
    #[must_use]
    pub const fn arm(&self, arm: Arm) -> &Arc<ArmCounters> {
        self.arms.of(arm)
    }

    /// Both arms' SLIs.
    #[must_use]
    pub const fn arms(&self) -> &Arms {
        &self.arms
    }

    /// Each cohort's SLIs.
    pub fn cohorts(&self) -> impl Iterator<Item = (&CohortName, &Arms)> {
        self.cohorts.iter().map(|(name, arms)| (name, arms))
    }

    /// Each alias's use, by its path as written.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &AliasCounters)> {
        self.aliases.iter().map(|(path, counters)| (&**path, &**counters))
    }

    /// How often each result of a copy was seen.
    #[must_use]
    pub fn shadow_results(&self) -> [(ShadowResult, u64); ShadowResult::ALL.len()] {
        self.shadow.results()
    }

    /// How often each result of a second request to stable was seen.
    #[must_use]
    pub fn twin_results(&self) -> [(ShadowResult, u64); ShadowResult::ALL.len()] {
        self.shadow.twins()
    }

    /// How often each outcome of a shadowed exchange was seen.
    #[must_use]
    pub fn outcomes(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        self.shadow.outcomes().counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::CohortId;
    use crate::sli::{Scheme, SeriesKey, TenantCounters, TenantUse};
    use http::{Method, Version};

    fn seen(arm: Arm, status: u16, error: Option<ErrorClass>) -> Observation<'static> {
        Observation {
            arm,
            cohort: Some(CohortId(1)),
            family: FamilyId(1),
            tenant: None,
            bucket: None,
            own: None,
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
            .map(|(name, arms)| (name.to_string(), arms.candidate.counts().requests))
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
        let timed_out = (Arm::Candidate, ErrorClass::Timeout);
        let (duration, own) = (Duration::from_millis(1_010), TenantCounters::default());
        let seen = Observation {
            cohort: Some(CohortId(0)),
            own: Some(&own),
            duration,
            ..seen(Arm::Stable, 200, None)
        };
        counters.record_fallback(&seen, timed_out, Duration::from_secs(1));
        let (_, of_cohort) = counters.cohorts().next().unwrap();
        for arms in [&counters.arms, of_cohort, own.arms()] {
            let (stable, candidate) = (arms.stable.counts(), arms.candidate.counts());
            assert_eq!((stable.requests, stable.failed(), stable.fallbacks), (1, 0, 0));
            assert_eq!((candidate.requests, candidate.failed(), candidate.fallbacks), (1, 1, 1));
            assert!(stable.latency.quantile(0.5).unwrap().as_millis() < 12);
            assert!((1_000..1_070).contains(&candidate.latency.quantile(0.5).unwrap().as_millis()));
        }
        let tester = Observation { overridden: true, ..seen };
        counters.record_fallback(&tester, timed_out, Duration::from_secs(1));
        assert_eq!(counters.arm(Arm::Candidate).counts().requests, 1);
        assert_eq!(counters.arm(Arm::Stable).counts().overridden, 1);
    }
}
