//! What do a comparison's figures come to? They are judged where they are made; a gate only takes the verdict.

use super::tally::{Tallies, Tally};
use super::verdict::{Finding, Grounds, Rule, Verdict};

/// A verdict on how alike the arms' answers are, with the counts it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parity {
    /// The exchanges that were compared, and those of them that differ.
    pub exchanges: Tally,
    /// By which rule: [`Rule::Comparability`] where too little of what is there could be compared.
    pub rule: Rule,
    /// The ratio that the rule looks at, as it was estimated.
    pub ratio: f64,
    /// What it was held against.
    pub limit: f64,
    /// What it comes to: nothing where it is not known yet.
    pub passed: Option<bool>,
    /// How many further exchanges it needs, where that can be said.
    pub needs: Option<u64>,
}

impl Parity {
    /// The same as a gate's finding. What is not determined yet is waited for.
    #[must_use]
    pub fn finding(self) -> Finding {
        let (verdict, grounds) = match self.passed {
            Some(true) => (Verdict::Pass, Grounds::WithinLimit),
            Some(false) => (Verdict::Fail, Grounds::OverLimit),
            None if self.exchanges.total == 0 => (Verdict::Hold, Grounds::NoRequests),
            None => (Verdict::Hold, Grounds::TooFew),
        };
        Finding {
            rule: self.rule,
            verdict,
            grounds,
            seen: Tallies { candidate: self.exchanges, stable: Tally::default() },
            figure: Some(self.ratio),
            limit: Some(self.limit),
            needs: self.needs,
        }
    }
}
