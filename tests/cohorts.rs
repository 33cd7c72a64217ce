//! Which requests move together because a proxy in front vouches for who asks? Cohorts that headers tell.

use serde_json::json;

use crate::kit::{Origin, RawConnection, Setup, Turnout, all, ask, get, origin, turnout};

const ROUTES: &str = "\
cohorts:
  pilots: {tenants: [acme]}
  beta: {header: X-Consumer-Groups, has: beta}
  partner: {header: X-Partner, is: p-17}
flags: {report: {}}
routes:
  a:
    canonical: /a
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
    requires_flag: report
  open: {canonical: /open, stable: {upstream: old}, candidate: {upstream: new}}
";

struct World {
    turnout: Turnout,
    old: Origin,
    _new: Origin,
}

async fn world() -> World {
    let (old, new) = (origin("old").await, origin("new").await);
    let yaml = ROUTES.replace("    requires_flag: report\n", "");
    let setup = Setup::new(&yaml).upstream("old", old.address()).upstream("new", new.address());
    World { turnout: setup.start().await, old, _new: new }
}

impl World {
    /// The arm that serves a tenant's request with these fields.
    async fn arm(&self, tenant: &str, fields: &[(&str, &str)]) -> String {
        let mut ask = get("/a").tenant(tenant);
        for (name, value) in fields {
            ask = ask.header(name, value);
        }
        self.turnout.send(ask).await.expect(200).origin().to_owned()
    }
}

#[tokio::test]
async fn a_believed_header_puts_a_request_into_its_cohort() {
    let world = world().await;
    world.turnout.shift_cohort("a", "beta", "100%").await;
    for (fields, arm) in [
        (&[][..], "old"),
        (&[("X-Consumer-Groups", "beta")], "new"),
        (&[("X-Consumer-Groups", "gold, beta")], "new"),
        (&[("X-Consumer-Groups", "betas")], "old"),
        (&[("X-Partner", "p-17")], "old"),
    ] {
        assert_eq!(world.arm("zeta", fields).await, arm, "{fields:?}");
    }
    world.turnout.shift_cohort("a", "partner", "100%").await;
    assert_eq!(world.arm("zeta", &[("X-Partner", "p-17")]).await, "new");
    assert_eq!(world.arm("zeta", &[("X-Partner", "p-17, p-18")]).await, "old");
}

#[tokio::test]
async fn tenants_and_requests_stand_in_the_order_of_their_cohorts() {
    let world = world().await;
    let beta = [("X-Consumer-Groups", "beta")];
    world.turnout.shift_cohort("a", "beta", "100%").await;
    assert_eq!(world.arm("acme", &beta).await, "new");
    world.turnout.shift_cohort("a", "pilots", "0%").await;
    assert_eq!(world.arm("acme", &beta).await, "old", "the first as written counts");
    world.turnout.shift_tenant("a", "acme", "100%").await;
    assert_eq!(world.arm("acme", &[]).await, "new", "a tenant's own shift stands before both");
    world.turnout.command("POST", "/v1/routes/a/rollback", json!({"why": "test"})).await;
    assert_eq!(world.arm("zeta", &beta).await, "old");
}

#[tokio::test]
async fn strangers_cannot_put_themselves_into_a_cohort() {
    let world = world().await;
    for cohort in ["beta", "partner"] {
        world.turnout.shift_cohort("open", cohort, "100%").await;
    }
    for field in ["X-Consumer-Groups: beta", "X-Partner: p-17", "x-partner: p-17"] {
        let mut stranger = RawConnection::from_address([127, 0, 0, 9], world.turnout.proxy()).await;
        stranger.write(format!("GET /open HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n")).await;
        let (head, _) = stranger.read_answer().await;
        assert!(head.contains(" 200 ") && head.contains("x-origin: old"), "{head}");
    }
    for asked in world.old.requests() {
        assert_eq!(
            (all(&asked, "x-partner"), all(&asked, "x-consumer-groups")),
            Default::default()
        );
    }
    let asked = |name| get("/open").header(name, "p-17");
    assert_eq!(world.turnout.send(asked("X-Partner")).await.expect(200).origin(), "new");
    let odd = world.turnout.send(asked("X_Partner")).await;
    assert!(odd.status == 400 || odd.origin() == "old", "{odd:?}");
    assert!(world.old.requests().iter().all(|asked| all(asked, "x_partner").is_empty()));
}

#[tokio::test]
async fn flags_are_of_tenants_whatever_headers_tell() {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(ROUTES).upstream("old", old.address()).upstream("new", new.address());
    let proxy = setup.start().await;
    let serve = json!({"share": "100%", "cohort": "beta", "why": "test"});
    let refused = ask("POST", "/v1/flags/report/serve").json(&serve);
    let answer = proxy.control_send(refused).await.expect(409);
    assert_eq!(answer.problem(), "cohort_of_requests");
    let serve = json!({"share": "100%", "cohort": "pilots", "why": "test"});
    proxy.command("POST", "/v1/flags/report/serve", serve).await;
    let by = |tenant| get("/a").tenant(tenant).header("X-Consumer-Groups", "beta");
    proxy.send(by("acme")).await.expect(200);
    proxy.send(by("zeta")).await.expect(403);
}

#[tokio::test]
async fn explain_tells_what_a_header_tells() {
    let world = world().await;
    let file = world.turnout.setup().file();
    let field = ["--header", "X-Consumer-Groups=gold, beta"];
    for (from, says) in [
        (&[][..], "cohort   beta, by x-consumer-groups"),
        (&["--client", "192.0.2.9"], "x-consumer-groups is believed only from trusted_proxies"),
    ] {
        let start = ["explain", file.to_str().unwrap(), "--path", "/a"];
        let told = turnout(&[&start[..], &field, from].concat()).await.expect(0);
        assert!(told.stdout.contains(says), "{told:?}");
    }
}
