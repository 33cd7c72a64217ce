//! What the tests of comparing share.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::compare::{Answer, CompareRules, Comparison, Pair, Pinpoint, compare, pinpoint};

/// The cases of a table in `rules/cases/compare`.
macro_rules! table {
    ($name:literal) => {
        $crate::compare::tests::kit::cases(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/cases/compare/",
            $name
        )))
    };
}
pub(crate) use table;

pub(crate) fn cases(text: &str) -> Vec<Value> {
    let table: Value = serde_json::from_str(text).unwrap();
    let cases = table["cases"].as_array().unwrap().clone();
    assert_eq!(table["count"], cases.len());
    cases
}

pub(super) fn typed(media: &str) -> HeaderMap {
    [(CONTENT_TYPE, media.parse().unwrap())].into_iter().collect()
}

pub(super) fn compare_json(rules: &CompareRules, left: &str, right: &str) -> Comparison {
    of_json(left.as_bytes(), right.as_bytes(), |pair| compare(rules, pair))
}

pub(super) fn pinpoint_json(
    rules: &CompareRules,
    left: &str,
    right: &str,
) -> (Comparison, Vec<Pinpoint>) {
    of_json(left.as_bytes(), right.as_bytes(), |pair| pinpoint(rules, pair))
}

pub(super) fn of_json<T>(left: &[u8], right: &[u8], look: impl FnOnce(&Pair<'_>) -> T) -> T {
    let headers = typed("application/json");
    let answer = |body| Answer::new(200, &headers, body);
    let (stable, candidate) = (answer(left), answer(right));
    look(&Pair { method: &Method::GET, stable, candidate, twin: None })
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}
