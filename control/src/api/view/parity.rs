//! How does a route's parity look? Figures over each time, per cohort; the rules in force; what nobody knows yet.

use std::collections::BTreeMap;

use rules::Route;
use rules::compare::parity::Limits;
use rules::compare::{CompareRules, Numbers};
use serde::Serialize;
use utoipa::ToSchema;

use super::figures::{FiguresView, LimitsView, VerdictView, WindowView};
use super::moment_ms;
use super::rule::RuleView;
use crate::parity::{Blind, Counted, NoiseState, Point, RouteParity, Span, Standing};

/// How alike a route's arms are, and how sure that is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RouteParity)]
pub(crate) struct ParityView {
    /// The route.
    route: String,
    /// Its stage by default: `off`, `shadow`, `canary` or `live`.
    stage: &'static str,
    /// When this was asked (RFC 3339).
    at: String,
    /// Of how many nodes the figures are: the one that was asked, and those that told of the route in the last half minute.
    nodes: usize,
    /// Since when anything is counted: the process began, or the rules changed.
    since: String,
    /// Since when the stage is counted.
    stage_since: String,
    /// What comes of what was counted since the stage began.
    verdict: VerdictView,
    limits: LimitsView,
    /// Over the last ten seconds, hour and day, and since the stage began.
    windows: Vec<WindowView>,
    /// The same for each cohort whose shift decided about exchanges.
    cohorts: Vec<CohortParityView>,
    /// How it went: the last day by hours, or soon after the start the last hour by two minutes.
    trend: Vec<PointView>,
    noise: NoiseView,
    rules: RulesView,
    signatures: SignaturesView,
    /// Exchanges that were not counted, because they were compared by rules that are no longer in force.
    outdated: u64,
    /// What is worth a word.
    notes: Vec<String>,
}

/// How alike the arms are for one cohort.
#[derive(Debug, Serialize, ToSchema)]
struct CohortParityView {
    /// The cohort.
    name: String,
    /// Since when its stage is counted.
    stage_since: String,
    /// What comes of what was counted since then.
    verdict: VerdictView,
    /// Over each time.
    windows: Vec<WindowView>,
}

/// How alike the arms were for a while.
#[derive(Debug, Serialize, ToSchema)]
struct PointView {
    /// When that began.
    at: String,
    /// How long it lasted, in seconds.
    lasts_s: i64,
    /// Exchanges that were shadowed.
    shadowed: u64,
    /// Those that were compared.
    compared: u64,
    /// Those that differ.
    mismatched: u64,
    /// The share of compared fields that differ.
    field_mismatch_rate: Option<f64>,
    /// The rate is at most this, at 95 %.
    upper_bound: Option<f64>,
}

/// Where stable itself is not steady.
#[derive(Debug, Serialize, ToSchema)]
struct NoiseView {
    /// Of the safe requests that are copied, the share that stable answers twice.
    #[schema(example = "5%")]
    share: String,
    /// What became of second requests to stable.
    requests: BTreeMap<&'static str, u64>,
    /// Exchanges in which stable answered twice.
    twins: u64,
    /// Signatures that are not held against the candidate.
    excused_signatures: usize,
    /// Places whose values say nothing: their type is compared, their value is not.
    blind: Vec<BlindView>,
}

/// A place whose values say nothing.
#[derive(Debug, Serialize, ToSchema)]
struct BlindView {
    /// The part of the answer.
    location: &'static str,
    /// The path, as signatures have it.
    path: String,
    /// In how many of the exchanges with two answers of stable they differ.
    masked_in: u64,
}

/// By what the answers are compared.
#[derive(Debug, Serialize, ToSchema)]
struct RulesView {
    /// Rules on places of bodies, in the order in which they are asked.
    places: Vec<RuleView>,
    /// Headers that are not looked at, beside those that never are.
    ignore_headers: Vec<String>,
    /// Hosts of the candidate, each with the one of stable that is the same service.
    hosts: Vec<(String, String)>,
    /// Which numbers are the same: those of the same `value`, or those written alike: `lexical`.
    numbers: &'static str,
}

/// In how many ways answers differ.
#[derive(Debug, Serialize, ToSchema)]
struct SignaturesView {
    /// Signatures that are kept.
    count: usize,
    /// How often one was seen that had no room.
    overflow: u64,
}

/// One route among all.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParityStanding)]
pub(crate) struct StandingView {
    /// The route; all of them together where none is named.
    route: Option<String>,
    /// Since when it is counted (RFC 3339); none for all of them.
    stage_since: Option<String>,
    #[serde(flatten)]
    figures: FiguresView,
}

impl ParityView {
    pub(crate) fn new(
        route: &Route,
        stage: rules::Stage,
        parity: &RouteParity,
        nodes: usize,
        now_unix_ms: i64,
    ) -> Self {
        let limits = route.limits;
        let of_cohort = |(name, counted): &(rules::CohortName, Counted)| CohortParityView {
            name: name.to_string(),
            stage_since: moment_ms(counted.stage_since_unix_ms),
            verdict: VerdictView::new(&counted.over(Span::Stage).figures, &limits),
            windows: windows(counted, &limits),
        };
        Self {
            route: route.name.to_string(),
            stage: stage.as_str(),
            at: moment_ms(now_unix_ms),
            nodes,
            since: moment_ms(parity.since_unix_ms),
            stage_since: moment_ms(parity.all.stage_since_unix_ms),
            verdict: VerdictView::new(&parity.all.over(Span::Stage).figures, &limits),
            limits: (&limits).into(),
            windows: windows(&parity.all, &limits),
            cohorts: parity.cohorts.iter().map(of_cohort).collect(),
            trend: parity.trend.iter().map(PointView::from).collect(),
            noise: NoiseView::new(route, &parity.noise, parity.excused_signatures),
            rules: RulesView::new(parity),
            signatures: SignaturesView { count: parity.signatures, overflow: parity.overflow },
            outdated: parity.outdated,
            notes: notes(parity, route.noise.is_some()),
        }
    }
}

fn windows(counted: &Counted, limits: &Limits) -> Vec<WindowView> {
    counted.spans.iter().map(|span| WindowView::new(span, limits)).collect()
}

impl From<&Point> for PointView {
    fn from(point: &Point) -> Self {
        let figures = &point.tally.figures;
        Self {
            at: moment_ms(point.at_unix_ms),
            lasts_s: point.lasts_ms / 1_000,
            shadowed: figures.shadowed,
            compared: figures.compared,
            mismatched: figures.mismatched,
            field_mismatch_rate: figures.field_mismatch_rate(),
            upper_bound: figures.upper_bound(),
        }
    }
}

impl NoiseView {
    fn new(route: &Route, noise: &NoiseState, excused_signatures: usize) -> Self {
        let share = route.noise.as_ref().map(|noise| noise.share).unwrap_or_default();
        let results = route.counters.twin_results().into_iter().filter(|(_, count)| *count > 0);
        let blind = |blind: &Blind| BlindView {
            location: blind.location.as_str(),
            path: blind.path.to_string(),
            masked_in: blind.masked_in,
        };
        Self {
            share: share.to_string(),
            requests: results.map(|(result, count)| (result.as_str(), count)).collect(),
            twins: noise.twins,
            excused_signatures,
            blind: noise.blind.iter().map(blind).collect(),
        }
    }
}

impl RulesView {
    fn new(parity: &RouteParity) -> Self {
        let CompareRules { places, numbers, ignore_headers, hosts } = &*parity.rules;
        let rules = places.iter().zip(&parity.uses);
        Self {
            places: rules.map(|(rule, state)| RuleView::new(rule, state)).collect(),
            ignore_headers: ignore_headers.iter().map(ToString::to_string).collect(),
            hosts: hosts.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect(),
            numbers: match numbers {
                Numbers::Value => "value",
                Numbers::Lexical => "lexical",
            },
        }
    }
}

/// What is worth a word, beside the figures.
fn notes(parity: &RouteParity, asks_twice: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if parity.by_value_signatures > 0 && !asks_twice {
        notes.push(format!(
            "{} of {} signatures differ by value only, and nobody knows whether stable differs from itself there: \
             `noise: {{share: 5%}}` below `compare:` has stable asked twice now and then",
            parity.by_value_signatures, parity.signatures
        ));
    }
    for (rule, state) in parity.rules.places.iter().zip(&parity.uses) {
        match state.worry {
            Some(crate::parity::RuleWorry::Idle) => {
                notes
                    .push(format!("the rule on {} has applied to nothing for a day", rule.pattern));
            }
            Some(crate::parity::RuleWorry::HidesMost) => {
                notes.push(format!(
                    "the rule on {} hides more than half of all fields",
                    rule.pattern
                ));
            }
            None => {}
        }
    }
    if parity.overflow > 0 {
        notes.push(format!(
            "{} differences had no room among the signatures; all figures count them",
            parity.overflow
        ));
    }
    notes
}

impl StandingView {
    pub(crate) fn new(standing: &Standing) -> Self {
        Self {
            route: Some(standing.route.to_string()),
            stage_since: Some(moment_ms(standing.stage_since_unix_ms)),
            figures: FiguresView::new(&standing.tally, &standing.limits),
        }
    }

    /// All routes together, by the limits of those that say nothing.
    pub(crate) fn of_all(standings: &[Standing]) -> Self {
        let mut tally = crate::parity::Tally::default();
        standings.iter().for_each(|standing| tally += standing.tally);
        Self {
            route: None,
            stage_since: None,
            figures: FiguresView::new(&tally, &Limits::default()),
        }
    }
}
