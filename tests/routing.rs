//! Which route does a request find? Every kind of match and every step of the precedence, through the wire.

use crate::kit::{Ask, Memory, RawConnection, Setup, Turnout, ask, get, origin};

/// A configuration of routes that all go to `api` and sign their answers with their name.
fn signed(routes: &[(&str, &str)]) -> String {
    let lines = routes.iter().map(|(name, asks)| {
        format!(
            "  {name}: {{{asks}, stable: {{upstream: api}}, response_headers: {{set: {{X-Route: {name}}}}}}}\n"
        )
    });
    format!("routes:\n{}", lines.collect::<String>())
}

async fn find_their_routes(routes: &[(&str, &str)], cases: &[(Ask, Option<&str>)]) {
    let api = origin("api").await;
    let turnout = Setup::new(&signed(routes)).upstream("api", api.address()).start().await;
    for (ask, route) in cases {
        assert_found(&turnout, ask, *route).await;
    }
}

async fn assert_found(turnout: &Turnout, ask: &Ask, route: Option<&str>) {
    let answer = turnout.send(ask.clone()).await;
    assert_eq!(answer.header("x-route"), route, "{ask:?}");
    assert_eq!(answer.status, if route.is_some() { 200 } else { 404 }, "{ask:?}");
}

#[tokio::test]
async fn paths_match_as_exact_prefix_or_regex() {
    find_their_routes(
        &[
            ("exact", "canonical: {exact: /exact}"),
            ("prefix", "canonical: /v2/"),
            ("regex", "canonical: {regex: \"/r/[0-9]+\"}"),
        ],
        &[
            (get("/exact"), Some("exact")),
            (get("/exact?x=1"), Some("exact")),
            (get("/exact/"), None),
            (get("/exact/x"), None),
            (get("/v2"), Some("prefix")),
            (get("/v2/"), Some("prefix")),
            (get("/v2/x/y"), Some("prefix")),
            (get("/v2example"), None),
            (get("/V2"), None),
            (get("/r/12"), Some("regex")),
            (get("/r/12/more"), Some("regex")),
            (get("/r/ab"), None),
            (get("/x/r/12"), None),
            (get("/"), None),
        ],
    )
    .await;
}

#[tokio::test]
async fn hosts_match_exactly_or_below_a_wildcard() {
    find_their_routes(
        &[
            ("exact", "canonical: /, hosts: [api.example.org]"),
            ("below", "canonical: /, hosts: [\"*.example.org\", other.net]"),
        ],
        &[
            (get("/").host("api.example.org"), Some("exact")),
            (get("/").host("API.Example.Org"), Some("exact")),
            (get("/").host("api.example.org:8080"), Some("exact")),
            (get("/").host("b.example.org"), Some("below")),
            (get("/").host("a.b.example.org"), Some("below")),
            (get("/").host("other.net"), Some("below")),
            (get("/").host("example.org"), None),
            (get("/").host("badexample.org"), None),
            (get("/").host("x.other.net"), None),
        ],
    )
    .await;
}

#[tokio::test]
async fn methods_headers_and_query_match() {
    find_their_routes(
        &[
            ("method", "canonical: /m, methods: [GET, POST]"),
            ("header", "canonical: /h, headers: {X-Env: blue}"),
            ("header-regex", "canonical: /hr, headers: {X-Env: {regex: \"b.*e\"}}"),
            ("header-present", "canonical: /hp, headers: {X-Env: {present: true}}"),
            ("headers", "canonical: /hh, headers: {X-A: \"1\", X-B: \"2\"}"),
            ("query", "canonical: /q, query: {beta: \"1\"}"),
            ("query-regex", "canonical: /qr, query: {beta: {regex: \"[0-9]+\"}}"),
            ("query-present", "canonical: /qp, query: {beta: {present: true}}"),
        ],
        &[
            (get("/m"), Some("method")),
            (ask("POST", "/m"), Some("method")),
            (ask("DELETE", "/m"), None),
            (get("/h").header("x-env", "blue"), Some("header")),
            (get("/h").header("x-env", "Blue"), None),
            (get("/h"), None),
            (get("/hr").header("x-env", "bluebe"), Some("header-regex")),
            (get("/hr").header("x-env", "a blue"), None),
            (get("/hr").header("x-env", "blue "), Some("header-regex")),
            (get("/hp").header("x-env", ""), Some("header-present")),
            (get("/hp"), None),
            (get("/hh").header("x-a", "1").header("x-b", "2"), Some("headers")),
            (get("/hh").header("x-a", "1"), None),
            (get("/q?beta=1"), Some("query")),
            (get("/q?a=2&b%65ta=%31"), Some("query")),
            (get("/q?beta=2"), None),
            (get("/q"), None),
            (get("/qr?beta=12"), Some("query-regex")),
            (get("/qr?beta=12x"), None),
            (get("/qp?beta"), Some("query-present")),
            (get("/qp?alpha"), None),
        ],
    )
    .await;
}

/// In every pair the route that must lose is more specific in everything that comes later in the order, and stands
/// first in the file.
#[tokio::test]
async fn precedence_goes_by_host_priority_path_method_headers_query_and_order() {
    find_their_routes(
        &[
            ("no-host", "canonical: {exact: /p/x}, methods: [GET], priority: 9"),
            (
                "wildcard",
                "canonical: {exact: /p/x}, hosts: [\"*.org\"], methods: [GET], priority: 8",
            ),
            ("longer-wildcard", "canonical: {exact: /p/x}, hosts: [\"*.a.org\"], priority: 7"),
            ("exact-host", "canonical: /p, hosts: [x.a.org]"),
            ("exact-path-low", "canonical: {exact: /prio/x}, methods: [GET], priority: -1"),
            ("prefix-high", "canonical: /prio"),
            ("short", "canonical: /path, methods: [GET], headers: {X-A: \"1\"}"),
            ("long", "canonical: /path/a, methods: [GET], headers: {X-A: \"1\"}"),
            ("regex", "canonical: {regex: \"/path/a/[a-z]\"}, headers: {X-A: \"1\"}"),
            ("exact", "canonical: {exact: /path/a/x}"),
            ("two-headers", "canonical: /m, headers: {X-A: \"1\", X-B: \"1\"}, query: {q: \"1\"}"),
            ("method", "canonical: /m, methods: [GET]"),
            ("one-header", "canonical: /h, headers: {X-A: \"1\"}, query: {q: \"1\", r: \"1\"}"),
            ("more-headers", "canonical: /h, headers: {X-A: \"1\", X-B: \"1\"}"),
            ("one-query", "canonical: /q, query: {q: \"1\"}"),
            ("more-query", "canonical: /q, query: {q: \"1\", r: \"1\"}"),
            ("first", "canonical: /o, headers: {X-A: \"1\"}"),
            ("second", "canonical: /o, headers: {X-B: \"1\"}"),
        ],
        &[
            (everything("/p/x").host("x.a.org"), Some("exact-host")),
            (everything("/p/x").host("y.a.org"), Some("longer-wildcard")),
            (everything("/p/x").host("b.org"), Some("wildcard")),
            (everything("/p/x").host("b.net"), Some("no-host")),
            (everything("/prio/x"), Some("prefix-high")),
            (everything("/path/a/x"), Some("exact")),
            (everything("/path/a/y"), Some("regex")),
            (everything("/path/a/9"), Some("long")),
            (everything("/path/b"), Some("short")),
            (everything("/m"), Some("method")),
            (everything("/h"), Some("more-headers")),
            (everything("/q"), Some("more-query")),
            (everything("/o"), Some("first")),
        ],
    )
    .await;
}

/// A request that every route here could want.
fn everything(path: &str) -> Ask {
    get(&format!("{path}?q=1&r=1")).header("x-a", "1").header("x-b", "1")
}

#[tokio::test]
async fn a_route_that_does_not_hold_leaves_the_request_to_the_next_one() {
    find_their_routes(
        &[
            ("post", "canonical: {exact: /a/b}, methods: [POST]"),
            ("prefix", "canonical: /a, headers: {X-A: \"1\"}"),
            ("all", "canonical: /"),
            ("host", "canonical: /only, hosts: [x.org]"),
        ],
        &[
            (ask("POST", "/a/b"), Some("post")),
            (get("/a/b").header("x-a", "1"), Some("prefix")),
            (get("/a/b"), Some("all")),
            (get("/a/b").host("x.org"), Some("all")),
            (get("/only").host("x.org"), Some("host")),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_no_route_wants_is_a_problem_that_names_the_request() {
    let api = origin("api").await;
    let turnout =
        Setup::new(&signed(&[("a", "canonical: /a")])).upstream("api", api.address()).start().await;
    let answer =
        turnout.send(get("/b?secret=1").header("x-request-id", "req-77")).await.expect(404);
    assert_eq!(answer.problem(), "no_route");
    let problem = answer.json();
    assert_eq!(problem["request_id"], "req-77");
    // Clients of Kong look for this one.
    assert!(problem["message"].is_string(), "{problem}");
    assert!(!answer.text().contains("secret"));
    assert_eq!(api.count(), 0);
}

#[tokio::test]
async fn path_and_query_go_through_byte_by_byte() {
    let api = origin("api").await;
    let turnout =
        Setup::new(&signed(&[("a", "canonical: /a")])).upstream("api", api.address()).start().await;
    for target in
        ["/a", "/a/", "/a/b;c=d", "/a/caf%C3%A9?x=%20y&&z=a+b&x=%20y", "/a/b:c@d!$&'()*+,"]
    {
        turnout.get(target).await.expect(200);
        assert_eq!(api.last().path_and_query, target);
    }
}

#[tokio::test]
async fn the_host_goes_through_with_its_port() {
    let api = origin("api").await;
    let turnout =
        Setup::new(&signed(&[("a", "canonical: /a")])).upstream("api", api.address()).start().await;
    turnout.send(get("/a").host("shop.example.org:8443")).await.expect(200);
    assert_eq!(api.last().header("host"), Some("shop.example.org:8443"));
}

#[tokio::test]
async fn requests_on_one_connection_are_decided_one_by_one() {
    let api = origin("api").await;
    let routes = signed(&[("a", "canonical: /a"), ("b", "canonical: /b")]);
    let turnout = Setup::new(&routes).upstream("api", api.address()).start().await;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    for (path, route) in [("/a", "x-route: a"), ("/b", "x-route: b"), ("/c", "404")] {
        connection.write(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let (head, _body) = connection.read_answer().await;
        assert!(head.contains(route), "{path}: {head}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let api = origin("api").await;
    let routes = signed(&[("a", "canonical: /a"), ("b", "canonical: /b")]);
    let turnout = Setup::new(&routes).upstream("api", api.address()).start().await;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    let last = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    connection.write(format!("GET /b HTTP/1.1\r\nHost: h\r\n\r\n{last}")).await;
    let answers = connection.read_to_end().await.to_lowercase();
    let (b, a) = (answers.find("x-route: b"), answers.find("x-route: a"));
    assert!(b.is_some() && b < a, "{answers}");
}
