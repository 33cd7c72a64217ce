//! (g) What do clients notice when targets are swapped ten thousand times under load?

use std::time::Instant;

use http::Method;
use loadtest::load::{Call, Figures, Latency, Load, Plan};
use loadtest::origin::{Fixed, Manner};

use crate::asked::{UNDER_WAY, all_answered};
use crate::contestant::{Contestant, Entry};
use crate::outcome::{Case, Chapter, Metric, Part, Result, Row};
use crate::peer::{Job, Peer};
use crate::stage::{Extent, Stage};
use crate::template::Filling;

use super::canary::command;

const RATE: f64 = 500.0;
const LATENCIES: &[Metric] = &[Metric::P99, Metric::P50];

/// What was done, so many times.
fn text(Extent { rounds, swaps, .. }: Extent) -> String {
    format!(
        "In each of {rounds} rounds the target that serves everything is exchanged {swaps} times by commands, one right after \
         the other, each on disk before it is answered; after that, as long without any. {RATE} requests per second are asked \
         all the while, and every one of them must be answered."
    )
}

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let other = Fixed::start("stable", Manner::default()).await?;
    let entry = Entry::start(stage, Peer::Turnout, Job::Pass, &Filling::default()).await;
    let (mut quiet, mut swapped, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    let outcome = async {
        let turnout = entry.contestant.as_ref().map_err(Clone::clone)?;
        for number in 1..=stage.extent.rounds {
            println!("    round {number}");
            let [without, with, each] =
                round(stage, turnout, &other).await.map_err(|e| e.to_string())?;
            quiet.push(without);
            swapped.push(with);
            commands.push(each);
        }
        Ok::<(), String>(())
    };
    let outcome: std::result::Result<(), String> = outcome.await;
    let row =
        |who: &str, rounds| Row { who: who.to_owned(), rounds: outcome.clone().map(|()| rounds) };
    let clients = Case {
        title: "Clients".to_owned(),
        at: 0.0,
        rows: vec![row("no swaps", quiet), row("swaps", swapped)],
    };
    let swaps = Case { title: "Commands".to_owned(), at: 0.0, rows: vec![row("swaps", commands)] };
    let parts = vec![
        Part { name: "clients", axis: None, metrics: LATENCIES, cases: vec![clients] },
        Part { name: "commands", axis: None, metrics: LATENCIES, cases: vec![swaps] },
    ];
    Ok(Chapter { letter: "g", title: "Swaps under load", text: text(stage.extent), parts })
}

/// p99 and p50 in milliseconds: of clients without and with swaps, and of commands.
async fn round(stage: &Stage, turnout: &Contestant, other: &Fixed) -> Result<[Vec<f64>; 3]> {
    let plan = Plan::per_second(turnout.listen, RATE);
    let plan = Plan { punctual: true, in_flight: UNDER_WAY, ..plan };
    let call = |_| Call::get("/a/b?bytes=1024");
    let load = Load::start(plan.clone(), call, |_| {})?;
    let begun = Instant::now();
    let mut took = Vec::new();
    for number in 0..stage.extent.swaps {
        let target = if number.is_multiple_of(2) { other } else { &stage.stable }.address();
        let body = format!(
            "{{\"targets\":[{{\"address\":\"{target}\",\"weight\":1}}],\"why\":\"bench\"}}"
        );
        let call = Call::new(Method::PUT, "/v1/upstreams/stable/targets")
            .with_header("content-type", "application/json")
            .with_body(body);
        let sent = Instant::now();
        command(turnout, call).await?;
        took.push(sent.elapsed().as_secs_f64() * 1_000.0);
    }
    let swapped = load.stop().await;
    let quiet = Load::start(plan.for_time(begun.elapsed()), call, |_| {})?.finish().await;
    all_answered(&swapped)?;
    all_answered(&quiet)?;
    took.sort_by(f64::total_cmp);
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
    let latencies = |figures: &Figures| {
        let Latency { p50, p99, .. } = figures.latency;
        vec![p99.as_secs_f64() * 1_000.0, p50.as_secs_f64() * 1_000.0]
    };
    Ok([latencies(&quiet), latencies(&swapped), vec![at(99), at(50)]])
}
