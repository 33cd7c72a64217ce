//! (a) What does it cost to pass requests on? And how many pass at most?

use http::Method;
use loadtest::load::Call;

use crate::asked::{Asked, COST};
use crate::contestant::Entry;
use crate::outcome::{Chapter, Metric, Part, Result};
use crate::peer::{Job, Peer};
use crate::rounds::interleave;
use crate::saturation;
use crate::stage::Stage;
use crate::template::Filling;

/// Everybody.
pub(super) const PEERS: &[Peer] =
    &[Peer::Bare, Peer::Turnout, Peer::Nginx, Peer::Haproxy, Peer::Envoy, Peer::Caddy];

const TEXT: &str = "Everything goes to one origin. First at a constant rate, then as much as `wrk` gets through with 16 \
connections; where a server has more to give than origin and `wrk` can take on their core, its requests per second are \
theirs, and its CPU time tells.";

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let entries = Entry::start_all(stage, PEERS, Job::Pass, &Filling::default()).await;
    let mut cases = Vec::new();
    for asked in asked() {
        let case = interleave(asked.title, &entries, stage.extent.rounds, async |contestant| {
            asked.cost(stage, contestant, Job::Pass, async |_| Ok(())).await
        });
        cases.push(case.await);
    }
    let rate = Part { name: "rate", axis: None, metrics: COST, cases };
    let mut cases = Vec::new();
    for asked in asked() {
        let case = interleave(asked.title, &entries, stage.extent.rounds / 2, async |contestant| {
            saturation::most(stage, contestant, &(asked.call)(0)).await
        });
        cases.push(case.await);
    }
    let most = Part { name: "most", axis: None, metrics: &[Metric::Cpu, Metric::Rate], cases };
    let title = "Pass-through";
    Ok(Chapter { letter: "a", title, text: TEXT.to_owned(), parts: vec![rate, most] })
}

fn asked() -> [Asked; 3] {
    let post = Call::new(Method::POST, "/a/b?bytes=1024").with_body("x".repeat(4_096));
    [
        Asked::new("GET, 1 KB", 2_000.0, Call::get("/a/b?bytes=1024")),
        Asked::new("POST of 4 KB", 2_000.0, post),
        Asked::new("GET, 256 KB", 400.0, Call::get("/a/b?bytes=262144")),
    ]
}
