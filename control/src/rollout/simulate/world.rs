//! What traffic is there? Made up from a seed: requests, failures and slow answers of both arms, look by look.

use std::collections::VecDeque;

use jiff::SignedDuration;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Binomial, Distribution, Gamma, Poisson};
use rules::gate::{Exposures, Parity, Tallies, Tally, exposure};
use statrs::distribution::{ContinuousCDF, Normal};

use rules::sli::SeenTenants;
use rules::{Arm, Bucket};

use crate::rollout::Readings;
use config::plan::Gates;

/// How widely durations spread: the standard deviation of their logarithm. The 99th percentile is 3.2 times the median.
const SPREAD: f64 = 0.5;
/// How long a swing of both arms lasts, in seconds, and how long there is none.
const SWING_S: (i64, i64) = (600, 2_400);

/// How far back a fire is looked for, in seconds.
const HALF_A_MINUTE_S: i64 = 30;

/// Traffic as it is made up.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Requests per second of the route.
    pub requests_per_second: f64,
    /// The part of stable's requests that fail.
    pub error_rate: f64,
    /// The part of the candidate's that fail.
    pub candidate_error_rate: f64,
    /// How many times as long as stable the candidate takes.
    pub candidate_slower: f64,
    /// The part of the copied exchanges whose answers differ.
    pub mismatch_rate: f64,
    /// How many times as many requests of both arms fail for ten minutes of every fifty.
    pub swing: f64,
    /// By how much failures come in bursts: the variance of counts per minute over that of independent ones.
    pub bursts: f64,
    /// Whole tenants move, each with an error rate of its own; none where single requests move.
    pub tenants: Option<usize>,
    /// How many seconds there are between two looks.
    pub look_s: u32,
    /// What everything is made up from: the same seed gives the same traffic.
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            requests_per_second: 20.0,
            error_rate: 0.005,
            candidate_error_rate: 0.005,
            candidate_slower: 1.0,
            mismatch_rate: 0.0,
            swing: 1.0,
            bursts: 1.0,
            tenants: None,
            look_s: 10,
            seed: 1,
        }
    }
}

/// Where a step has put traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The part on the candidate.
    pub candidate: f64,
    /// The part on the baseline; none where stable itself is compared with.
    pub baseline: Option<f64>,
    /// The part of stable's requests that is copied.
    pub copied: f64,
}

/// The traffic of a scenario.
#[derive(Debug)]
pub struct World {
    scenario: Scenario,
    random: SmallRng,
    tenants: Vec<Tenant>,
    /// How much likelier a failure is in this minute, for each arm.
    burst: [f64; 2],
    burst_minute: i64,
    half_minute: VecDeque<(i64, Tallies)>,
}

/// A tenant: its part of the traffic, how likely its requests fail, and what it did the day before.
#[derive(Debug, Clone, Copy)]
struct Tenant {
    part: f64,
    times: f64,
    /// It moves when the candidate's share exceeds this.
    bucket: f64,
    before: Tally,
}

impl World {
    /// The time between two looks.
    #[must_use]
    pub fn pause(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.scenario.look_s))
    }

    /// The traffic of this scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let mut random = SmallRng::seed_from_u64(scenario.seed);
        let tenants = tenants(&scenario, &mut random);
        Self {
            scenario,
            random,
            tenants,
            burst: [1.0; 2],
            burst_minute: i64::MIN,
            half_minute: VecDeque::new(),
        }
    }

    /// What is seen of the time since the last look, at this moment.
    pub fn look(&mut self, gates: &Gates, split: Split, now_unix_s: i64) -> Readings {
        let (swing, bursts) = (self.swing(now_unix_s), self.bursts(now_unix_s));
        let requests = self.scenario.requests_per_second * f64::from(self.scenario.look_s);
        let rates = [
            self.scenario.error_rate * swing * bursts[0],
            self.scenario.candidate_error_rate * swing * bursts[1],
        ];
        let mut tenants = SeenTenants::default();
        let (errors, exposures) = if self.tenants.is_empty() {
            let parts = [split.baseline.unwrap_or(1.0 - split.candidate), split.candidate];
            let [stable, candidate] = [0, 1].map(|arm: usize| {
                let (part, rate) = (part_of(parts, arm), part_of(rates, arm));
                let total = poisson(requests * part, &mut self.random);
                Tally::new(binomial(total, rate, &mut self.random), total)
            });
            (Tallies { candidate, stable }, None)
        } else {
            self.by_tenant(requests, rates, split, &mut tenants)
        };
        let latencies = gates.latencies.iter().map(|gate| {
            let slow = slow(gate.quantile, self.scenario.candidate_slower);
            let bad = |seen: Tally, rate, random: &mut SmallRng| {
                Tally::new(binomial(seen.total, rate, random), seen.total)
            };
            Some(Tallies {
                candidate: bad(errors.candidate, slow, &mut self.random),
                stable: bad(errors.stable, 1.0 - gate.quantile, &mut self.random),
            })
        });
        let latencies = latencies.collect();
        self.half_minute.push_back((now_unix_s, errors));
        self.half_minute.retain(|(at, _)| at + HALF_A_MINUTE_S > now_unix_s);
        let half_minute = self.half_minute.iter().map(|(_, errors)| *errors);
        let half_minute = half_minute.fold(Tallies::default(), Tallies::plus);
        // Copies are taken of all that the old version serves.
        let others = poisson(requests * (1.0 - split.candidate), &mut self.random);
        let others = if split.baseline.is_some() { others } else { errors.stable.total };
        let copied = binomial(others, split.copied, &mut self.random);
        let differ = binomial(copied, self.scenario.mismatch_rate, &mut self.random);
        Readings {
            control: split.baseline.map_or(Arm::Stable, |_| Arm::Baseline),
            errors,
            exposures,
            latencies,
            half_minute: vec![half_minute],
            exchanges: Tally::new(differ, copied),
            tenants,
            parity: None::<Parity>,
            dispersion: self.scenario.bursts,
            latency_dispersions: Vec::new(),
            incomplete: false,
            ..Readings::default()
        }
    }

    fn swing(&self, now_unix_s: i64) -> f64 {
        let (lasts, pause) = SWING_S;
        if now_unix_s.rem_euclid(lasts + pause) < lasts { self.scenario.swing } else { 1.0 }
    }

    /// Failures per minute are Poisson with a rate that is itself drawn: their variance over their mean is `bursts`.
    fn bursts(&mut self, now_unix_s: i64) -> [f64; 2] {
        let minute = now_unix_s.div_euclid(60);
        if self.scenario.bursts > 1.0 && minute != self.burst_minute {
            self.burst_minute = minute;
            let expected = self.scenario.requests_per_second * 60.0 * self.scenario.error_rate;
            let shape = expected / (self.scenario.bursts - 1.0);
            if let Ok(gamma) = Gamma::new(shape, 1.0 / shape) {
                self.burst = [gamma.sample(&mut self.random), gamma.sample(&mut self.random)];
            }
        }
        self.burst
    }

    fn by_tenant(
        &mut self,
        requests: f64,
        rates: [f64; 2],
        split: Split,
        on_candidate: &mut SeenTenants,
    ) -> (Tallies, Option<Exposures>) {
        let everybody = self.tenants.iter().map(|tenant| tenant.before);
        let everybody = everybody.fold(Tally::default(), Tally::plus);
        let mut arms = [Tally::default(); 2];
        let mut seen: [Vec<(u64, Tally)>; 2] = Default::default();
        for (number, tenant) in self.tenants.iter().enumerate() {
            let arm = usize::from(tenant.bucket < split.candidate);
            if arm == 0 && split.baseline.is_some_and(|part| tenant.bucket < 1.0 - part) {
                continue;
            }
            let total = poisson(requests * tenant.part, &mut self.random);
            if arm == 1 && total > 0 {
                on_candidate.note(Bucket::of("simulated", &number.to_string()));
            }
            let bad = binomial(total, part_of(rates, arm) * tenant.times, &mut self.random);
            if let (Some(all), Some(seen)) = (arms.get_mut(arm), seen.get_mut(arm)) {
                *all = all.plus(Tally::new(bad, total));
                seen.push((total, tenant.before));
            }
        }
        let [stable, candidate] = arms;
        let [of_stable, of_candidate] = seen.map(|seen| exposure::standardised(seen, everybody));
        let exposures = Exposures { candidate: of_candidate, stable: of_stable };
        (Tallies { candidate, stable }, Some(exposures))
    }
}

const fn part_of([stable, candidate]: [f64; 2], arm: usize) -> f64 {
    if arm == 0 { stable } else { candidate }
}

/// Tenants of all sizes, a few with most of the traffic, whose error rates spread as far; with a day of each before.
fn tenants(scenario: &Scenario, random: &mut SmallRng) -> Vec<Tenant> {
    let Some(count) = scenario.tenants else { return Vec::new() };
    let Ok(uneven) = Gamma::new(0.5, 2.0) else { return Vec::new() };
    let drawn: Vec<[f64; 3]> = (0..count)
        .map(|_| {
            let bucket = rand_distr::StandardUniform.sample(random);
            [uneven.sample(random) + 0.02, uneven.sample(random) + 0.02, bucket]
        })
        .collect();
    let all: f64 = drawn.iter().map(|[size, ..]| size).sum();
    let mean: f64 = drawn.iter().map(|[size, times, _]| size / all * times).sum();
    let a_day = scenario.requests_per_second * 86_400.0;
    drawn
        .iter()
        .map(|[size, times, bucket]| {
            let (part, times) = (size / all, times / mean);
            let total = poisson(a_day * part, random);
            let bad = binomial(total, scenario.error_rate * times, random);
            Tenant { part, times, bucket: *bucket, before: Tally::new(bad, total) }
        })
        .collect()
}

/// How likely a request is slower than the quantile of requests that take `times` as short.
fn slow(quantile: f64, times: f64) -> f64 {
    let normal = Normal::standard();
    1.0 - normal.cdf(normal.inverse_cdf(quantile) - times.ln() / SPREAD)
}

fn poisson(mean: f64, random: &mut SmallRng) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and small")]
    Poisson::new(mean).map_or(0, |poisson| poisson.sample(random) as u64)
}

fn binomial(total: u64, rate: f64, random: &mut SmallRng) -> u64 {
    Binomial::new(total, rate.clamp(0.0, 1.0)).map_or(0, |binomial| binomial.sample(random))
}

#[cfg(test)]
mod tests {
    use rules::gate::dispersion::dispersion;

    use super::*;

    #[test]
    fn twice_as_slow_is_far_more_often_slow() {
        assert!((slow(0.95, 1.0) - 0.05).abs() < 1e-9);
        assert!((0.35..0.45).contains(&slow(0.95, 2.0)));
    }

    #[test]
    fn traffic_is_as_it_was_asked_for() {
        let spec =
            serde_json::from_value(serde_json::json!({"steps": [{"canary": "5%"}]})).unwrap();
        let gates = config::Plan::of(&spec).unwrap().steps[0].gates.clone();
        let scenario =
            Scenario { bursts: 5.0, error_rate: 0.01, look_s: 60, ..Scenario::default() };
        let mut world = World::new(scenario);
        let split = Split { candidate: 0.05, baseline: None, copied: 0.0 };
        let minutes: Vec<Tally> =
            (0..500).map(|minute| world.look(&gates, split, minute * 60).errors.stable).collect();
        let all = minutes.iter().copied().fold(Tally::default(), Tally::plus);
        assert!((all.ratio().unwrap() - 0.01).abs() < 0.002, "{all:?}");
        assert!((3.5..6.5).contains(&dispersion(minutes.iter().copied())));
    }
}
