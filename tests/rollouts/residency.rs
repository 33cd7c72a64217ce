//! Does a tenant move to another region as docs/residency-move.md says? Its commands, one after the other, on its example.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::kit::{
    Ask, Client, Origin, Reply, Setup, Turnout, eventually, get, origin, post, scripted,
};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The commands of the document's steps, by their numbers.
fn commands() -> Vec<Vec<String>> {
    let text = read("docs/residency-move.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    let cell = |row: &str| row.split(" | ").nth(1).unwrap_or_default().trim().to_owned();
    rows.map(|row| words(cell(row).trim_matches('`'))).collect()
}

/// A command's words, without the program's name; what is quoted is one.
fn words(command: &str) -> Vec<String> {
    let parts = (0..).zip(command.split('"'));
    let words = parts.flat_map(|(place, part): (usize, &str)| match place % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.skip(1).collect()
}

/// The example's tenants, cohorts, plan and route, in seconds instead of minutes.
fn example() -> String {
    let text = read("deploy/examples/residency-move.yaml");
    let (_, rest) = text.split_once("tenants:\n").unwrap();
    let (tenants, rest) = rest.split_once("upstreams:\n").unwrap();
    let (_, others) = rest.split_once("externals:\n").unwrap();
    let hurried = format!("tenants:\n{tenants}externals:\n{others}")
        .replace("for: 10m", "for: 1s")
        .replace("unmet: hold", "unmet: hold, every: 1s");
    // What is ignored is a large part of answers as short as these.
    hurried + "    compare: {ignore_headers: [x-origin], limits: {min_coverage: 50%}}\n"
}

struct World {
    turnout: Turnout,
    mover: Origin,
    _regions: [Origin; 2],
    commands: Vec<Vec<String>>,
}

async fn world() -> World {
    let same = |_: &_| Reply::json(&json!({"records": [1, 2, 3]}));
    let regions = [scripted("us", same).await, scripted("eu", same).await];
    let mover = origin("mover").await;
    mover.behave(|_| Reply::json(&json!({"copied": false})));
    let setup = Setup::new(&example())
        .upstream("records-us", regions[0].address())
        .upstream("records-eu", regions[1].address())
        .env("MOVER", &format!("http://{}", mover.address()));
    World { turnout: setup.start().await, mover, _regions: regions, commands: commands() }
}

impl World {
    async fn step(&self, number: usize) {
        self.run(&self.commands[number].iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    async fn run(&self, command: &[&str]) {
        let mut all = command.to_vec();
        // Nobody is there to be asked whether all traffic shall move.
        if command[0] == "shift" {
            all.push("--yes");
        }
        self.turnout.cli(&all).await.expect(0);
    }

    /// The region that serves a request of the tenant; none where it is refused.
    async fn region(&self, ask: Ask) -> Option<String> {
        let answer = self.turnout.send(ask.tenant("acme")).await;
        (answer.status == 200).then(|| answer.origin().to_owned())
    }

    async fn read(&self) -> Option<String> {
        self.region(get("/v1/records/7")).await
    }

    async fn written(&self) -> Option<String> {
        self.region(post("/v1/records/7", "x")).await
    }
}

#[tokio::test]
async fn a_tenant_moves_to_another_region_with_a_way_back() {
    let world = Arc::new(world().await);
    let (us, eu) = (Some("us".to_owned()), Some("eu".to_owned()));
    world.step(0).await;
    let elsewhere = world.turnout.send(get("/v1/records/7").tenant("clinic-17")).await;
    assert_eq!(elsewhere.origin(), "eu");
    assert_eq!((world.read().await, world.written().await), (us.clone(), us.clone()));
    world.step(2).await;
    assert_eq!((world.read().await, world.written().await), (us.clone(), None), "locked");
    world.step(3).await;

    let mut traffic = JoinSet::new();
    let (client, proxy) = (Client::new(), world.turnout.proxy());
    traffic.spawn(async move {
        loop {
            client.send(proxy, get("/v1/records/7").tenant("acme")).await.ok();
        }
    });
    eventually("the mover was asked", async || world.mover.count() > 2).await;
    assert_eq!(world.read().await, us, "the data is not there yet");
    world.mover.behave(|_| Reply::json(&json!({"copied": true})));
    let completed = async || {
        let rollouts = world.turnout.view("/v1/routes/records/rollout").await.to_string();
        rollouts.contains("\"completed\"")
    };
    eventually("the rollout completes", completed).await;
    drop(traffic);
    assert_eq!((world.read().await, world.written().await), (eu.clone(), None), "locked still");

    world.step(4).await;
    world.step(5).await;
    assert_eq!(world.read().await, eu, "it lives there");
    world.run(&["rollback", "records", "--tenant", "acme", "--why", "the way back"]).await;
    assert_eq!((world.read().await, world.written().await), (us, None));
    world.step(5).await;
    world.step(6).await;
    assert_eq!((world.read().await, world.written().await), (eu.clone(), eu));
    let other = world.turnout.send(get("/v1/records/7").tenant("b2")).await;
    assert_eq!(other.origin(), "us", "nobody else has moved");
}
