//! Which elements of two arrays belong together? Told from their keys or prints, without looking into them again.

use std::collections::HashMap;

/// Longer arrays are aligned by position, not by their longest common subsequence.
pub(super) const MOST_ALIGNED: usize = 2_000;

/// Elements that belong together, or that nothing on the other side belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    Both(usize, usize),
    Left(usize),
    Right(usize),
}

/// Pairs elements of the same key, in turn where a key occurs more than once. Says also whether the order differs.
pub(super) fn by_key(left: &[u64], right: &[u64]) -> (Vec<Pair>, bool) {
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for (place, key) in right.iter().enumerate().rev() {
        places.entry(*key).or_default().push(place);
    }
    let mut taken = vec![false; right.len()];
    let mut pairs = Vec::with_capacity(left.len());
    let (mut last, mut is_reordered) = (0, false);
    for (one, key) in left.iter().enumerate() {
        let Some(other) = places.get_mut(key).and_then(Vec::pop) else {
            pairs.push(Pair::Left(one));
            continue;
        };
        pairs.push(Pair::Both(one, other));
        is_reordered |= other < last;
        last = other;
        if let Some(taken) = taken.get_mut(other) {
            *taken = true;
        }
    }
    let alone = taken.iter().enumerate().filter(|(_, taken)| !**taken);
    pairs.extend(alone.map(|(place, _)| Pair::Right(place)));
    (pairs, is_reordered)
}

/// Pairs elements by position.
pub(super) fn by_position(left: usize, right: usize) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(left.max(right));
    gap(&mut pairs, 0..left, 0..right);
    pairs
}

/// Whether both have the same elements in another order.
pub(super) fn is_reordered(left: &[u64], right: &[u64]) -> bool {
    let sorted = |prints: &[u64]| {
        let mut prints = prints.to_vec();
        prints.sort_unstable();
        prints
    };
    left.len() == right.len() && left != right && sorted(left) == sorted(right)
}

/// Pairs equal elements along a longest common subsequence; what lies between is paired by position.
pub(super) fn by_sequence(left: &[u64], right: &[u64]) -> Vec<Pair> {
    let same = |(one, other): &(&u64, &u64)| one == other;
    let prefix = left.iter().zip(right).take_while(same).count();
    let (left_rest, right_rest) = (rest(left, prefix), rest(right, prefix));
    let suffix = left_rest.iter().rev().zip(right_rest.iter().rev()).take_while(same).count();
    let left_middle = left_rest.get(..left_rest.len() - suffix).unwrap_or_default();
    let right_middle = right_rest.get(..right_rest.len() - suffix).unwrap_or_default();

    let mut pairs: Vec<Pair> = (0..prefix).map(|place| Pair::Both(place, place)).collect();
    let (mut one, mut other) = (prefix, prefix);
    for (left_match, right_match) in common(left_middle, right_middle) {
        gap(&mut pairs, one..prefix + left_match, other..prefix + right_match);
        pairs.push(Pair::Both(prefix + left_match, prefix + right_match));
        (one, other) = (prefix + left_match + 1, prefix + right_match + 1);
    }
    let (left_end, right_end) = (left.len() - suffix, right.len() - suffix);
    gap(&mut pairs, one..left_end, other..right_end);
    pairs.extend((0..suffix).map(|place| Pair::Both(left_end + place, right_end + place)));
    pairs
}

fn rest(prints: &[u64], from: usize) -> &[u64] {
    prints.get(from..).unwrap_or_default()
}

fn gap(pairs: &mut Vec<Pair>, left: std::ops::Range<usize>, right: std::ops::Range<usize>) {
    let both = left.len().min(right.len());
    pairs.extend(left.clone().zip(right.clone()).map(|(one, other)| Pair::Both(one, other)));
    pairs.extend(left.skip(both).map(Pair::Left));
    pairs.extend(right.skip(both).map(Pair::Right));
}

/// A longest common subsequence, as pairs of places. One bit per cell says which way is longer.
fn common(left: &[u64], right: &[u64]) -> Vec<(usize, usize)> {
    let words = right.len().div_ceil(64);
    let mut goes_left = vec![0_u64; words * left.len()];
    let mut above = vec![0_u16; right.len() + 1];
    let mut row = above.clone();
    for (one, bits) in left.iter().zip(goes_left.chunks_mut(words.max(1))) {
        let (mut corner, mut before) = (0, 0);
        let cells = above.iter().skip(1).zip(row.iter_mut().skip(1)).zip(right).enumerate();
        for (place, ((up, cell), other)) in cells {
            *cell = if one == other { corner + 1 } else { before.max(*up) };
            if let Some(word) = bits.get_mut(place / 64).filter(|_| one != other && before > *up) {
                *word |= 1 << (place % 64);
            }
            (corner, before) = (*up, *cell);
        }
        std::mem::swap(&mut above, &mut row);
    }
    trace(left, right, &goes_left, words)
}

fn trace(left: &[u64], right: &[u64], goes_left: &[u64], words: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let (mut one, mut other) = (left.len(), right.len());
    while let (Some(above), Some(before)) = (one.checked_sub(1), other.checked_sub(1)) {
        let word = goes_left.get(above * words + before / 64).copied().unwrap_or(0);
        if left.get(above) == right.get(before) {
            pairs.push((above, before));
            (one, other) = (above, before);
        } else if word >> (before % 64) & 1 == 1 {
            other = before;
        } else {
            one = above;
        }
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The length of a longest common subsequence, by the textbook.
    fn longest(left: &[u64], right: &[u64]) -> usize {
        let mut table = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
        for (i, one) in left.iter().enumerate() {
            for (j, other) in right.iter().enumerate() {
                table[i + 1][j + 1] = if one == other {
                    table[i][j] + 1
                } else {
                    table[i][j + 1].max(table[i + 1][j])
                };
            }
        }
        table[left.len()][right.len()]
    }

    fn places(pairs: &[Pair]) -> (Vec<usize>, Vec<usize>) {
        let left = |pair: &Pair| match pair {
            Pair::Both(one, _) | Pair::Left(one) => Some(*one),
            Pair::Right(_) => None,
        };
        let right = |pair: &Pair| match pair {
            Pair::Both(_, other) | Pair::Right(other) => Some(*other),
            Pair::Left(_) => None,
        };
        (pairs.iter().filter_map(left).collect(), pairs.iter().filter_map(right).collect())
    }

    proptest! {
        #[test]
        fn a_sequence_alignment_is_longest_and_complete(
            left in prop::collection::vec(0_u64..5, 0..90),
            right in prop::collection::vec(0_u64..5, 0..90),
        ) {
            let pairs = by_sequence(&left, &right);
            let equal = pairs.iter().filter(|pair| match pair {
                Pair::Both(one, other) => left[*one] == right[*other],
                _ => false,
            });
            prop_assert!(equal.count() >= longest(&left, &right));
            let all = ((0..left.len()).collect(), (0..right.len()).collect());
            prop_assert_eq!(places(&pairs), all);
        }

        #[test]
        fn a_key_alignment_pairs_all_it_can(
            left in prop::collection::vec(0_u64..9, 0..30),
            right in prop::collection::vec(0_u64..9, 0..30),
        ) {
            let (pairs, _) = by_key(&left, &right);
            let (one, mut other) = places(&pairs);
            other.sort_unstable();
            prop_assert_eq!(one, (0..left.len()).collect::<Vec<_>>());
            prop_assert_eq!(other, (0..right.len()).collect::<Vec<_>>());
            let count = |keys: &[u64], key| keys.iter().filter(|k| **k == key).count();
            let most: usize = (0..9).map(|key| count(&left, key).min(count(&right, key))).sum();
            prop_assert_eq!(pairs.iter().filter(|pair| matches!(pair, Pair::Both(..))).count(), most);
        }
    }

    #[test]
    fn order_is_told_from_keys() {
        assert!(!by_key(&[1, 2, 3], &[0, 1, 3]).1);
        assert!(by_key(&[1, 2], &[2, 1]).1);
        assert!(is_reordered(&[1, 1, 2], &[1, 2, 1]) && !is_reordered(&[1, 1, 2], &[1, 2, 2]));
    }
}
