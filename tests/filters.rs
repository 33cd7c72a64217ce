//! What does a route change about a request and its answer? Header edits, host rewrite, redirects, time-outs.

use std::time::{Duration, Instant};

use crate::kit::{
    Fault, Memory, RawConnection, Reply, Setup, Turnout, With, all, ask, dead_address, faulty, get,
    origin, post, scripted, status,
};

#[tokio::test]
async fn headers_are_removed_set_and_added_both_ways() {
    let api = scripted("api", |_| {
        status(200)
            .with("x-internal", "1")
            .with("x-version", "old")
            .with("vary", "accept")
            .with("x-kept", "k")
    })
    .await;
    let routes = r#"
routes:
  a:
    canonical: /a
    stable: {upstream: api}
    request_headers:
      remove: [X-Drop]
      set: {X-Env: blue, Authorization: {env: E2E_TOKEN}, X-File: {file: secret.txt}}
      add: {X-Via-Route: a}
    response_headers:
      remove: [X-Internal]
      set: {X-Version: new}
      add: {Vary: x-env}
"#;
    let setup = Setup::new(routes).upstream("api", api.address()).env("E2E_TOKEN", "Bearer t0ken");
    std::fs::write(setup.folder().join("secret.txt"), "from-file\n").unwrap();
    let turnout = setup.start().await;

    let request = get("/a")
        .header("x-drop", "1")
        .header("x-env", "green")
        .header("x-env", "red")
        .header("authorization", "Bearer client")
        .header("x-via-route", "before")
        .header("x-other", "o");
    let answer = turnout.send(request).await.expect(200);
    let seen = api.last();
    assert_eq!(seen.header("x-drop"), None);
    assert_eq!(all(&seen, "x-env"), "blue");
    assert_eq!(all(&seen, "authorization"), "Bearer t0ken");
    assert_eq!(all(&seen, "x-file"), "from-file");
    assert_eq!(all(&seen, "x-via-route"), "before, a");
    assert_eq!(all(&seen, "x-other"), "o");

    assert_eq!(answer.header("x-internal"), None);
    assert_eq!(answer.header("x-version"), Some("new"));
    assert_eq!(answer.header("x-kept"), Some("k"));
    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["accept", "x-env"]);

    // INV-12: secrets that the file only refers to stay out of whatever the product shows.
    for place in ["/v1/config", "/v1/status", "/v1/routes/a", "/v1/revisions/1"] {
        let shown = turnout.control_send(get(place)).await.expect(200).text();
        assert!(!shown.contains("t0ken") && !shown.contains("from-file"), "{place}: {shown}");
    }
    assert!(!turnout.output().contains("t0ken"));
}

#[tokio::test]
async fn the_host_is_rewritten_for_the_upstream() {
    let api = origin("api").await;
    let routes =
        "routes:\n  a: {canonical: /a, stable: {upstream: api}, host: internal.example.org}\n";
    let turnout = Setup::new(routes).upstream("api", api.address()).start().await;
    turnout.send(get("/a").host("public.example.org")).await.expect(200);
    assert_eq!(api.last().header("host"), Some("internal.example.org"));
    assert_eq!(api.last().header("x-forwarded-host"), Some("public.example.org"));
}

#[tokio::test]
async fn redirects_keep_what_they_do_not_name() {
    let routes = r#"
routes:
  path: {canonical: /a, redirect: {path: /new}}
  host: {canonical: /b, redirect: {host: other.example.org, status: 302}}
  scheme: {canonical: /c, redirect: {scheme: https, status: 301}}
  whole: {canonical: /d, redirect: {scheme: https, host: "h:8443", path: /e, status: 307}}
"#;
    let turnout = Setup::new(routes).start().await;
    for (target, status, location) in [
        ("/a/x?y=1", 308, "/new/x?y=1"),
        ("/a", 308, "/new"),
        ("/b/x", 302, "//other.example.org/b/x"),
        ("/c/x?y=1", 301, "https://example.org/c/x?y=1"),
        ("/d/x", 307, "https://h:8443/e/x"),
    ] {
        let answer = turnout.send(get(target).host("example.org")).await.expect(status);
        let got = answer.header("location").unwrap_or_default();
        // A redirect to another host may name the scheme or leave it open.
        let got = got.strip_prefix("http:").unwrap_or(got);
        assert_eq!(got, location, "{target}");
    }
    turnout.send(post("/a/x", "body")).await.expect(308);
}

async fn with_timeouts(
    route: &str,
    upstream: &str,
    reply: Reply,
) -> (Turnout, loadtest::origin::Origin) {
    let api = scripted("api", move |_| reply.clone()).await;
    let routes = format!("routes:\n  a: {{canonical: /a, stable: {{upstream: api}}, {route}}}\n");
    let setup = Setup::new(&routes).upstream_with("api", api.address(), upstream);
    (setup.start().await, api)
}

/// Asks an upstream that would take a minute, and gives how long the client had to wait for its 504.
async fn time_to_504(route: &str, upstream: &str) -> Duration {
    let minute = status(200).after(Duration::from_secs(60));
    let (turnout, _api) = with_timeouts(route, upstream, minute).await;
    let asked = Instant::now();
    let answer = turnout.get("/a").await.expect(504);
    assert_eq!(answer.problem(), "upstream_timeout");
    asked.elapsed()
}

#[tokio::test]
async fn an_upstream_that_takes_too_long_is_a_504_in_time() {
    let (total, read, upstream) = tokio::join!(
        time_to_504("timeouts: {total: 300ms}", "{}"),
        time_to_504("timeouts: {read: 300ms}", "{}"),
        time_to_504("methods: [GET]", "{read: 300ms}"),
    );
    for waited in [total, read, upstream] {
        assert!(waited >= Duration::from_millis(290), "{waited:?}");
        assert!(waited < Duration::from_secs(10), "{waited:?}");
    }
}

#[tokio::test]
async fn a_route_can_be_more_patient_than_its_upstream() {
    let late = status(200).after(Duration::from_millis(600));
    let (turnout, _api) = with_timeouts("timeouts: {read: 10s}", "{read: 200ms}", late).await;
    turnout.get("/a").await.expect(200);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_a_502() {
    let broken = faulty("api", Fault::Close).await;
    for address in [dead_address(), broken.address()] {
        let routes = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
        let turnout = Setup::new(routes).upstream("api", address).start().await;
        let answer = turnout.get("/a").await;
        assert!(matches!(answer.status.as_u16(), 502 | 503), "{answer:?}");
        let problem = answer.problem();
        assert!(problem.starts_with("upstream_"), "{problem}");
        // Nothing about where the upstream is, is for clients to know.
        assert!(!answer.text().contains("127.0.0.1"), "{answer:?}");
    }
}

/// A client that was promised a connection sends its next request on it, and may not send it twice.
#[tokio::test]
async fn a_problem_says_whether_the_connection_stays() {
    let broken = faulty("api", Fault::Reset).await;
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n  \
                  b: {canonical: /b, stable: {upstream: dead}}\n  \
                  r: {canonical: /r, redirect: {path: /a}}\n";
    let turnout = Setup::new(routes)
        .upstream("api", broken.address())
        .upstream("dead", dead_address())
        .start()
        .await;
    for path in ["/nowhere", "/a", "/b", "/r"] {
        for body in ["Content-Length: 3\r\n\r\nabc", "\r\n"] {
            let request = format!("PUT {path} HTTP/1.1\r\nHost: h\r\n{body}");
            let mut connection = RawConnection::open(turnout.proxy()).await;
            connection.write(&request).await;
            let (head, _body) = connection.read_answer().await;
            if head.contains("connection: close") {
                assert_eq!(connection.read_to_end().await, "", "{path}");
            } else {
                connection.write(&request).await;
                let (again, _body) = connection.read_answer().await;
                assert_eq!(again.get(..12), head.get(..12), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let api = scripted("api", |_| {
        let mut cut = Reply::fault(Fault::Truncate);
        cut.body = vec![b'x'; 200_000].into();
        cut
    })
    .await;
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
    let turnout = Setup::new(routes).upstream("api", api.address()).start().await;
    let answer = turnout.try_send(get("/a")).await;
    assert!(
        answer.is_err(),
        "a half answer passed as a whole one: {:?}",
        answer.map(|a| a.body.len())
    );
}

#[tokio::test]
async fn every_method_and_status_passes() {
    let api = scripted("api", |request| match request.query() {
        "" => status(200),
        code => status(code.parse().unwrap()).with("x-a", "1"),
    })
    .await;
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
    let turnout = Setup::new(routes).upstream("api", api.address()).start().await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        turnout.send(ask(method, "/a")).await.expect(200);
        assert_eq!(api.last().method, *method);
    }
    for code in [200, 201, 204, 206, 301, 304, 400, 401, 404, 409, 418, 429, 500, 501, 599] {
        let answer = turnout.get(&format!("/a?{code}")).await.expect(code);
        assert_eq!(answer.header("x-a"), Some("1"), "{code}");
    }
}

#[tokio::test]
async fn bodies_pass_both_ways_whole() {
    let api = scripted("api", |request| Reply::text(request.body.clone())).await;
    let routes = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
    let turnout = Setup::new(routes).upstream("api", api.address()).start().await;
    for size in [0, 1, 65_536, 65_537, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[0]).collect();
        let answer = turnout.send(post("/a", body.clone())).await.expect(200);
        assert!(answer.body == body, "{size} bytes changed on the way");
    }
}
