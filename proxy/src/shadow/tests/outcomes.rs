//! Every exchange ends in exactly one outcome, whatever either side does.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use rules::compare::{DifferenceKind, ValueClass};
use rules::exchange::{NotComparable, Outcome};
use rules::route::Arm;
use rules::sli::ShadowResult;
use tokio::net::TcpListener;

use super::origin::{Origin, Reply, json};
use super::{Bench, answer, headers};
use crate::shadow::{Capture, PrimaryEnd};

const fn not(reason: NotComparable) -> Outcome {
    Outcome::NotComparable(reason)
}

#[tokio::test]
async fn an_equal_answer_is_a_match() {
    let origin = Origin::start(|_| json("{\"a\": 1.0}")).await;
    let mut bench = Bench::new(&origin.address);
    let report = bench.exchange("{\"a\":1}").await;
    assert_eq!(report.comparison.outcome, Outcome::Match);
    assert_eq!((report.route.as_str(), &*report.exchange_id), ("sms", "exchange-1"));
    assert!(report.comparison.differences.is_empty());
    assert_eq!(bench.outcomes(), [(Outcome::Match, 1)]);
    assert_eq!(bench.results(), [(ShadowResult::Answered, 1)]);
    bench.is_empty().await;
}

#[tokio::test]
async fn stable_is_left_whichever_arm_serves() {
    let origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    for (serving, kind, classes) in [
        (Arm::Stable, DifferenceKind::Missing, (ValueClass::Number, ValueClass::Absent)),
        (Arm::Candidate, DifferenceKind::Extra, (ValueClass::Absent, ValueClass::Number)),
    ] {
        let mut original = bench.original();
        original.serving = serving;
        let mut capture = bench.sender.begin(original).unwrap();
        capture.request_end();
        answer(capture, "{\"a\":1}");
        let report = bench.report().await;
        assert_eq!(report.comparison.outcome, Outcome::Mismatch);
        let [found] = report.comparison.differences.as_slice() else { panic!("{report:?}") };
        assert_eq!(
            (&*found.difference.path, found.difference.kind, found.difference.classes),
            ("/a", kind, classes)
        );
    }
}

#[tokio::test]
async fn an_error_or_a_redirect_is_an_answer() {
    for (status, head) in [("503", "Unavailable"), ("302", "Found\r\nlocation: /elsewhere")] {
        let mut origin = Origin::start(move |_| {
            Reply::Bytes(format!("HTTP/1.1 {status} {head}\r\ncontent-length: 0\r\n\r\n"))
        })
        .await;
        let mut bench = Bench::new(&origin.address);
        let report = bench.exchange("{}").await;
        assert_eq!(*report.comparison.differences[0].difference.path, *format!("200 -> {status}"));
        assert_eq!(bench.results(), [(ShadowResult::Answered, 1)]);
        origin.request().await;
        assert!(origin.has_seen_nothing(), "redirects are not followed");
    }
}

#[tokio::test]
async fn a_dead_target_is_a_failed_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut bench = Bench::new(&address);
    assert_eq!(bench.exchange("{}").await.comparison.outcome, not(NotComparable::ShadowConnect));
    assert_eq!(bench.results(), [(ShadowResult::Failed, 1)]);
    bench.is_empty().await;
}

#[tokio::test]
async fn an_unresolved_target_is_a_failed_connection() {
    let mut bench = Bench::new("nobody.invalid:80");
    assert_eq!(bench.exchange("{}").await.comparison.outcome, not(NotComparable::ShadowConnect));
}

#[tokio::test]
async fn a_black_hole_costs_no_more_than_the_time_out() {
    let origin = Origin::start(|_| Reply::Never).await;
    let mut bench =
        Bench::new(&origin.address).policy(|policy| policy.timeout = Duration::from_millis(20));
    assert_eq!(bench.exchange("{}").await.comparison.outcome, not(NotComparable::ShadowTimeout));
    assert_eq!(bench.results(), [(ShadowResult::Failed, 1)]);
    bench.is_empty().await;
}

#[tokio::test]
async fn a_stalled_body_is_too_late_as_well() {
    let origin = Origin::start(|_| {
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned())
    })
    .await;
    let mut bench =
        Bench::new(&origin.address).policy(|policy| policy.timeout = Duration::from_millis(20));
    assert_eq!(bench.exchange("{}").await.comparison.outcome, not(NotComparable::ShadowTimeout));
    bench.is_empty().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_truncated() {
    for cut in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
        "not http at all\r\n\r\n",
    ] {
        let origin = Origin::start(|_| Reply::Cut(cut.to_owned())).await;
        let mut bench = Bench::new(&origin.address);
        let report = bench.exchange("{}").await;
        assert_eq!(report.comparison.outcome, not(NotComparable::ShadowTruncated), "{cut:?}");
        assert_eq!(bench.results(), [(ShadowResult::Failed, 1)]);
    }
}

#[tokio::test]
async fn what_ends_the_primary_is_the_outcome() {
    let origin = Origin::start(|_| json("{}")).await;
    for (end, reason) in [
        (PrimaryEnd::Timeout, NotComparable::PrimaryTimeout),
        (PrimaryEnd::Connect, NotComparable::PrimaryConnect),
        (PrimaryEnd::ClientAbort, NotComparable::ClientAbort),
        (PrimaryEnd::Upgrade, NotComparable::Upgrade),
        (PrimaryEnd::Stream, NotComparable::Stream),
    ] {
        let mut bench = Bench::new(&origin.address);
        let mut sent = bench.begin().unwrap();
        sent.request_end();
        sent.finish(end);
        assert_eq!(bench.report().await.comparison.outcome, not(reason));
        assert_eq!(bench.results(), [(ShadowResult::Answered, 1)]);
        bench.begin().unwrap().finish(end);
        assert_eq!(bench.report().await.comparison.outcome, not(reason));
        assert_eq!(bench.outcomes(), [(not(reason), 2)]);
        assert_eq!(bench.results(), [(ShadowResult::Answered, 1)], "the second was not sent");
        bench.is_empty().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_at_any_moment_is_counted_once() {
    let origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    drop(bench.begin().unwrap());
    assert_eq!(bench.report().await.comparison.outcome, not(NotComparable::Shed));
    let mut sent = bench.begin().unwrap();
    sent.request_end();
    sent.response_head(StatusCode::OK, &headers(&[]));
    drop(sent);
    assert_eq!(bench.report().await.comparison.outcome, not(NotComparable::ClientAbort));
    assert_eq!(bench.outcomes().iter().map(|(_, count)| count).sum::<u64>(), 2);
    bench.is_empty().await;
}

#[tokio::test]
async fn an_answer_without_end_is_let_go_at_once() {
    let origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    let event_stream = headers(&[("content-type", "Text/Event-Stream; charset=utf-8")]);
    let begin = |capture: &mut Capture| capture.response_head(StatusCode::OK, &event_stream);
    let mut capture = bench.begin().unwrap();
    capture.request_end();
    begin(&mut capture);
    assert_eq!(bench.report().await.comparison.outcome, not(NotComparable::Stream));
    bench.is_empty().await;
    capture.response_chunk(&Bytes::from_static(b"data: 1\n\n"));
    capture.finish(PrimaryEnd::Complete);
    assert_eq!(bench.outcomes(), [(not(NotComparable::Stream), 1)]);

    let origin = Origin::start(|_| {
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned())
    })
    .await;
    let mut bench = Bench::new(&origin.address);
    assert_eq!(bench.exchange("{}").await.comparison.outcome, not(NotComparable::Stream));
}

#[tokio::test]
async fn an_upgrade_is_no_answer() {
    let origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    let mut capture = bench.begin().unwrap();
    capture.request_end();
    capture.response_head(StatusCode::SWITCHING_PROTOCOLS, &headers(&[]));
    capture.response_chunk(&Bytes::from_static(b"frame"));
    capture.finish(PrimaryEnd::Upgrade);
    assert_eq!(bench.report().await.comparison.outcome, not(NotComparable::Upgrade));
}

#[tokio::test]
async fn a_primary_that_answers_before_its_request_is_whole_has_no_copy() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    let mut capture = bench.begin().unwrap();
    capture.request_chunk(&Bytes::from_static(b"half"));
    answer(capture, "{}");
    assert_eq!(bench.report().await.comparison.outcome, not(NotComparable::Shed));
    assert_eq!(bench.results(), [(ShadowResult::Shed, 1)]);
    assert!(origin.has_seen_nothing());
    bench.is_empty().await;
}

#[tokio::test]
async fn only_the_last_of_several_heads_is_compared() {
    let origin = Origin::start(|_| json("{\"a\":1}")).await;
    let mut bench = Bench::new(&origin.address);
    let mut capture = bench.begin().unwrap();
    capture.request_end();
    capture.response_head(StatusCode::EARLY_HINTS, &headers(&[]));
    capture.response_head(StatusCode::BAD_GATEWAY, &headers(&[]));
    capture.response_chunk(&Bytes::from_static(b"the first attempt"));
    answer(capture, "{\"a\":1}");
    assert_eq!(bench.report().await.comparison.outcome, Outcome::Match);
}

#[tokio::test]
async fn when_the_sender_ends_what_is_under_way_is_settled() {
    let mut origin = Origin::start(|_| Reply::Never).await;
    let mut bench = Bench::new(&origin.address);
    let mut capture = bench.begin().unwrap();
    capture.request_end();
    origin.request().await;
    let other = Bench::new(&origin.address).sender;
    drop(std::mem::replace(&mut bench.sender, other));
    assert_eq!(bench.report().await.comparison.outcome, not(NotComparable::Shed));
    answer(capture, "{}");
    assert_eq!(bench.outcomes(), [(not(NotComparable::Shed), 1)]);
}
