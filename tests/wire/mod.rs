//! Do bytes that two readers could read differently stay outside? Public corpora, against three kinds of origins.

mod corpora;
mod differences;
mod origins;

use std::time::Duration;

use corpora::{Case, Verdict};
use origins::{Origin, Reader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{RawConnection, RawOrigin, Setup, Turnout, eventually, get, sample};

const ALL: &str =
    "threads: 1\nroutes:\n  all: {canonical: /, stable: {upstream: api}, websockets: true}\n";
/// How long an answer that is due may take.
const DUE: Duration = Duration::from_secs(20);
/// How long is listened for an answer that must not come.
const QUIET: Duration = Duration::from_millis(250);

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The origin answered its first request.
    Answered,
    /// The proxy refused its first request: the problem's code.
    Refused(String),
    /// No answer: it waits for more.
    Nothing,
}

async fn before(reader: Reader) -> (Turnout, Origin) {
    let origin = Origin::start(reader).await;
    (Setup::new(ALL).upstream("api", origin.address).start().await, origin)
}

/// Sends a case and listens for its first answer.
async fn outcome(turnout: &Turnout, case: &Case, due: bool) -> Outcome {
    let mut stream = TcpStream::connect(turnout.proxy()).await.unwrap();
    // It may be refused before it is sent whole.
    stream.write_all(&case.bytes).await.unwrap_or_default();
    let mut answer = Vec::new();
    let listen = async {
        loop {
            let mut chunk = [0; 4_096];
            let count = stream.read(&mut chunk).await.unwrap_or(0);
            answer.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&answer).into_owned();
            let ended = count == 0 || text.contains("\r\n\r\nHEAD ");
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            if ended || text.starts_with("HTTP/1.1 200") || body.ends_with('}') {
                return text;
            }
        }
    };
    let longest = if due { DUE } else { QUIET };
    let Ok(text) = tokio::time::timeout(longest, listen).await else { return Outcome::Nothing };
    if text.starts_with("HTTP/1.1 200") {
        return Outcome::Answered;
    }
    let code = text.split_once("\"code\":\"").and_then(|(_, rest)| rest.split_once('"'));
    Outcome::Refused(code.map_or("closed", |(code, _)| code).to_owned())
}

/// Runs a corpus against an origin; each case is followed by a clean request, which must get its own answer.
async fn run(corpus: &str, cases: Vec<Case>, reader: Reader) {
    let (turnout, origin) = before(reader).await;
    let mut wrong = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let listed = differences::of(corpus, &case.name);
        let due = listed != Some("") && (case.verdict != Verdict::Open || listed.is_some());
        let outcome = outcome(&turnout, case, due).await;
        let expected = match (&outcome, case.verdict, listed) {
            (Outcome::Answered, Verdict::Good | Verdict::Open, None) => true,
            (Outcome::Refused(_), Verdict::Bad | Verdict::Open, None) => true,
            (Outcome::Nothing, Verdict::Open, None) => true,
            (Outcome::Refused(code), _, Some(listed)) => code == listed,
            (Outcome::Nothing, _, Some("")) => true,
            // It does not wait for chunks.
            (Outcome::Answered, _, Some("")) => reader == Reader::LengthOnly,
            (Outcome::Answered, _, Some("answered")) => true,
            _ => false,
        };
        if !expected {
            let text =
                String::from_utf8_lossy(&case.bytes[..case.bytes.len().min(200)]).into_owned();
            wrong.push(format!("{:?} {:?} {outcome:?}: {text:?}", case.name, case.verdict));
        }
        let probe = format!("/probe/{n}");
        let answer = turnout.send(get(&probe)).await;
        assert_eq!(answer.text(), format!("GET {probe} HTTP/1.1"), "after {case:?}");
    }
    for (case, why) in differences::listed(corpus) {
        let known = cases.iter().any(|known| known.name.starts_with(case));
        assert!(known, "there is no {case:?} ({why})");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let seen = origin.seen.lock().unwrap();
    assert_eq!(seen.broken, Vec::<String>::new());
    let shared = seen.lines.windows(2).any(|pair| {
        pair[0].0 == pair[1].0 && !pair[0].1.contains("/probe/") && pair[1].1.contains("/probe/")
    });
    assert!(shared, "no clean request came over a connection that a case had used");
}

#[tokio::test]
async fn dangerous_heads_stay_outside() {
    for reader in [Reader::Strict, Reader::ChunksFirst, Reader::LengthOnly] {
        run("desync", corpora::desync(), reader).await;
    }
}

#[tokio::test]
async fn a_parsers_cases_are_read_as_strictly_as_its_own() {
    for reader in [Reader::Strict, Reader::ChunksFirst, Reader::LengthOnly] {
        run("llhttp", corpora::llhttp(), reader).await;
    }
}

#[tokio::test]
async fn an_origin_servers_cases_are_read_as_strictly_as_its_own() {
    for reader in [Reader::Strict, Reader::ChunksFirst, Reader::LengthOnly] {
        run("gunicorn", corpora::gunicorn(), reader).await;
    }
}

/// Requests with another one inside, for whoever takes their framing otherwise.
const SMUGGLERS: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2b\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\nA: bcdef\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 44\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 44\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 44\r\nA: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 44\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n28\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nAAAAA\r\n0\r\nContent-Length: 40\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nContent-Length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 37\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: Content-Length\r\nContent-Length: 37\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nA: b\rGET /smuggled HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\nGET /smuggled HTTP/1.1\nHost: h\n\n",
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 1\r\n\r\nGET /smuggled HTTP/1.1\n\n",
];

#[tokio::test]
async fn nothing_is_smuggled_past_any_reader() {
    for reader in [Reader::Strict, Reader::ChunksFirst, Reader::LengthOnly] {
        let (turnout, origin) = before(reader).await;
        for (n, bytes) in SMUGGLERS.iter().enumerate() {
            let case = Case {
                name: n.to_string(),
                bytes: bytes.as_bytes().to_vec(),
                verdict: Verdict::Open,
            };
            outcome(&turnout, &case, false).await;
            let probe = format!("/probe/{n}");
            let answer = turnout.send(get(&probe)).await;
            assert_eq!(answer.text(), format!("GET {probe} HTTP/1.1"), "{reader:?}: {case:?}");
        }
        let seen = origin.seen.lock().unwrap();
        assert_eq!(seen.broken, Vec::<String>::new(), "{reader:?}");
        let smuggled = seen.lines.iter().filter(|(_, line)| line.contains("smuggled"));
        assert_eq!(smuggled.count(), 0, "{reader:?}: {:?}", seen.lines);
    }
}

#[tokio::test]
async fn what_came_before_a_refusal_is_answered_first() {
    let (turnout, _origin) = before(Reader::Strict).await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    let good = "POST /good HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    client.write(format!("{good}{good}GET /bad HTTP/1.1\nHost: h\n\n{good}")).await;
    for _ in 0..2 {
        assert_eq!(client.read_answer().await.1, "POST /good HTTP/1.1");
    }
    let (head, body) = client.read_answer().await;
    assert!(head.starts_with("http/1.1 400") && head.contains("connection: close"), "{head}");
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    assert!(body.contains("\"code\":\"bad_request_line\""), "{body}");
    assert_eq!(client.read_to_end().await, "");
    let metrics = turnout.metrics().await;
    let refused =
        sample(&metrics, "turnout_refused_requests_total", &["reason=\"bad_request_line\""]);
    assert_eq!(refused, Some(1.0), "{metrics}");
}

#[tokio::test]
async fn a_body_that_turns_bad_is_never_completed_upstream() {
    let mut api = RawOrigin::listen().await;
    let turnout = Setup::new(ALL).upstream("api", api.address()).start().await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client
        .write("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    let mut upstream = api.accept_asked("POST /a").await;
    upstream.read_until("hello\r\n").await;
    client.write("5\nworld\r\n0\r\n\r\n").await;
    let (head, body) = client.read_answer().await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert!(body.contains("\"code\":\"bad_chunk\""), "{body}");
    assert_eq!(upstream.read_to_end().await, "");
    // The access log says what the client was told.
    let status = "\"http.response.status_code\":400";
    eventually("it is logged", async || turnout.output().contains(status)).await;
}

#[tokio::test]
async fn the_refusal_of_a_head_request_has_no_body() {
    let (turnout, _origin) = before(Reader::Strict).await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write("HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with("\r\n\r\n"), "{answer}");
}
