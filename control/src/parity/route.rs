//! How alike are one route's arms? All that is counted of it, from one exchange to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::compare::CompareRules;
use rules::compare::parity::Limits;
use rules::exchange::{ExchangeReport, Outcome};
use rules::{CohortName, RouteName, Stage};

use super::noise::Noise;
use super::remembered::{Differing, Remembered};
use super::signatures::{Showing, Signature, Signatures};
use super::spans::{Span, Spans};
use super::tally::{Correction, Tally};
use super::told::{Counted, RouteParity};
use super::uses::{Asked, IDLE_OVER, Uses};

/// Which room is left for more. (INV-7)
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) signatures: bool,
    pub(super) remembered: bool,
    pub(super) cohorts: bool,
}

/// What had no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lost {
    /// Exchanges that were counted for the route and not for their cohort.
    pub(super) cohorts: u64,
    /// Exchanges that differ and cannot be judged anew.
    pub(super) remembered: u64,
}

/// All that is counted of one route.
#[derive(Debug)]
pub(super) struct OfRoute {
    rules: Arc<CompareRules>,
    /// Those that were in force before.
    former: Option<Arc<CompareRules>>,
    /// How alike the arms must be.
    pub(super) limits: Limits,
    since_unix_ms: i64,
    compared: u64,
    stage: Option<Stage>,
    all: Spans,
    cohorts: BTreeMap<CohortName, (Option<Stage>, Spans)>,
    signatures: Signatures,
    noise: Noise,
    remembered: Remembered,
    uses: Uses,
    outdated: u64,
    lost: Lost,
}

impl OfRoute {
    pub(super) fn new(rules: Arc<CompareRules>, at_unix_ms: i64) -> Self {
        Self {
            rules,
            former: None,
            limits: Limits::default(),
            since_unix_ms: at_unix_ms,
            compared: 0,
            stage: None,
            all: Spans::since(at_unix_ms),
            cohorts: BTreeMap::new(),
            signatures: Signatures::default(),
            noise: Noise::default(),
            remembered: Remembered::default(),
            uses: Uses::default(),
            outdated: 0,
            lost: Lost::default(),
        }
    }

    /// What it holds: signatures, pieces of remembered exchanges, cohorts.
    pub(super) fn held(&self) -> (usize, usize, usize) {
        (self.signatures.len(), self.remembered.pieces(), self.cohorts.len())
    }

    pub(super) const fn stage_since_unix_ms(&self) -> i64 {
        self.all.stage_since_unix_ms()
    }

    pub(super) const fn lost(&self) -> Lost {
        self.lost
    }

    pub(super) const fn outdated(&self) -> u64 {
        self.outdated
    }

    pub(super) const fn noise_overflow(&self) -> u64 {
        self.noise.overflow()
    }

    pub(super) const fn overflow(&self) -> u64 {
        self.signatures.overflow
    }

    /// These rules are in force. Under others than before everything is counted anew: what was found under other rules
    /// says nothing about these.
    pub(super) fn follow_rules(&mut self, rules: &Arc<CompareRules>, now_unix_ms: i64) {
        if Arc::ptr_eq(&self.rules, rules) {
            return;
        }
        if self.rules != *rules {
            let fresh = Self::new(Arc::clone(rules), now_unix_ms);
            let before = std::mem::replace(self, fresh);
            self.former = Some(before.rules);
            (self.stage, self.outdated, self.lost) = (before.stage, before.outdated, before.lost);
        }
        self.rules = Arc::clone(rules);
    }

    /// Begins to count anew where another stage begins: of the route, and of each cohort.
    pub(super) fn follow_stages(
        &mut self,
        stage: Stage,
        of_cohort: impl Fn(&CohortName) -> Stage,
        now_unix_ms: i64,
    ) {
        if self.stage.replace(stage).is_some_and(|before| before != stage) {
            self.all.begin_stage(now_unix_ms);
        }
        for (name, (known, spans)) in &mut self.cohorts {
            let stage = of_cohort(name);
            if known.replace(stage).is_some_and(|before| before != stage) {
                spans.begin_stage(now_unix_ms);
            }
        }
    }

    /// Counts an exchange.
    pub(super) fn take(&mut self, report: &ExchangeReport, room: Room) {
        if !self.is_by_present_rules(report) {
            self.outdated += 1;
            return;
        }
        let comparison = &report.comparison;
        self.compared += u64::from(comparison.outcome.is_compared());
        self.uses.count(&self.rules, comparison, report.at_unix_ms);
        self.noise.learn(comparison);
        let mut tally = Tally::of(report);
        if comparison.outcome == Outcome::Mismatch {
            let excused = self.take_differences(report, tally, room);
            tally.figures = tally.figures.excusing(excused);
        }
        self.all.count(report.at_unix_ms, tally);
        if let Some(cohort) = &report.cohort {
            self.count_cohort(cohort, report.at_unix_ms, tally, room);
        }
    }

    /// The first exchange under new rules makes them known; one that comes late from under the former ones does not.
    fn is_by_present_rules(&mut self, report: &ExchangeReport) -> bool {
        if Arc::ptr_eq(&self.rules, &report.rules) || self.rules == report.rules {
            return true;
        }
        if self.former.as_ref().is_some_and(|former| *former == report.rules) {
            return false;
        }
        self.follow_rules(&report.rules, report.at_unix_ms);
        true
    }

    /// Counts how an exchange differs; says how many of its fields are excused.
    fn take_differences(&mut self, report: &ExchangeReport, bare: Tally, room: Room) -> u64 {
        let showing = Showing {
            exchange_id: &report.exchange_id,
            at_unix_ms: report.at_unix_ms,
            tenant: report.tenant,
        };
        let (mut numbers, mut excused) = (Vec::new(), 0);
        for found in &report.comparison.differences {
            let more = room.signatures;
            let number = self.signatures.number(found.difference.clone(), &self.noise, more);
            let is_excused = match number {
                Some(number) => {
                    numbers.push((number, found.fields));
                    self.signatures.count(number, found.fields, showing)
                }
                None => self.noise.excuse(&found.difference).is_some(),
            };
            excused += if is_excused { u64::from(found.fields) } else { 0 };
        }
        let is_complete = numbers.len() == report.comparison.differences.len();
        if !room.remembered || !is_complete {
            self.lost.remembered += 1;
            return excused;
        }
        self.remember(Differing {
            at_unix_ms: report.at_unix_ms,
            cohort: report.cohort.clone(),
            bare: bare.figures,
            excused,
            found: numbers.into(),
        });
        excused
    }

    fn remember(&mut self, exchange: Differing) {
        let found = exchange.found.clone();
        let (place, forgotten) = self.remembered.keep(exchange);
        for (number, _) in forgotten.iter().flat_map(|oldest| &oldest.found) {
            self.signatures.sight(*number, place, false);
        }
        for (number, _) in &found {
            self.signatures.sight(*number, place, true);
        }
    }

    fn count_cohort(&mut self, cohort: &CohortName, at_unix_ms: i64, tally: Tally, room: Room) {
        if !room.cohorts && !self.cohorts.contains_key(cohort) {
            self.lost.cohorts += 1;
            return;
        }
        let fresh = || (None, Spans::since(at_unix_ms));
        let (_, spans) = self.cohorts.entry(cohort.clone()).or_insert_with(fresh);
        spans.count(at_unix_ms, tally);
    }

    /// Judges stable's noise, and the remembered exchanges anew where that changes anything.
    pub(super) fn judge_noise(&mut self) {
        if !self.noise.judge() {
            return;
        }
        self.signatures.excuse_by(&self.noise);
        for exchange in self.remembered.iter_mut() {
            let is_excused = |(number, _): &&(u32, u32)| self.signatures.is_excused(*number);
            let of_fields = exchange.found.iter().filter(is_excused);
            let excused: u64 = of_fields.map(|(_, fields)| u64::from(*fields)).sum();
            let before = std::mem::replace(&mut exchange.excused, excused);
            if before == excused {
                continue;
            }
            let correction = Correction {
                counted: exchange.bare.excusing(before),
                right: exchange.bare.excusing(excused),
            };
            self.all.correct(exchange.at_unix_ms, correction);
            let cohort = exchange.cohort.as_ref().and_then(|name| self.cohorts.get_mut(name));
            if let Some((_, spans)) = cohort {
                spans.correct(exchange.at_unix_ms, correction);
            }
        }
    }

    pub(super) fn tally(
        &self,
        cohort: Option<&CohortName>,
        span: Span,
        now_unix_ms: i64,
    ) -> Option<Tally> {
        let spans = match cohort {
            Some(cohort) => &self.cohorts.get(cohort)?.1,
            None => &self.all,
        };
        Some(spans.tally(span, now_unix_ms))
    }

    /// What was counted since a step began; none where nothing was seen of the cohort.
    pub(super) fn since_step(
        &mut self,
        cohort: Option<&CohortName>,
        begun_unix_ms: i64,
    ) -> Option<Tally> {
        let spans = match cohort {
            Some(cohort) => &mut self.cohorts.get_mut(cohort)?.1,
            None => &mut self.all,
        };
        Some(spans.since_step(begun_unix_ms))
    }

    pub(super) fn list(&self, route: &RouteName) -> Vec<Signature> {
        self.signatures.list(route)
    }

    pub(super) fn most_frequent(&self, route: &RouteName, many: usize) -> Vec<Signature> {
        self.signatures.most_frequent(route, many)
    }

    pub(super) fn told(&self, now_unix_ms: i64) -> RouteParity {
        let of_cohort = |(name, (_, spans)): (&CohortName, &(_, Spans))| {
            (name.clone(), Counted::of(spans, now_unix_ms))
        };
        let asked = Asked {
            now_unix_ms,
            since_unix_ms: self.since_unix_ms,
            last_day: self.all.tally(IDLE_OVER, now_unix_ms),
        };
        RouteParity {
            since_unix_ms: self.since_unix_ms,
            compared: self.compared,
            all: Counted::of(&self.all, now_unix_ms),
            cohorts: self.cohorts.iter().map(of_cohort).collect(),
            trend: self.all.trend(now_unix_ms),
            noise: self.noise.state(),
            rules: Arc::clone(&self.rules),
            uses: self.uses.state(&self.rules, &asked),
            signatures: self.signatures.len(),
            excused_signatures: self.signatures.excused(),
            by_value_signatures: self.signatures.by_value(),
            overflow: self.signatures.overflow,
            outdated: self.outdated,
        }
    }
}
