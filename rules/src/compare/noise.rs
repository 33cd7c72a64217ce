//! Is a difference the candidate's, or is stable itself not steady there? Told from second answers of stable's.
//!
//! In every exchange with such a twin, the leaves where stable's two answers differ by value are masked: their type is
//! looked at and their value is not. Over many of them, a signature by value may be excused where stable alone differs
//! as often as the candidate alone. Nothing is ever learnt from another structure, type or length.

use statrs::function::beta::beta_reg;

/// Exchanges in which stable alone must have differed before anything is excused.
const FEWEST_DRIFTS: u64 = 5;
/// The rate of signatures that are wrongly held to be the candidate's own.
const FALSE_DISCOVERIES: f64 = 0.05;

/// Of the exchanges with a second answer of stable's, those in which only one of the two differed from the first.
///
/// ```
/// use rules::compare::noise::Discordance;
/// let as_often = Discordance { candidate_only: 100, stable_only: 100 };
/// assert!(as_often.p_value() > 0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Discordance {
    /// A signature of the candidate's, by value, without a drift at its path.
    pub candidate_only: u64,
    /// A drift at the path, and nothing of the candidate's.
    pub stable_only: u64,
}

impl Discordance {
    /// How likely the candidate alone would differ at least so often if it were no worse than stable is with itself: the
    /// exact one-sided sign test (McNemar 1947, with binomial probabilities).
    #[must_use]
    pub fn p_value(self) -> f64 {
        if self.candidate_only == 0 {
            return 1.0;
        }
        beta_reg(float(self.candidate_only), float(self.stable_only) + 1.0, 0.5)
    }

    const fn has_evidence(self) -> bool {
        self.candidate_only + self.stable_only > 0
    }
}

/// Which of a route's signatures by value are excused: stable alone differed there in five exchanges or more, and the
/// candidate does not differ significantly more often.
///
/// All signatures are tested at once, so that one in twenty of those held against the candidate may be held wrongly, and
/// not one in twenty of all (Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995)).
///
/// ```
/// use rules::compare::noise::{Discordance, excused};
/// let seen = |candidate_only, stable_only| Discordance { candidate_only, stable_only };
/// assert_eq!(excused(&[seen(20, 18), seen(60, 18), seen(0, 3)]), [true, false, false]);
/// ```
#[must_use]
pub fn excused(signatures: &[Discordance]) -> Vec<bool> {
    let tested = signatures.iter().filter(|seen| seen.has_evidence());
    let mut p_values: Vec<f64> = tested.map(|seen| seen.p_value()).collect();
    p_values.sort_by(f64::total_cmp);
    let share = |rank: usize| FALSE_DISCOVERIES * (rank as f64) / (p_values.len() as f64);
    let significant = p_values.iter().zip(1..).filter(|(p, rank)| **p <= share(*rank));
    let bound = significant.map(|(p, _)| *p).last();
    let is_significant = |seen: &Discordance| bound.is_some_and(|bound| seen.p_value() <= bound);
    signatures
        .iter()
        .map(|seen| seen.stable_only >= FEWEST_DRIFTS && !is_significant(seen))
        .collect()
}

/// Whether a path is blind: masked in half of the exchanges with a second answer of stable's, or more. Only its type
/// says anything then, and it is listed as such.
#[must_use]
pub const fn is_blind(masked_in: u64, exchanges_with_twin: u64) -> bool {
    masked_in > 0 && masked_in >= exchanges_with_twin.div_ceil(2)
}

pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::kit::{number, table};
    use proptest::prelude::*;

    #[test]
    fn the_sign_test_is_exact() {
        let tested =
            table!("gates.json").into_iter().filter(|case| case.get("p_one_sided").is_some());
        for case in tested {
            let seen = Discordance {
                candidate_only: case["only_shadow_differs"].as_u64().unwrap(),
                stable_only: case["only_second_primary_differs"].as_u64().unwrap(),
            };
            let expected = number(&case["p_one_sided"]);
            assert!((seen.p_value() - expected).abs() < 1e-7, "{case} {}", seen.p_value());
        }
    }

    #[test]
    fn what_stable_never_shows_itself_is_never_excused() {
        let seen = |candidate_only, stable_only| Discordance { candidate_only, stable_only };
        assert_eq!(excused(&[seen(1, 4), seen(1, 5), seen(0, 0)]), [false, true, false]);
        assert_eq!(excused(&[]), [] as [bool; 0]);
        // On its own it is not significant at 5 %; beside many that are, the same rate of errors allows for more.
        let borderline = seen(16, 7);
        assert!(borderline.p_value() > 0.04 && borderline.p_value() < 0.05);
        assert_eq!(excused(&[borderline, seen(9, 9)]), [true, true]);
        let mut many = vec![seen(90, 10); 19];
        many.push(borderline);
        assert_eq!(excused(&many).last(), Some(&false));
    }

    #[test]
    fn blind_is_half_or_more() {
        assert!(is_blind(5, 10) && is_blind(5, 9) && !is_blind(4, 9) && !is_blind(0, 0));
    }

    proptest! {
        /// More exchanges in which only the candidate differs never excuse a signature.
        #[test]
        fn more_evidence_against_the_candidate_excuses_nothing(
            counts in prop::collection::vec((0_u64..60, 0_u64..60), 1..12), more in 1_u64..60,
        ) {
            let mut signatures: Vec<Discordance> = counts
                .into_iter()
                .map(|(candidate_only, stable_only)| Discordance { candidate_only, stable_only })
                .collect();
            let before = excused(&signatures)[0];
            signatures[0].candidate_only += more;
            prop_assert!(before || !excused(&signatures)[0] || signatures[0].stable_only < FEWEST_DRIFTS);
        }
    }
}
