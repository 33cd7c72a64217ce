//! Origins over real sockets: what they record, and how they fail.

use std::net::TcpListener;
use std::time::Duration;

use http::{Method, StatusCode};
use loadtest::load::{Call, Failure, Load, Plan, ask};
use loadtest::origin::{Fault, Fixed, Gate, Manner, Origin, Reply, echo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_request_is_recorded_and_echoed() {
    let origin = Origin::start("a", echo).await.unwrap();
    let call =
        Call::new(Method::PUT, "/x/y?z=1&z=2").with_header("X-Some", "thing").with_body("hello");
    let answer = ask(origin.address(), call, SOON).await;
    assert_eq!(answer.status, Ok(StatusCode::OK));
    assert_eq!(answer.origin(), Some("a"));
    let echoed: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(echoed["path"], "/x/y");
    assert_eq!(echoed["query"], "z=1&z=2");
    assert_eq!(echoed["headers"]["x-some"][0], "thing");
    assert_eq!(echoed["body"], "hello");

    let [recorded] = origin.requests().try_into().unwrap();
    assert_eq!((recorded.number, recorded.method.as_str()), (1, "PUT"));
    assert_eq!((recorded.path(), recorded.query()), ("/x/y", "z=1&z=2"));
    assert_eq!(recorded.header("x-some"), Some("thing"));
    assert_eq!(recorded.body, "hello");
    origin.forget();
    assert_eq!((origin.requests().len(), origin.count()), (0, 1));
}

#[tokio::test]
async fn the_last_requests_are_kept_and_all_are_counted() {
    let origin = Origin::start("a", |_| Reply::text("")).await.unwrap();
    let plan = Plan::connections(origin.address(), 4).for_requests(9_000);
    let figures = Load::start(plan, |_| Call::get("/"), |_| ()).unwrap().finish().await;
    assert_eq!((figures.ok, origin.count()), (9_000, 9_000));
    let numbers: Vec<u64> = origin.requests().iter().map(|request| request.number).collect();
    assert_eq!((numbers.len(), numbers.last()), (8_192, Some(&9_000)));
}

#[tokio::test]
async fn faults_are_what_they_say() {
    let origin = Origin::start("a", |_| Reply::fault(Fault::Close)).await.unwrap();
    let failed = |fault| {
        origin.behave(move |_| Reply::fault(fault));
        ask(origin.address(), Call::get("/"), Duration::from_millis(300))
    };
    assert_eq!(failed(Fault::Close).await.status, Err(Failure::Connection));
    assert_eq!(failed(Fault::Reset).await.status, Err(Failure::Connection));
    assert_eq!(failed(Fault::Truncate).await.status, Err(Failure::Truncated));
    let held = failed(Fault::BlackHole).await;
    assert_eq!(held.status, Err(Failure::Timeout));
    assert!(held.latency >= Duration::from_millis(300));
}

#[tokio::test]
async fn resets_are_told_from_closes_on_the_wire() {
    for (fault, kind) in
        [(Fault::Reset, Some(std::io::ErrorKind::ConnectionReset)), (Fault::Close, None)]
    {
        let origin = Origin::start("a", move |_| Reply::fault(fault)).await.unwrap();
        let mut stream = tokio::net::TcpStream::connect(origin.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let end = stream.read_to_end(&mut Vec::new()).await;
        assert_eq!(end.err().map(|error| error.kind()), kind, "{fault:?}");
    }
}

#[tokio::test]
async fn half_a_body_arrives_before_a_truncation() {
    let whole = |_: &_| Reply { fault: Some(Fault::Truncate), ..Reply::text("12345678") };
    let origin = Origin::start("a", whole).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(origin.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("content-length: 8\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n1234"), "{answer}");
}

#[tokio::test]
async fn answers_wait_for_delay_and_gate() {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start("a", move |_| {
        Reply::text("").after(Duration::from_millis(30)).held_by(&held)
    });
    let origin = origin.await.unwrap();
    let (answer, ()) = tokio::join!(ask(origin.address(), Call::get("/"), SOON), async {
        assert!(origin.reached(1, SOON).await);
        gate.open();
    });
    assert!(answer.is_ok());
    assert!(answer.latency >= Duration::from_millis(30));
    assert!(!origin.reached(2, Duration::from_millis(1)).await);
}

#[tokio::test]
async fn a_stopped_origin_frees_its_port_and_can_come_back() {
    let origin = Origin::start("a", |_| Reply::text("")).await.unwrap();
    let address = origin.address();
    let mut idle = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(ask(address, Call::get("/"), SOON).await.is_ok());
    origin.stop().await;
    assert_eq!(tokio::time::timeout(SOON, idle.read(&mut [0])).await.unwrap().unwrap(), 0);
    assert!(std::net::TcpStream::connect(address).is_err());
    drop(TcpListener::bind(address).unwrap());
    let again = Origin::start_at(address, "b", |_| Reply::text("")).await.unwrap();
    assert_eq!(ask(again.address(), Call::get("/"), SOON).await.origin(), Some("b"));
}

#[tokio::test]
async fn names_and_ports_that_cannot_be_are_errors() {
    let named = Origin::start("line\nbreak", |_| Reply::text("")).await;
    assert_eq!(named.err().unwrap().kind(), std::io::ErrorKind::InvalidInput);
    let origin = Origin::start("a", |_| Reply::text("")).await.unwrap();
    let taken = Origin::start_at(origin.address(), "b", |_| Reply::text("")).await;
    assert_eq!(taken.err().unwrap().kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_fixed_origin_answers_what_the_query_asks_for_and_in_its_manner() {
    let manner = Manner { noisy: 2_500, failing: 1_250, delay: Duration::from_millis(5) };
    let origin = Fixed::start("fast", manner).await.unwrap();
    let text = ask(origin.address(), Call::get("/any?bytes=1000"), SOON).await;
    assert_eq!((text.body.len(), text.origin()), (1_000, Some("fast")));
    assert!(text.latency >= manner.delay);

    let post = Call::new(Method::POST, "/any?json=2048").with_body("x".repeat(100_000));
    let mut seen = std::collections::BTreeMap::<_, u32>::new();
    for _ in 0..16 {
        let answer = ask(origin.address(), post.clone(), SOON).await;
        *seen.entry((answer.status.unwrap(), answer.body)).or_default() += 1;
    }
    assert_eq!(origin.count(), 17);
    let bodies: Vec<(u16, usize, u32)> =
        seen.iter().map(|((status, body), n)| (status.as_u16(), body.len(), *n)).collect();
    // A quarter with another value, of which every second one fails instead.
    assert_eq!(bodies, [(200, 2_048, 12), (200, 2_048, 2), (503, 0, 2)]);

    let wrong = ask(origin.address(), Call::get("/?lines=3"), SOON).await;
    assert_eq!(wrong.status, Err(Failure::Connection));
}
