//! What do upstreams learn of who asks? Forwarding headers, ids and trace contexts; identity only from those trusted.

use std::net::IpAddr;

use crate::kit::{Answer, Ask, Client, Memory, Origin, Setup, Turnout, all, get, origin};

const ROUTE: &str =
    "routes:\n  a: {canonical: /a, stable: {upstream: api}, tenant: {header: X-Tenant-Id}}\n";

async fn proxied() -> (Turnout, Origin) {
    let api = origin("api").await;
    let turnout = Setup::new(ROUTE).upstream("api", api.address()).start().await;
    (turnout, api)
}

/// Asks from an address that is not among the trusted ones.
async fn as_stranger(turnout: &Turnout, ask: Ask) -> Answer {
    let stranger = Client::from_address(Some(IpAddr::from([127, 0, 0, 9])));
    stranger.send(turnout.proxy(), ask).await.unwrap()
}

const IDENTITY: [&str; 14] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-consumer-id",
    "x-consumer-username",
    "x-credential-identifier",
    "x-authenticated-scope",
    "x-anonymous-consumer",
    "x-tenant-id",
    "x-turnout-arm",
];

fn pretending(mut ask: Ask) -> Ask {
    for name in IDENTITY {
        ask = ask.header(name, "203.0.113.66");
    }
    ask
}

#[tokio::test]
async fn identity_headers_of_strangers_are_removed() {
    let (turnout, api) = proxied().await;
    as_stranger(&turnout, pretending(get("/a")).host("api.example.org:7080")).await.expect(200);
    let seen = api.last();
    for (name, value) in &seen.headers {
        assert!(!value.to_str().unwrap().contains("203.0.113.66"), "{name} went through");
    }
    assert_eq!(all(&seen, "x-forwarded-for"), "127.0.0.9");
    assert_eq!(all(&seen, "x-forwarded-proto"), "http");
    assert_eq!(all(&seen, "x-forwarded-host"), "api.example.org:7080");
}

#[tokio::test]
async fn identity_headers_of_trusted_peers_stay() {
    let (turnout, api) = proxied().await;
    let request = get("/a")
        .header("x-forwarded-for", "198.51.100.7")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "public.example.org")
        .header("x-consumer-id", "c-1")
        .header("x-real-ip", "198.51.100.7")
        .tenant("acme");
    turnout.send(request).await.expect(200);
    let seen = api.last();
    assert_eq!(all(&seen, "x-forwarded-for"), "198.51.100.7, 127.0.0.1");
    assert_eq!(all(&seen, "x-forwarded-proto"), "https");
    assert_eq!(all(&seen, "x-forwarded-host"), "public.example.org");
    assert_eq!(all(&seen, "x-consumer-id"), "c-1");
    assert_eq!(all(&seen, "x-real-ip"), "198.51.100.7");
    assert_eq!(all(&seen, "x-tenant-id"), "acme");
}

#[tokio::test]
async fn the_correlation_id_goes_to_the_upstream_and_back() {
    let (turnout, api) = proxied().await;
    let answer = turnout.send(get("/a").header("x-request-id", "req-7.a_b")).await.expect(200);
    assert_eq!(all(&api.last(), "x-request-id"), "req-7.a_b");
    assert_eq!(answer.header("x-request-id"), Some("req-7.a_b"));

    let answer = turnout.get("/a").await.expect(200);
    let made = all(&api.last(), "x-request-id");
    assert!(made.len() >= 16, "{made:?}");
    assert_eq!(answer.header("x-request-id"), Some(&*made));
    turnout.get("/a").await.expect(200);
    assert_ne!(all(&api.last(), "x-request-id"), made, "each request has its own");
}

#[tokio::test]
async fn a_malformed_correlation_id_is_replaced() {
    let (turnout, api) = proxied().await;
    for bad in ["a b\"<script>", &"x".repeat(500)] {
        let answer = turnout.send(get("/a").header("x-request-id", bad)).await.expect(200);
        let seen = all(&api.last(), "x-request-id");
        assert_ne!(seen, bad);
        assert!(!seen.is_empty() && !seen.contains('<'), "{seen:?}");
        assert_eq!(answer.header("x-request-id"), Some(&*seen));
    }
}

#[tokio::test]
async fn trace_context_and_baggage_pass_through() {
    let (turnout, api) = proxied().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = get("/a")
        .header("traceparent", parent)
        .header("tracestate", "congo=t61rcWkgMzE")
        .header("baggage", "userTier=gold");
    turnout.send(request).await.expect(200);
    let seen = api.last();
    let forwarded = all(&seen, "traceparent");
    assert_eq!(forwarded.get(..36), parent.get(..36), "the trace id is kept");
    assert_eq!(all(&seen, "tracestate"), "congo=t61rcWkgMzE");
    assert_eq!(all(&seen, "baggage"), "userTier=gold");
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let (turnout, api) = proxied().await;
    let request = get("/a")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "gzip")
        .header("proxy-authorization", "Basic eA==")
        .header("x-end", "1");
    turnout.send(request).await.expect(200);
    let seen = api.last();
    for name in ["x-hop", "keep-alive"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(!all(&seen, "connection").contains("x-hop"));
    assert_eq!(seen.header("x-end"), Some("1"));
}

#[tokio::test]
async fn only_trusted_peers_see_how_a_request_was_decided() {
    let (turnout, _api) = proxied().await;
    let debug = get("/a").header("turnout-debug", "1");
    let answer = turnout.send(debug.clone()).await.expect(200);
    assert_eq!(answer.header("x-turnout-arm"), Some("stable"));
    assert!(answer.header("x-turnout-reason").is_some());
    assert!(answer.header("x-turnout-revision").is_some());
    for answer in [as_stranger(&turnout, debug).await, turnout.get("/a").await] {
        for name in ["x-turnout-arm", "x-turnout-reason", "x-turnout-revision", "server-timing"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn the_clients_address_is_what_the_trusted_chain_says() {
    let (old, new) = (origin("old").await, origin("new").await);
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: new}, \
                  sticky: client_address, start: {share: 50%}}\n";
    let turnout = Setup::new(routes)
        .upstream("old", old.address())
        .upstream("new", new.address())
        .start()
        .await;
    for last in 1..60 {
        let client = format!("198.51.100.{last}");
        let candidate = rules::Bucket::of("a", &client).index() < 5_000;
        // What stands left of the client is the client's own claim.
        for chain in [client.clone(), format!("203.0.113.5, {client}")] {
            let answer = turnout.send(get("/a").header("x-forwarded-for", &chain)).await;
            assert_eq!(answer.origin() == "new", candidate, "{chain}");
        }
    }
    let own = rules::Bucket::of("a", "127.0.0.9").index() < 5_000;
    for claim in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"] {
        let answer = as_stranger(&turnout, get("/a").header("x-forwarded-for", claim)).await;
        assert_eq!(answer.origin() == "new", own, "{claim} moved a stranger");
    }
}
