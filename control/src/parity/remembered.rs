//! What is known of the last exchanges that differ? Enough to judge them anew, once more is known of stable's noise.

use rules::CohortName;
use rules::compare::clusters::MOST_REMEMBERED;
use rules::compare::parity::Figures;

/// One exchange that differs, without its values.
#[derive(Debug)]
pub(super) struct Differing {
    pub(super) at_unix_ms: i64,
    pub(super) cohort: Option<CohortName>,
    /// Its figures with nothing excused.
    pub(super) bare: Figures,
    /// How many of its mismatched fields were excused when it was counted last.
    pub(super) excused: u64,
    /// Its signatures, by their numbers, and how many fields each stands for.
    pub(super) found: Box<[(u32, u32)]>,
}

impl Differing {
    /// What it holds on to, by the pieces that are counted: its signatures, and about as much again for itself.
    fn pieces(&self) -> usize {
        self.found.len() + 24
    }
}

/// The last exchanges that differ; further ones take the place of the oldest.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    places: Vec<Differing>,
    next: usize,
    pieces: usize,
}

impl Remembered {
    /// How many pieces are held. (INV-7)
    pub(super) const fn pieces(&self) -> usize {
        self.pieces
    }

    /// Keeps one more exchange, and says at which place and which one had to go for it.
    pub(super) fn keep(&mut self, exchange: Differing) -> (usize, Option<Differing>) {
        self.pieces += exchange.pieces();
        let place = self.next;
        self.next = (place + 1) % MOST_REMEMBERED;
        match self.places.get_mut(place) {
            Some(oldest) => {
                let oldest = std::mem::replace(oldest, exchange);
                self.pieces -= oldest.pieces();
                (place, Some(oldest))
            }
            None => {
                self.places.push(exchange);
                (place, None)
            }
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Differing> {
        self.places.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let exchange = |at_unix_ms| Differing {
            at_unix_ms,
            cohort: None,
            bare: Figures::default(),
            excused: 0,
            found: [(1, 1)].into(),
        };
        let mut remembered = Remembered::default();
        for at in (0..).take(MOST_REMEMBERED) {
            assert!(remembered.keep(exchange(at)).1.is_none());
        }
        let pieces = remembered.pieces();
        let (place, oldest) = remembered.keep(exchange(-1));
        assert_eq!((place, oldest.unwrap().at_unix_ms), (0, 0));
        assert_eq!((remembered.pieces(), remembered.iter_mut().count()), (pieces, MOST_REMEMBERED));
    }
}
