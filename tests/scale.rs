//! How long does a command take to serve, and how much memory is held, with many routes and tenants?
//!
//! `TURNOUT_LONG=1` has as many of them as the claim is about, in release, and prints what it finds.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::kit::{Origin, Setup, Turnout, ask, get, origin};

/// After which a shift that does not serve is taken for lost. How long it takes is printed: that is the machine's, too.
const NEVER: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
struct Size {
    routes: usize,
    tenants: usize,
}

fn is_long() -> bool {
    std::env::var_os("TURNOUT_LONG").is_some()
}

/// That many routes and tenants, each of these with an attribute.
fn file(size: Size) -> String {
    let mut text = String::from("tenants:\n  t0: {plan: gold}\n");
    for n in 1..size.tenants {
        text.push_str(&format!("  t{n}: {{plan: gold}}\n"));
    }
    text.push_str("cohorts: {gold: {attribute: {plan: gold}}}\nroutes:\n");
    for n in 0..size.routes {
        text.push_str(&format!(
            "  r{n}: {{canonical: /v1/r{n}, stable: {{upstream: old}}, candidate: {{upstream: new}}, tenant: {{header: X-Tenant-Id}}}}\n"
        ));
    }
    text
}

/// A node on which every tenant has a shift of its own on the first route.
async fn node(size: Size) -> (Turnout, [Origin; 2]) {
    let origins = [origin("old").await, origin("new").await];
    let setup = Setup::new(&file(size))
        .upstream("old", origins[0].address())
        .upstream("new", origins[1].address());
    let turnout = setup.start().await;
    turnout.shift_tenant("r0", "t0", "0%").await;
    let setup = turnout.kill();
    // The same row for every tenant: a command for each would only take longer.
    let tenants = size.tenants;
    let rows = format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {tenants} - 1)
         INSERT INTO state (key, revision, value)
             SELECT 'shift/r0/tenant/t' || n, revision, value FROM n, state
             WHERE key = 'shift/r0/tenant/t0';"
    );
    let database = rusqlite::Connection::open(setup.folder().join("turnout.db")).unwrap();
    database.execute_batch(&rows).unwrap();
    drop(database);
    (setup.start().await, origins)
}

/// How long it takes from asking for a tenant's shift until a request is served by it.
async fn command_to_effect(turnout: &Turnout, tenant: &str, share: &str, by: &str) -> Duration {
    let body = json!({"share": share, "tenant": tenant, "why": "scale"});
    let began = Instant::now();
    let command = async {
        turnout.control_send(ask("POST", "/v1/routes/r0/shift").json(&body)).await.expect(200);
    };
    let effect = async {
        while turnout.send(get("/v1/r0").tenant(tenant)).await.expect(200).origin() != by {
            assert!(began.elapsed() < NEVER, "{share} for {tenant} is never served");
        }
        began.elapsed()
    };
    tokio::join!(command, effect).1
}

#[tokio::test]
async fn with_many_routes_and_tenants_a_command_serves_soon_and_memory_is_known() {
    let (size, times) = if is_long() {
        (Size { routes: 10_000, tenants: 100_000 }, 500)
    } else {
        (Size { routes: 50, tenants: 200 }, 20)
    };
    let (few, _origins) = node(Size { tenants: 2, ..size }).await;
    let held_by_routes = few.memory();
    drop(few);
    let (turnout, _origins) = node(size).await;
    let held = turnout.memory();
    let mut took = Vec::new();
    for n in 0..times {
        let tenant = format!("t{}", n / 2 % size.tenants);
        let (share, by) = if n % 2 == 0 { ("100%", "new") } else { ("0%", "old") };
        took.push(command_to_effect(&turnout, &tenant, share, by).await);
    }
    took.sort_unstable();
    let at = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)];
    let mib = |bytes: u64| bytes / (1 << 20);
    println!(
        "{size:?}: command to effect p50 {:?}, p99 {:?}, longest {:?}, of {times}; memory {} MiB, {} MiB without the tenants, \
         {} KiB per 1,000 tenants; after the commands {} MiB",
        at(50),
        at(99),
        at(100),
        mib(held),
        mib(held_by_routes),
        held.saturating_sub(held_by_routes) / size.tenants as u64 * 1_000 / 1_024,
        mib(turnout.memory()),
    );
}
