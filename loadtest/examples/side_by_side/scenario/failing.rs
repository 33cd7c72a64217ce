//! (d) What do clients notice of a new service that is dead, slow, or never answers, while it only gets copies?

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use loadtest::load::Call;
use loadtest::origin::{Fault, Fixed, Manner, Origin, Reply};

use crate::asked::Asked;
use crate::contestant::Entry;
use crate::outcome::{Chapter, Metric, Part, Result};
use crate::peer::{Job, Peer};
use crate::rounds::interleave;
use crate::stage::Stage;
use crate::template::Filling;

/// Those that copy requests.
const PEERS: &[Peer] = &[Peer::Turnout, Peer::Nginx, Peer::Envoy];

/// Longer than a client would bear.
const SLOW: Duration = Duration::from_millis(300);

const METRICS: &[Metric] = &[Metric::P99, Metric::P50, Metric::Cpu, Metric::Resident];

const TEXT: &str = "Each server with itself: without copies, and with copies of all requests to a new service that answers \
at once, that is not there, that takes 300 ms, and that takes requests and never answers. Clients should notice nothing. \
nginx lets the next request of a connection wait until the copy is over.";

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let slow = Manner { delay: SLOW, ..Manner::default() };
    let slow = Fixed::start("slow", slow).await?;
    let hole = Origin::start("hole", |_| Reply::fault(Fault::BlackHole)).await?;
    let candidates = [
        ("no shadow", Job::Pass, stage.candidate.address()),
        ("healthy", Job::Shadow, stage.candidate.address()),
        ("dead", Job::Shadow, nobody()?),
        ("slow", Job::Shadow, slow.address()),
        ("never answers", Job::Shadow, hole.address()),
    ];
    // As many connections as it takes: whoever holds one back is to be seen by the latencies.
    let asked =
        Asked { under_way: 512, ..Asked::new("GET, 1 KB", 500.0, Call::get("/a/b?json=1024")) };
    let mut cases = Vec::new();
    for peer in stage.programs.chosen(PEERS) {
        let mut entries = Vec::new();
        for (name, job, address) in candidates {
            let filling = Filling::default().value("SHARE", "100").address("CANDIDATE", address);
            entries.push(Entry::start(stage, peer, job, &filling).await.called(name));
        }
        // That clients notice nothing is claimed of Turnout, and takes more rounds to be seen.
        let more = if peer == Peer::Turnout { 2 } else { 1 };
        let rounds = stage.extent.rounds * more;
        let case = interleave(peer.name(), &entries, rounds, async |contestant| {
            let seen = asked.cost(stage, contestant, Job::Shadow, async |_| Ok(())).await?;
            match seen[..] {
                [cpu, p50, p99, resident] => Ok(vec![p99, p50, cpu, resident]),
                _ => Err("figures are missing".into()),
            }
        });
        cases.push(case.await);
    }
    let part = Part { name: "failing", axis: None, metrics: METRICS, cases };
    let title = "A failing shadow";
    Ok(Chapter { letter: "d", title, text: TEXT.to_owned(), parts: vec![part] })
}

/// An address where nothing listens.
fn nobody() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
