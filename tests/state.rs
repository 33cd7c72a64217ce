//! Is what was acknowledged kept? Restarts, hard kills, one state file for one process, and the way back to a revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::kit::{Origin, Setup, Turnout, ask, eventually, get, origin};

const SMS: &str = r#"
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
"#;

async fn sms() -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(SMS).upstream("old", old.address()).upstream("new", new.address());
    (setup.start().await, old, new)
}

async fn serves(turnout: &Turnout, tenant: &str) -> String {
    turnout.send(get("/v1/sms").tenant(tenant)).await.expect(200).origin().to_owned()
}

#[tokio::test]
async fn shifts_targets_and_locks_outlive_a_restart() {
    let (turnout, old, _new) = sms().await;
    turnout.shift("sms", "100%").await;
    turnout.shift_tenant("sms", "acme", "0%").await;
    turnout.command("PUT", "/v1/tenants/moving/lock", json!({"mode": "blocked", "why": "w"})).await;
    let both =
        json!({"targets": [{"address": old.address().to_string(), "weight": 7}], "why": "w"});
    turnout.command("PUT", "/v1/upstreams/new/targets", both).await;
    let (revision, route) = (turnout.revision().await, turnout.route("sms").await);

    let again = turnout.kill().start().await;
    assert_eq!(again.revision().await, revision, "a restart alone is no command");
    let after = again.route("sms").await;
    for member in ["stage", "share", "shadow", "tenants"] {
        assert_eq!(after[member], route[member]);
    }
    assert_eq!(serves(&again, "zeta").await, "old", "the candidate's targets are still swapped");
    again.send(get("/v1/sms").tenant("moving")).await.expect(503);
}

#[tokio::test]
async fn a_start_shift_is_for_new_routes_only() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift("sms", "5%").await;
    let setup = turnout.kill();
    let started = setup.rewritten(&format!("{SMS}    start: {{share: 100%}}\n")).start().await;
    assert_eq!(started.route("sms").await["share"], "5%");
}

#[tokio::test]
async fn a_file_changed_while_it_was_down_is_a_command_at_the_start() {
    let (turnout, _old, _new) = sms().await;
    let before = turnout.revision().await;
    let setup = turnout.kill();
    let again = setup.rewritten(&SMS.replace("/v1/sms", "/v2/sms")).start().await;
    assert_eq!(again.revision().await, before + 1);
    again.get("/v2/sms").await.expect(200);
    again.get("/v1/sms").await.expect(404);
}

/// Every command acknowledged before the kill is there after it, and the numbers have no gap.
#[tokio::test]
async fn kill_9_under_a_stream_of_commands_loses_none_that_was_acknowledged() {
    let rounds = if std::env::var_os("TURNOUT_LONG").is_some() { 100 } else { 5 };
    let (mut turnout, _old, _new) = sms().await;
    let mut acknowledged: Vec<(String, String, u64)> = Vec::new();
    for round in 0..rounds {
        let counted = Arc::new(AtomicU64::new(0));
        let mut streams = JoinSet::new();
        for stream in 0..4 {
            let (client, control) = (turnout.client.clone(), turnout.control());
            let counted = Arc::clone(&counted);
            streams.spawn(async move {
                let mut done = Vec::new();
                for number in 0.. {
                    let tenant = format!("t{round}-{stream}-{number}");
                    let share = format!("{}%", 1 + number % 99);
                    let body = json!({"share": share, "tenant": tenant, "why": "stream"});
                    let command = ask("POST", "/v1/routes/sms/shift").json(&body);
                    let Ok(answer) = client.send(control, command).await else { break };
                    assert_eq!(answer.status, 200, "{answer:?}");
                    done.push((tenant, share, answer.json()["revision"].as_u64().unwrap()));
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                done
            });
        }
        // Killed in the middle of things, after more commands each round.
        let enough = 3 + round % 40;
        eventually("some commands are acknowledged", async || {
            counted.load(Ordering::SeqCst) >= enough
        })
        .await;
        let setup = turnout.kill();
        while let Some(done) = streams.join_next().await {
            acknowledged.extend(done.unwrap());
        }
        turnout = setup.start().await;
        let newest = turnout.revision().await;
        let last = acknowledged.iter().map(|(_, _, revision)| *revision).max().unwrap();
        assert!(newest >= last, "r{last} was acknowledged, r{newest} is there");
    }
    assert!(acknowledged.len() >= 15);
    for (tenant, share, revision) in &acknowledged {
        let shown = turnout.view(&format!("/v1/tenants/{tenant}")).await.to_string();
        assert!(shown.contains(&format!("\"{share}\"")), "{tenant} {share} r{revision}: {shown}");
    }
    let mut revisions: Vec<u64> = acknowledged.iter().map(|(_, _, revision)| *revision).collect();
    let total = revisions.len();
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), total, "two commands were given one number");
}

#[tokio::test]
async fn a_second_process_on_one_state_file_refuses() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift("sms", "100%").await;
    let state = turnout.setup().folder().join("turnout.db").display().to_string();
    // Its own folder, its own ports: they share nothing but the state.
    let nobody = ([127, 0, 0, 1], 1).into();
    let other = Setup::new(&format!("store: {{path: {state}}}\n{SMS}"))
        .upstream("old", nobody)
        .upstream("new", nobody);
    other.write();
    let mut second = other.spawn();
    assert_eq!(second.ended().await.code(), Some(1));
    second.output().complete().await;
    let said = second.output().text();
    assert!(said.contains(&state) && said.contains("another process"), "{said}");

    assert_eq!(serves(&turnout, "zeta").await, "new", "the first serves on");
    turnout.shift("sms", "5%").await;
    // Whoever leaves, even like this, leaves it to the next.
    let _first = turnout.kill();
    let mut second = other.spawn();
    second.ready().await;
    assert_eq!(second.route("sms").await["share"], "5%");
}

/// An empty database as SQLite's file format has it, with our mark and a schema of the year 9999.
fn from_the_future() -> Vec<u8> {
    let mut file = vec![0; 4_096];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"SQLite format 3\0");
    put(16, &[0x10, 0, 1, 1, 0, 64, 32, 32]); // pages of 4,096 bytes
    put(24, &[0, 0, 0, 1, 0, 0, 0, 1]); // changed once, one page
    put(44, &[0, 0, 0, 4]);
    put(56, &[0, 0, 0, 1]); // UTF-8
    put(60, &9_999_u32.to_be_bytes());
    put(68, b"Trnt");
    put(92, &[0, 0, 0, 1]);
    put(100, &[0x0d, 0, 0, 0, 0, 0x10, 0]); // a table's leaf without rows
    file
}

#[tokio::test]
async fn a_state_file_that_is_not_ours_or_newer_is_refused_and_left_alone() {
    let nobody = ([127, 0, 0, 1], 1).into();
    let setup = Setup::new(SMS).upstream("old", nobody).upstream("new", nobody);
    setup.write();
    let file = setup.folder().join("turnout.db");
    let notes = "somebody's notes, too long to be taken for a file that is just begun\n".repeat(20);
    for (bytes, told) in [(notes.into_bytes(), "not"), (from_the_future(), "newer")] {
        std::fs::write(&file, &bytes).unwrap();
        let mut process = setup.spawn();
        assert_eq!(process.ended().await.code(), Some(1), "{told}");
        process.output().complete().await;
        let said = process.output().text();
        assert!(said.contains("turnout.db") && said.contains(told), "{said}");
        assert!(std::fs::read(&file).unwrap() == bytes, "it was written to");
    }
}

#[tokio::test]
async fn revisions_tell_who_what_when_and_why() {
    let (turnout, _old, _new) = sms().await;
    let body = json!({"share": "25%", "why": "parity is fine"});
    let command = ask("POST", "/v1/routes/sms/shift").json(&body).header("x-turnout-actor", "ada");
    let made = turnout.control_send(command).await.expect(200).json()["revision"].clone();
    let revisions = turnout.view("/v1/revisions?limit=50").await;
    let list = revisions.as_array().or_else(|| revisions["revisions"].as_array()).unwrap();
    let newest = &list[0];
    assert_eq!(newest["revision"], made, "the newest comes first");
    assert_eq!((&newest["actor"], &newest["why"]), (&json!("ada"), &json!("parity is fine")));
    assert!(newest["summary"].as_str().unwrap().contains("25%"), "{newest}");
    let at: jiff::Timestamp = newest["at"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(at).as_secs().abs() < 60, "{newest}");

    let shown = turnout.view(&format!("/v1/revisions/{made}")).await;
    assert!(shown["document"].to_string().contains("/v1/sms"), "{shown}");
    assert!(shown["live"].to_string().contains("25%"), "{shown}");
    let before = made.as_u64().unwrap() - 1;
    let diff = turnout.view(&format!("/v1/revisions/{made}/diff?against={before}")).await;
    let diff = diff["diff"].as_str().unwrap();
    assert!(diff.lines().any(|line| line.starts_with('+') && line.contains("25%")), "{diff}");
}

#[tokio::test]
async fn any_revision_can_be_restored_as_a_new_one() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift("sms", "100%").await;
    turnout.shift_tenant("sms", "acme", "0%").await;
    let good = turnout.revision().await;
    turnout.rollback("sms").await;
    let text = turnout.setup().rewritten(&SMS.replace("/v1/sms", "/v9/sms")).text();
    let apply =
        ask("POST", "/v1/config?why=test").header("content-type", "application/yaml").body(text);
    turnout.control_send(apply).await.expect(200);
    turnout.get("/v1/sms").await.expect(404);

    let newest = turnout.revision().await;
    let answer = turnout
        .command(
            "POST",
            &format!("/v1/revisions/{good}/restore"),
            json!({"why": "that was better"}),
        )
        .await;
    assert_eq!(answer["revision"], newest + 1, "{answer}");
    assert_eq!(serves(&turnout, "zeta").await, "new");
    assert_eq!(serves(&turnout, "acme").await, "old");
    turnout.get("/v9/sms").await.expect(404);
}

#[tokio::test]
async fn a_stale_if_match_is_refused_with_the_present_revision() {
    let (turnout, _old, _new) = sms().await;
    let status = turnout.control_send(get("/v1/status")).await.expect(200);
    let etag = status.header("etag").unwrap().to_owned();
    assert_eq!(etag, format!("\"r{}\"", status.json()["revision"]));
    let shift = |share: &str, etag: &str| {
        let body = json!({"share": share, "why": "test"});
        turnout
            .control_send(ask("POST", "/v1/routes/sms/shift").json(&body).header("if-match", etag))
    };
    let accepted = shift("5%", &etag).await.expect(200);
    let present = accepted.json()["revision"].as_u64().unwrap();
    assert_eq!(accepted.header("etag"), Some(&*format!("\"r{present}\"")));
    let stale = shift("10%", &etag).await.expect(412);
    stale.problem();
    assert!(stale.text().contains(&present.to_string()), "{}", stale.text());
    assert_eq!(turnout.route("sms").await["share"], "5%");

    // A rollback is for emergencies: it goes through, whatever it was based on.
    let body = json!({"why": "errors"});
    let rollback = ask("POST", "/v1/routes/sms/rollback").json(&body).header("if-match", &etag);
    turnout.control_send(rollback).await.expect(200);
}

/// Many at once, each on top of the same revision: one wins.
#[tokio::test]
async fn of_commands_on_one_revision_one_is_accepted() {
    let (turnout, _old, _new) = sms().await;
    let etag = format!("\"r{}\"", turnout.revision().await);
    let mut racing = JoinSet::new();
    for n in 1..=10 {
        let (client, control, etag) = (turnout.client.clone(), turnout.control(), etag.clone());
        racing.spawn(async move {
            let body: Value = json!({"share": format!("{n}%"), "why": "race"});
            let shift = ask("POST", "/v1/routes/sms/shift").json(&body).header("if-match", &etag);
            client.send(control, shift).await.unwrap().status.as_u16()
        });
    }
    let mut statuses = racing.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn a_shift_that_is_answered_is_effective() {
    let (turnout, _old, _new) = sms().await;
    for _ in 0..20 {
        turnout.shift("sms", "100%").await;
        assert_eq!(serves(&turnout, "zeta").await, "new");
        turnout.rollback("sms").await;
        assert_eq!(serves(&turnout, "zeta").await, "old");
    }
}
