//! What was found, and at what price? Both are bounded (INV-7).

use std::collections::HashSet;
use std::sync::Arc;

use super::json::Json;
use super::{
    Difference, DifferenceKind, Drift, Fields, Found, Location, Pinpoint, RuleUse, SamplePolicy,
    Samples,
};

/// Signatures kept of one exchange; each is kept once.
const MOST_DIFFERENCES: usize = 100;
/// Pinpoints kept, where they are asked for.
const MOST_PINPOINTS: usize = 1_000;
/// No more are kept once their pointers are this long together: clients choose the names in them. (INV-7)
const MOST_PINPOINTED_BYTES: usize = 1 << 20;
/// Steps that comparing two answers may take, as a pure function has no clock: one is a node looked at, about 20 ns, so
/// that together they stand for 20 ms, with something to spare.
const MOST_STEPS: u32 = 800_000;

/// What is known of one exchange so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) steps: Steps,
    pub(super) tally: Tally,
    /// Where stable itself is not steady.
    pub(super) mask: Mask,
    /// Whether something could not be looked into.
    pub(super) is_partial: bool,
    kept: Vec<Found>,
    unlisted: u64,
    pinpoints: Option<Vec<Pinpoint>>,
    pinpointed_bytes: usize,
    /// Set where values may be kept.
    samples: Option<Samples>,
    /// Set while a second answer of stable is looked at: what differs there by value.
    learnt: Option<Mask>,
}

/// Where a second answer of stable differs from the first by value.
#[derive(Debug, Default)]
pub(super) struct Mask {
    /// Those very nodes of the tree that stable's body is, by their addresses: only good while the tree is there.
    values: HashSet<*const ()>,
    /// Fields of header and trailer, as their signatures name them.
    headers: HashSet<(Location, Box<str>)>,
}

/// What is counted on the way. It is taken back where it answers a question that is then asked again.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) fields: Fields,
    /// How many fields each rule applied to.
    uses: Vec<u64>,
    drifts: Vec<Drift>,
}

/// A tally as it was.
#[derive(Debug)]
pub(super) struct Bookmark {
    fields: Fields,
    uses: Vec<u64>,
    drifts: usize,
}

impl Findings {
    /// Those that also say where exactly.
    pub(super) fn pinpointing() -> Self {
        Self { pinpoints: Some(Vec::new()), ..Self::default() }
    }

    /// Those that also keep values, as far as the policy lets them.
    pub(super) fn sampling(policy: Arc<SamplePolicy>) -> Self {
        Self { samples: Some(Samples::by(policy)), ..Self::pinpointing() }
    }

    /// Those of a second answer of stable.
    pub(super) fn learning() -> Self {
        Self { learnt: Some(Mask::default()), ..Self::default() }
    }

    /// From now on, what this second answer of stable showed is masked. Looking at it was paid for there.
    pub(super) fn apply(&mut self, second: Self) {
        let learnt = second.learnt.unwrap_or_default();
        self.mask.values.extend(learnt.values);
        self.mask.headers.extend(learnt.headers);
    }

    /// Notes a difference, and the mismatched fields that it stands for.
    pub(super) fn add(&mut self, difference: Difference, fields: u64) {
        self.tally.fields.mismatched += fields;
        let weight = u32::try_from(fields).unwrap_or(u32::MAX);
        let known = self.kept.iter_mut().find(|found| found.difference == difference);
        if let Some(found) = known {
            found.fields = found.fields.saturating_add(weight);
        } else if self.kept.len() < MOST_DIFFERENCES {
            self.kept.push(Found { difference, fields: weight });
        } else {
            self.unlisted += fields;
        }
    }

    /// Notes how a field of header or trailer compares.
    pub(super) fn header(&mut self, at: (Location, &str), compared: Result<(), Difference>) {
        let (location, path) = at;
        let by_value = match &compared {
            Ok(()) => true,
            Err(difference) => difference.kind == DifferenceKind::Value,
        };
        if let (Some(learnt), true, Err(difference)) = (&mut self.learnt, by_value, &compared) {
            learnt.headers.insert((location, difference.path.clone()));
        }
        let is_masked = !self.mask.headers.is_empty()
            && self.mask.headers.contains(&(location, Box::from(path)));
        match compared {
            compared if is_masked && by_value => {
                self.tally.masked(location, path.into(), compared.is_err());
            }
            Ok(()) => self.tally.fields.equal += 1,
            Err(difference) => {
                self.pinpoint(&difference, || {
                    let (stable, candidate) = difference.sides();
                    (stable.then(|| path.into()), candidate.then(|| path.into()))
                });
                self.add(difference, 1);
            }
        }
    }

    /// Notes where exactly a difference is, where that was asked for.
    pub(super) fn pinpoint(
        &mut self,
        difference: &Difference,
        places: impl FnOnce() -> (Option<Box<str>>, Option<Box<str>>),
    ) {
        let Some(pinpoints) = &mut self.pinpoints else { return };
        if pinpoints.len() < MOST_PINPOINTS && self.pinpointed_bytes < MOST_PINPOINTED_BYTES {
            let (stable, candidate) = places();
            let lengths = [&stable, &candidate].map(|place| place.as_ref().map_or(0, |p| p.len()));
            self.pinpointed_bytes += lengths.iter().sum::<usize>();
            pinpoints.push(Pinpoint { difference: difference.clone(), stable, candidate });
        }
    }

    /// Takes samples of the differences in one part of the answers, where that was asked for.
    pub(super) fn sample(
        &mut self,
        location: Location,
        mut take: impl FnMut(&Pinpoint, &mut Samples),
    ) {
        let Some(samples) = &mut self.samples else { return };
        let there = self.pinpoints.iter().flatten();
        for pinpoint in there.filter(|found| found.difference.location == location) {
            take(pinpoint, samples);
        }
    }

    /// Learns that stable's value here is not steady.
    pub(super) fn learn(&mut self, value: &Json<'_>) {
        if let Some(learnt) = &mut self.learnt {
            learnt.values.insert(address(value));
        }
    }

    pub(super) fn differs(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The signatures, the mismatched fields of those without room, the pinpoints, the rules used, the drifts and the samples.
    pub(super) fn into_parts(self) -> Parts {
        let used = self.tally.uses.into_iter().enumerate().filter(|(_, fields)| *fields > 0);
        let uses = used.map(|(rule, fields)| RuleUse { rule, fields }).collect();
        let drifts = merged(self.tally.drifts, &self.kept);
        Parts {
            differences: self.kept,
            unlisted: self.unlisted,
            fields: self.tally.fields,
            is_whole: !self.is_partial,
            uses,
            drifts,
            pinpoints: self.pinpoints.unwrap_or_default(),
            samples: self.samples,
        }
    }
}

/// All that was found.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) differences: Vec<Found>,
    pub(super) unlisted: u64,
    pub(super) fields: Fields,
    pub(super) is_whole: bool,
    pub(super) uses: Vec<RuleUse>,
    pub(super) drifts: Vec<Drift>,
    pub(super) pinpoints: Vec<Pinpoint>,
    pub(super) samples: Option<Samples>,
}

/// One drift per path. The candidate differs there too where any of its values does.
fn merged(mut drifts: Vec<Drift>, kept: &[Found]) -> Vec<Drift> {
    drifts.sort_by(|one, other| (one.location, &one.path).cmp(&(other.location, &other.path)));
    drifts.dedup_by(|later, first| {
        let is_same = later.location == first.location && later.path == first.path;
        if is_same {
            first.fields = first.fields.saturating_add(later.fields);
            first.candidate_differs |= later.candidate_differs;
        }
        is_same
    });
    for drift in &mut drifts {
        drift.candidate_differs |= kept.iter().any(|found| {
            let difference = &found.difference;
            difference.location == drift.location
                && difference.path == drift.path
                && difference.kind == DifferenceKind::Value
        });
    }
    drifts
}

impl Mask {
    pub(super) fn covers(&self, value: &Json<'_>) -> bool {
        !self.values.is_empty() && self.values.contains(&address(value))
    }
}

const fn address(value: &Json<'_>) -> *const () {
    std::ptr::from_ref(value).cast()
}

impl Tally {
    /// Notes that a rule applied.
    pub(super) fn used(&mut self, rule: usize, fields: u64) {
        if self.uses.len() <= rule {
            self.uses.resize(rule + 1, 0);
        }
        if let Some(count) = self.uses.get_mut(rule) {
            *count += fields;
        }
    }

    /// Notes a field where stable itself is not steady.
    pub(super) fn masked(&mut self, location: Location, path: Box<str>, candidate_differs: bool) {
        self.fields.masked += 1;
        self.drifts.push(Drift { location, path, fields: 1, candidate_differs });
    }

    pub(super) fn bookmark(&self) -> Bookmark {
        Bookmark { fields: self.fields, uses: self.uses.clone(), drifts: self.drifts.len() }
    }

    pub(super) fn rewind(&mut self, to: Bookmark) {
        self.fields = to.fields;
        self.uses = to.uses;
        self.drifts.truncate(to.drifts);
    }
}

/// There is no end to it within the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverBudget;

/// How many steps are left.
#[derive(Debug)]
pub(super) struct Steps(u32);

impl Default for Steps {
    fn default() -> Self {
        Self(MOST_STEPS)
    }
}

impl Steps {
    pub(super) fn left(&self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), OverBudget> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.0.checked_sub(steps));
        self.0 = left.ok_or(OverBudget)?;
        Ok(())
    }
}
