//! What is held is bounded, and what is dropped is counted. (INV-7)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use rules::exchange::{NotComparable, Outcome};
use rules::sli::ShadowResult;
use tokio::sync::oneshot;

use super::origin::{Origin, Reply, json};
use super::{Bench, answer, eventually, headers};
use crate::shadow::PrimaryEnd;
use crate::shadow::capture::Capture;
use crate::shadow::lanes::Onramp;

const SHED: Outcome = Outcome::NotComparable(NotComparable::Shed);
const OVERSIZE: Outcome = Outcome::NotComparable(NotComparable::Oversize);
/// The bench's route keeps bodies up to this.
const MAX_BODY: usize = 1_024;

#[tokio::test]
async fn a_request_over_the_bound_is_not_sent() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    let mut capture = bench.begin().unwrap();
    capture.request_chunk(&Bytes::from(vec![b'x'; MAX_BODY]));
    capture.request_chunk(&Bytes::from_static(b"x"));
    assert_eq!(bench.report().await.comparison.outcome, OVERSIZE);
    bench.is_empty().await;
    capture.request_chunk(&Bytes::from_static(b"x"));
    capture.request_end();
    answer(capture, "{}");
    assert_eq!(bench.outcomes(), [(OVERSIZE, 1)]);
    assert_eq!(bench.results(), [(ShadowResult::Oversize, 1)]);
    assert!(origin.has_seen_nothing());
}

#[tokio::test]
async fn an_answer_over_the_bound_is_compared_by_its_hash() {
    for length in [MAX_BODY, MAX_BODY + 1] {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        let declared = json(&body);
        let chunked = Reply::Bytes(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
             {length:x}\r\n{body}\r\n0\r\n\r\n"
        ));
        for reply in [declared, chunked] {
            let Reply::Bytes(bytes) = reply else { unreachable!() };
            let origin = Origin::start(move |_| Reply::Bytes(bytes.clone())).await;
            let mut bench = Bench::new(&origin.address);
            let comparison = bench.exchange("{}").await.comparison;
            assert_eq!(comparison.outcome, Outcome::Mismatch);
            assert_eq!(comparison.is_whole, length <= MAX_BODY);
            assert_eq!(bench.results(), [(ShadowResult::Answered, 1)]);
            bench.is_empty().await;
        }
    }
}

#[tokio::test]
async fn two_long_answers_are_the_same_by_their_hashes() {
    for end in ["x", "y"] {
        let body = format!("{}{end}", "x".repeat(MAX_BODY));
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let origin = Origin::start(move |_| Reply::Bytes(reply.clone())).await;
        let mut bench = Bench::new(&origin.address);
        let mut capture = bench.begin().unwrap();
        capture.request_end();
        capture.response_head(StatusCode::OK, &headers(&[]));
        for chunk in "x".repeat(MAX_BODY + 1).as_bytes().chunks(100) {
            capture.response_chunk(&Bytes::copy_from_slice(chunk));
        }
        capture.finish(PrimaryEnd::Complete);
        let comparison = bench.report().await.comparison;
        assert_eq!(comparison.outcome == Outcome::Match, end == "x", "{comparison:?}");
        assert!(!comparison.is_whole);
        bench.is_empty().await;
    }
}

#[tokio::test]
async fn more_exchanges_than_the_bound_are_shed() {
    let origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address).limited(2, 1 << 20);
    let held = [bench.begin().unwrap(), bench.begin().unwrap()];
    assert_eq!(bench.begin().err(), Some(ShadowResult::Shed));
    assert_eq!(bench.outcomes(), [(SHED, 1)]);
    assert_eq!(bench.results(), [(ShadowResult::Shed, 1)]);
    for mut capture in held {
        capture.request_end();
        answer(capture, "{}");
    }
    for _ in 0..2 {
        assert_eq!(bench.report().await.comparison.outcome, Outcome::Match);
    }
    bench.is_empty().await;
    assert!(bench.begin().is_ok());
}

#[tokio::test]
async fn more_bytes_than_the_bound_are_shed() {
    let origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address).limited(64, 1_000);
    let mut first = bench.begin().unwrap();
    first.request_chunk(&Bytes::from(vec![0; 800]));
    let mut second = bench.begin().unwrap();
    second.request_chunk(&Bytes::from(vec![0; 800]));
    assert_eq!(bench.report().await.comparison.outcome, SHED);
    assert_eq!(bench.results(), [(ShadowResult::Shed, 1)]);
    first.request_end();
    first.response_head(StatusCode::OK, &headers(&[]));
    first.response_chunk(&Bytes::from(vec![0; 960]));
    assert_eq!(
        bench.report().await.comparison.outcome,
        SHED,
        "the answer does not fit beside its request"
    );
    bench.is_empty().await;
    assert!(bench.sender.gauges().bytes == 0 && bench.begin().is_ok());
    let tight = Bench::new(&origin.address).limited(64, 8);
    assert_eq!(tight.begin().err(), Some(ShadowResult::Shed), "not even the head fits");
}

#[tokio::test]
async fn a_restarted_request_is_kept_once() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    let mut capture = bench.begin().unwrap();
    for _ in 0..5 {
        capture.request_restart();
        capture.request_chunk(&Bytes::from(vec![b'x'; 1_000]));
    }
    capture.request_end();
    capture.request_restart();
    capture.request_chunk(&Bytes::from(vec![b'x'; 1_000]));
    capture.request_end();
    answer(capture, "{}");
    assert_eq!(bench.report().await.comparison.outcome, Outcome::Match);
    assert!(origin.request().await.ends_with(&format!("\r\n\r\n{}", "x".repeat(1_000))));
    assert!(origin.has_seen_nothing(), "sent once");
    bench.is_empty().await;
}

#[tokio::test]
async fn what_its_thread_does_not_take_up_is_shed() {
    let mut bench = Bench::new("127.0.0.1:1");
    let (onramp, lane) = Onramp::stuck(1);
    let depart = || {
        let (pending, _) = bench.sender.pending(bench.original()).unwrap();
        let mut capture = Capture::new(pending, onramp.clone());
        capture.request_end();
        capture
    };
    let (_waits, mut shed) = (depart(), depart());
    let held = bench.sender.gauges().bytes;
    shed.response_head(StatusCode::OK, &headers(&[("content-type", "application/json")]));
    shed.response_chunk(&Bytes::from_static(b"{}"));
    assert_eq!(bench.sender.gauges().bytes, held, "nobody waits for its answer");
    assert_eq!(bench.report().await.comparison.outcome, SHED);
    assert_eq!(bench.results(), [(ShadowResult::Shed, 1)], "the first one still waits");
    drop(lane);
    assert_eq!(bench.report().await.comparison.outcome, SHED);
    bench.is_empty().await;
}

#[tokio::test]
async fn what_its_thread_takes_up_too_late_is_shed() {
    let mut origin = Origin::start(|_| json("{}")).await;
    let mut bench = Bench::new(&origin.address);
    let (pending, onramp) = bench.sender.pending(bench.original()).unwrap();
    let (_primary, answer) = oneshot::channel();
    let due = Instant::now().checked_sub(Duration::from_secs(4)).unwrap();
    assert!(onramp.depart(due, Box::new(pending), answer));
    assert_eq!(bench.report().await.comparison.outcome, SHED);
    assert_eq!(bench.results(), [(ShadowResult::Shed, 1)]);
    assert!(origin.has_seen_nothing());
    bench.is_empty().await;
}

#[tokio::test]
async fn the_breaker_opens_after_failures_in_a_row() {
    let origin = Origin::start(|_| Reply::Cut(String::new())).await;
    let hour = Duration::from_secs(3_600);
    let mut bench = Bench::new(&origin.address).breaking(2, hour);
    for _ in 0..2 {
        bench.exchange("{}").await;
    }
    assert_eq!(bench.begin().err(), Some(ShadowResult::BreakerOpen));
    let truncated = Outcome::NotComparable(NotComparable::ShadowTruncated);
    assert_eq!(bench.outcomes().len(), 2);
    assert!(bench.outcomes().contains(&(truncated, 2)) && bench.outcomes().contains(&(SHED, 1)));
    let expected = [(ShadowResult::Failed, 2), (ShadowResult::BreakerOpen, 1)];
    assert_eq!(bench.results(), expected);

    bench = bench.upstream(|definition| definition.generation = 2);
    assert!(bench.begin().is_ok(), "defined anew, it is asked anew");
}

#[tokio::test]
async fn the_breaker_closes_when_a_trial_is_answered() {
    let is_well = Arc::new(AtomicBool::new(false));
    let origin = {
        let is_well = Arc::clone(&is_well);
        let reply = move |_: &str| {
            if is_well.load(Ordering::Relaxed) { json("{}") } else { Reply::Cut(String::new()) }
        };
        Origin::start(reply).await
    };
    let mut bench = Bench::new(&origin.address).breaking(2, Duration::ZERO);
    for _ in 0..2 {
        bench.exchange("{}").await;
    }
    let mut trial = bench.begin().unwrap();
    assert_eq!(bench.begin().err(), Some(ShadowResult::BreakerOpen), "one trial at a time");
    is_well.store(true, Ordering::Relaxed);
    trial.request_end();
    answer(trial, "{}");
    assert_eq!(bench.report().await.comparison.outcome, Outcome::Match);
    let both = (bench.begin(), bench.begin());
    assert!(both.0.is_ok() && both.1.is_ok());
}

#[tokio::test]
async fn reports_that_nobody_takes_are_dropped_and_counted() {
    let origin = Origin::start(|_| json("{}")).await;
    let bench = Bench::new(&origin.address);
    for _ in 0..64 {
        bench.begin().unwrap().finish(PrimaryEnd::ClientAbort);
    }
    assert_eq!(bench.sender.gauges().reports_dropped, 0);
    bench.begin().unwrap().finish(PrimaryEnd::ClientAbort);
    eventually(|| bench.sender.gauges().reports_dropped == 1).await;
    assert_eq!(bench.outcomes(), [(Outcome::NotComparable(NotComparable::ClientAbort), 65)]);
}
