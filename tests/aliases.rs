//! Do both path families of a route work? Older paths are served by the same decision, announced as such, counted, and
//! one day redirected or gone.

use serde_json::Value;

use crate::kit::{
    Answer, Memory, Origin, Reply, Setup, Turnout, With, ask, eventually, eventually_some, get,
    origin, post, sample, scripted, status,
};

const COMMUNICATION: &str = r#"
tenants: {acme: {}}
routes:
  communication:
    canonical: /v1/communication
    aliases:
      - {path: /v1/messaging, deprecated: 2026-01-31, sunset: 2099-03-31}
      - {path: /v1/virtual-care, stable: {upstream: care, path: /care/v3}}
    stable: {upstream: old, path: /v1/messaging}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
"#;

struct Pair {
    old: Origin,
    care: Origin,
    new: Origin,
    turnout: Turnout,
}

async fn communication() -> Pair {
    let (old, care, new) = (origin("old").await, origin("care").await, origin("new").await);
    let turnout = Setup::new(COMMUNICATION)
        .upstream("old", old.address())
        .upstream("care", care.address())
        .upstream("new", new.address())
        .start()
        .await;
    Pair { old, care, new, turnout }
}

#[tokio::test]
async fn each_arm_is_asked_under_the_path_it_knows() {
    let Pair { old, care, new, turnout } = communication().await;
    let cases = [
        ("/v1/communication/threads/7?x=1", &old, "/v1/messaging/threads/7?x=1"),
        ("/v1/messaging/threads/7?x=1", &old, "/v1/messaging/threads/7?x=1"),
        ("/v1/virtual-care/threads/7?x=1", &care, "/care/v3/threads/7?x=1"),
        ("/v1/communication", &old, "/v1/messaging"),
        ("/v1/communication/", &old, "/v1/messaging/"),
    ];
    for (path, serves, under) in cases {
        turnout.send(get(path).tenant("acme")).await.expect(200);
        assert_eq!(serves.last().path_and_query, under, "{path}");
    }
    turnout.shift("communication", "100%").await;
    for (path, _, _) in cases {
        let answer = turnout.send(get(path).tenant("acme")).await.expect(200);
        assert_eq!(answer.origin(), "new");
        let tail =
            path.trim_start_matches("/v1/").split_once(['/', '?']).map_or("", |(_, tail)| tail);
        let under = new.last().path_and_query;
        assert!(under.starts_with("/v1/communication") && under.ends_with(tail), "{path}: {under}");
    }
}

#[tokio::test]
async fn an_alias_shares_the_decision_of_its_route() {
    let Pair { turnout, old: _old, care: _care, new: _new } = communication().await;
    turnout.shift("communication", "50%").await;
    let mut arms = [0, 0];
    for n in 0..40 {
        let tenant = format!("t{n}");
        let ask = |path: &str| turnout.send(get(path).tenant(&tenant));
        let canonical = ask("/v1/communication").await.origin() == "new";
        for alias in ["/v1/messaging", "/v1/virtual-care"] {
            assert_eq!(ask(alias).await.origin() == "new", canonical, "{tenant} {alias}");
        }
        arms[usize::from(canonical)] += 1;
    }
    assert!(arms.iter().all(|count| *count > 5), "{arms:?}");
}

#[tokio::test]
async fn answers_to_an_alias_say_when_it_goes_and_what_comes() {
    let Pair { turnout, old: _old, care: _care, new: _new } = communication().await;
    let announces = |answer: &Answer, successor: &str| {
        // RFC 9745: a structured-field date, here that of the configuration.
        assert_eq!(answer.header("deprecation"), Some("@1769817600"), "{answer:?}");
        assert_eq!(answer.header("sunset"), Some("Tue, 31 Mar 2099 00:00:00 GMT"), "{answer:?}");
        let link = answer.header("link").unwrap_or_default();
        assert!(link.starts_with(&format!("<{successor}>")), "{link}");
        assert!(link.contains("rel=\"successor-version\""), "{link}");
    };
    let answer = turnout.send(get("/v1/messaging/threads/7?x=1").tenant("acme")).await.expect(200);
    announces(&answer, "/v1/communication/threads/7");
    turnout.shift("communication", "100%").await;
    let answer = turnout.send(get("/v1/messaging/threads/7").tenant("acme")).await.expect(200);
    announces(&answer, "/v1/communication/threads/7");

    let other = turnout.get("/v1/virtual-care/x").await.expect(200);
    assert!(other.header("deprecation").is_some_and(|date| date.starts_with('@')), "{other:?}");
    assert_eq!(other.header("sunset"), None);
    assert!(other.header("link").is_some());

    let canonical = turnout.get("/v1/communication/x").await.expect(200);
    for name in ["deprecation", "sunset", "link"] {
        assert_eq!(canonical.header(name), None);
    }
}

#[tokio::test]
async fn a_link_of_the_upstream_stays_beside_the_announcement() {
    let Pair { old, care: _care, new: _new, turnout } = communication().await;
    old.behave(|_| status(200).with("link", "</next>; rel=\"next\""));
    let answer = turnout.get("/v1/messaging").await.expect(200);
    let links: Vec<&str> =
        answer.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    assert!(links.iter().any(|link| link.contains("rel=\"next\"")), "{links:?}");
    assert!(links.iter().any(|link| link.contains("successor-version")), "{links:?}");
}

/// An upstream that speaks of its own place: `/v1/messaging` for old, `/v1/communication` for new.
fn redirecting(own: &'static str) -> impl Fn(&crate::kit::Recorded) -> Reply {
    move |request| {
        let here = format!("http://{}", request.header("host").unwrap_or_default());
        status(201)
            .with("location", &format!("{own}/threads/8?y=2"))
            .with("content-location", &format!("{here}{own}/threads/8"))
            .with("set-cookie", &format!("a=1; Path={own}; HttpOnly"))
            .with("set-cookie", "b=2; Path=/")
            .with("set-cookie", &format!("c=3; path={own}/threads"))
    }
}

#[tokio::test]
async fn what_an_upstream_says_of_its_own_path_is_mapped_back_to_the_clients() {
    let Pair { old, care: _care, new, turnout } = communication().await;
    old.behave(redirecting("/v1/messaging"));
    new.behave(redirecting("/v1/communication"));
    for share in ["0%", "100%"] {
        turnout.shift("communication", share).await;
        for family in ["/v1/communication", "/v1/messaging"] {
            let request =
                post(&format!("{family}/threads"), "x").tenant("acme").host("api.example.org");
            let answer = turnout.send(request).await.expect(201);
            let context = format!("{share} {family} {answer:?}");
            assert_eq!(
                answer.header("location"),
                Some(&*format!("{family}/threads/8?y=2")),
                "{context}"
            );
            let absolute = format!("http://api.example.org{family}/threads/8");
            assert_eq!(answer.header("content-location"), Some(&*absolute), "{context}");
            let cookies: Vec<&str> = answer
                .headers
                .get_all("set-cookie")
                .iter()
                .map(|field| field.to_str().unwrap())
                .collect();
            let expected = [
                format!("a=1; Path={family}; HttpOnly"),
                "b=2; Path=/".to_owned(),
                format!("c=3; path={family}/threads"),
            ];
            assert_eq!(cookies.len(), 3, "{context}");
            for (cookie, expected) in cookies.iter().zip(expected) {
                assert_eq!(cookie.to_lowercase(), expected.to_lowercase(), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn places_that_are_not_the_upstreams_own_are_left_alone() {
    let Pair { old, care: _care, new: _new, turnout } = communication().await;
    for location in [
        "/elsewhere/x",
        "/v1/messagingx",
        "https://other.example.net/v1/messaging/x",
        "threads/8",
        "",
    ] {
        old.behave(move |_| status(302).with("location", location));
        let answer =
            turnout.send(get("/v1/communication").host("api.example.org")).await.expect(302);
        assert_eq!(answer.header("location"), Some(location));
    }
}

const SUNSET: &str = r#"
routes:
  served: {canonical: /a, aliases: [{path: /old-a, deprecated: 2020-01-01, sunset: 2021-01-01}], after_sunset: serve, stable: {upstream: api}}
  redirected: {canonical: /b, aliases: [{path: /old-b, sunset: 2021-01-01}], after_sunset: redirect, stable: {upstream: api}}
  gone: {canonical: /c, aliases: [{path: /old-c, sunset: 2021-01-01}], after_sunset: gone, stable: {upstream: api}}
"#;

#[tokio::test]
async fn after_its_sunset_an_alias_is_served_redirected_or_gone() {
    let api = scripted("api", |_| status(200)).await;
    let turnout = Setup::new(SUNSET).upstream("api", api.address()).start().await;

    let served = turnout.get("/old-a/x?y=1").await.expect(200);
    assert_eq!(api.last().path_and_query, "/a/x?y=1");
    assert_eq!(served.header("deprecation"), Some("@1577836800"));
    assert_eq!(served.header("sunset"), Some("Fri, 01 Jan 2021 00:00:00 GMT"));

    let redirected = turnout.send(ask("POST", "/old-b/x?y=1").body("data")).await.expect(308);
    assert_eq!(redirected.header("location"), Some("/b/x?y=1"));

    let gone = turnout.get("/old-c/x?y=1").await.expect(410);
    assert_eq!(gone.problem(), "alias_gone");
    assert!(gone.text().contains("/c"), "the successor is not named: {gone:?}");
    assert_eq!(api.count(), 1, "only the alias that is still served reaches the upstream");

    for canonical in ["/a", "/b", "/c"] {
        turnout.get(canonical).await.expect(200);
    }
}

#[tokio::test]
async fn uses_of_an_alias_are_counted_with_their_tenants() {
    let Pair { turnout, old: _old, care: _care, new: _new } = communication().await;
    for tenant in ["acme", "acme", "nobody-knows-me"] {
        turnout.send(get("/v1/messaging/x").tenant(tenant)).await.expect(200);
    }
    turnout.get("/v1/communication/x").await.expect(200);
    let alias = async || -> Value { turnout.route("communication").await["aliases"][0].clone() };
    eventually("three uses are counted", async || alias().await["requests"] == 3).await;
    let alias = eventually_some("the named tenant's uses are counted", async || {
        let alias = alias().await;
        let tenants = alias["tenants"].as_array()?.clone();
        tenants.iter().any(|t| t["tenant"] == "acme" && t["requests"] == 2).then_some(alias)
    })
    .await;
    assert_eq!(alias["path"], "/v1/messaging");
    assert!(alias["last_seen"].is_string() || alias["last_seen"].is_number(), "{alias}");
    // INV-12: a tenant outside the configuration is nobody's to see.
    assert!(!alias.to_string().contains("nobody-knows-me"), "{alias}");
    let metrics = turnout.metrics().await;
    let counted = |labels: &[&str]| sample(&metrics, "turnout_alias_requests_total", labels);
    assert_eq!(counted(&["alias=\"/v1/messaging\""]), Some(3.0));
    assert_eq!(counted(&["alias=\"/v1/messaging\"", "tenant=\"acme\""]), Some(2.0));
    assert_eq!(counted(&["alias=\"/v1/messaging\"", "tenant=\"other\""]), Some(1.0));
}
