//! Which other flags does a flag need? All that it needs through others is found while compiling, so that an evaluation
//! walks one short list and no graph.

use super::definition::{FlagId, VariantId};

/// What must hold of another flag: it is on, and gives this variant by its own rules.
///
/// An off flag meets nothing, even where its off variant is the one asked for: who turns a flag off means that
/// everything that builds on it is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Need {
    /// The other flag.
    pub flag: FlagId,
    /// The variant it must give.
    pub variant: VariantId,
}

/// Why the prerequisites of a flag are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrerequisiteError {
    /// The flag needs itself; these are the flags on the way, from it back to it.
    Cycle(Vec<FlagId>),
    /// The flag needs more than [`MOST_NEEDS`] others, directly and through others.
    TooMany,
}

/// The most that one flag may need, directly and through others: the bound of an evaluation's cost. (INV-7)
pub const MOST_NEEDS: usize = 32;

/// Everything that each flag needs, directly or through others; `direct` holds the flags' own prerequisites by
/// [`FlagId`]. A need of a flag that is not there is left out.
///
/// ```
/// use rules::flag::{FlagId, Need, PrerequisiteError, VariantId, closures};
/// let need = |flag| Need { flag: FlagId(flag), variant: VariantId(0) };
/// let all = closures(&[vec![need(1)], vec![need(2)], vec![]]);
/// assert_eq!(all[0], Ok(vec![need(1), need(2)]));
/// let all = closures(&[vec![need(1)], vec![need(0)]]);
/// assert!(matches!(all[0], Err(PrerequisiteError::Cycle(_))));
/// ```
#[must_use]
pub fn closures(direct: &[Vec<Need>]) -> Vec<Result<Vec<Need>, PrerequisiteError>> {
    (0..).map(FlagId).zip(direct).map(|(id, _)| closure(id, direct)).collect()
}

fn closure(of: FlagId, direct: &[Vec<Need>]) -> Result<Vec<Need>, PrerequisiteError> {
    // Each need with the place of the one that led to it, so that a cycle can be told.
    let mut found: Vec<(Need, Option<usize>)> = Vec::new();
    let mut next = 0;
    let mut asking = (of, None);
    loop {
        for need in needs_of(asking.0, direct) {
            if need.flag == of {
                return Err(PrerequisiteError::Cycle(way(of, asking, &found)));
            }
            if found.iter().all(|(known, _)| known != need) {
                found.push((*need, asking.1));
            }
        }
        if found.len() > MOST_NEEDS {
            return Err(PrerequisiteError::TooMany);
        }
        let Some((need, _)) = found.get(next) else { break };
        asking = (need.flag, Some(next));
        next += 1;
    }
    Ok(found.into_iter().map(|(need, _)| need).collect())
}

fn needs_of(flag: FlagId, direct: &[Vec<Need>]) -> impl Iterator<Item = &Need> {
    let known = |need: &&Need| usize::try_from(need.flag.0).is_ok_and(|id| id < direct.len());
    let place = usize::try_from(flag.0).ok();
    place.and_then(|place| direct.get(place)).into_iter().flatten().filter(known)
}

fn way(
    of: FlagId,
    (last, mut place): (FlagId, Option<usize>),
    found: &[(Need, Option<usize>)],
) -> Vec<FlagId> {
    let mut way = vec![of];
    if last != of {
        way.push(last);
    }
    while let Some((_, before)) = place.and_then(|place| found.get(place)) {
        place = *before;
        way.extend(place.and_then(|place| found.get(place)).map(|(need, _)| need.flag));
    }
    way.push(of);
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn need(flag: u32) -> Need {
        Need { flag: FlagId(flag), variant: VariantId(0) }
    }

    fn ids(of: &[u32]) -> Vec<FlagId> {
        of.iter().copied().map(FlagId).collect()
    }

    #[test]
    fn cycles_are_told_from_the_flag_back_to_it() {
        let direct = [vec![need(1)], vec![need(3), need(2)], vec![need(0)], vec![]];
        let all = closures(&direct);
        assert_eq!(all[0], Err(PrerequisiteError::Cycle(ids(&[0, 1, 2, 0]))));
        assert_eq!(all[1], Err(PrerequisiteError::Cycle(ids(&[1, 2, 0, 1]))));
        assert_eq!(all[3], Ok(vec![]));
        assert_eq!(closures(&[vec![need(0)]])[0], Err(PrerequisiteError::Cycle(ids(&[0, 0]))));
    }

    #[test]
    fn a_flag_beside_a_cycle_that_it_needs_comes_to_an_end() {
        let all = closures(&[vec![need(1)], vec![need(2)], vec![need(1)]]);
        assert_eq!(all[0], Ok(vec![need(1), need(2)]));
    }

    #[test]
    fn there_is_a_bound() {
        let chain: Vec<Vec<Need>> = (1..=40).map(|next| vec![need(next)]).chain([vec![]]).collect();
        let all = closures(&chain);
        assert_eq!(all[0], Err(PrerequisiteError::TooMany));
        assert_eq!(all[40 - MOST_NEEDS].as_ref().map(Vec::len), Ok(MOST_NEEDS));
    }

    proptest! {
        #[test]
        fn without_a_way_back_all_that_is_needed_is_found(edges in proptest::collection::vec((0_u32..12, 0_u32..12), 0..20)) {
            let mut direct = vec![Vec::new(); 12];
            // Only from lower to higher: there is no way back.
            for (from, to) in edges.into_iter().filter(|(from, to)| from < to) {
                direct[from as usize].push(need(to));
            }
            for (flag, all) in closures(&direct).into_iter().enumerate() {
                let all = all.unwrap();
                for direct in &direct[flag] {
                    prop_assert!(all.contains(direct));
                }
                for needed in &all {
                    for next in &direct[needed.flag.0 as usize] {
                        prop_assert!(all.contains(next));
                    }
                }
            }
        }
    }
}
