//! How do figures of parity look? Counts, rates with their bounds, and a verdict in words.

use std::collections::BTreeMap;

use rules::compare::Fields;
use rules::compare::parity::{Figures, Lack, Limits, Verdict};
use rules::gate::absolute::smallest_passing;
use serde::Serialize;
use utoipa::ToSchema;

use crate::parity::{Arms, SpanTally, Tally};

/// Whether the arms pass for alike.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictView {
    /// `pass`, `fail` or `undetermined`.
    verdict: &'static str,
    /// What is missing for a verdict: `exchanges`, `comparability` or `coverage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    lacks: Option<&'static str>,
    /// How many further exchanges it takes, if they are like those so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchanges_needed: Option<u64>,
    /// The same for people.
    detail: String,
}

/// What was counted over a time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WindowView {
    /// `10s`, `1h`, `24h` or `stage`: since the stage began.
    window: &'static str,
    #[serde(flatten)]
    figures: FiguresView,
}

/// What was counted, and what follows from it. Rates are none where nothing was compared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiguresView {
    verdict: VerdictView,
    /// Exchanges that were copied, or were to be.
    shadowed: u64,
    /// Those with two answers that were compared.
    compared: u64,
    /// Those whose answers differ.
    mismatched: u64,
    /// Those that differ only where stable itself is not steady.
    excused: u64,
    /// Those whose statuses differ.
    status_mismatched: u64,
    /// Those that were not looked into to the end.
    partial: u64,
    fields: FieldsView,
    /// The share of compared fields that differ.
    field_mismatch_rate: Option<f64>,
    /// The rate is at least this, at 95 %.
    lower_bound: Option<f64>,
    /// The rate is at most this, at 95 %.
    upper_bound: Option<f64>,
    /// The share of compared exchanges that differ.
    request_mismatch_rate: Option<f64>,
    /// The share of compared exchanges whose statuses differ.
    status_mismatch_rate: Option<f64>,
    /// The share of shadowed exchanges that were compared.
    comparability: Option<f64>,
    /// The share of fields that were looked at.
    coverage: Option<f64>,
    arms: ArmsView,
    /// Exchanges that could not be compared, by reason.
    not_comparable: BTreeMap<&'static str, u64>,
}

/// Fields by what came of them.
#[derive(Debug, Serialize, ToSchema)]
struct FieldsView {
    /// The same on both sides.
    equal: u64,
    /// Not the same.
    mismatched: u64,
    /// Not looked at, because a rule says so.
    ignored: u64,
    /// Looked at for their type only, because stable itself is not steady there.
    masked: u64,
}

/// Exchanges by how both arms did: an answer below 500, or not.
#[derive(Debug, Serialize, ToSchema)]
struct ArmsView {
    /// Neither failed.
    both_ok: u64,
    /// Only the candidate failed.
    candidate_failed: u64,
    /// Only stable failed.
    stable_failed: u64,
    /// Both failed.
    both_failed: u64,
}

/// What is asked of the arms to pass for alike.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsView {
    /// The largest field mismatch rate.
    field_mismatch_rate: f64,
    /// The smallest share of shadowed exchanges that are compared.
    comparability: f64,
    /// The smallest share of fields that are looked at.
    coverage: f64,
}

impl From<&Limits> for LimitsView {
    fn from(limits: &Limits) -> Self {
        Self {
            field_mismatch_rate: limits.mismatched,
            comparability: limits.comparable,
            coverage: limits.coverage,
        }
    }
}

impl WindowView {
    pub(super) fn new(counted: &SpanTally, limits: &Limits) -> Self {
        let figures = FiguresView::new(&counted.tally, limits);
        Self { window: counted.span.as_str(), figures }
    }
}

impl FiguresView {
    pub(super) fn new(tally: &Tally, limits: &Limits) -> Self {
        let figures = &tally.figures;
        Self {
            verdict: VerdictView::new(figures, limits),
            shadowed: figures.shadowed,
            compared: figures.compared,
            mismatched: figures.mismatched,
            excused: figures.excused,
            status_mismatched: figures.status_mismatched,
            partial: figures.partial,
            fields: figures.fields.into(),
            field_mismatch_rate: figures.field_mismatch_rate(),
            lower_bound: figures.lower_bound(),
            upper_bound: figures.upper_bound(),
            request_mismatch_rate: figures.request_mismatch_rate(),
            status_mismatch_rate: figures.status_mismatch_rate(),
            comparability: figures.comparability(),
            coverage: figures.coverage(),
            arms: tally.arms.into(),
            not_comparable: tally.reasons().map(|(reason, n)| (reason.as_str(), n)).collect(),
        }
    }
}

impl From<Fields> for FieldsView {
    fn from(fields: Fields) -> Self {
        let Fields { equal, mismatched, ignored, masked } = fields;
        Self { equal, mismatched, ignored, masked }
    }
}

impl From<Arms> for ArmsView {
    fn from(arms: Arms) -> Self {
        let Arms { both_ok, candidate_failed, stable_failed, both_failed } = arms;
        Self { both_ok, candidate_failed, stable_failed, both_failed }
    }
}

impl VerdictView {
    pub(super) fn new(figures: &Figures, limits: &Limits) -> Self {
        let mut verdict = figures.judge(limits);
        if figures.shadowed == 0 {
            let needed = smallest_passing(0, limits.mismatched, 1.0);
            verdict = Verdict::Undetermined(Lack::Exchanges(needed));
        }
        let (verdict, lacks) = match verdict {
            Verdict::Pass => ("pass", None),
            Verdict::Fail => ("fail", None),
            Verdict::Undetermined(lack) => ("undetermined", Some(lack)),
        };
        let exchanges_needed = match lacks {
            Some(Lack::Exchanges(needed)) => needed,
            Some(Lack::Comparability | Lack::Coverage) | None => None,
        };
        Self {
            verdict,
            lacks: lacks.map(|lack| match lack {
                Lack::Exchanges(_) => "exchanges",
                Lack::Comparability => "comparability",
                Lack::Coverage => "coverage",
            }),
            exchanges_needed,
            detail: detail(verdict, lacks, figures, limits),
        }
    }
}

fn detail(verdict: &str, lacks: Option<Lack>, figures: &Figures, limits: &Limits) -> String {
    let limit = percent(limits.mismatched);
    let rate = percent(figures.field_mismatch_rate().unwrap_or(0.0));
    match lacks {
        None if verdict == "pass" => {
            let bound = percent(figures.upper_bound().unwrap_or(1.0));
            format!("at most {bound} of fields differ (at 95%), and {limit} may")
        }
        None => format!("{rate} of fields differ, and {limit} may"),
        Some(Lack::Exchanges(Some(more))) => {
            format!("{more} more exchanges are needed, if they are like those so far")
        }
        Some(Lack::Exchanges(None)) if figures.compared == 0 => {
            "none of the exchanges could be compared".to_owned()
        }
        Some(Lack::Exchanges(None)) => {
            format!("{rate} of fields differ: that is too near the limit of {limit} to tell")
        }
        Some(Lack::Comparability) => format!(
            "{} of the exchanges could be compared, and {} are needed",
            percent(figures.comparability().unwrap_or(0.0)),
            percent(limits.comparable)
        ),
        Some(Lack::Coverage) => format!(
            "{} of the fields were looked at, and {} are needed: rules and stable's noise hide the others",
            percent(figures.coverage().unwrap_or(0.0)),
            percent(limits.coverage)
        ),
    }
}

/// A ratio as a percentage of two significant digits, and as many as it takes near 100 %.
pub(super) fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    let text = match percent {
        p if p <= 0.0 => "0".to_owned(),
        p if p < 0.1 => format!("{p:.4}"),
        p if p < 10.0 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    };
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(compared: u64, fields: Fields) -> Figures {
        let mut figures = Figures::default();
        (figures.shadowed, figures.compared, figures.fields) = (compared, compared, fields);
        figures
    }

    #[test]
    fn a_verdict_says_what_it_rests_on_and_what_is_missing() {
        let equal = |equal| Fields { equal, ..Fields::default() };
        let told = |figures| {
            let VerdictView { verdict, exchanges_needed, detail, .. } =
                VerdictView::new(&figures, &Limits::default());
            (verdict, exchanges_needed, detail)
        };
        assert_eq!(told(figures(0, equal(0))).1, Some(2_995));
        let (verdict, needed, detail) = told(figures(1_000, equal(10_000)));
        assert_eq!((verdict, needed), ("undetermined", Some(1_995)));
        assert!(detail.starts_with("1995 more exchanges"), "{detail}");
        let (verdict, _, detail) = told(figures(2_995, equal(9_000)));
        assert_eq!(
            (verdict, &*detail),
            ("pass", "at most 0.1% of fields differ (at 95%), and 0.1% may")
        );
        let differing = Fields { equal: 90, mismatched: 10, ..Fields::default() };
        let (verdict, _, detail) = told(figures(10, differing));
        assert_eq!((verdict, &*detail), ("fail", "10% of fields differ, and 0.1% may"));
        let hidden = Fields { equal: 10, ignored: 90, ..Fields::default() };
        let (verdict, _, detail) = told(figures(5_000, hidden));
        assert_eq!(verdict, "undetermined");
        assert!(detail.starts_with("10% of the fields were looked at"), "{detail}");
        let mut lost = figures(9_000, equal(90_000));
        lost.shadowed = 10_000;
        assert!(told(lost).2.starts_with("90% of the exchanges"));
    }

    #[test]
    fn little_is_told_from_none() {
        for (ratio, text) in
            [(0.0, "0%"), (0.001, "0.1%"), (0.000_83, "0.083%"), (0.25, "25%"), (1.0, "100%")]
        {
            assert_eq!(percent(ratio), text);
        }
    }
}
