//! What is counted of one route, from one exchange to the next.

use std::sync::Arc;

use rules::compare::{CompareRules, DifferenceKind, Drift, Effect, Location, PlaceRule};
use rules::exchange::ExchangeReport;
use rules::{CohortName, Stage};

use super::kit::{differing, matching};
use super::route::{Lost, OfRoute, Room};
use super::spans::Span;

const ROOM: Room = Room { signatures: true, remembered: true, cohorts: true };

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
