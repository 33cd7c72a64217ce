//! The table of outcomes in `rules/cases/compare`: what either side does, and what the exchange comes to.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use rules::compare::Location;
use rules::exchange::{ExchangeReport, Outcome};
use serde_json::Value;

use super::origin::{Origin, Reply, json};
use super::{Bench, headers};
use crate::shadow::PrimaryEnd;

/// Cases of which something else is made here, and why.
const DEVIATIONS: [(&str, &str); 3] = [
    (
        "ex-6",
        "an exchange that is not sampled has no copy: the decision says so, and no sender is asked",
    ),
    ("ex-11", "writes are not forwarded in order, so no key is ever behind"),
    ("ex-17", "an HTTP answer is an answer: 429 on one side is another status"),
];

/// What the copy is answered.
fn reply(shadow: &str) -> Reply {
    let status =
        |status: &str| Reply::Bytes(format!("HTTP/1.1 {status} Some\r\ncontent-length: 0\r\n\r\n"));
    match shadow {
        "timeout" => Reply::Never,
        "reset_mid_body" => Reply::Cut("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned()),
        "compare_budget" => json(&deep(2)),
        code if code.parse::<u16>().is_ok() => status(code),
        _ => json("{}"),
    }
}

/// Deeper than is looked into.
fn deep(leaf: u8) -> String {
    format!("{}{leaf}{}", "[".repeat(300), "]".repeat(300))
}

/// Plays a case.
async fn played(primary: &str, shadow: &str) -> ExchangeReport {
    let origin = Origin::start({
        let shadow = shadow.to_owned();
        move |_| reply(&shadow)
    })
    .await;
    let address = match shadow {
        "connect_error" => "nobody.invalid:80",
        _ => &origin.address,
    };
    let mut bench = Bench::new(address);
    match shadow {
        "timeout" => bench = bench.policy(|policy| policy.timeout = Duration::from_millis(20)),
        "shed_by_proxy" => bench = bench.limited(1, 64),
        _ => {}
    }
    let mut capture = bench.begin().unwrap();
    if shadow == "shed_by_proxy" {
        capture.request_chunk(&Bytes::from_static(&[0; 65]));
    }
    capture.request_end();
    let end = match primary {
        "timeout" => PrimaryEnd::Timeout,
        "client_abort" => PrimaryEnd::ClientAbort,
        "502_from_proxy" => PrimaryEnd::Connect,
        "101_upgrade" => PrimaryEnd::Upgrade,
        "sse_stream" => PrimaryEnd::Stream,
        _ => PrimaryEnd::Complete,
    };
    if end == PrimaryEnd::Complete {
        let status = primary.get(..3).and_then(|code| code.parse().ok()).unwrap_or(StatusCode::OK);
        let (headers, body) = match (primary, shadow) {
            (_, "compare_budget") => (headers(&[("content-type", "application/json")]), deep(1)),
            ("ok", _) => (headers(&[("content-type", "application/json")]), "{}".to_owned()),
            _ => (headers(&[]), String::new()),
        };
        capture.response_head(status, &headers);
        capture.response_chunk(&Bytes::from(body));
    }
    capture.finish(end);
    bench.report().await
}

/// An outcome as the table writes it, and whether it is for the status alone.
fn told(report: &ExchangeReport) -> (String, bool) {
    let differences = &report.comparison.differences;
    let is_status = differences.iter().any(|found| found.difference.location == Location::Status);
    match report.comparison.outcome {
        Outcome::Match | Outcome::Mismatch => ("compared".to_owned(), is_status),
        Outcome::NotComparable(reason) => (format!("not_comparable:{}", reason.as_str()), false),
    }
}

#[tokio::test]
async fn every_exchange_comes_to_what_the_table_says() {
    let text = include_str!("../../../../rules/cases/compare/exchange_outcomes.json");
    let table: Value = serde_json::from_str(text).unwrap();
    let mut played_ids = Vec::new();
    for case in table["cases"].as_array().unwrap() {
        let [id, primary, shadow, outcome] =
            ["id", "primary", "shadow", "outcome"].map(|name| case[name].as_str().unwrap());
        if DEVIATIONS.iter().any(|(deviation, _)| *deviation == id) {
            continue;
        }
        let expected = outcome.split([' ', ';']).next().unwrap().trim_end_matches(':').to_owned();
        let is_status = outcome.contains("status mismatch");
        let report = played(primary, shadow).await;
        assert_eq!(told(&report), (expected, is_status), "{case}");
        played_ids.push(id);
    }
    assert_eq!(played_ids.len() + DEVIATIONS.len(), 20);
}
