//! Are people and other systems told, and asked before it goes on? Signed webhooks and notifications, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loadtest::origin::Recorded;
use ring::hmac;
use serde_json::{Value, json};

use super::{RAMP, ROUTE, act, reaches, rollout, world_of};
use crate::kit::{Origin, Reply, Setup, eventually, eventually_some, sample, scripted, status};

const KEY: &str = "key-of-nobody-else";

fn setup(desk: &Origin, more: &str) -> Setup {
    let url = format!("http://{}/turnout", desk.address());
    let text = format!(
        "externals: {{desk: {{url: {{env: DESK_URL}}, signed_with: {{env: DESK_KEY}}}}}}\n{more}{RAMP}{ROUTE}"
    );
    Setup::new(&text).env("DESK_URL", &url).env("DESK_KEY", KEY)
}

fn said(request: &Recorded) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// What whoever gets a message has to do, as the documentation says.
fn is_signed(request: &Recorded) -> bool {
    let timestamp = request.header("turnout-timestamp").unwrap();
    let signature = request.header("turnout-signature").unwrap().strip_prefix("v1=").unwrap();
    let digits = signature.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    let signature: Vec<u8> = digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
    let signed = [timestamp.as_bytes(), b".", &request.body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    timestamp.parse::<i64>().is_ok() && hmac::verify(&key, &signed, &signature).is_ok()
}

/// `confirm after 1`, `moved 2`: what a message is about.
fn about(request: &Recorded) -> String {
    let said = said(request);
    let when = said["when"].as_str().map(|when| format!(" {when}")).unwrap_or_default();
    format!("{}{when} {}", said["event"].as_str().unwrap(), said["step"])
}

#[tokio::test]
async fn it_goes_on_when_others_say_so() {
    let no = |_: &Recorded| Reply::json(&json!({"go": false}));
    let desk = scripted("desk", no).await;
    let hooks = "cool_down: 0s\n    before: [{confirm: desk, path: /before}]\n    after: [{notify: desk, path: /after}]";
    let plan = RAMP.replace("gates:", &format!("{hooks}\n    gates:"));
    let setup = setup(&desk, "").rewritten(&format!(
        "externals: {{desk: {{url: {{env: DESK_URL}}, signed_with: {{env: DESK_KEY}}}}}}\n{plan}{ROUTE}"
    ));
    let world = world_of(setup).await;
    act(&world.turnout, "start").await;
    eventually("it waits for a go", async || {
        let waits = rollout(&world.turnout).await["waits"].as_array().cloned().unwrap_or_default();
        desk.count() > 0 && waits.len() == 1 && waits[0]["text"] == "confirm/desk external"
    })
    .await;
    assert_eq!(rollout(&world.turnout).await["step"], 1);
    let asked = desk.requests().pop().unwrap();
    assert_eq!(asked.path(), "/turnout/before");
    assert!(is_signed(&asked));
    let message = said(&asked);
    assert_eq!(asked.header("turnout-delivery"), message["delivery"].as_str());
    assert_eq!(
        (
            &message["event"],
            &message["when"],
            &message["route"],
            &message["step"],
            &message["does"]
        ),
        (&json!("confirm"), &json!("before"), &json!("sms"), &json!(2), &json!("canary 25%"))
    );
    desk.behave(|_| Reply::text("ok"));
    desk.reached(desk.count() + 1, std::time::Duration::from_secs(20)).await;
    assert_eq!(rollout(&world.turnout).await["step"], 1, "an answer that is no go is none");
    desk.behave(|_| Reply::json(&json!({"go": true})));
    for step in 2..=4 {
        eventually(&format!("step {step}"), async || {
            rollout(&world.turnout).await["step"].as_u64() >= Some(step)
        })
        .await;
    }
    reaches(&world.turnout, "completed").await;
    eventually("all ends were told", async || {
        let told = desk.requests();
        let told: Vec<_> =
            told.iter().filter(|one| one.path() == "/turnout/after").map(about).collect();
        told == ["notify after 1", "notify after 2", "notify after 3", "notify after 4"]
    })
    .await;
}

const NOTIFICATIONS: &str = "notifications:
  - {to: desk, path: /all}
  - {to: desk, path: /chat, format: slack, of: [completed, aborted], routes: [sms]}
";

#[tokio::test]
async fn everything_is_told_once_and_again_where_that_failed() {
    let failures = Arc::new(AtomicU64::new(0));
    let desk = scripted("desk", {
        let failures = Arc::clone(&failures);
        move |_| status(if failures.fetch_add(1, Ordering::Relaxed) == 0 { 503 } else { 204 })
    })
    .await;
    let world = world_of(setup(&desk, NOTIFICATIONS)).await;
    act(&world.turnout, "start").await;
    reaches(&world.turnout, "completed").await;
    let expected = ["started 1", "started 1", "moved 2", "moved 3", "moved 4", "completed 4"];
    let of = |path: &str| {
        let path = format!("/turnout/{path}");
        desk.requests().into_iter().filter(|one| one.path() == path).collect::<Vec<_>>()
    };
    eventually("everything is told", async || of("all").len() == 6 && of("chat").len() == 1).await;
    let all = of("all");
    assert_eq!(all.iter().map(about).collect::<Vec<_>>(), expected);
    assert!(all.iter().all(is_signed));
    let deliveries: Vec<_> =
        all.iter().map(|one| one.header("turnout-delivery").unwrap()).collect();
    assert_eq!(deliveries[0], deliveries[1], "the same message, tried again");
    assert_eq!(deliveries.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    let chat = said(&of("chat")[0]);
    let text = chat["text"].as_str().unwrap();
    assert!(
        text.starts_with("sms: rollout completed (by turnout rollout: all gates pass: "),
        "{text}"
    );
    eventually("it is counted", async || {
        let metrics = world.turnout.metrics().await;
        let delivered = [r#"external="desk""#, r#"outcome="delivered""#];
        sample(&metrics, "turnout_notifications_total", &delivered) == Some(6.0)
            && sample(&metrics, "turnout_notifications_queued", &[]) == Some(0.0)
    })
    .await;
    let printed = world.turnout.output().text();
    assert!(!printed.contains(KEY) && !printed.contains("/turnout/all"), "{printed}");

    // What was told before a restart is not told again after it.
    act(&world.turnout, "abort").await;
    eventually("the end is told", async || {
        of("all").last().map(about).as_deref() == Some("aborted 4")
    })
    .await;
    eventually("to everybody", async || of("chat").len() >= 2).await;
    let turnout = world.turnout.kill().start().await;
    let told: Vec<_> = of("all").iter().map(about).collect();
    assert_eq!(told[..6], expected, "{told:?}");
    assert!(told[6..].iter().all(|one| one == "aborted 4"), "{told:?}");
    drop(turnout);
}

/// Whoever is told does not answer, and the process is killed: nothing is lost by that, and each message stays the same one.
#[tokio::test]
async fn what_waits_when_the_process_is_killed_is_told_by_the_next_one() {
    let desk = scripted("desk", |_| status(503)).await;
    let world = world_of(setup(&desk, "notifications: [{to: desk, path: /all}]\n")).await;
    act(&world.turnout, "start").await;
    let waiting = eventually_some("several messages wait", async || {
        let told = world.turnout.view("/v1/notifications").await;
        let waiting = told["waiting"].as_array().unwrap().clone();
        (desk.count() > 0 && waiting.len() > 1).then_some(waiting)
    })
    .await;
    let setup = world.turnout.kill();
    let before = desk.requests().len();
    desk.behave(|_| status(204));
    let turnout = setup.start().await;
    reaches(&turnout, "completed").await;
    let ended = eventually_some("everything is told", async || {
        let told = turnout.view("/v1/notifications").await;
        let ended = told["ended"].as_array().unwrap().clone();
        (ended.first()?["event"] == "completed").then_some(ended)
    })
    .await;
    let told = desk.requests().split_off(before);
    let expected = ["started 1", "moved 2", "moved 3", "moved 4", "completed 4"];
    assert_eq!(told.iter().map(about).collect::<Vec<_>>(), expected);
    assert!(ended.iter().all(|one| one["state"] == "delivered"), "{ended:?}");
    for (waiting, told) in waiting.iter().zip(&told) {
        assert_eq!(told.header("turnout-delivery"), waiting["delivery"].as_str());
    }

    // What has arrived is not told again.
    let turnout = turnout.kill().start().await;
    act(&turnout, "abort").await;
    eventually("the end is told", async || desk.requests().len() > before + told.len()).await;
    let last = desk.requests().split_off(before + told.len());
    assert_eq!(last.iter().map(about).collect::<Vec<_>>(), ["aborted 4"]);
}

/// What is shown of messages holds neither addresses nor keys.
#[tokio::test]
async fn what_waits_to_be_told_is_listed_and_what_came_of_it() {
    let desk = scripted("desk", |_| status(503)).await;
    let world = world_of(setup(&desk, "notifications: [{to: desk, path: /all}]\n")).await;
    let told = world.turnout.cli(&["notifications"]).await.expect(0).stdout;
    assert_eq!(told, "nobody was told anything since the node started\n");
    act(&world.turnout, "start").await;
    eventually("it waits", async || {
        let told = world.turnout.view("/v1/notifications").await;
        let first = &told["waiting"][0];
        first["attempts"].as_u64() >= Some(1)
            && first["problem"] == "it answered with status 503 Service Unavailable"
    })
    .await;
    desk.behave(|_| status(204));
    eventually("it is delivered", async || {
        let told = world.turnout.view("/v1/notifications").await;
        told["ended"].as_array().unwrap().iter().any(|one| {
            one["event"] == "started" && one["state"] == "delivered" && one["problem"].is_null()
        })
    })
    .await;
    let shown = world.turnout.cli(&["notifications"]).await.expect(0).stdout;
    assert!(shown.contains("delivered  desk  started  sms"), "{shown}");
    let all = world.turnout.view("/v1/notifications").await.to_string();
    let address = desk.address().to_string();
    assert!(!all.contains(KEY) && !all.contains(&address) && !all.contains("/turnout"), "{all}");
}
