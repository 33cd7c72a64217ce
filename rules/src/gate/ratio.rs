//! Is the candidate worse than stable? Sequential tests, that may be looked at after each request without being fooled.
//!
//! Given that a request was bad, it was the candidate's with probability `theta(r) = r w_c / (r w_c + w_b)`, where `w_c` and
//! `w_b` are the arms' exposures and `r` is how much worse the candidate is. Swings that hit both arms cancel out. The
//! likelihood ratio against "not worse than tolerated" is a martingale, so that by Ville's inequality it ever exceeds
//! `1/alpha` with probability `alpha` at most, however often it is looked at.
//!
//! A. Wald, "Sequential tests of statistical hypotheses" (1945); M. Lindon and A. Malek, "Anytime-valid inference for
//! multinomial count data" (2022, arXiv 2011.03567); arXiv 2205.14762.

use super::tally::{Tallies, float};

/// How many times worse than tolerated a candidate may be; the test finds all of them.
pub const GRID: [f64; 5] = [1.5, 2.0, 3.0, 5.0, 10.0];
/// How often a whole rollout of a healthy candidate may be judged harmful.
pub const ALPHA: f64 = 0.01;
/// How often a candidate that is as bad as ruled out may be judged not worse: once in 20.
pub const NOT_WORSE: f64 = 20.0;

/// What each arm was exposed to in some time: how many bad requests it would have, relative to the other, were it as good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposures {
    /// The candidate's.
    pub candidate: f64,
    /// Stable's.
    pub stable: f64,
}

impl Exposures {
    /// Exposures that are the numbers of requests.
    #[must_use]
    pub const fn of_requests(seen: &Tallies) -> Self {
        Self { candidate: float(seen.candidate.total), stable: float(seen.stable.total) }
    }

    /// Whether one of the arms has none, so that nothing can be compared.
    #[must_use]
    pub fn are_one_sided(self) -> bool {
        !(self.candidate > 0.0 && self.stable > 0.0)
    }

    fn theta(self, ratio: f64) -> f64 {
        ratio * self.candidate / (ratio * self.candidate + self.stable)
    }

    /// How much likelier the bad requests are if the candidate is `ratio` times as bad than if it is `than` times.
    fn log_likelihood(self, seen: &Tallies, ratio: f64, than: f64) -> f64 {
        let (ratio, than) = (self.theta(ratio), self.theta(than));
        float(seen.candidate.bad) * (ratio / than).ln()
            + float(seen.stable.bad) * ((1.0 - ratio) / (1.0 - than)).ln()
    }
}

/// Tests whether the candidate is worse than tolerated: a mixture of sequential probability ratio tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HarmTest {
    /// How many times as bad as stable the candidate may be.
    pub tolerated: f64,
    /// The logarithm of the likelihood ratio for each of [`GRID`].
    pub log_likelihoods: [f64; GRID.len()],
}

impl HarmTest {
    /// A test that has seen nothing.
    #[must_use]
    pub const fn new(tolerated: f64) -> Self {
        Self { tolerated, log_likelihoods: [0.0; GRID.len()] }
    }

    /// Takes what happened in some time. Where one arm had nothing to do, that says nothing.
    pub fn add(&mut self, seen: &Tallies, exposures: Exposures, dispersion: f64) {
        if exposures.are_one_sided() {
            return;
        }
        for (sum, times) in self.log_likelihoods.iter_mut().zip(GRID) {
            let worse = self.tolerated * times;
            *sum += exposures.log_likelihood(seen, worse, self.tolerated) / dispersion;
        }
    }

    /// The logarithm of the evidence for harm: how much likelier it makes what was seen, on average over [`GRID`].
    #[must_use]
    pub fn log_e(&self) -> f64 {
        let largest = self.log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.log_likelihoods.iter().map(|one| (one - largest).exp()).sum();
        largest + (sum / float(GRID.len() as u64)).ln()
    }
}

/// The evidence that is enough to judge a candidate harmful, where so many SLIs are tested and each test begins anew so
/// many times.
#[must_use]
pub fn log_e_limit(slis: usize, resets: usize) -> f64 {
    let tests = slis.max(1).saturating_mul(resets.max(1));
    (float(tests as u64) / ALPHA).ln()
}

/// Tests whether the candidate is surely not so many times as bad as stable: a sequential probability ratio test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotWorseTest {
    /// How many times as bad it must surely not be.
    pub ruled_out: f64,
    /// The logarithm of the evidence for "as good as stable".
    pub log_e: f64,
}

impl NotWorseTest {
    /// A test that has seen nothing.
    #[must_use]
    pub const fn new(ruled_out: f64) -> Self {
        Self { ruled_out, log_e: 0.0 }
    }

    /// Takes what happened in some time. Where one arm had nothing to do, that says nothing.
    pub fn add(&mut self, seen: &Tallies, exposures: Exposures, dispersion: f64) {
        if !exposures.are_one_sided() {
            self.log_e += exposures.log_likelihood(seen, 1.0, self.ruled_out) / dispersion;
        }
    }

    /// The evidence that is enough.
    #[must_use]
    pub fn limit() -> f64 {
        NOT_WORSE.ln()
    }

    /// Whether there is enough.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.log_e >= Self::limit()
    }

    /// About how many further requests of the candidate are needed, if it is as good as stable and goes on as before:
    /// `all` is what was seen so far. None where nothing has been bad yet, so that nothing can be compared.
    #[must_use]
    pub fn needs(&self, all: &Tallies, exposures: Exposures, dispersion: f64) -> Option<u64> {
        let bad = float(all.candidate.bad.saturating_add(all.stable.bad));
        let requests = float(all.candidate.total);
        if exposures.are_one_sided() || bad <= 0.0 || requests <= 0.0 {
            return None;
        }
        let (equal, worse) = (exposures.theta(1.0), exposures.theta(self.ruled_out));
        let per_bad =
            equal * (equal / worse).ln() + (1.0 - equal) * ((1.0 - equal) / (1.0 - worse)).ln();
        let per_request = per_bad * bad / requests / dispersion;
        Some(super::tally::count((Self::limit() - self.log_e) / per_request))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::Tally;

    fn seen(candidate: (u64, u64), stable: (u64, u64)) -> Tallies {
        Tallies {
            candidate: Tally::new(candidate.0, candidate.1),
            stable: Tally::new(stable.0, stable.1),
        }
    }

    #[test]
    fn an_arm_without_requests_says_nothing() {
        let (mut harm, mut not_worse) = (HarmTest::new(1.0), NotWorseTest::new(3.0));
        for one_sided in [seen((0, 0), (50, 1_000)), seen((9, 9), (0, 0))] {
            let exposures = Exposures::of_requests(&one_sided);
            harm.add(&one_sided, exposures, 1.0);
            not_worse.add(&one_sided, exposures, 1.0);
            assert_eq!(not_worse.needs(&one_sided, exposures, 1.0), None);
        }
        assert_eq!(harm, HarmTest::new(1.0));
        assert_eq!(not_worse, NotWorseTest::new(3.0));
    }

    #[test]
    fn not_worse_needs_what_it_says() {
        let mut test = NotWorseTest::new(3.0);
        let minute = seen((3, 600), (57, 11_400));
        let exposures = Exposures::of_requests(&minute);
        test.add(&minute, exposures, 1.0);
        let needs = test.needs(&minute, exposures, 1.0).unwrap();
        let minutes = needs.div_ceil(600);
        for _ in 1..minutes {
            test.add(&minute, exposures, 1.0);
        }
        assert!(!test.holds(), "{}", test.log_e);
        test.add(&minute, exposures, 1.0);
        assert!(test.holds(), "{}", test.log_e);
    }

    proptest! {
        #[test]
        fn what_hits_both_arms_alike_is_no_harm(bad in 0_u64..500, share in 1_u64..20) {
            let mut test = HarmTest::new(1.0);
            let both = seen((bad, bad + 50), (bad * share, (bad + 50) * share));
            test.add(&both, Exposures::of_requests(&both), 1.0);
            prop_assert!(test.log_e() <= 1e-9, "{}", test.log_e());
        }

        #[test]
        fn more_bad_requests_of_the_candidate_are_more_evidence(bad in 0_u64..50) {
            let log_e = |bad| {
                let mut test = HarmTest::new(1.0);
                let both = seen((bad, 1_000), (20, 19_000));
                test.add(&both, Exposures::of_requests(&both), 1.0);
                test.log_e()
            };
            prop_assert!(log_e(bad + 1) > log_e(bad));
        }
    }
}
