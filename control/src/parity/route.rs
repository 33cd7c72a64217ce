//! How alike are one route's arms? All that is counted of it, from one exchange to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::compare::CompareRules;
use rules::exchange::{ExchangeReport, Outcome};
use rules::{CohortName, RouteName, Stage};

use super::noise::{Noise, NoiseState};
use super::remembered::{Differing, Remembered};
use super::signatures::{Showing, Signature, Signatures};
use super::spans::{Point, Span, SpanTally, Spans};
use super::tally::{Correction, Tally};
use super::uses::{Asked, IDLE_OVER, RuleState, Uses};

/// What was counted of a route or cohort, over all spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Since when the stage is counted, in milliseconds since 1970.
    pub stage_since_unix_ms: i64,
    /// Over each span, the shortest first.
    pub spans: [SpanTally; 4],
}

impl Counted {
    fn of(spans: &Spans, now_unix_ms: i64) -> Self {
        Self {
            stage_since_unix_ms: spans.stage_since_unix_ms(),
            spans: Span::ALL.map(|span| SpanTally { span, tally: spans.tally(span, now_unix_ms) }),
        }
    }

    /// What was counted over a span.
    #[must_use]
    pub fn over(&self, span: Span) -> Tally {
        let found = self.spans.iter().find(|counted| counted.span == span);
        found.map(|counted| counted.tally).unwrap_or_default()
    }
}

/// How alike a route's arms are.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteParity {
    /// Since when anything is counted under these rules, in milliseconds since 1970.
    pub since_unix_ms: i64,
    /// Exchanges that were compared since then.
    pub compared: u64,
    /// Of all exchanges.
    pub all: Counted,
    /// Of each cohort's.
    pub cohorts: Vec<(CohortName, Counted)>,
    /// How it went lately.
    pub trend: Vec<Point>,
    /// Where stable itself is not steady.
    pub noise: NoiseState,
    /// The rules on places, by which all of this was compared.
    pub rules: Arc<CompareRules>,
    /// What each of them did.
    pub uses: Vec<RuleState>,
    /// In how many ways answers differ.
    pub signatures: usize,
    /// How many of those are excused.
    pub excused_signatures: usize,
    /// How many of the others differ in nothing but values: stable itself may do so.
    pub by_value_signatures: usize,
    /// How often a signature had no room.
    pub overflow: u64,
    /// Exchanges that were not counted, because they were compared by rules that are no longer in force.
    pub outdated: u64,
}

impl RouteParity {
    /// What is known before any exchange was seen.
    #[must_use]
    pub fn nothing_yet(rules: &Arc<CompareRules>, now_unix_ms: i64) -> Self {
        OfRoute::new(Arc::clone(rules), now_unix_ms).told(now_unix_ms)
    }
}

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

    pub(super) fn list(&self, route: &RouteName) -> Vec<Signature> {
        self.signatures.list(route)
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

#[cfg(test)]
pub(super) mod tests {
    use rules::compare::{
        Comparison, Difference, DifferenceKind, Drift, Effect, Fields, Found, Location, PlaceRule,
        ValueClass,
    };
    use rules::exchange::NotComparable;

    use super::*;

    const ROOM: Room = Room { signatures: true, remembered: true, cohorts: true };

    /// A difference by value.
    pub(in crate::parity) fn difference(path: &str) -> Difference {
        Difference {
            location: Location::Body,
            path: path.into(),
            kind: DifferenceKind::Value,
            classes: (ValueClass::String, ValueClass::String),
            relation: None,
        }
    }

    fn report(exchange: &str, at_unix_ms: i64, comparison: Comparison) -> ExchangeReport {
        ExchangeReport {
            route: "sms".parse().unwrap(),
            exchange_id: exchange.into(),
            cohort: None,
            tenant: None,
            stable_status: Some(200),
            candidate_status: Some(200),
            comparison,
            rules: Arc::default(),
            samples: None,
            at_unix_ms,
        }
    }

    /// An exchange of ten equal fields.
    pub(in crate::parity) fn matching(exchange: &str, at_unix_ms: i64) -> ExchangeReport {
        let comparison = Comparison {
            outcome: Outcome::Match,
            fields: Fields { equal: 10, ..Fields::default() },
            is_whole: true,
            ..Comparison::impossible(NotComparable::Budget)
        };
        report(exchange, at_unix_ms, comparison)
    }

    /// An exchange of ten fields of which these differ, one each.
    pub(in crate::parity) fn differing(
        exchange: &str,
        at_unix_ms: i64,
        paths: &[&str],
    ) -> ExchangeReport {
        let many = u64::try_from(paths.len()).unwrap();
        let found = |path: &&str| Found { difference: difference(path), fields: 1 };
        let mut report = matching(exchange, at_unix_ms);
        report.comparison.outcome = Outcome::Mismatch;
        report.comparison.fields =
            Fields { equal: 10 - many, mismatched: many, ..Fields::default() };
        report.comparison.differences = paths.iter().map(found).collect();
        report
    }

    /// An exchange that could not be compared.
    pub(in crate::parity) fn failed(
        exchange: &str,
        reason: NotComparable,
        statuses: (Option<u16>, Option<u16>),
    ) -> ExchangeReport {
        ExchangeReport {
            stable_status: statuses.0,
            candidate_status: statuses.1,
            ..report(exchange, 0, Comparison::impossible(reason))
        }
    }

    fn with_twin(mut report: ExchangeReport, drifting: &[(&str, bool)]) -> ExchangeReport {
        let drift = |(path, candidate_differs): &(&str, bool)| Drift {
            location: Location::Body,
            path: (*path).into(),
            fields: 1,
            candidate_differs: *candidate_differs,
        };
        report.comparison.drifts = Some(drifting.iter().map(drift).collect());
        report
    }

    fn counting() -> OfRoute {
        OfRoute::new(Arc::default(), 0)
    }

    #[test]
    fn an_exchange_counts_for_its_route_and_its_cohort() {
        let mut route = counting();
        let cohort: CohortName = "AF".parse().unwrap();
        route.take(&matching("x1", 1), ROOM);
        let mut of_cohort = differing("x2", 2, &["/a"]);
        of_cohort.cohort = Some(cohort.clone());
        route.take(&of_cohort, ROOM);
        let told = route.told(10);
        let all = told.all.over(Span::TenSeconds).figures;
        assert_eq!((all.compared, all.mismatched, all.fields.mismatched), (2, 1, 1));
        let [(name, counted)] = &*told.cohorts else { panic!("{told:?}") };
        assert_eq!((name, counted.over(Span::Stage).figures.compared), (&cohort, 1));
        assert_eq!(told.signatures, 1);
    }

    #[test]
    fn what_stable_does_itself_is_excused_even_in_exchanges_before_that_was_known() {
        let mut route = counting();
        for n in 0..20 {
            route.take(&differing(&format!("early{n}"), n, &["/at"]), ROOM);
        }
        route.take(&differing("real", 20, &["/at", "/name"]), ROOM);
        let rate = |route: &OfRoute| route.told(30).all.over(Span::Hour).figures;
        assert_eq!(rate(&route).fields.mismatched, 22);
        for n in 0..5 {
            let twin = with_twin(matching(&format!("twin{n}"), 21 + n), &[("/at", true)]);
            route.take(&twin, ROOM);
        }
        route.judge_noise();
        let figures = rate(&route);
        assert_eq!((figures.fields.mismatched, figures.fields.masked), (1, 21), "only /name");
        assert_eq!((figures.mismatched, figures.excused), (1, 20));
        assert_eq!(route.told(30).all.over(Span::Stage).figures, figures);
        let noise = route.told(30).noise;
        assert_eq!((noise.twins, noise.blind.len()), (5, 1));
        let listed = route.list(&"sms".parse().unwrap());
        let excused: Vec<_> =
            listed.iter().map(|s| (&*s.difference.path, s.excuse.is_some())).collect();
        assert_eq!(excused, [("/name", false), ("/at", true)]);
        route.take(&differing("later", 29, &["/at"]), ROOM);
        assert_eq!(rate(&route).excused, 21, "from now on at once");
    }

    #[test]
    fn what_the_candidate_does_more_often_is_not_excused() {
        let mut route = counting();
        for n in 0..40 {
            let twin = match n % 4 {
                0 => with_twin(matching("x", n), &[("/at", false)]),
                _ => with_twin(differing("x", n, &["/at"]), &[]),
            };
            route.take(&twin, ROOM);
        }
        route.judge_noise();
        assert_eq!(route.told(40).all.over(Span::Stage).figures.mismatched, 30);
        assert_eq!(route.told(40).excused_signatures, 0);
    }

    #[test]
    fn another_structure_is_never_excused() {
        let mut route = counting();
        for n in 0..20 {
            let mut twin = with_twin(differing("x", n, &["/at"]), &[("/at", true)]);
            twin.comparison.differences[0].difference.kind = DifferenceKind::Type;
            route.take(&twin, ROOM);
        }
        route.judge_noise();
        let told = route.told(20);
        assert_eq!((told.excused_signatures, told.noise.blind.len()), (0, 1));
        assert_eq!(told.all.over(Span::Stage).figures.mismatched, 20);
    }

    #[test]
    fn other_rules_begin_anew_and_late_exchanges_of_the_former_ones_do_not_count() {
        let mut route = counting();
        route.take(&differing("x", 1, &["/a"]), ROOM);
        let rule = PlaceRule::always("/a".parse().unwrap(), Effect::Ignore);
        let rules = Arc::new(CompareRules { places: [rule].into(), ..CompareRules::default() });
        let mut under_new = matching("y", 2);
        under_new.rules = Arc::clone(&rules);
        route.take(&under_new, ROOM);
        route.take(&differing("late", 3, &["/a"]), ROOM);
        let told = route.told(4);
        assert_eq!((told.signatures, told.outdated, told.since_unix_ms), (0, 1, 2));
        assert_eq!(told.all.over(Span::Day).figures.compared, 1);
        assert_eq!(told.uses.len(), 1);
    }

    #[test]
    fn another_stage_begins_anew() {
        let mut route = counting();
        let follow = |route: &mut OfRoute, stage, now| {
            route.follow_stages(stage, |_| Stage::Shadow, now);
        };
        follow(&mut route, Stage::Shadow, 0);
        route.take(&differing("x", 1, &["/a"]), ROOM);
        follow(&mut route, Stage::Shadow, 2);
        assert_eq!(route.told(2).all.over(Span::Stage).figures.compared, 1);
        follow(&mut route, Stage::Canary, 3);
        let told = route.told(3);
        assert_eq!(told.all.over(Span::Stage).figures.compared, 0);
        assert_eq!(told.all.over(Span::Day).figures.compared, 1);
        assert_eq!(told.all.stage_since_unix_ms, 3);
    }

    #[test]
    fn what_fails_together_is_told_together() {
        let mut route = counting();
        for n in 0..10 {
            route.take(&differing("x", n, &["/a", "/b"]), ROOM);
            route.take(&differing("y", n, &["/c"]), ROOM);
        }
        let listed = route.list(&"sms".parse().unwrap());
        let together: Vec<_> =
            listed.iter().map(|s| (&*s.difference.path, s.together_with.len())).collect();
        assert_eq!(together, [("/a", 1), ("/b", 1), ("/c", 0)]);
        assert_eq!(listed[0].together_with[0], listed[1].id);
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut route = counting();
        let none = Room { signatures: false, remembered: false, cohorts: false };
        let mut report = differing("x", 1, &["/a"]);
        report.cohort = Some("AF".parse().unwrap());
        route.take(&report, none);
        assert_eq!(route.held(), (0, 0, 0));
        assert_eq!((route.overflow(), route.lost()), (1, Lost { cohorts: 1, remembered: 1 }));
        assert_eq!(route.told(1).all.over(Span::Stage).figures.mismatched, 1);
    }
}
