//! (b) What does it cost to give a share of the tenants to the new service, among many routes and tenants?

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use loadtest::load::Protocol;
use loadtest::load::{Call, ask};

use crate::asked::{Arms, Asked, COST, UNDER_WAY};
use crate::contestant::{Contestant, Entry};
use crate::outcome::{Chapter, Part, Result};
use crate::peer::{Job, Peer};
use crate::rounds::interleave;
use crate::stage::Stage;
use crate::template::Filling;

use super::pass::PEERS;

const ROUTES: usize = 1_000;

/// What was done, for so many tenants.
fn text(tenants: usize) -> String {
    format!(
        "{ROUTES} routes, of each 5 % of the tenants on the new service, and {tenants} tenants with a shift of their own, one \
         of 20 on the new service. Half of the requests are of these. Turnout has the shifts by as many commands; nginx and \
         HAProxy have the same tenants by maps in their files, and hash the others. Envoy and Caddy draw lots for each request \
         and know no tenants; they look through their routes one after the other. Bare Pingora sends everything to the old \
         service. Each request of a tenant with a shift of its own must be answered by its own arm, and of the others between 2 \
         and 9 % by the new service."
    )
}

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let tenants = stage.extent.tenants;
    let mut entries = Entry::start_all(stage, PEERS, Job::Canary, &filling(ROUTES, tenants)).await;
    for entry in entries.iter_mut().filter(|entry| entry.is(Peer::Turnout)) {
        entry.prepare(async |turnout| shift_tenants(turnout, ROUTES, 0, tenants).await).await;
    }
    let title = format!("5 % canary, {ROUTES} routes, {tenants} tenants");
    let case = interleave(&title, &entries, stage.extent.rounds, async |contestant| {
        let asked = asked(contestant.peer, ROUTES, tenants);
        asked.cost(stage, contestant, Job::Canary, async |_| Ok(())).await
    });
    let part = Part { name: "canary", axis: None, metrics: COST, cases: vec![case.await] };
    let title = "Canary";
    Ok(Chapter { letter: "b", title, text: text(tenants), parts: vec![part] })
}

/// Routes by number, and tenants with an arm of their own.
pub(crate) fn filling(routes: usize, tenants: usize) -> Filling {
    let route = |n: usize| vec![("ROUTE", format!("r{n}"))];
    let tenant = |n: usize| vec![("TENANT", format!("t{n}")), ("ARM", own_arm(n).to_owned())];
    Filling::default()
        .list("ROUTE", (0..routes).map(route).collect())
        .list("TENANT", (0..tenants).map(tenant).collect())
}

/// The arm of a tenant with a shift of its own.
const fn own_arm(tenant: usize) -> &'static str {
    if tenant.is_multiple_of(20) { "candidate" } else { "stable" }
}

/// Requests of as many tenants with a shift of their own as of others, each tenant on one route.
pub(super) fn asked(peer: Peer, routes: usize, tenants: usize) -> Asked {
    let of = match peer {
        Peer::Bare => Arms::STABLE.of,
        Peer::Turnout | Peer::Ungated | Peer::Nginx | Peer::Haproxy => of_its_own,
        Peer::Envoy | Peer::Caddy => |_: &Call| None,
    };
    let all = tenants.max(1_000) * 2;
    let call = move |number: u64| {
        // A prime, so that neighbours have nothing in common.
        let number = usize::try_from(number).unwrap_or_default().wrapping_mul(7_919) % all;
        let (tenant, own) = (number / 2, number.is_multiple_of(2) && number / 2 < tenants);
        let name = if own { format!("t{tenant}") } else { format!("u{tenant}") };
        Call::get(format!("/r{}/x?bytes=1024", tenant % routes)).with_header("x-tenant-id", name)
    };
    Asked {
        title: "GET, 1 KB",
        call: Arc::new(call),
        rate: 2_000.0,
        under_way: UNDER_WAY,
        protocol: Protocol::Http1,
        arms: Arms { of, candidate: 0.02..=0.09 },
    }
}

fn of_its_own(call: &Call) -> Option<&'static str> {
    let (_, tenant) = call.headers.iter().find(|(name, _)| name == "x-tenant-id")?;
    Some(own_arm(tenant.strip_prefix('t')?.parse().ok()?))
}

/// Gives tenants their shifts, with a command each.
pub(super) async fn shift_tenants(
    turnout: &Contestant,
    routes: usize,
    first: usize,
    end: usize,
) -> Result<()> {
    for tenant in first..end {
        let share = if own_arm(tenant) == "candidate" { "100%" } else { "0%" };
        let call = Call::new(Method::POST, format!("/v1/routes/r{}/shift", tenant % routes))
            .with_header("content-type", "application/json")
            .with_body(format!(
                "{{\"share\":\"{share}\",\"tenant\":\"t{tenant}\",\"why\":\"bench\"}}"
            ));
        command(turnout, call).await?;
    }
    Ok(())
}

/// Sends a command to the control API, and fails when it was not carried out.
pub(super) async fn command(turnout: &Contestant, call: Call) -> Result<()> {
    let answer = ask(turnout.admin, call, Duration::from_secs(30)).await;
    if answer.status == Ok(StatusCode::OK) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    Err(format!("a command came to {:?}: {said}", answer.status).into())
}
