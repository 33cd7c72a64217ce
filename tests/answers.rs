//! What may an arm answer? What two readers could read differently becomes a 502, and its connection serves nobody else.

use crate::kit::{RawConnection, RawOrigin, Setup, Turnout};

const ALL: &str = "threads: 1\nroutes:\n  all: {canonical: /, stable: {upstream: api}}\n";

async fn before(api: &RawOrigin) -> Turnout {
    let patient = format!(
        "{{targets: [{{address: \"{}\"}}], passive: {{consecutive: 1000}}, breaker: {{min: 1000}}}}",
        api.address()
    );
    Setup::new(ALL).upstream_as("api", &patient).start().await
}

/// Asks, and has the arm answer with these bytes, after which its connection must end.
async fn asked(
    turnout: &Turnout,
    api: &mut RawOrigin,
    method: &str,
    answer: &str,
) -> RawConnection {
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write(format!("{method} /b HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    let mut arm = api.accept_asked(&format!("{method} /b")).await;
    arm.write(answer).await;
    arm.read_to_end().await;
    client
}

/// What the client got, once its next request was answered over another connection.
async fn with_the_next(mut client: RawConnection, api: &mut RawOrigin) -> String {
    client.write("GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    let mut arm = api.accept_asked("GET /next").await;
    arm.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnext").await;
    client.read_to_end().await
}

#[tokio::test]
async fn an_answer_that_ends_in_two_places_is_none() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(&api).await;
    let body = "smuggled";
    for (status, fields) in [
        ("1.1 200 OK", "Content-Length: 8\r\nContent-Length: 9\r\n"),
        ("1.1 200 OK", "Content-Length: 8\r\nContent-Length: 8\r\n"),
        ("1.1 200 OK", "Content-Length: 8, 8\r\n"),
        ("1.1 200 OK", "Content-Length: 8, 9\r\n"),
        ("1.1 200 OK", "Content-Length: +8\r\n"),
        ("1.1 200 OK", "Content-Length: 08\r\n"),
        ("1.1 200 OK", "Content-Length: 0x8\r\n"),
        ("1.1 200 OK", "Content-Length: 12345678901234567890\r\n"),
        ("1.1 200 OK", "Content-Length: \r\n"),
        ("1.1 200 OK", "Content-Length: 8\r\nTransfer-Encoding: chunked\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 8\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: chunked, chunked\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: gzip, chunked\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: chunked, gzip\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: identity\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: xchunked\r\n"),
        ("1.1 200 OK", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("1.0 200 OK", "Transfer-Encoding: chunked\r\n"),
        ("1.1 204 No Content", "Content-Length: 8\r\n"),
        ("1.1 204 No Content", "Transfer-Encoding: chunked\r\n"),
        ("1.1 205 Reset Content", "Content-Length: 8\r\n"),
        ("1.1 103 Early Hints", "Content-Length: 8\r\n"),
        ("1.1 103 Early Hints", "Transfer-Encoding: chunked\r\n"),
        ("1.1 101 Switching Protocols", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    ] {
        let answer = format!("HTTP/{status}\r\n{fields}\r\n{body}");
        let got = asked(&turnout, &mut api, "GET", &answer).await.read_to_end().await;
        assert!(got.starts_with("HTTP/1.1 502 ") && !got.contains(body), "{answer:?}: {got}");
        assert!(got.contains("\"code\":\"upstream_broken\""), "{answer:?}: {got}");
    }
}

#[tokio::test]
async fn nine_interim_answers_are_too_many() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(&api).await;
    let answer = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9)
        + "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";
    let got = asked(&turnout, &mut api, "GET", &answer).await.read_to_end().await;
    assert!(got.contains("HTTP/1.1 502 ") && !got.contains("smuggled"), "{got}");
}

/// An answer that the arm sends without being asked, right behind the one that it was asked for.
#[tokio::test]
async fn what_comes_after_an_answer_reaches_nobody() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(&api).await;
    let behind = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";
    for (method, answer) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ] {
        let client = asked(&turnout, &mut api, method, &format!("{answer}{behind}")).await;
        let got = with_the_next(client, &mut api).await;
        assert!(
            got.as_bytes().starts_with(&answer.as_bytes()[..12]) && got.ends_with("next"),
            "{answer:?}: {got}"
        );
        assert!(!got.contains("smuggled"), "{answer:?}: {got}");
    }
}

#[tokio::test]
async fn an_answer_without_content_says_nothing_of_its_length() {
    let mut api = RawOrigin::listen().await;
    let turnout = before(&api).await;
    let answer = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let mut client = asked(&turnout, &mut api, "DELETE", answer).await;
    let got = client.read_until("\r\n\r\n").await.to_lowercase();
    assert!(got.starts_with("http/1.1 204 ") && !got.contains("content-length"), "{got}");
}
