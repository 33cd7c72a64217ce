//! Whose request is it? Tenants from every source, those who have none, and locks.

use serde_json::json;

use crate::kit::{Ask, Client, Memory, Origin, Setup, Turnout, ask, get, origin, post};

/// A route `a` below `/` whose tenant `acme` is on the candidate and everybody else on stable.
async fn with_tenant_rule(rule: &str) -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let routes = format!(
        "tenants: {{acme: {{}}, house: {{}}}}\nroutes:\n  a: {{canonical: /, stable: {{upstream: old}}, candidate: {{upstream: new}}, tenant: {rule}}}\n"
    );
    let setup = Setup::new(&routes).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    turnout.shift_tenant("a", "acme", "100%").await;
    (turnout, old, new)
}

async fn origin_of(turnout: &Turnout, ask: Ask) -> String {
    turnout.send(ask).await.expect(200).origin().to_owned()
}

#[tokio::test]
async fn a_tenant_is_found_in_every_source() {
    for (rule, acme, other) in [
        ("{header: X-Tenant-Id}", get("/x").tenant("acme"), get("/x").tenant("zeta")),
        ("{query: tenant}", get("/x?a=1&tenant=acme"), get("/x?tenant=zeta")),
        (
            "{cookie: tid}",
            get("/x").header("cookie", "a=1; tid=acme"),
            get("/x").header("cookie", "tid=zeta"),
        ),
        ("{path: \"/t/{tenant}\"}", get("/t/acme/x"), get("/t/zeta/x")),
        (
            "{host: \"{tenant}.example.org\"}, hosts: [\"*.example.org\"]",
            get("/x").host("acme.example.org"),
            get("/x").host("zeta.example.org"),
        ),
    ] {
        let (turnout, _old, _new) = with_tenant_rule(rule).await;
        assert_eq!(origin_of(&turnout, acme).await, "new", "{rule}");
        assert_eq!(origin_of(&turnout, other).await, "old", "{rule}");
        if !rule.contains("host") {
            assert_eq!(origin_of(&turnout, get("/x")).await, "old", "{rule}: without a tenant");
        }
    }
}

#[tokio::test]
async fn the_first_source_that_yields_a_tenant_wins() {
    let (turnout, _old, _new) =
        with_tenant_rule("{from: [{header: X-Tenant-Id}, {cookie: tid}]}").await;
    let both = |header, cookie| get("/x").tenant(header).header("cookie", cookie);
    assert_eq!(origin_of(&turnout, both("acme", "tid=zeta")).await, "new");
    assert_eq!(origin_of(&turnout, both("zeta", "tid=acme")).await, "old");
    assert_eq!(origin_of(&turnout, get("/x").header("cookie", "tid=acme")).await, "new");
}

#[tokio::test]
async fn what_is_no_tenant_id_is_refused() {
    let (turnout, old, new) = with_tenant_rule("{from: [{header: X-Tenant-Id}, {query: t}]}").await;
    let long = "x".repeat(129);
    for bad in [
        get("/x").tenant("a b"),
        get("/x").tenant("a/b"),
        get("/x").tenant(""),
        get("/x").tenant(&long),
        get("/x").tenant("acme").tenant("acme"),
        get("/x").tenant("acme").tenant("zeta"),
        get("/x?t=caf%C3%A9"),
        get("/x?t=acme&t=acme"),
        get("/x?t="),
    ] {
        let answer = turnout.send(bad.clone()).await;
        assert_eq!(answer.status, 400, "{bad:?}");
        assert_eq!(answer.problem(), "tenant_invalid", "{bad:?}");
    }
    for good in ["a", "A.b_c:d@e-f", &"x".repeat(128)] {
        turnout.send(get("/x").tenant(good)).await.expect(200);
    }
    assert_eq!((old.count(), new.count()), (3, 0), "what is refused reaches nobody");
}

#[tokio::test]
async fn a_request_without_a_tenant_goes_as_the_route_says() {
    let (turnout, _old, _new) = with_tenant_rule("{header: X-Tenant-Id}").await;
    turnout.shift("a", "100%").await;
    assert_eq!(origin_of(&turnout, get("/x")).await, "old", "strangers stay on stable");
    assert_eq!(origin_of(&turnout, get("/x").tenant("zeta")).await, "new");

    let (turnout, _old, _new) = with_tenant_rule("{header: X-Tenant-Id, missing: reject}").await;
    let answer = turnout.get("/x").await.expect(400);
    assert_eq!(answer.problem(), "tenant_missing");

    let (turnout, _old, _new) =
        with_tenant_rule("{header: X-Tenant-Id, missing: {tenant: acme}}").await;
    assert_eq!(origin_of(&turnout, get("/x")).await, "new");
}

#[tokio::test]
async fn a_tenant_header_is_believed_from_trusted_peers_only() {
    let (turnout, old, _new) = with_tenant_rule("{header: X-Tenant-Id}").await;
    let stranger = Client::from_address(Some([127, 0, 0, 9].into()));
    let answer = stranger.send(turnout.proxy(), get("/x").tenant("acme")).await.unwrap();
    assert_eq!(answer.origin(), "old");
    assert_eq!(old.last().header("x-tenant-id"), None, "and it goes no further");
    // Not even a malformed one makes a difference.
    stranger.send(turnout.proxy(), get("/x").tenant("a b")).await.unwrap().expect(200);
}

#[tokio::test]
async fn a_locked_tenant_gets_503_until_it_is_unlocked() {
    let (turnout, old, _new) = with_tenant_rule("{header: X-Tenant-Id}").await;
    let lock = |mode: &str| {
        let body = json!({"mode": mode, "why": "the data moves to another region"});
        turnout.control_send(ask("PUT", "/v1/tenants/moving/lock").json(&body))
    };
    let refused = async |ask: Ask, code: &str| {
        let answer = turnout.send(ask).await.expect(503);
        assert_eq!(answer.problem(), code);
        let retry: u32 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
        assert!(retry >= 1);
    };

    lock("read_only").await.expect(200);
    for method in ["GET", "HEAD", "OPTIONS"] {
        turnout.send(ask(method, "/x").tenant("moving")).await.expect(200);
    }
    let reads = old.count();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        refused(ask(method, "/x").tenant("moving"), "tenant_read_only").await;
    }
    turnout.send(post("/x", "b").tenant("zeta")).await.expect(200);
    assert_eq!(old.count(), reads + 1, "nothing of the locked tenant came through");

    lock("blocked").await.expect(200);
    refused(get("/x").tenant("moving"), "tenant_blocked").await;
    refused(post("/x", "b").tenant("moving"), "tenant_blocked").await;
    turnout.send(get("/x").tenant("zeta")).await.expect(200);
    turnout.get("/x").await.expect(200);

    turnout.control_send(ask("DELETE", "/v1/tenants/moving/lock?why=done")).await.expect(200);
    turnout.send(post("/x", "b").tenant("moving")).await.expect(200);
}

#[tokio::test]
async fn a_lock_outlives_a_restart() {
    let (turnout, _old, _new) = with_tenant_rule("{header: X-Tenant-Id}").await;
    turnout.command("PUT", "/v1/tenants/moving/lock", json!({"mode": "blocked", "why": "w"})).await;
    let again = turnout.kill().start().await;
    again.send(get("/x").tenant("moving")).await.expect(503);
}

/// A route whose cohort `africa` is on the candidate; tenants belong to it by their residency.
async fn by_residency() -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let routes = "tenants: {acme: {residency: AF}}\ncohorts: {africa: {attribute: {residency: AF}}}\n\
                  routes:\n  a: {canonical: /, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}}\n";
    let setup = Setup::new(routes).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    turnout.shift_cohort("a", "africa", "100%").await;
    (turnout, old, new)
}

#[tokio::test]
async fn a_tenant_follows_its_attributes_at_once() {
    let (turnout, _old, _new) = by_residency().await;
    let arm = async |tenant: &str| origin_of(&turnout, get("/x").tenant(tenant)).await;
    assert_eq!((arm("acme").await, arm("zeta").await), ("new".into(), "old".into()));
    let why = ["--why", "its data has moved"];
    let set = async |arguments: &[&str]| {
        let all = [&["tenant", "set"], arguments, &why].concat();
        turnout.cli(&all).await.expect(0).text()
    };
    let said = set(&["zeta", "residency=AF", "plan=gold"]).await;
    assert!(said.contains("tenant zeta: plan unset -> gold, residency unset -> AF"), "{said}");
    assert_eq!(arm("zeta").await, "new");
    set(&["acme", "residency="]).await;
    assert_eq!(arm("acme").await, "old");
    let shown = turnout.cli(&["tenant", "show", "zeta"]).await.expect(0).text();
    assert!(shown.contains("of africa") && shown.contains("plan=gold residency=AF"), "{shown}");
    let would = set(&["zeta", "residency=EU", "--dry-run"]).await;
    assert!(would.contains("1 tenant: zeta"), "{would}");
    assert_eq!(arm("zeta").await, "new");
    let restarted = turnout.kill().start().await;
    assert_eq!(origin_of(&restarted, get("/x").tenant("zeta")).await, "new");
    assert_eq!(origin_of(&restarted, get("/x").tenant("acme")).await, "old");
}

#[tokio::test]
async fn a_list_of_tenants_is_one_revision_or_none() {
    let (turnout, _old, _new) = by_residency().await;
    let file = turnout.setup().folder().join("tenants.csv");
    let import = async |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let all = [&["tenant", "import", file, "--why", "from the register"], more].concat();
        turnout.cli(&all).await
    };
    let rows = (0..5_000).map(|n| format!("t{n},{}\n", if n % 2 == 0 { "AF" } else { "EU" }));
    let list = format!("tenant,residency\n{}", rows.collect::<String>());
    let before = turnout.revision().await;
    let would = import(&list, &["--dry-run"]).await.expect(0).text();
    assert!(would.contains("2500 tenants: t0, "), "{}", would.lines().nth(1).unwrap_or(&would));
    assert_eq!(turnout.revision().await, before);
    let said = import(&list, &[]).await.expect(0).text();
    assert!(said.contains("attributes of 5000 of 5000 tenants changed"), "{said}");
    assert_eq!(turnout.revision().await, before + 1);
    assert_eq!(origin_of(&turnout, get("/x").tenant("t4998")).await, "new");
    assert_eq!(origin_of(&turnout, get("/x").tenant("t4999")).await, "old");

    let bad = import("tenant,residency\nt1,AF\nb d,AF\nt2,x\u{1}y\n", &[]).await.expect(1).text();
    assert!(bad.contains("/tenants/b d") && bad.contains("/tenants/t2/residency"), "{bad}");
    assert!(import("id,residency\n", &[]).await.expect(64).text().contains("line 1"));
    assert_eq!(turnout.revision().await, before + 1);
    assert_eq!(origin_of(&turnout, get("/x").tenant("t1")).await, "old");
}
