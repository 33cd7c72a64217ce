//! Flags where they are used: routes that ask for one, arms that are told, and a command that moves both.

use serde_json::json;

use crate::kit::{Memory, Origin, Setup, Turnout, all, get, origin, post, sample};

const FILE: &str = r#"
tenants: {acme: {residency: AF}, b2: {}}
cohorts: {africa: {attribute: {residency: AF}}}
flags:
  base: {start: {share: 100%}}
  reporting: {requires: {base: on}}
  page.size: {variants: {small: 20, large: 200}, off: small}
routes:
  a:
    canonical: /a
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
    requires_flag: reporting
    flag_headers: [page.size]
  hidden:
    canonical: /hidden
    stable: {upstream: old}
    requires_flag: {flag: reporting, status: 404, code: no_such_report}
"#;

async fn start() -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(FILE).upstream("old", old.address()).upstream("new", new.address());
    (setup.start().await, old, new)
}

impl Turnout {
    async fn flag(&self, flag: &str, change: &str, body: serde_json::Value) -> serde_json::Value {
        let mut body = body;
        body["why"] = json!("test");
        self.command("POST", &format!("/v1/flags/{flag}/{change}"), body).await
    }
}

#[tokio::test]
async fn a_route_lets_in_whom_the_flag_is_on_for() {
    let (turnout, old, _new) = start().await;
    let of = |tenant: &str| get("/a/1").tenant(tenant);
    let refused = turnout.send(of("acme")).await;
    assert_eq!((refused.status.as_u16(), &*refused.problem()), (403, "flag_required"));
    let hidden = turnout.send(get("/hidden")).await;
    assert_eq!((hidden.status.as_u16(), &*hidden.problem()), (404, "no_such_report"));
    assert_eq!(old.requests().len(), 0, "nothing reaches an upstream");

    turnout.flag("reporting", "serve", json!({"share": "100%", "cohort": "africa"})).await;
    turnout.send(of("acme")).await.expect(200);
    assert_eq!(turnout.send(of("b2")).await.status, 403);
    assert_eq!(turnout.send(get("/a/1")).await.status, 403, "nobody is in no cohort");
    turnout.flag("base", "off", json!({})).await;
    assert_eq!(turnout.send(of("acme")).await.status, 403, "what it requires is off");
    turnout.flag("base", "on", json!({})).await;
    turnout.send(of("acme")).await.expect(200);

    let lock = json!({"mode": "read_only", "why": "test"});
    turnout.command("PUT", "/v1/tenants/b2/lock", lock).await;
    let locked = turnout.send(post("/a/1", "x").tenant("b2")).await;
    assert_eq!(locked.problem(), "tenant_read_only", "a lock stands before a flag");
    let used = turnout.view("/v1/flags/reporting").await["variants"].clone();
    assert_eq!((&used[0]["evaluations"], &used[1]["evaluations"]), (&json!(2), &json!(5)));
    let metrics = turnout.metrics().await;
    let given = sample(
        &metrics,
        "turnout_flag_evaluations_total",
        &["flag=\"reporting\"", "variant=\"on\""],
    );
    assert_eq!(given, Some(2.0));
}

#[tokio::test]
async fn an_arm_is_told_the_variant_and_nobody_forges_it() {
    let (turnout, old, _new) = start().await;
    turnout.flag("reporting", "serve", json!({"share": "100%"})).await;
    turnout.flag("page.size", "serve", json!({"share": "100%", "tenant": "acme"})).await;
    for (tenant, variant) in [("acme", "large"), ("b2", "small")] {
        let forged = get("/a/1").tenant(tenant).header("x-turnout-flag-page-size", "forged");
        turnout.send(forged).await.expect(200);
        assert_eq!(all(&old.last(), "x-turnout-flag-page-size"), variant);
    }
}

#[tokio::test]
async fn one_command_moves_a_route_and_a_flag() {
    let (turnout, _old, _new) = start().await;
    let ran = ["shift", "a", "live", "--tenant", "acme", "--flag", "reporting", "--why", "test"];
    let ran = turnout.cli(&ran).await.expect(0);
    assert!(ran.stdout.contains("flag reporting, tenant acme: inherits -> on"), "{ran:?}");
    let answer = turnout.send(get("/a/1").tenant("acme")).await.expect(200);
    assert_eq!(answer.origin(), "new");
    assert_eq!(turnout.revision().await, 2);

    let shown = turnout.cli(&["flag", "show", "reporting", "--tenant", "acme"]).await.expect(0);
    assert!(shown.stdout.contains("tenant acme has on: TARGETING_MATCH, tenant"), "{shown:?}");
    turnout.cli(&["flag", "ramp", "reporting", "50%", "--why", "test"]).await.expect(0);
    turnout.cli(&["flag", "off", "reporting", "--why", "test"]).await.expect(0);
    let listed = turnout.cli(&["flag", "list"]).await.expect(0);
    assert!(listed.stdout.contains("reporting  boolean  off"), "{listed:?}");
    assert_eq!(turnout.send(get("/a/1").tenant("acme")).await.status, 403);
    turnout.cli(&["flag", "target", "reporting", "--tenant", "b2", "--why", "x"]).await.expect(0);
    turnout.cli(&["flag", "on", "reporting", "--why", "test"]).await.expect(0);
    turnout.send(get("/a/1").tenant("b2")).await.expect(200);
    turnout.cli(&["flag", "set", "nothing", "on", "--why", "test"]).await.expect(1);
}

#[tokio::test]
async fn a_flag_that_everybody_has_the_same_of_is_safe_to_remove() {
    let (turnout, _old, _new) = start().await;
    let of = async |turnout: &Turnout, path: &str| {
        let flag = turnout.view(&format!("/v1/flags/{path}")).await;
        (flag["steady"].clone(), flag["safe_to_remove"].clone(), flag["named_at"].clone())
    };
    let (steady, safe, named_at) = of(&turnout, "base?days=0").await;
    assert_eq!((&steady["variant"], safe), (&json!("on"), json!(true)));
    assert_eq!(named_at, json!(["/flags/reporting/requires/base"]));
    let (_, safe, named_at) = of(&turnout, "reporting").await;
    assert_eq!(safe, json!(false), "not for 7 days yet");
    let places = json!(["/routes/a/requires_flag", "/routes/hidden/requires_flag"]);
    assert_eq!(named_at, places);
    let (_, _, named_at) = of(&turnout, "page.size").await;
    assert_eq!(named_at, json!(["/routes/a/flag_headers/0"]));

    turnout.flag("reporting", "serve", json!({"share": "50%"})).await;
    let (steady, safe, _) = of(&turnout, "reporting?days=0").await;
    assert_eq!((steady, safe), (json!(null), json!(false)));
    turnout.flag("reporting", "serve", json!({"share": "100%"})).await;
    let on = of(&turnout, "reporting?days=0").await;
    assert_eq!((&on.0["variant"], &on.1), (&json!("on"), &json!(true)));
    turnout.shift("a", "5%").await;
    let diff = turnout.cli(&["revisions", "3", "--against", "1"]).await;
    assert!(!diff.stdout.contains("steady"), "nobody has commanded that: {diff:?}");

    let shown = turnout.cli(&["flag", "show", "reporting", "--days", "0"]).await.expect(0);
    let since = on.0["since"].as_str().unwrap();
    let told = format!(
        "everybody has had on since {since}: safe to remove\nnamed at /routes/a/requires_flag"
    );
    assert!(shown.stdout.contains(&told), "{shown:?}");
    let listed = turnout.cli(&["flag", "list", "--days", "0"]).await.expect(0);
    assert!(listed.stdout.contains("safe, named 2 times"), "{listed:?}");
    let listed = turnout.cli(&["flag", "list"]).await.expect(0);
    assert!(!listed.stdout.contains("safe"), "{listed:?}");
    let bad = turnout.cli(&["flag", "list", "--days", "a-week"]).await;
    assert_eq!(bad.code, 64, "{bad:?}");

    // A restart does not change it, nor does a file in which something else is another.
    let setup = turnout.kill();
    let again = setup.rewritten(&FILE.replace("acme: {residency: AF}", "acme: {}")).start().await;
    assert_eq!(of(&again, "reporting?days=0").await, on);
    let setup = again.kill();
    let changed =
        setup.rewritten(&FILE.replace("requires: {base: on}", "variants: {on: 1, off: 0}"));
    let changed = changed.start().await;
    let (steady, safe, _) = of(&changed, "reporting?days=0").await;
    assert_eq!((&steady["variant"], safe), (&json!("on"), json!(true)));
    assert!(steady["since"].as_str().unwrap() > since, "the variant has another value: {steady}");
    assert_eq!(of(&changed, "base").await.2, json!([]));
}
