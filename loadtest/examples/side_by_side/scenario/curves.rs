//! (h) How does the cost grow with the number of routes and tenants, and with the size of bodies?

use loadtest::load::Call;

use crate::asked::{Asked, COST};
use crate::contestant::Entry;
use crate::outcome::{Case, Chapter, Part, Result};
use crate::peer::{Job, Peer};
use crate::rounds::interleave;
use crate::stage::Stage;
use crate::template::Filling;

use super::canary::{asked, filling, shift_tenants};

const TEXT: &str = "First canaries as in (b), with more and more routes; then with more and more tenants that have a shift of \
their own, on 10 routes; last, answers of more and more bytes, passed through.";

/// Those that can hold a canary by tenant.
const ROUTED: &[Peer] = &[Peer::Bare, Peer::Turnout, Peer::Nginx, Peer::Haproxy];
const PASSING: &[Peer] = &[Peer::Bare, Peer::Turnout, Peer::Nginx, Peer::Envoy];

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let parts = vec![
        Part { name: "routes", axis: Some("routes"), metrics: COST, cases: routes(stage).await },
        Part { name: "tenants", axis: Some("tenants"), metrics: COST, cases: tenants(stage).await },
        Part {
            name: "bytes",
            axis: Some("KB per answer"),
            metrics: COST,
            cases: bytes(stage).await,
        },
    ];
    Ok(Chapter { letter: "h", title: "Growth", text: TEXT.to_owned(), parts })
}

async fn routes(stage: &Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    for (title, at, routes) in
        [("10", 10.0, 10), ("100", 100.0, 100), ("1,000", 1e3, 1_000), ("10,000", 1e4, 10_000)]
    {
        let entries = Entry::start_all(stage, ROUTED, Job::Canary, &filling(routes, 0)).await;
        cases.push(canary(stage, &entries, (title, at), routes, 0).await);
    }
    cases
}

async fn tenants(stage: &Stage) -> Vec<Case> {
    const ROUTES: usize = 10;
    let peers = [Peer::Bare, Peer::Turnout];
    let mut entries = Entry::start_all(stage, &peers, Job::Canary, &filling(ROUTES, 0)).await;
    let (mut cases, mut had) = (Vec::new(), 0);
    for (title, at, tenants) in
        [("10", 10.0, 10), ("100", 100.0, 100), ("1,000", 1e3, 1_000), ("10,000", 1e4, 10_000)]
    {
        if tenants > stage.extent.tenants {
            break;
        }
        for entry in entries.iter_mut().filter(|entry| entry.is(Peer::Turnout)) {
            entry.prepare(async |turnout| shift_tenants(turnout, ROUTES, had, tenants).await).await;
        }
        cases.push(canary(stage, &entries, (title, at), ROUTES, tenants).await);
        had = tenants;
    }
    cases
}

async fn canary(
    stage: &Stage,
    entries: &[Entry],
    (title, at): (&str, f64),
    routes: usize,
    tenants: usize,
) -> Case {
    let case = interleave(title, entries, stage.extent.rounds, async |contestant| {
        let asked = asked(contestant.peer, routes, tenants);
        asked.cost(stage, contestant, Job::Canary, async |_| Ok(())).await
    });
    Case { at, ..case.await }
}

async fn bytes(stage: &Stage) -> Vec<Case> {
    let entries = Entry::start_all(stage, PASSING, Job::Pass, &Filling::default()).await;
    let mut cases = Vec::new();
    for (title, at, rate) in [
        ("1", 1.0, 1_500.0),
        ("4", 4.0, 1_500.0),
        ("16", 16.0, 1_000.0),
        ("64", 64.0, 600.0),
        ("256", 256.0, 300.0),
    ] {
        let call = Call::get(format!("/a/b?bytes={}", at * 1_024.0));
        let asked = Asked::new(title, rate, call);
        let case = interleave(asked.title, &entries, stage.extent.rounds, async |contestant| {
            asked.cost(stage, contestant, Job::Pass, async |_| Ok(())).await
        });
        cases.push(Case { at, ..case.await });
    }
    cases
}
