//! Where is stable itself not steady? Learnt from exchanges in which stable was asked twice.

use std::collections::HashMap;

use rules::compare::noise::{Discordance, excused, is_blind};
use rules::compare::{Comparison, Difference, DifferenceKind, Location};

/// Places of a route that are watched. (INV-7)
const MAX_PLACES: usize = 2_000;
/// How often stable must have differed from itself before a place passes for blind.
const FEWEST_MASKED: u64 = 5;

/// Why a difference by value is not held against the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excuse {
    /// Stable differs from itself in half of the exchanges or more: a value there says nothing.
    Blind,
    /// Stable differs from itself there as often as the candidate does.
    AsOften,
}

impl Excuse {
    /// The name, as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::AsOften => "as_often",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Blind, Self::AsOften].into_iter().find(|excuse| excuse.as_str() == name)
    }
}

/// A place whose values say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// The part of the answer.
    pub location: Location,
    /// The path, as signatures have it.
    pub path: Box<str>,
    /// In how many of the exchanges with two answers of stable it was masked.
    pub masked_in: u64,
}

/// What is known of stable's own noise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoiseState {
    /// Exchanges in which stable answered twice.
    pub twins: u64,
    /// Places whose values say nothing: their type is compared, their value is not.
    pub blind: Vec<Blind>,
    /// How often a place had no room to be watched.
    pub overflow: u64,
}

#[derive(Debug, Default)]
struct Place {
    masked_in: u64,
    seen: Discordance,
    excuse: Option<Excuse>,
}

/// Where stable is not steady on one route.
#[derive(Debug, Default)]
pub(super) struct Noise {
    twins: u64,
    places: HashMap<(Location, Box<str>), Place>,
    overflow: u64,
    is_stale: bool,
}

impl Noise {
    /// Learns from an exchange in which stable answered twice; others say nothing.
    pub(super) fn learn(&mut self, comparison: &Comparison) {
        let Some(drifts) = &comparison.drifts else { return };
        self.twins += 1;
        self.is_stale = true;
        for drift in drifts {
            let Some(place) = self.place(drift.location, &drift.path) else { continue };
            place.masked_in += 1;
            place.seen.stable_only += u64::from(!drift.candidate_differs);
        }
        let mut counted: Vec<(Location, &str)> = Vec::new();
        for found in &comparison.differences {
            let Difference { location, path, .. } = &found.difference;
            let is_drift = drifts.iter().any(|d| d.location == *location && d.path == *path);
            if !is_by_value(&found.difference) || is_drift || counted.contains(&(*location, path)) {
                continue;
            }
            counted.push((*location, path));
            if let Some(place) = self.place(*location, path) {
                place.seen.candidate_only += 1;
            }
        }
    }

    fn place(&mut self, location: Location, path: &str) -> Option<&mut Place> {
        let key = (location, Box::from(path));
        if self.places.len() >= MAX_PLACES && !self.places.contains_key(&key) {
            self.overflow += 1;
            return None;
        }
        Some(self.places.entry(key).or_default())
    }

    /// Judges all places anew, where anything was learnt; says whether something is excused now that was not, or the
    /// other way round.
    pub(super) fn judge(&mut self) -> bool {
        if !std::mem::take(&mut self.is_stale) {
            return false;
        }
        let mut places: Vec<&mut Place> = self.places.values_mut().collect();
        let seen: Vec<Discordance> = places.iter().map(|place| place.seen).collect();
        let mut has_changed = false;
        for (place, as_often) in places.iter_mut().zip(excused(&seen)) {
            let blind = place.masked_in >= FEWEST_MASKED && is_blind(place.masked_in, self.twins);
            let excuse = match (blind, as_often) {
                (true, _) => Some(Excuse::Blind),
                (false, true) => Some(Excuse::AsOften),
                (false, false) => None,
            };
            has_changed |= excuse.is_some() != place.excuse.is_some();
            place.excuse = excuse;
        }
        has_changed
    }

    /// Why a difference is not held against the candidate, if it is not.
    pub(super) fn excuse(&self, difference: &Difference) -> Option<Excuse> {
        if !is_by_value(difference) || self.twins == 0 {
            return None;
        }
        self.places.get(&(difference.location, difference.path.clone()))?.excuse
    }

    pub(super) const fn overflow(&self) -> u64 {
        self.overflow
    }

    pub(super) fn state(&self) -> NoiseState {
        let is_blind =
            |(_, place): &(&(Location, Box<str>), &Place)| place.excuse == Some(Excuse::Blind);
        let blind = self.places.iter().filter(is_blind);
        let mut blind: Vec<Blind> = blind
            .map(|((location, path), place)| Blind {
                location: *location,
                path: path.clone(),
                masked_in: place.masked_in,
            })
            .collect();
        blind.sort_by(|one, other| (one.location, &one.path).cmp(&(other.location, &other.path)));
        NoiseState { twins: self.twins, blind, overflow: self.overflow }
    }
}

/// Nothing is ever excused that is of another structure, type or length.
pub(super) fn is_by_value(difference: &Difference) -> bool {
    difference.kind == DifferenceKind::Value && difference.location != Location::Status
}

#[cfg(test)]
mod tests {
    use rules::compare::Drift;

    use super::*;
    use crate::parity::kit::{difference, matching};

    #[test]
    fn places_are_bounded_and_the_rest_counted() {
        let mut noise = Noise::default();
        let mut comparison = matching("x", 0).comparison;
        let drift = |n: usize| Drift {
            location: Location::Body,
            path: format!("/{n}").into(),
            fields: 1,
            candidate_differs: false,
        };
        comparison.drifts = Some((0..MAX_PLACES + 3).map(drift).collect());
        for _ in 0..FEWEST_MASKED {
            noise.learn(&comparison);
        }
        assert!(noise.judge() && !noise.judge(), "nothing new was learnt in between");
        let state = noise.state();
        assert_eq!((state.blind.len(), state.overflow), (MAX_PLACES, 3 * FEWEST_MASKED));
        assert_eq!(noise.excuse(&difference("/7")), Some(Excuse::Blind));
        assert_eq!(noise.excuse(&difference("/other")), None);
    }
}
