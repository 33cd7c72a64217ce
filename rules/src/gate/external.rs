//! What does another system's answer come to? The newest one counts, while it is fresh.
//!
//! A system that cannot be asked says nothing of the candidate: that is waited for, as in Kayenta, Flagger and Argo, unless
//! the plan says otherwise.

use std::time::Duration;

use super::tally::Tallies;
use super::verdict::{Finding, Grounds, Rule, Verdict};

/// What another system said last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct External {
    /// Whether what is asked for is so; none where it did not say.
    pub met: Option<bool>,
    /// The number that it gave, if it is one.
    pub figure: Option<f64>,
    /// How long ago it was asked.
    pub age: Duration,
}

/// What its answers come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExternalRules {
    /// The number that its figure is held against, if there is one.
    pub limit: Option<f64>,
    /// An answer that is older than this says nothing any more.
    pub stale_after: Duration,
    /// What it comes to where what is asked for is not so: a hold or a fail.
    pub unmet: Verdict,
    /// What it comes to where it cannot be asked, or says nothing that can be used: a hold or a fail.
    pub no_answer: Verdict,
}

impl ExternalRules {
    /// What the newest answer comes to. Before the first one, and when the newest is too old, it is a hold.
    ///
    /// ```
    /// use std::time::Duration;
    /// use rules::gate::external::{External, ExternalRules};
    /// use rules::gate::Verdict;
    ///
    /// let rules = ExternalRules {
    ///     limit: Some(5.0),
    ///     stale_after: Duration::from_secs(30),
    ///     unmet: Verdict::Fail,
    ///     no_answer: Verdict::Hold,
    /// };
    /// let answer = External { met: Some(false), figure: Some(7.5), age: Duration::from_secs(3) };
    /// assert_eq!(rules.finding(Some(answer)).verdict, Verdict::Fail);
    /// let old = External { age: Duration::from_secs(31), ..answer };
    /// assert_eq!(rules.finding(Some(old)).verdict, Verdict::Hold);
    /// ```
    #[must_use]
    pub fn finding(&self, newest: Option<External>) -> Finding {
        let (verdict, grounds) = match newest {
            None => (Verdict::Hold, Grounds::NoAnswer),
            Some(newest) if newest.age > self.stale_after => (Verdict::Hold, Grounds::Stale),
            Some(External { met: None, .. }) => (self.no_answer, Grounds::NoAnswer),
            Some(External { met: Some(true), .. }) => (Verdict::Pass, Grounds::Met),
            Some(External { met: Some(false), .. }) => (self.unmet, Grounds::Unmet),
        };
        Finding {
            rule: Rule::External,
            verdict,
            grounds,
            seen: Tallies::default(),
            figure: newest.and_then(|newest| newest.figure),
            limit: self.limit,
            needs: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is so (none: no answer), how old that is in seconds, what unmet and no answer come to; and what is found.
    type Row = (Option<(Option<bool>, u64)>, Verdict, Verdict, (Verdict, Grounds));

    const ROWS: [Row; 9] = [
        (None, Verdict::Fail, Verdict::Hold, (Verdict::Hold, Grounds::NoAnswer)),
        (None, Verdict::Fail, Verdict::Fail, (Verdict::Hold, Grounds::NoAnswer)),
        (Some((Some(true), 30)), Verdict::Fail, Verdict::Hold, (Verdict::Pass, Grounds::Met)),
        (Some((Some(true), 31)), Verdict::Fail, Verdict::Hold, (Verdict::Hold, Grounds::Stale)),
        (Some((Some(false), 0)), Verdict::Fail, Verdict::Hold, (Verdict::Fail, Grounds::Unmet)),
        (Some((Some(false), 0)), Verdict::Hold, Verdict::Hold, (Verdict::Hold, Grounds::Unmet)),
        (Some((Some(false), 31)), Verdict::Fail, Verdict::Fail, (Verdict::Hold, Grounds::Stale)),
        (Some((None, 0)), Verdict::Fail, Verdict::Hold, (Verdict::Hold, Grounds::NoAnswer)),
        (Some((None, 0)), Verdict::Hold, Verdict::Fail, (Verdict::Fail, Grounds::NoAnswer)),
    ];

    #[test]
    fn only_a_fresh_answer_passes_or_fails() {
        for (place, (said, unmet, no_answer, found)) in ROWS.into_iter().enumerate() {
            let stale_after = Duration::from_secs(30);
            let rules = ExternalRules { limit: Some(5.0), stale_after, unmet, no_answer };
            let newest = said.map(|(met, age)| External {
                met,
                figure: None,
                age: Duration::from_secs(age),
            });
            let finding = rules.finding(newest);
            assert_eq!((finding.verdict, finding.grounds), found, "row {place}");
        }
    }
}
