//! (c) What does it cost to copy requests to the new service, and to compare all answers?

use std::time::{Duration, Instant};

use http::Method;
use loadtest::load::{Call, ask};

use crate::asked::{Asked, COST};
use crate::contestant::{Contestant, Entry};
use crate::outcome::{Chapter, Part, Result};
use crate::peer::{Job, Peer};
use crate::rounds::interleave;
use crate::stage::Stage;
use crate::template::Filling;

/// HAProxy and this version of Caddy copy nothing.
const PEERS: &[Peer] = &[Peer::Bare, Peer::Turnout, Peer::Nginx, Peer::Envoy];

const COPIES_WITHIN: Duration = Duration::from_secs(20);
/// How long nothing more may come, to say that nothing is on its way.
const QUIET: Duration = Duration::from_millis(30);

const TEXT: &str = "The old service answers, the new one gets copies. Turnout also compares both answers, each JSON document \
of 1 KB as a whole, and the round is over when the last comparison is; nginx and Envoy drop the answer to the copy. Bare \
Pingora only passes requests on: the ratio is that of two requests, and their comparison, to one. HAProxy and this version \
of Caddy cannot copy requests.";

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let mut cases = Vec::new();
    for (share, asked) in asked() {
        let filling = Filling::default().value("SHARE", share.to_string());
        let entries = Entry::start_all(stage, PEERS, Job::Shadow, &filling).await;
        let case = interleave(asked.title, &entries, stage.extent.rounds, async |contestant| {
            cost(stage, contestant, &asked, share).await
        });
        cases.push(case.await);
    }
    let part = Part { name: "shadow", axis: None, metrics: COST, cases };
    let title = "Shadow";
    Ok(Chapter { letter: "c", title, text: TEXT.to_owned(), parts: vec![part] })
}

fn asked() -> [(u64, Asked); 3] {
    let get = Call::get("/a/b?json=1024");
    let post = Call::new(Method::POST, "/a/b?json=1024").with_body("x".repeat(4_096));
    [
        (100, Asked::new("100 % shadow, GET", 1_000.0, get.clone())),
        (100, Asked::new("100 % shadow, POST of 4 KB", 1_000.0, post)),
        (10, Asked::new("10 % shadow, GET", 1_000.0, get)),
    ]
}

/// The cost of a turn with all its copies and comparisons, and an error where some of these are missing.
async fn cost(
    stage: &Stage,
    contestant: &Contestant,
    asked: &Asked,
    share: u64,
) -> Result<Vec<f64>> {
    if contestant.peer == Peer::Bare {
        return asked.cost(stage, contestant, Job::Pass, async |_| Ok(())).await;
    }
    let before = at_rest(stage, contestant).await?;
    asked
        .cost(stage, contestant, Job::Shadow, async |answered| {
            settled(stage, contestant, before, least(answered, share)).await
        })
        .await
}

/// How many copies there must be: all of them, or somewhat fewer than the share where that is drawn by lot.
const fn least(answered: u64, share: u64) -> u64 {
    if share == 100 { answered } else { answered * share / 200 }
}

/// How many copies came and were compared before, once nothing of earlier requests is on its way any more: whether it is ready
/// was asked by requests as well.
async fn at_rest(stage: &Stage, contestant: &Contestant) -> Result<[u64; 2]> {
    let mut last = None;
    loop {
        let now = [stage.candidate.count(), compared(contestant).await?];
        if last.replace(now) == Some(now) {
            return Ok(now);
        }
        tokio::time::sleep(QUIET).await;
    }
}

/// Waits until no more copies come, and until what Turnout compares is compared.
async fn settled(
    stage: &Stage,
    contestant: &Contestant,
    [copies, before]: [u64; 2],
    least: u64,
) -> Result<()> {
    let begun = Instant::now();
    let mut last = 0;
    loop {
        let copied = stage.candidate.count() - copies;
        if copied >= least && copied == last {
            let compared = compared(contestant).await? - before;
            if contestant.peer != Peer::Turnout || compared == copied {
                return Ok(());
            }
        }
        if begun.elapsed() > COPIES_WITHIN {
            return Err(format!("of {least} copies that were due, {copied} came").into());
        }
        last = copied;
        tokio::time::sleep(QUIET).await;
    }
}

/// How many exchanges Turnout has compared.
async fn compared(contestant: &Contestant) -> Result<u64> {
    if contestant.peer != Peer::Turnout {
        return Ok(0);
    }
    let answer = ask(contestant.status, Call::get("/metrics"), Duration::from_secs(5)).await;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    let counts = said.lines().filter(|line| line.starts_with("turnout_comparisons_total"));
    Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}
