//! What is counted of some exchanges? Figures, how both arms did, and why some could not be compared.

use std::ops::{AddAssign, SubAssign};

use rules::compare::parity::Figures;
use rules::exchange::{ExchangeReport, NotComparable, Outcome};

/// No count is larger that was really counted.
const MOST: u64 = 1 << 52;

/// Exchanges by how both arms did. A 5xx has failed, and so has an arm that gave no answer; what was never asked counts
/// nowhere here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arms {
    /// Neither failed.
    pub both_ok: u64,
    /// Only the candidate failed.
    pub candidate_failed: u64,
    /// Only stable failed.
    pub stable_failed: u64,
    /// Both failed.
    pub both_failed: u64,
}

/// What was counted of some exchanges. Tallies add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How alike the answers were.
    pub figures: Figures,
    /// How both arms did.
    pub arms: Arms,
    reasons: [u64; NotComparable::ALL.len()],
}

impl Tally {
    /// What one exchange adds.
    #[must_use]
    pub fn of(report: &ExchangeReport) -> Self {
        let mut one = Self {
            figures: Figures::of(&report.comparison),
            arms: Arms::of(report),
            ..Self::default()
        };
        if let Outcome::NotComparable(reason) = report.comparison.outcome
            && let Some(count) = one.reasons.get_mut(reason as usize)
        {
            *count = 1;
        }
        one
    }

    /// All of it as sums in an order that stays, for nodes to tell one another.
    pub(super) fn sums(&self) -> Vec<u128> {
        let Arms { both_ok, candidate_failed, stable_failed, both_failed } = self.arms;
        let arms = [both_ok, candidate_failed, stable_failed, both_failed];
        let counts = arms.into_iter().chain(self.reasons).map(u128::from);
        self.figures.sums().into_iter().chain(counts).collect()
    }

    /// The tally of such sums; none where they are other ones.
    pub(super) fn of_sums(sums: &[u128]) -> Option<Self> {
        let (figures, counts) = sums.split_at_checked(Figures::SUMS)?;
        let count = |sum: &u128| u64::try_from(*sum).ok().filter(|count| *count < MOST);
        let counts = counts.iter().map(count).collect::<Option<Vec<u64>>>()?;
        let ([both_ok, candidate_failed, stable_failed, both_failed], reasons) =
            counts.split_first_chunk()?;
        let arms = Arms {
            both_ok: *both_ok,
            candidate_failed: *candidate_failed,
            stable_failed: *stable_failed,
            both_failed: *both_failed,
        };
        let figures = Figures::of_sums(figures)?;
        Some(Self { figures, arms, reasons: reasons.try_into().ok()? })
    }

    /// Why exchanges could not be compared, and how often; without what never happened.
    pub fn reasons(&self) -> impl Iterator<Item = (NotComparable, u64)> {
        NotComparable::ALL.into_iter().zip(self.reasons).filter(|(_, count)| *count > 0)
    }
}

impl Arms {
    fn of(report: &ExchangeReport) -> Self {
        let failed = match report.comparison.outcome {
            Outcome::NotComparable(reason) => reason.is_failure(),
            Outcome::Match | Outcome::Mismatch => false,
        };
        let how = |status: Option<u16>| match status {
            Some(status) => Some(status < 500),
            None => failed.then_some(false),
        };
        let mut arms = Self::default();
        let statuses = (report.stable_status, report.candidate_status);
        // Where neither answered, one of them may never have been asked.
        let known =
            if statuses == (None, None) { None } else { how(statuses.0).zip(how(statuses.1)) };
        match known {
            Some((true, true)) => arms.both_ok = 1,
            Some((true, false)) => arms.candidate_failed = 1,
            Some((false, true)) => arms.stable_failed = 1,
            Some((false, false)) => arms.both_failed = 1,
            None => {}
        }
        arms
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.figures += more.figures;
        self.arms.both_ok += more.arms.both_ok;
        self.arms.candidate_failed += more.arms.candidate_failed;
        self.arms.stable_failed += more.arms.stable_failed;
        self.arms.both_failed += more.arms.both_failed;
        for (count, more) in self.reasons.iter_mut().zip(more.reasons) {
            *count += more;
        }
    }
}

/// Puts one exchange's figures in the place of those that it was counted with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correction {
    pub(super) counted: Figures,
    pub(super) right: Figures,
}

impl Tally {
    pub(super) fn correct(&mut self, correction: Correction) {
        SubAssign::sub_assign(&mut self.figures, correction.counted);
        self.figures += correction.right;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::kit::{failed, matching};

    #[test]
    fn arms_are_told_apart_where_both_were_asked() {
        let both = |stable, candidate| {
            Arms::of(&ExchangeReport {
                stable_status: Some(stable),
                candidate_status: Some(candidate),
                ..matching("x", 0)
            })
        };
        assert_eq!(both(200, 404), Arms { both_ok: 1, ..Arms::default() });
        assert_eq!(both(200, 503), Arms { candidate_failed: 1, ..Arms::default() });
        assert_eq!(both(500, 200), Arms { stable_failed: 1, ..Arms::default() });
        assert_eq!(both(500, 502), Arms { both_failed: 1, ..Arms::default() });
        let timeout = Arms::of(&failed("x", NotComparable::ShadowTimeout, (Some(200), None)));
        assert_eq!(timeout, Arms { candidate_failed: 1, ..Arms::default() });
        for reason in [NotComparable::Shed, NotComparable::Oversize, NotComparable::ClientAbort] {
            assert_eq!(Arms::of(&failed("x", reason, (Some(200), None))), Arms::default());
        }
        let unknown = Arms::of(&failed("x", NotComparable::PrimaryConnect, (None, None)));
        assert_eq!(unknown, Arms::default());
    }

    #[test]
    fn reasons_are_counted() {
        let mut all = Tally::of(&failed("x", NotComparable::Shed, (None, None)));
        all += Tally::of(&failed("y", NotComparable::Shed, (None, None)));
        all += Tally::of(&matching("z", 0));
        assert_eq!(all.reasons().collect::<Vec<_>>(), [(NotComparable::Shed, 2)]);
        assert_eq!((all.figures.shadowed, all.figures.compared), (3, 1));
    }
}
