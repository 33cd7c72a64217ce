//! Does every spelling of a path mean the same? What is matched, decided on and forwarded are the same bytes; what could
//! be read in two ways reaches nobody.

use serde_json::json;

use crate::kit::{Memory, Origin, RawConnection, Setup, Turnout, origin};

const ROUTES: &str = r#"
routes:
  plain: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, start: {shadow: 100%}}
  files:
    canonical: /files
    aliases: [{path: /old-files, deprecated: 2026-01-31}]
    encoded_slash: keep
    stable: {upstream: old, path: /store}
    candidate: {upstream: new, path: /objects}
    start: {shadow: 100%}
  tenants:
    canonical: /t
    stable: {upstream: old}
    tenant: {path: "/t/{tenant}"}
  moved: {canonical: /moved, redirect: {path: /there}}
"#;

struct World {
    turnout: Turnout,
    old: Origin,
    new: Origin,
}

async fn world() -> World {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(ROUTES).upstream("old", old.address()).upstream("new", new.address());
    World { turnout: setup.start().await, old, new }
}

impl World {
    /// The head and body of the answer to a target, byte for byte as given.
    async fn ask(&self, target: &str) -> (String, String) {
        let mut connection = RawConnection::open(self.turnout.proxy()).await;
        connection.write(format!("GET {target} HTTP/1.1\r\nHost: api.example.org\r\n\r\n")).await;
        connection.read_answer().await
    }
}

#[tokio::test]
async fn every_spelling_reaches_both_arms_as_the_same_bytes() {
    let world = world().await;
    let mut asked = 0;
    for (canonical, on_stable, on_candidate, spellings) in [
        (
            "/v1/sms/threads/7",
            "/v1/sms/threads/7",
            "/v1/sms/threads/7",
            &[
                "/v1/sms/threads/7",
                "/v1/./sms/threads/./7",
                "/v1/sms/x/../threads/7",
                "/../v1/sms/threads/7",
                "/files/../v1/sms/threads/7",
                "/%76%31/s%6ds/th%72eads/%37",
                "/v1/%2e/sms/%2E%2e/sms/threads/7",
                "http://api.example.org/v1/sms/threads/7",
                "http://api.example.org/v1/x/%2e%2E/sms/threads/7",
            ][..],
        ),
        ("/v1/sms/", "/v1/sms/", "/v1/sms/", &["/v1/sms/", "/v1/sms/.", "/v1/sms/x/.."]),
        (
            "/v1/sms/a%20b%C3%A9%3F",
            "/v1/sms/a%20b%C3%A9%3F",
            "/v1/sms/a%20b%C3%A9%3F",
            &["/v1/sms/a%20b%C3%A9%3F", "/v1/sms/a%20b%c3%a9%3f", "/v1/./sms/%61%20b%c3%A9%3f"],
        ),
        (
            "/files/a%2Fb~",
            "/store/a%2Fb~",
            "/objects/a%2Fb~",
            &["/files/a%2Fb~", "/files/a%2fb%7E", "/%66iles/./a%2fb~", "/old-files/a%2fb~"],
        ),
    ] {
        for spelling in spellings {
            let (head, _) = world.ask(&format!("{spelling}?q=%2e%2F..//%61")).await;
            assert!(head.starts_with("http/1.1 200"), "{spelling}: {head}");
            asked += 1;
            world.new.was_asked(asked).await;
            let query = "?q=%2e%2F..//%61";
            assert_eq!(
                world.old.last().path_and_query,
                format!("{on_stable}{query}"),
                "{spelling}"
            );
            assert_eq!(
                world.new.last().path_and_query,
                format!("{on_candidate}{query}"),
                "{spelling}"
            );
            if spelling.contains("old-files") {
                assert!(head.contains(&format!("link: <{}>", canonical.to_lowercase())), "{head}");
            }
        }
    }
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_reaches_nobody() {
    let world = world().await;
    for (probes, target) in (0..).zip([
        "/v1/sms//threads",
        "//v1/sms",
        "/v1/sms/a%2fb",
        "/v1/sms/a%252fb",
        "/v1/sms/a%5cb",
        "/v1/sms/a\\b",
        "/v1/sms/%00",
        "/v1/sms/%0d%0aX-A:1",
        "/v1/sms/%7f",
        "/v1/sms/..;/threads",
        "/v1/sms/..;x=1/threads",
        "/v1/sms/..%3b/threads",
        "/v1/sms/%2e%2e;/threads",
        "/v1/sms/%252e%252e/threads",
        "/v1/sms/%",
        "/v1/sms/%4",
        "/v1/sms/%zz",
        "/v1/sms/%c0%ae%c0%ae/x",
        "/files/..%2f..%2fetc",
        "/files/a%2fb/../c",
        "/v1/sms/\u{e9}",
        "foo:bar",
        "v1/sms",
    ]) {
        let (head, body) = world.ask(target).await;
        assert!(head.starts_with("http/1.1 400"), "{target}: {head}");
        assert!(body.contains("\"code\":\"bad_"), "{target}: {body}");
        assert_eq!(world.old.count(), probes, "{target} went through");
        world.turnout.get("/v1/sms/probe").await.expect(200);
        assert_eq!(world.old.last().path_and_query, "/v1/sms/probe", "{target}");
    }
    let (_, body) = world.ask("/v1/sms/a%2fb").await;
    assert!(body.contains("\"code\":\"bad_path\""), "{body}");
}

#[tokio::test]
async fn a_lock_holds_for_every_spelling_of_its_tenant() {
    let world = world().await;
    let lock = json!({"mode": "blocked", "why": "test"});
    world.turnout.command("PUT", "/v1/tenants/acme/lock", lock).await;
    for path in ["/t/acme/x", "/t/%61cme/x", "/t/b2/../acme/x", "/t/./ac%6De", "/%74/%61%63%6d%65"]
    {
        let (head, body) = world.ask(path).await;
        assert!(
            head.starts_with("http/1.1 503") && body.contains("tenant_blocked"),
            "{path}: {head}"
        );
    }
    let (head, _) = world.ask("/t/acme/../b2").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn redirects_lead_to_the_normal_path() {
    let world = world().await;
    for path in ["/moved/a/%62", "/moved/./a/b", "/moved/a/c/../b"] {
        let (head, _) = world.ask(path).await;
        assert!(head.contains("location: /there/a/b\r\n"), "{path}: {head}");
    }
}

#[tokio::test]
async fn the_whole_server_is_asked_for_its_options() {
    let api = origin("api").await;
    let routes = "routes:\n  all: {canonical: /, stable: {upstream: api}}\n";
    let turnout = Setup::new(routes).upstream("api", api.address()).start().await;
    let mut connection = RawConnection::open(turnout.proxy()).await;
    connection.write("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (head, _) = connection.read_answer().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}
