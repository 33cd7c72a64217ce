//! Does a client or a probe notice? Load on kept and on new connections, while one process after the other takes over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadtest::load::{Call, Load, Plan};

use super::serving;
use crate::kit::{Client, Turnout, get};

/// Keep-alive and new connections; everything that was no good answer.
pub(super) struct Clients {
    loads: Vec<Load>,
    bad: Arc<Mutex<Vec<String>>>,
}

impl Clients {
    pub(super) fn of(turnout: &Turnout) -> Self {
        let bad = Arc::new(Mutex::new(Vec::new()));
        let start = |plan: Plan, closing: bool| {
            let bad = Arc::clone(&bad);
            let call = move |_| {
                let call = Call::get("/a");
                if closing { call.with_header("connection", "close") } else { call }
            };
            let seen = move |answer: &loadtest::load::Answer| {
                if !answer.is_ok() {
                    bad.lock().unwrap().push(format!("closing: {closing}, {answer:?}"));
                }
            };
            Load::start(plan, call, seen).unwrap()
        };
        let loads = vec![
            start(Plan::connections(turnout.proxy(), 4), false),
            start(Plan::per_second(turnout.proxy(), 50.0), false),
            start(Plan::per_second(turnout.proxy(), 50.0), true),
        ];
        Self { loads, bad }
    }

    /// How many requests were answered well; none may have been answered otherwise.
    pub(super) async fn stop(self) -> u64 {
        let mut ok = 0;
        for load in self.loads {
            ok += load.stop().await.ok;
        }
        let bad = self.bad.lock().unwrap();
        assert!(bad.is_empty(), "{} of {ok}: {:?}", bad.len(), &bad[..bad.len().min(5)]);
        ok
    }
}

/// Asks for readiness again and again, on new connections and on kept ones; tells every answer that was not 200.
struct Probe {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(u64, Vec<String>)>,
}

impl Probe {
    fn of(turnout: &Turnout) -> Self {
        let (address, stop) = (turnout.status(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (kept, mut good, mut bad) = (Client::new(), 0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                for client in [&kept, &Client::new()] {
                    match client.send(address, get("/readyz")).await {
                        Ok(answer) if answer.status == 200 => good += 1,
                        other => bad.push(format!("{other:?}")),
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (good, bad)
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (good, bad) = self.task.await.unwrap();
        assert!(bad.is_empty(), "{} of {good} probes: {:?}", bad.len(), bad.first());
        assert!(good > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_restarts_under_load_fail_no_request() {
    let (mut turnout, _api) = serving("20s").await;
    let (clients, probe) = (Clients::of(&turnout), Probe::of(&turnout));
    let mut old = Vec::new();
    for _ in 0..20 {
        let next = turnout.upgrade().await;
        old.push(std::mem::replace(&mut turnout, next));
    }
    let ok = clients.stop().await;
    probe.stop().await;
    println!("{ok} requests over 20 restarts");
    assert!(ok > 1_000, "too little load: {ok}");
    for mut old in old {
        assert_eq!(old.ended().await.code(), Some(0));
        old.output().complete().await;
        assert!(old.output().contains("\"cut_off\":0"), "{}", old.output().text());
    }
    turnout.get("/a").await.expect(200);
}
