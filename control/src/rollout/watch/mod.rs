//! What did the arms do since the last look? Counters become readings; with what is known from before a rollout.
//!
//! What stable did is remembered by the minute for a day: it says how bursty failures are, and how much traffic there is.
//! It is this process's own, and begins anew with it.

use std::collections::{BTreeMap, VecDeque};

use config::plan::Gates;
use rules::Arm;
use rules::gate::dispersion::dispersion;
use rules::gate::exposure::standardised;
use rules::gate::latency::{slower, threshold};
use rules::gate::{Exposures, Tallies, Tally, burn};
use rules::sli::{ArmCounts, HistogramCounts, SeenTenants};

use super::counters::{Counters, failed, strata_since};
use super::{Place, Readings};
use crate::command::Scope;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// For how many hours it is remembered what tenants did.
const HOURS: usize = 25;
/// How long minutes are remembered.
const MINUTES: usize = 24 * 60;
/// Fewer minutes than this say nothing of bursts.
const MINUTES_AT_LEAST: usize = 10;
/// What is slow is learnt from so many pieces of time, each this long.
const PIECES: usize = 30;
const PIECE_MS: i64 = 10_000;
/// The quantiles whose slow requests are remembered by the minute.
const QUANTILES: [f64; 2] = [0.95, 0.99];

/// What is remembered of the traffic of a route, or of one of its cohorts.
#[derive(Debug, Default)]
pub(super) struct Watched {
    before: Option<Counters>,
    /// What the last look added.
    added: Option<Counters>,
    /// What stable did before the last look, for as long as what is slow is learnt from.
    known: HistogramCounts,
    /// Failures of the last half minute, node by node.
    half_minutes: BTreeMap<String, VecDeque<(i64, Tallies)>>,
    pieces: VecDeque<Piece>,
    minutes: VecDeque<Minute>,
    /// What was counted of tenants, at the beginning of each hour of a day.
    hours: VecDeque<(i64, Vec<[Tally; Arm::ALL.len()]>)>,
}

/// A piece of time, with what stable did in it: the buckets that it filled.
#[derive(Debug, Default)]
struct Piece {
    begun_unix_ms: i64,
    latency: Vec<(u16, u64)>,
}

/// A minute of stable.
#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    begun_unix_ms: i64,
    errors: Tally,
    slow: [Tally; QUANTILES.len()],
}

impl Watched {
    /// Takes the counters as they stand, and what each node added to their failures. The first look only remembers them.
    pub(super) fn look(&mut self, counters: Counters, nodes: &[(&str, Tallies)], now_unix_ms: i64) {
        let Some(before) = self.before.take() else {
            self.before = Some(counters);
            return;
        };
        let added = counters.since(&before);
        self.known = self.stable_before();
        self.note_minute(&added.stable, now_unix_ms);
        self.note_piece(&added.stable.latency, now_unix_ms);
        self.note_half_minute(nodes, now_unix_ms);
        self.added = Some(added);
        self.note_hour(&counters.strata, now_unix_ms);
        self.before = Some(counters);
    }

    /// What the last look added; nothing where it was the first.
    pub(super) fn readings(&self, gates: &Gates, tenants: &[Tally]) -> Option<Readings> {
        let added = self.added.as_ref()?;
        let Counters { candidate, exchanges, strata, .. } = added;
        let (arm, control) = added.control();
        let slow = gates.latencies.iter().map(|gate| {
            let limit = gate.slow.or_else(|| threshold(&self.known, gate.quantile))?;
            Some(Tallies {
                candidate: slower(&candidate.latency, limit),
                stable: slower(&control.latency, limit),
            })
        });
        let half_minutes = self.half_minutes.values().map(|node| {
            node.iter().map(|(_, tallies)| *tallies).fold(Tallies::default(), Tallies::plus)
        });
        let errors = added.errors();
        Some(Readings {
            errors,
            control: arm,
            exposures: exposures(errors, arm, strata, tenants),
            latencies: slow.collect(),
            half_minute: half_minutes.collect(),
            exchanges: *exchanges,
            ..Readings::default()
        })
    }

    /// The tenants that the candidate has seen since a step began that asks for it.
    pub(super) fn seen(&self, step: &str) -> SeenTenants {
        let added = self.added.as_ref().and_then(|added| added.seen.get(step));
        added.cloned().unwrap_or_default()
    }

    /// By how much failures came in bursts so far, and slow requests at each gate.
    pub(super) fn dispersions(&self, gates: &Gates) -> (f64, Vec<f64>) {
        if self.minutes.len() < MINUTES_AT_LEAST {
            return (1.0, vec![1.0; gates.latencies.len()]);
        }
        let minutes = self.minutes.iter();
        let of_gate = |quantile: f64| {
            let place = usize::from(quantile > QUANTILES[0]);
            dispersion(
                minutes.clone().map(|minute| minute.slow.get(place).copied().unwrap_or_default()),
            )
        };
        let slow = gates.latencies.iter().map(|gate| of_gate(gate.quantile));
        (dispersion(minutes.clone().map(|minute| minute.errors)), slow.collect())
    }

    /// What each part of the tenants did in the last day, whoever served it; empty where nothing is known of tenants.
    pub(super) fn tenants(&self) -> Vec<Tally> {
        let Some((now, (_, then))) = self.before.as_ref().zip(self.hours.front()) else {
            return Vec::new();
        };
        let since = strata_since(&now.strata, then);
        since.iter().map(|arms| arms.iter().copied().fold(Tally::default(), Tally::plus)).collect()
    }

    /// Forgets the failures that a new step is not to answer for.
    pub(super) fn forget_half_minute(&mut self) {
        self.half_minutes.clear();
    }

    /// Requests of both arms in the last hour, and how many minutes of it are known.
    pub(super) fn last_hour(&self) -> (u64, usize) {
        let minutes = self.minutes.iter().rev().skip(1).take(60);
        (minutes.clone().map(|minute| minute.errors.total).sum(), minutes.count())
    }

    fn stable_before(&self) -> HistogramCounts {
        let mut known = HistogramCounts::default();
        for piece in &self.pieces {
            known.add(piece.latency.iter().copied());
        }
        known
    }

    fn note_minute(&mut self, stable: &ArmCounts, now_unix_ms: i64) {
        let begun_unix_ms = now_unix_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        if self.minutes.back().is_none_or(|minute| minute.begun_unix_ms != begun_unix_ms) {
            self.minutes.push_back(Minute { begun_unix_ms, ..Minute::default() });
            if self.minutes.len() > MINUTES {
                self.minutes.pop_front();
            }
        }
        let Some(minute) = self.minutes.back_mut() else { return };
        minute.errors = minute.errors.plus(failed(stable));
        for (slow, quantile) in minute.slow.iter_mut().zip(QUANTILES) {
            if let Some(limit) = threshold(&self.known, quantile) {
                *slow = slow.plus(slower(&stable.latency, limit));
            }
        }
    }

    fn note_piece(&mut self, latency: &HistogramCounts, now_unix_ms: i64) {
        let begun_unix_ms = now_unix_ms.div_euclid(PIECE_MS) * PIECE_MS;
        if self.pieces.back().is_none_or(|piece| piece.begun_unix_ms != begun_unix_ms) {
            self.pieces.push_back(Piece { begun_unix_ms, latency: Vec::new() });
            if self.pieces.len() > PIECES {
                self.pieces.pop_front();
            }
        }
        if let Some(piece) = self.pieces.back_mut() {
            piece.latency.extend(latency.occupied());
        }
    }

    fn note_hour(&mut self, strata: &[[Tally; Arm::ALL.len()]], now_unix_ms: i64) {
        let begun_unix_ms = now_unix_ms.div_euclid(HOUR_MS) * HOUR_MS;
        if strata.is_empty() || self.hours.back().is_some_and(|(begun, _)| *begun == begun_unix_ms)
        {
            return;
        }
        self.hours.push_back((begun_unix_ms, strata.to_vec()));
        if self.hours.len() > HOURS {
            self.hours.pop_front();
        }
    }

    fn note_half_minute(&mut self, nodes: &[(&str, Tallies)], now_unix_ms: i64) {
        let window = i64::try_from(burn::WINDOW.as_millis()).unwrap_or(i64::MAX);
        for (node, errors) in nodes {
            let known = self.half_minutes.entry((*node).to_owned()).or_default();
            known.push_back((now_unix_ms, *errors));
        }
        for known in self.half_minutes.values_mut() {
            while known.front().is_some_and(|(at, _)| at + window <= now_unix_ms) {
                known.pop_front();
            }
        }
        self.half_minutes.retain(|_, known| !known.is_empty());
    }
}

/// What the arms were exposed to: each tenant's requests by what it did the day before. Requests of nobody in particular
/// are expected to be like everybody's.
fn exposures(
    errors: Tallies,
    control: Arm,
    strata: &[[Tally; Arm::ALL.len()]],
    tenants: &[Tally],
) -> Option<Exposures> {
    let everybody = tenants.iter().copied().fold(Tally::default(), Tally::plus);
    if strata.is_empty() || everybody.bad == 0 {
        return None;
    }
    let of = |arm: Arm, all: Tally| {
        let requests = strata.iter().map(|arms| arms.get(arm as usize).map_or(0, |one| one.total));
        let known: u64 = requests.clone().sum();
        let nobodys = (all.total.saturating_sub(known), Tally::default());
        standardised(requests.zip(tenants.iter().copied()).chain([nobodys]), everybody)
    };
    let candidate = of(Arm::Candidate, errors.candidate);
    Some(Exposures { stable: of(control, errors.stable), candidate })
}

/// By how much failures came in bursts before a rollout. What was not counted before is taken to be like its whole route.
pub(super) fn bursts(
    watched: &BTreeMap<Place, Watched>,
    subject: &Place,
    gates: &Gates,
) -> (f64, Vec<f64>) {
    let whole = Place { scope: Scope::Route, ..subject.clone() };
    let place = if matches!(subject.scope, Scope::Tenant(_)) { &whole } else { subject };
    watched.get(place).map_or((1.0, Vec::new()), |watched| watched.dispersions(gates))
}

#[cfg(test)]
mod tests;
