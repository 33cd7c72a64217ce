//! Loads over real sockets: pace, bounds, figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use loadtest::load::{Call, Failure, Load, Pace, Plan, Protocol};
use loadtest::origin::{Gate, Origin, Reply};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_open_loop_keeps_its_rate_and_ends() {
    let origin = Origin::start("a", |_| Reply::text("")).await.unwrap();
    let plan = Plan::per_second(origin.address(), 500.0).for_time(Duration::from_millis(400));
    let start = Instant::now();
    let figures = Load::start(plan, |_| Call::get("/"), |_| ()).unwrap().finish().await;
    assert!(start.elapsed() >= Duration::from_millis(395));
    assert_eq!((figures.sent, figures.ok, figures.failed), (200, 200, 0));
    assert_eq!(figures.answered_by("a"), 200);
    assert_eq!(figures.by_status.get(&200), Some(&200));
}

#[tokio::test]
async fn a_stall_shows_in_every_request_it_held_up() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start("a", move |_| Reply::text("").held_by(&held)).await.unwrap();
    let plan = Plan { in_flight: 2, ..Plan::per_second(origin.address(), 1_000.0) };
    let load = Load::start(plan.for_requests(100), |_| Call::get("/"), |_| ()).unwrap();
    assert!(origin.reached(2, SOON).await);
    assert!(!origin.reached(3, Duration::from_millis(300)).await);
    gate.open();
    let figures = load.finish().await;
    assert_eq!(figures.ok, 100);
    assert!(figures.latency.p50 >= Duration::from_millis(200), "{:?}", figures.latency);
}

#[tokio::test]
async fn a_closed_loop_has_as_many_in_flight_as_connections() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let origin = Origin::start("a", |_| Reply::text("").after(Duration::from_millis(2))).await;
    let origin = origin.unwrap();
    let (begun, highest, ended) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&now));
    let load = Load::start(
        Plan::connections(origin.address(), 3).for_requests(60),
        move |number| {
            highest.fetch_max(begun.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Call::get(format!("/{number}"))
        },
        move |_| {
            ended.fetch_sub(1, Ordering::SeqCst);
        },
    );
    let figures = load.unwrap().finish().await;
    assert_eq!((figures.ok, most.load(Ordering::SeqCst)), (60, 3));
    let peers: std::collections::BTreeSet<_> =
        origin.requests().iter().map(|request| request.peer).collect();
    assert!(peers.len() <= 3, "connections are kept alive: {peers:?}");
}

#[tokio::test]
async fn figures_are_readable_while_it_runs_and_windows_begin_anew() {
    let origin = Origin::start("a", |request| {
        let fails = request.number.is_multiple_of(4);
        Reply::text("").with_status(if fails { StatusCode::BAD_GATEWAY } else { StatusCode::OK })
    });
    let origin = origin.await.unwrap();
    let load = Load::start(Plan::per_second(origin.address(), 400.0), |_| Call::get("/"), |_| ());
    let load = load.unwrap();
    assert!(origin.reached(40, SOON).await);
    let first = load.window();
    assert!(first.sent >= 40 && first.ended() > 0, "{first:?}");
    assert!(origin.reached(first.sent + 40, SOON).await);
    let second = load.window();
    let all = load.stop().await;
    assert_eq!(all.in_flight(), 0);
    assert_eq!(all.failed, all.sent / 4);
    assert!(second.sent + first.sent <= all.sent && second.sent >= 30, "{second:?}");
    assert_eq!(origin.count(), all.sent);
}

#[tokio::test]
async fn what_cannot_be_sent_or_reached_counts_as_failed() {
    let origin = Origin::start("a", |_| Reply::text("")).await.unwrap();
    let address = origin.address();
    let bad = |_| Call::get("/").with_header("no good", "x");
    let figures = Load::start(Plan::connections(address, 1).for_requests(3), bad, |_| ());
    let figures = figures.unwrap().finish().await;
    assert_eq!((figures.failed, origin.count()), (3, 0));
    assert_eq!(figures.unanswered.get(&Failure::Unsendable), Some(&3));

    origin.stop().await;
    let load =
        Load::start(Plan::connections(address, 1).for_requests(2), |_| Call::get("/"), |_| ());
    let figures = load.unwrap().finish().await;
    assert_eq!(figures.unanswered.get(&Failure::Connection), Some(&2));
}

#[tokio::test]
async fn a_pace_of_nothing_is_an_error() {
    let target = ([127, 0, 0, 1], 9).into();
    for pace in [Pace::PerSecond(0.0), Pace::PerSecond(f64::NAN), Pace::Connections(0)] {
        let plan = Plan { pace, ..Plan::connections(target, 1) };
        assert!(Load::start(plan, |_| Call::get("/"), |_| ()).is_err(), "{pace:?}");
    }
}

#[tokio::test]
async fn a_stalled_origin_shows_in_the_slowest_of_a_punctual_load() {
    let gate = Gate::closed();
    gate.open();
    let held = gate.clone();
    let origin = Origin::start("a", move |_| Reply::text("").held_by(&held)).await.unwrap();
    let plan = Plan { punctual: true, ..Plan::per_second(origin.address(), 500.0) };
    let load = Load::start(plan.for_requests(300), |_| Call::get("/"), |_| ()).unwrap();
    assert!(origin.reached(100, SOON).await);
    gate.close();
    let stalled = Instant::now();
    assert!(origin.reached(200, SOON).await);
    let stall = stalled.elapsed();
    gate.open();
    let figures = load.finish().await;
    assert_eq!(figures.ok, 300);
    // A closed loop would have sent one more request into the stall. Three in a hundred of all waited for nearly all of it.
    assert!(figures.latency.p99 >= stall.mul_f64(0.8), "{:?} of {stall:?}", figures.latency);
}

#[tokio::test]
async fn http2_needs_one_connection_for_all_requests() {
    let origin = h2_server().await.unwrap();
    let plan = Plan { protocol: Protocol::Http2, ..Plan::connections(origin, 4) };
    let figures = Load::start(plan.for_requests(50), |_| Call::get("/"), |_| ()).unwrap();
    let figures = figures.finish().await;
    // The server counts connections from 1, and tells each its own number.
    assert_eq!((figures.ok, figures.answered_by("connection-1")), (50, 50));
}

/// A server that speaks HTTP/2 by prior knowledge and nothing else.
async fn h2_server() -> std::io::Result<std::net::SocketAddr> {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        for number in 1.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let answer = move |_| async move {
                let answer =
                    http::Response::builder().header("x-origin", format!("connection-{number}"));
                answer.body(http_body_util::Empty::<bytes::Bytes>::new())
            };
            let service = hyper::service::service_fn(answer);
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(address)
}
