//! Can anybody pass for somebody else? Forged identity in any spelling, loops, what `Connection` may name, and what the
//! two sides of one hop keep to themselves.

use std::net::SocketAddr;

use http::HeaderName;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::kit::{
    Memory, Origin, RawConnection, RawOrigin, Setup, Turnout, all, dead_address, eventually_some,
    get, origin,
};

const ROUTES: &str = r#"
routes:
  a: {canonical: /a, stable: {upstream: api}, tenant: {header: X-Tenant-Id}}
  b: {canonical: /b, stable: {upstream: api}}
  vip: {canonical: /a, headers: {X-Consumer-Groups: vip}, stable: {upstream: api, path: /vip}}
"#;
const PROTECTED: [&str; 18] = [
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "Forwarded",
    "X-Real-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Consumer-ID",
    "X-Consumer-Groups",
    "X-Credential-Identifier",
    "X-Authenticated-Scope",
    "X-Authenticated-Userid",
    "X-Anonymous-Consumer",
    "X-Tenant-Id",
    "X-Turnout-Arm",
    "X-Turnout-Shadow",
];

async fn world() -> (Turnout, Origin) {
    let api = origin("api").await;
    let turnout = Setup::new(ROUTES).upstream("api", api.address()).start().await;
    (turnout, api)
}

/// A connection from an address that is not among the trusted ones.
async fn as_stranger(to: SocketAddr) -> RawConnection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
    RawConnection::of(socket.connect(to).await.unwrap())
}

fn spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    for sign in ["_", ".", "~"] {
        spellings.push(name.replace('-', sign));
        spellings.push(name.to_lowercase().replacen('-', sign, 1));
    }
    spellings
}

#[tokio::test]
async fn strangers_forge_nothing_in_any_spelling_on_any_route() {
    let (turnout, api) = world().await;
    for name in PROTECTED {
        for spelling in spellings(name) {
            for path in ["/a", "/b"] {
                let mut connection = as_stranger(turnout.proxy()).await;
                let field = format!("{spelling}: forged");
                connection
                    .write(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n"))
                    .await;
                let (head, _) = connection.read_answer().await;
                let status = head.split(' ').nth(1).unwrap_or_default();
                assert!(matches!(status, "200" | "400"), "{spelling}: {head}");
                // Its own name is no reason to refuse a request, only to believe nobody.
                assert!(
                    status == "200" || spelling.contains(['_', '.', '~']),
                    "{spelling}: {head}"
                );
            }
        }
    }
    for request in api.requests() {
        assert_ne!(request.path(), "/vip");
        for (name, value) in &request.headers {
            assert_ne!(value, "forged", "{name} went through");
        }
    }
    assert!(api.count() >= PROTECTED.len() as u64);
}

#[tokio::test]
async fn a_forged_group_does_not_choose_the_route() {
    let (turnout, api) = world().await;
    let mut connection = as_stranger(turnout.proxy()).await;
    connection.write("GET /a HTTP/1.1\r\nHost: h\r\nX-Consumer-Groups: vip\r\n\r\n").await;
    connection.read_answer().await;
    assert_eq!(api.last().path(), "/a");
    turnout.send(get("/a").header("x-consumer-groups", "vip")).await.expect(200);
    assert_eq!(api.last().path(), "/vip");
}

#[tokio::test]
async fn trusted_peers_are_believed_under_the_names_themselves() {
    let (turnout, api) = world().await;
    for name in PROTECTED.iter().filter(|name| !name.contains("Turnout")) {
        turnout.send(get("/b").header(name, "192.0.2.66")).await.expect(200);
        let seen = all(&api.last(), &name.to_lowercase());
        assert!(seen.contains("192.0.2.66"), "{name}: {seen}");
    }
    for twice in [["acme", "acme"], ["acme", "b2"]] {
        let request = get("/a").tenant(twice[0]).tenant(twice[1]);
        assert_eq!(turnout.send(request).await.expect(400).problem(), "tenant_invalid");
    }
}

#[tokio::test]
async fn connection_names_nothing_that_others_rely_on() {
    let (turnout, api) = world().await;
    for name in [
        "X-Tenant-Id",
        "x_forwarded_for",
        "Authorization",
        "Cookie",
        "Via",
        "Host",
        "Content-Length",
    ] {
        let mut connection = RawConnection::open(turnout.proxy()).await;
        let field = format!("Connection: keep-alive, {name}");
        connection.write(format!("GET /a HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n")).await;
        let (head, _) = connection.read_answer().await;
        assert!(head.starts_with("http/1.1 400"), "{name}: {head}");
    }
    assert_eq!(api.count(), 0);
}

#[tokio::test]
async fn a_loop_of_two_proxies_ends() {
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: next}}\n";
    let first = Setup::new(routes).upstream("next", dead_address()).start().await;
    let second = Setup::new(routes).upstream("next", first.proxy()).start().await;
    let targets = json!({"targets": [{"address": second.proxy().to_string()}], "why": "test"});
    first.command("PUT", "/v1/upstreams/next/targets", targets).await;
    let looped = first.get("/a").await.expect(508);
    assert_eq!(looped.problem(), "loop_detected");
    // Four visits, and the fifth that is refused.
    let via: Vec<_> = looped.headers.get_all("via").iter().collect();
    assert_eq!(via.len(), 4, "{looped:?}");
}

#[tokio::test]
async fn each_hop_signs_what_it_passes_on() {
    let (turnout, api) = world().await;
    let answer = turnout.send(get("/b").header("via", "1.1 kong")).await.expect(200);
    assert_eq!(all(&api.last(), "via"), "1.1 kong, 1.1 turnout");
    assert_eq!(answer.header("via"), Some("1.1 turnout"));
}

#[tokio::test]
async fn both_arms_and_the_log_learn_one_trace_and_one_id() {
    let (old, new) = (origin("old").await, origin("new").await);
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: new}, start: {shadow: 100%}}\n";
    let setup = Setup::new(routes).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    let answer = turnout.get("/a").await.expect(200);
    new.was_asked(1).await;
    for name in ["traceparent", "x-request-id", "x-correlation-id"] {
        let seen = all(&old.last(), name);
        assert!(!seen.is_empty() && seen == all(&new.last(), name), "{name}: {seen}");
        if name != "traceparent" {
            assert_eq!(answer.header(name), Some(&*seen), "{name}");
        }
    }
    let begun = all(&old.last(), "traceparent");
    let parts: Vec<&str> = begun.split('-').collect();
    assert!(
        matches!(parts[..], ["00", trace, span, "00"] if trace.len() == 32 && span.len() == 16),
        "{begun}"
    );
    let line = eventually_some("the request is logged", async || {
        let lines = turnout.output().lines();
        lines
            .iter()
            .find_map(|line| serde_json::from_str::<Value>(line).ok()?.get("trace_id").cloned())
    });
    assert_eq!(line.await, parts[1]);

    let answer = turnout
        .send(get("/a").header("x-kong-request-id", "k-1").header("x-correlation-id", "c-1"))
        .await
        .expect(200);
    assert_eq!(
        (answer.header("x-request-id"), answer.header("x-correlation-id")),
        (Some("k-1"), Some("c-1"))
    );
    new.was_asked(2).await;
    for arm in [&old, &new] {
        assert_eq!(all(&arm.last(), "x-correlation-id"), "c-1");
        assert_eq!(all(&arm.last(), "x-kong-request-id"), "k-1");
    }
    let malformed = get("/a").header("traceparent", "00-zz-1").header("tracestate", "a=1");
    turnout.send(malformed).await.expect(200);
    assert!(all(&old.last(), "traceparent").ends_with("-00"));
    assert_eq!(old.last().header("tracestate"), None);
}

/// What the client reads, to the end, when the arm answers its request like this.
async fn answered(answer: &str) -> String {
    let mut api = RawOrigin::listen().await;
    let turnout = Setup::new(ROUTES).upstream("api", api.address()).start().await;
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write("GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    let mut arm = api.accept_asked("GET /b").await;
    arm.write(answer).await;
    client.read_to_end().await
}

#[tokio::test]
async fn answers_keep_what_is_for_one_hop_to_that_hop() {
    let answer = answered(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: secret\r\nKeep-Alive: timeout=5\r\n\
         Upgrade: h2c\r\nX-End: 1\r\nContent-Length: 2\r\n\r\nok",
    )
    .await
    .to_lowercase();
    assert!(answer.starts_with("http/1.1 200") && answer.ends_with("ok"), "{answer}");
    assert!(answer.contains("x-end: 1"), "{answer}");
    for name in ["x-hop", "keep-alive", "upgrade"] {
        assert!(!answer.contains(name), "{name} in {answer}");
    }
}

#[tokio::test]
async fn interim_answers_are_few() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let answer = answered(&(hint.repeat(8) + last)).await;
    assert!(answer.contains("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    // They come together, and yet it is the last one that says what the request is called.
    let (hints, last_head) = answer.split_once("HTTP/1.1 200").unwrap();
    for name in ["X-Request-Id: ", "X-Correlation-Id: ", "Via: 1.1 turnout"] {
        assert_eq!(
            (hints.matches(name).count(), last_head.matches(name).count()),
            (0, 1),
            "{answer}"
        );
    }
    let answer = answered(&(hint.repeat(9) + last)).await;
    assert!(answer.contains("HTTP/1.1 502") && !answer.ends_with("ok"), "{answer}");
}

#[tokio::test]
async fn nobody_switches_protocols_unasked() {
    let answer = answered(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nsmuggled",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains("smuggled"), "{answer}");
}

#[tokio::test]
async fn names_that_only_look_protected_are_kept() {
    let (turnout, api) = world().await;
    let mut ask = get("/b");
    let ordinary = ["x-consumers", "x_custom_field", "x-forwardedness", "x-tenant-ids"];
    for name in ordinary {
        ask = ask.header(name, "kept");
    }
    turnout.send(ask).await.expect(200);
    for name in ordinary {
        let name: HeaderName = name.parse().unwrap();
        assert!(api.last().headers.contains_key(&name), "{name}");
    }
}
