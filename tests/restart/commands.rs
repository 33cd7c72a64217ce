//! What happens to commands? Each is answered by one process or the other, and what was answered is there afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::fake::Taker;
use super::serving;
use crate::kit::{Answer, Client, Turnout, ask, eventually};

/// What was answered to those who commanded while processes took over.
struct Commander {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<(u64, String)>>,
}

impl Commander {
    fn of(turnout: &Turnout) -> Self {
        let (address, stop) = (turnout.control(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (client, mut acknowledged) = (Client::new(), Vec::new());
            for n in 0_u64.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let share = format!("{}%", 1 + n % 100);
                let body = json!({"share": share, "why": format!("command {n}")});
                let order = ask("POST", "/v1/routes/a/shift").json(&body);
                match client.send(address, order).await {
                    Ok(answer) if answer.status == 200 => {
                        let answer = answer.json();
                        acknowledged.push((answer["revision"].as_u64().unwrap(), share));
                    }
                    Ok(answer) => {
                        assert_eq!(answer.problem(), "handed_over");
                        assert_eq!(answer.header("retry-after"), Some("1"));
                    }
                    // An idle connection that the old process closed just when it was to be used.
                    Err(why) => assert!(why.contains("SendRequest"), "{why}"),
                }
            }
            acknowledged
        });
        Self { stop, task }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_that_was_acknowledged_is_lost() {
    let (mut turnout, _api) = serving("5s").await;
    let commander = Commander::of(&turnout);
    let mut old = Vec::new();
    for _ in 0..5 {
        let before = turnout.revision().await;
        let next = turnout.upgrade().await;
        old.push(std::mem::replace(&mut turnout, next));
        eventually("commands go on", async || turnout.revision().await > before + 3).await;
    }
    commander.stop.store(true, Ordering::Relaxed);
    let acknowledged = commander.task.await.unwrap();
    let listed = turnout.view("/v1/revisions?limit=1000").await.as_array().unwrap().clone();
    let stored = |revision: u64| {
        let found = listed.iter().find(|entry| entry["revision"] == revision);
        found.unwrap_or_else(|| panic!("r{revision} was answered, and is lost"))["arguments"]
            .clone()
    };
    for (revision, share) in acknowledged.iter().rev().take(900) {
        assert_eq!(stored(*revision)["share"], Value::from(share.clone()), "r{revision}");
    }
    let mut revisions: Vec<_> = acknowledged.iter().map(|(revision, _)| revision).collect();
    revisions.dedup();
    assert!(revisions.is_sorted() && revisions.len() == acknowledged.len(), "one revision twice");
    let (_, share) = acknowledged.last().unwrap();
    assert_eq!(&turnout.route("a").await["share"], share);
}

/// A command under way.
fn commanded(turnout: &Turnout, what: &str, body: &Value) -> JoinHandle<Answer> {
    let (client, address) = (turnout.client.clone(), turnout.control());
    let order = ask("POST", &format!("/v1/routes/a/{what}")).json(body);
    tokio::spawn(async move { client.send(address, order).await.unwrap() })
}

#[tokio::test]
async fn a_command_waits_until_it_is_known_who_serves() {
    let (turnout, _api) = serving("5s").await;
    let mut taker = Taker::of(turnout.setup());
    taker.take_the_store();
    let shift = commanded(&turnout, "shift", &json!({"share": "5%", "why": "test"}));
    let mut rollback = commanded(&turnout, "rollback", &json!({"why": "test"}));
    let answered = tokio::time::timeout(Duration::from_millis(300), &mut rollback).await;
    assert!(answered.is_err(), "it was answered before that: {answered:?}");
    taker.serve();
    for command in [shift, rollback] {
        let answer = command.await.unwrap().expect(503);
        assert_eq!(&*answer.problem(), "handed_over");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn a_process_that_dies_with_the_store_in_its_hands_changes_nothing() {
    let (turnout, _api) = serving("5s").await;
    turnout.shift("a", "5%").await;
    for how_far in 0..4 {
        let mut taker = Taker::of(turnout.setup());
        match how_far {
            0 => {}
            1 => taker.ask(),
            2 => taker.prepare(),
            _ => taker.take_the_store(),
        }
        let rollback = commanded(&turnout, "rollback", &json!({"why": "test"}));
        drop(taker);
        rollback.await.unwrap().expect(200);
        turnout.shift("a", "5%").await;
        turnout.get("/a").await.expect(200);
        eventually("it says so", async || {
            let text = turnout.output().text();
            text.matches("the other process did not take over").count() == how_far + 1
        })
        .await;
    }
    let _new = turnout.upgrade().await;
}

#[tokio::test]
async fn the_store_is_locked_again_without_a_command() {
    let (turnout, _api) = serving("5s").await;
    let mut taker = Taker::of(turnout.setup());
    taker.take_the_store();
    drop(taker);
    eventually("it is given up", async || {
        turnout.output().contains("the other process did not take over")
    })
    .await;
    let mut second = turnout.setup().spawn();
    assert_eq!(second.ended().await.code(), Some(1));
    second.output().complete().await;
    assert!(second.output().contains("in use by another process"), "{}", second.output().text());
}

#[tokio::test]
async fn a_process_that_says_nothing_is_given_up() {
    let (turnout, _api) = serving("5s").await;
    let mut taker = Taker::of(turnout.setup());
    taker.take_the_store();
    // The command waits for it, and is carried out once it is given up.
    let done = turnout.shift("a", "5%").await;
    assert_eq!(done["changed"], true);
    assert!(taker.hears().contains("given_up"));
}
