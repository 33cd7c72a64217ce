//! Which signatures fail together? One cause often shows in many places at once.

/// Exchanges that are remembered for this.
pub const MOST_REMEMBERED: usize = 1_024;
/// Signatures that are looked at; further ones stay alone.
const MOST_GROUPED: usize = 200;
/// Exchanges in which two must have been seen together: fewer may be chance.
const FEWEST_TOGETHER: u32 = 3;

/// In which of the remembered exchanges a signature was seen: one bit each.
///
/// ```
/// use rules::compare::clusters::{Sightings, clusters};
/// let of = |exchanges: &[usize]| {
///     let mut seen = Sightings::default();
///     exchanges.iter().for_each(|exchange| seen.mark(*exchange));
///     seen
/// };
/// let seen = [of(&[1, 2, 3, 4]), of(&[7]), of(&[1, 2, 3, 4])];
/// assert_eq!(clusters(&seen), [vec![0, 2]]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sightings(Box<[u64; MOST_REMEMBERED / 64]>);

impl Default for Sightings {
    fn default() -> Self {
        Self(Box::new([0; MOST_REMEMBERED / 64]))
    }
}

impl Sightings {
    /// Notes that it was seen in an exchange, by that one's place among the remembered.
    pub fn mark(&mut self, exchange: usize) {
        if let Some(word) = self.0.get_mut(exchange % MOST_REMEMBERED / 64) {
            *word |= 1 << (exchange % 64);
        }
    }

    /// Forgets an exchange, so that its place can be another's.
    pub fn forget(&mut self, exchange: usize) {
        if let Some(word) = self.0.get_mut(exchange % MOST_REMEMBERED / 64) {
            *word &= !(1 << (exchange % 64));
        }
    }

    /// In how many it was seen.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether two are nearly always seen together: in four of five exchanges that show either.
    fn is_with(&self, other: &Self) -> bool {
        let words = self.0.iter().zip(other.0.iter());
        let both: u32 = words.map(|(one, other)| (one & other).count_ones()).sum();
        let either = self.count() + other.count() - both;
        both >= FEWEST_TOGETHER && both * 5 >= either * 4
    }
}

/// The groups of signatures that fail together, the largest first; each has two or more, by their places in `seen`.
#[must_use]
pub fn clusters(seen: &[Sightings]) -> Vec<Vec<usize>> {
    let mut by_count: Vec<(usize, &Sightings)> = seen.iter().enumerate().collect();
    by_count.sort_by_key(|(place, sightings)| (std::cmp::Reverse(sightings.count()), *place));
    by_count.truncate(MOST_GROUPED);
    let mut groups: Vec<Vec<(usize, &Sightings)>> = Vec::new();
    for (place, sightings) in by_count {
        // The first of a group is its most frequent one, and speaks for it.
        let belongs = |group: &&mut Vec<(usize, &Sightings)>| {
            group.first().is_some_and(|(_, first)| first.is_with(sightings))
        };
        match groups.iter_mut().find(belongs) {
            Some(group) => group.push((place, sightings)),
            None => groups.push(vec![(place, sightings)]),
        }
    }
    let places =
        |group: Vec<(usize, &Sightings)>| group.into_iter().map(|(place, _)| place).collect();
    let mut groups: Vec<Vec<usize>> =
        groups.into_iter().filter(|group| group.len() > 1).map(places).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exchanges: impl IntoIterator<Item = usize>) -> Sightings {
        let mut seen = Sightings::default();
        exchanges.into_iter().for_each(|exchange| seen.mark(exchange));
        seen
    }

    #[test]
    fn what_is_seen_together_is_one_group() {
        let seen = [of(0..100), of(200..300), of(5..105), of(200..299), of(210..300), of(0..300)];
        assert_eq!(clusters(&seen), [vec![1, 3, 4], vec![0, 2]]);
        assert!(clusters(&[of(0..2), of(0..2)]).is_empty(), "twice may be chance");
        assert!(clusters(&[]).is_empty());
    }

    #[test]
    fn what_is_forgotten_is_not_seen() {
        let mut seen = of([3, MOST_REMEMBERED + 70]);
        assert_eq!(seen.count(), 2);
        seen.forget(70);
        assert_eq!(seen, of([3]));
    }
}
