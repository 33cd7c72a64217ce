//! Exchanges as tests make them up.

use std::sync::Arc;

use rules::compare::{Comparison, Difference, DifferenceKind, Fields, Found, Location, ValueClass};
use rules::exchange::{ExchangeReport, NotComparable, Outcome};

/// A difference by value.
pub(crate) fn difference(path: &str) -> Difference {
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
pub(crate) fn matching(exchange: &str, at_unix_ms: i64) -> ExchangeReport {
    let comparison = Comparison {
        outcome: Outcome::Match,
        fields: Fields { equal: 10, ..Fields::default() },
        is_whole: true,
        ..Comparison::impossible(NotComparable::Budget)
    };
    report(exchange, at_unix_ms, comparison)
}

/// An exchange of ten fields of which these differ, one each.
pub(crate) fn differing(exchange: &str, at_unix_ms: i64, paths: &[&str]) -> ExchangeReport {
    let many = u64::try_from(paths.len()).unwrap();
    let found = |path: &&str| Found { difference: difference(path), fields: 1 };
    let mut report = matching(exchange, at_unix_ms);
    report.comparison.outcome = Outcome::Mismatch;
    report.comparison.fields = Fields { equal: 10 - many, mismatched: many, ..Fields::default() };
    report.comparison.differences = paths.iter().map(found).collect();
    report
}

/// An exchange that could not be compared.
pub(crate) fn failed(
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
