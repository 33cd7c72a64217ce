//! May a GET, a HEAD or a DELETE have a body? Where its route says so; elsewhere nothing of it reaches anybody.

use crate::kit::{Memory, Origin, RawConnection, Setup, Turnout, origin, sample};

const ROUTES: &str = r#"
routes:
  allowed: {canonical: /allowed, unusual_bodies: allow, stable: {upstream: api}}
  ordinary: {canonical: /ordinary, stable: {upstream: api}}
  moved: {canonical: /moved, redirect: {path: /there}}
"#;
/// What some reader takes for a request of its own.
const HIDDEN: &str = "GET /ordinary/hidden HTTP/1.1\r\nHost: h\r\n\r\n";

async fn world() -> (Turnout, Origin) {
    let api = origin("api").await;
    (Setup::new(ROUTES).upstream("api", api.address()).start().await, api)
}

fn framings() -> [String; 2] {
    [
        format!("Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len()),
    ]
}

#[tokio::test]
async fn a_route_may_allow_them() {
    let (turnout, api) = world().await;
    for method in ["GET", "DELETE", "HEAD"] {
        for framing in framings() {
            let mut client = RawConnection::open(turnout.proxy()).await;
            let head = format!("{method} /allowed HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
            client.write(head + &framing).await;
            let answer = client.read_to_end().await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{method}: {answer}");
            assert_eq!(api.last().method, method);
            assert_eq!(&*api.last().body, HIDDEN.as_bytes(), "{method} {framing:?}");
        }
    }
    assert_eq!(api.count(), 6);
}

#[tokio::test]
async fn a_route_that_does_not_is_never_asked() {
    let (turnout, api) = world().await;
    for method in ["GET", "DELETE", "HEAD"] {
        for framing in framings() {
            let mut client = RawConnection::open(turnout.proxy()).await;
            client.write(format!("{method} /ordinary HTTP/1.1\r\nHost: h\r\n{framing}")).await;
            let answer = client.read_to_end().await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{method}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{method}: {answer}");
            assert_eq!(answer.contains("body_not_allowed"), method != "HEAD", "{answer}");
        }
    }
    assert_eq!(api.count(), 0);
    let metrics = turnout.metrics().await;
    let refused =
        sample(&metrics, "turnout_refused_requests_total", &["reason=\"body_not_allowed\""]);
    assert_eq!(refused, Some(6.0), "{metrics}");
    turnout.get("/ordinary").await.expect(200);
}

/// The proxy's own answers leave nothing of a body on the connection.
#[tokio::test]
async fn where_no_arm_answers_a_body_is_no_request() {
    let (turnout, api) = world().await;
    for (path, status) in [("/nowhere", 404), ("/moved", 308), ("/moved/x", 308)] {
        for framing in framings() {
            let mut client = RawConnection::open(turnout.proxy()).await;
            client.write(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{framing}")).await;
            let (head, _) = client.read_answer().await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{path}: {head}");
        }
    }
    turnout.get("/ordinary/probe").await.expect(200);
    assert_eq!((api.count(), &*api.last().path_and_query), (1, "/ordinary/probe"));
}

#[tokio::test]
async fn without_a_route_that_allows_them_they_do_not_even_pass_the_gate() {
    let api = origin("api").await;
    let routes = ROUTES.replace("unusual_bodies: allow, ", "");
    let turnout = Setup::new(&routes).upstream("api", api.address()).start().await;
    for framing in framings() {
        let mut client = RawConnection::open(turnout.proxy()).await;
        client.write(format!("GET /allowed HTTP/1.1\r\nHost: h\r\n{framing}")).await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("body_not_allowed"), "{answer}");
    }
    assert_eq!(api.count(), 0);
}
