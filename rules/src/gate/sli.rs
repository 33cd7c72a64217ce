//! What do all rules say of one SLI? The tests that it needs, filled tick by tick, and their findings.

use super::absolute::absolute;
use super::ratio::{Exposures, HarmTest, NotWorseTest, log_e_limit};
use super::tally::{Tallies, float};
use super::verdict::{Finding, Grounds, Rule, Verdict};

/// What is asked of one SLI.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliRules {
    /// The largest ratio of bad requests that the candidate may have, whatever stable does.
    pub limit: Option<f64>,
    /// How many times as bad as stable the candidate may be before it is judged harmful.
    pub tolerated: f64,
    /// How many times as bad it must surely not be before the rollout goes on; none where that is not asked.
    pub ruled_out: Option<f64>,
    /// With fewer requests of the candidate than this a limit is never judged exceeded.
    pub smallest: u64,
}

/// What happened in one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// What both arms did.
    pub seen: Tallies,
    /// What they were exposed to.
    pub exposures: Exposures,
    /// By how much bad requests come in bursts, see [`super::dispersion`].
    pub dispersion: f64,
}

/// The tests of one SLI, and what they have seen since they began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliTest {
    /// Everything that both arms did.
    pub seen: Tallies,
    /// Everything that they were exposed to.
    pub exposures: Exposures,
    /// Is the candidate worse than tolerated?
    pub harm: HarmTest,
    /// Is it surely not several times as bad?
    pub not_worse: NotWorseTest,
}

impl SliTest {
    /// Tests that have seen nothing.
    #[must_use]
    pub fn new(rules: &SliRules) -> Self {
        Self {
            seen: Tallies::default(),
            exposures: Exposures { candidate: 0.0, stable: 0.0 },
            harm: HarmTest::new(rules.tolerated),
            not_worse: NotWorseTest::new(rules.ruled_out.unwrap_or(f64::INFINITY)),
        }
    }

    /// Takes one tick.
    pub fn add(&mut self, tick: &Tick) {
        self.seen = self.seen.plus(tick.seen);
        self.exposures.candidate += tick.exposures.candidate;
        self.exposures.stable += tick.exposures.stable;
        self.harm.add(&tick.seen, tick.exposures, tick.dispersion);
        if self.not_worse.ruled_out.is_finite() {
            self.not_worse.add(&tick.seen, tick.exposures, tick.dispersion);
        }
    }

    /// What the rules say now, where so many SLIs are tested, so many times anew. `compared` is false where all traffic is
    /// on the candidate by plan: then there is nothing to compare with, and the limit alone is asked.
    #[must_use]
    pub fn findings(
        &self,
        rules: &SliRules,
        (slis, resets): (usize, usize),
        dispersion: f64,
        compared: bool,
    ) -> Vec<Finding> {
        let limit = rules.limit.map(|limit| limit * self.expected());
        let limit = limit.map(|limit| absolute(self.seen, limit, rules.smallest, dispersion));
        let harm = compared.then(|| self.harm_finding(log_e_limit(slis, resets)));
        let not_worse = rules.ruled_out.filter(|_| compared);
        let not_worse = not_worse.map(|_| self.not_worse_finding(dispersion));
        [harm, limit, not_worse].into_iter().flatten().collect()
    }

    /// How many times as many bad requests are expected of the candidate's tenants as of everybody; never less than 1.
    ///
    /// Where whole tenants move, a limit is one for everybody's mix: a healthy candidate that has got the tenants whose
    /// requests fail more often exceeds it by no fault of its own.
    fn expected(&self) -> f64 {
        let Exposures { candidate, stable } = self.exposures;
        let requests = float(self.seen.candidate.total);
        let all = requests + float(self.seen.stable.total);
        let times = (candidate / requests) / ((candidate + stable) / all);
        if times.is_finite() { times.max(1.0) } else { 1.0 }
    }

    fn harm_finding(&self, limit: f64) -> Finding {
        let log_e = self.harm.log_e();
        let (verdict, grounds) = if log_e >= limit {
            (Verdict::Fail, Grounds::OverLimit)
        } else if self.exposures.are_one_sided() {
            (Verdict::Hold, Grounds::NoRequests)
        } else {
            (Verdict::Pass, Grounds::NoEvidence)
        };
        let (figure, limit) = (Some(log_e), Some(limit));
        Finding { rule: Rule::Harm, verdict, grounds, seen: self.seen, figure, limit, needs: None }
    }

    fn not_worse_finding(&self, dispersion: f64) -> Finding {
        let test = &self.not_worse;
        let (verdict, grounds) = if test.holds() {
            (Verdict::Pass, Grounds::OverLimit)
        } else if self.exposures.are_one_sided() {
            (Verdict::Hold, Grounds::NoRequests)
        } else {
            (Verdict::Hold, Grounds::TooFew)
        };
        let needs = (verdict == Verdict::Hold)
            .then(|| test.needs(&self.seen, self.exposures, dispersion))
            .flatten();
        Finding {
            rule: Rule::NotWorse,
            verdict,
            grounds,
            seen: self.seen,
            figure: Some(test.log_e),
            limit: Some(NotWorseTest::limit()),
            needs,
        }
    }
}

/// Whether so many requests of the candidate were seen as are asked for at least.
#[must_use]
pub fn sample(seen: Tallies, smallest: u64) -> Finding {
    let missing = smallest.saturating_sub(seen.candidate.total);
    let enough = missing == 0;
    Finding {
        rule: Rule::Sample,
        verdict: if enough { Verdict::Pass } else { Verdict::Hold },
        grounds: if enough { Grounds::OverLimit } else { Grounds::TooFew },
        seen,
        figure: Some(float(seen.candidate.total)),
        limit: Some(float(smallest)),
        needs: (!enough).then_some(missing),
    }
}

/// Whether the candidate has seen so many different tenants as are asked for at least.
#[must_use]
pub fn tenants(seen: u64, smallest: u64) -> Finding {
    let enough = seen >= smallest;
    Finding {
        rule: Rule::Tenants,
        verdict: if enough { Verdict::Pass } else { Verdict::Hold },
        grounds: if enough { Grounds::OverLimit } else { Grounds::TooFew },
        seen: Tallies::default(),
        figure: Some(float(seen)),
        limit: Some(float(smallest)),
        needs: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Tally;
    use crate::gate::verdict::gravest;

    const RULES: SliRules =
        SliRules { limit: Some(0.05), tolerated: 1.0, ruled_out: Some(3.0), smallest: 300 };

    fn tick(candidate: (u64, u64), stable: (u64, u64)) -> Tick {
        let seen = Tallies {
            candidate: Tally::new(candidate.0, candidate.1),
            stable: Tally::new(stable.0, stable.1),
        };
        Tick { seen, exposures: Exposures::of_requests(&seen), dispersion: 1.0 }
    }

    fn verdicts(test: &SliTest, compared: bool) -> Vec<(Rule, Verdict, Grounds)> {
        let findings = test.findings(&RULES, (1, 4), 1.0, compared);
        findings.iter().map(|one| (one.rule, one.verdict, one.grounds)).collect()
    }

    #[test]
    fn no_traffic_is_a_hold() {
        let mut test = SliTest::new(&RULES);
        test.add(&tick((0, 0), (20, 4_000)));
        let expected = [
            (Rule::Harm, Verdict::Hold, Grounds::NoRequests),
            (Rule::Absolute, Verdict::Hold, Grounds::NoRequests),
            (Rule::NotWorse, Verdict::Hold, Grounds::NoRequests),
        ];
        assert_eq!(verdicts(&test, true), expected);
    }

    #[test]
    fn a_healthy_candidate_passes_in_time_and_a_bad_one_fails() {
        let (mut healthy, mut bad) = (SliTest::new(&RULES), SliTest::new(&RULES));
        for _ in 0..20 {
            healthy.add(&tick((3, 600), (57, 11_400)));
            bad.add(&tick((15, 600), (57, 11_400)));
        }
        assert_eq!(gravest(&healthy.findings(&RULES, (1, 4), 1.0, true)), Verdict::Pass);
        let found = bad.findings(&RULES, (1, 4), 1.0, true);
        assert_eq!(gravest(&found), Verdict::Fail);
        assert_eq!(found[0].rule, Rule::Harm);
        assert!(found[0].figure > found[0].limit);
    }

    #[test]
    fn a_limit_is_one_for_everybodys_mix() {
        let mut test = SliTest::new(&RULES);
        let mut weak = tick((90, 1_000), (50, 9_000));
        let verdict = |test: &SliTest| test.findings(&RULES, (1, 4), 1.0, true)[1].verdict;
        test.add(&weak);
        assert_eq!(verdict(&test), Verdict::Fail);
        weak.exposures.candidate *= 10.0;
        let mut expected = SliTest::new(&RULES);
        expected.add(&weak);
        assert_eq!(verdict(&expected), Verdict::Pass);
    }

    #[test]
    fn without_stable_traffic_by_plan_only_the_limit_is_asked() {
        let mut test = SliTest::new(&RULES);
        test.add(&tick((3, 1_000), (0, 0)));
        assert_eq!(verdicts(&test, false), [(Rule::Absolute, Verdict::Pass, Grounds::WithinLimit)]);
    }

    #[test]
    fn a_sample_says_how_many_are_missing() {
        let seen = tick((0, 1_260), (0, 0)).seen;
        assert_eq!(sample(seen, 2_500).needs, Some(1_240));
        assert_eq!(sample(seen, 1_260).verdict, Verdict::Pass);
        let verdict = |seen| tenants(seen, 20).verdict;
        assert_eq!((verdict(0), verdict(19)), (Verdict::Hold, Verdict::Hold));
        assert_eq!((verdict(20), verdict(21)), (Verdict::Pass, Verdict::Pass));
    }
}
