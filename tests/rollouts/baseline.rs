//! Is a candidate compared with fresh instances of the old version, where a route has them?

use std::time::Duration;

use serde_json::json;

use super::{Load, act, history, load, rollout, same};
use crate::kit::{
    Origin, Reply, Setup, Turnout, eventually, eventually_some, get, sample, scripted, status,
};

const PLAN: &str = r#"
rollouts:
  ramp:
    steps: [{canary: 25%, for: 1h}, {live: true, for: 1h}]
    gates: {error_rate: {max: 99%}, min_requests: 20}
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old, path: /old}
    candidate: {upstream: new}
    baseline: {upstream: fresh}
    rollout: ramp
"#;

struct World {
    turnout: Turnout,
    old: Origin,
    new: Origin,
    fresh: Origin,
    _load: Load,
}

async fn world(text: &str) -> World {
    let (old, new) = (scripted("old", same).await, scripted("new", same).await);
    let fresh = scripted("fresh", same).await;
    let setup = Setup::new(text).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.upstream("fresh", fresh.address()).start().await;
    let load = load(&turnout, 250.0, &["/v1/sms"]);
    World { turnout, old, new, fresh, _load: load }
}

#[tokio::test]
async fn it_serves_as_much_as_the_candidate_and_goes_with_a_rollback() {
    let world = world(PLAN).await;
    assert!(world.old.reached(20, Duration::from_secs(20)).await);
    assert_eq!(world.fresh.count(), 0, "nothing without a canary");
    act(&world.turnout, "start").await;
    assert!(world.fresh.reached(100, Duration::from_secs(60)).await);
    assert!(world.new.count() > 40, "{} of the candidate", world.new.count());
    assert!(world.fresh.requests().iter().all(|seen| seen.path() == "/old"), "stable's path");
    eventually("gates compare with it", async || {
        let rollout = rollout(&world.turnout).await;
        let gates = rollout["gates"].as_array().cloned().unwrap_or_default();
        let harm = gates.iter().find(|gate| gate["rule"] == "harm");
        rollout["control"] == "baseline"
            && harm.is_some_and(|harm| harm["stable"]["total"].as_u64() >= Some(40))
    })
    .await;
    let shown = world.turnout.cli(&["rollout", "status", "sms"]).await.expect(0).stdout;
    assert!(shown.contains("CANDIDATE") && shown.contains("BASELINE"), "{shown}");
    let metrics = world.turnout.metrics().await;
    let counted = sample(
        &metrics,
        "http_server_request_duration_seconds_count",
        &[r#"turnout_arm="baseline""#],
    );
    assert!(counted > Some(40.0), "{counted:?}");
    assert!(world.turnout.output().text().contains(r#""turnout.arm":"baseline""#));
    let sli = world.turnout.route("sms").await["sli"]["baseline"]["requests"].as_u64();
    assert!(sli > Some(40), "{sli:?}");
    assert!(world.turnout.cli(&["status"]).await.expect(0).stdout.contains("baseline"));

    world.turnout.rollback("sms").await;
    // What was on its way when it was rolled back has ended by now.
    world.turnout.client.send(world.turnout.proxy(), get("/v1/sms")).await.unwrap().expect(200);
    let stable = world.old.count();
    assert!(world.old.reached(stable + 10, Duration::from_secs(20)).await);
    let before = (world.fresh.count(), world.new.count());
    assert!(world.old.reached(stable + 60, Duration::from_secs(20)).await);
    assert_eq!((world.fresh.count(), world.new.count()), before, "it goes at once");
}

/// Old instances that do well do not help the new ones: what fails as fresh ones do is no harm, and what fails where they do
/// not is.
#[tokio::test]
async fn the_candidate_is_judged_by_it_and_not_by_stable() {
    let text = PLAN.replace("error_rate: {max: 99%}", "error_rate: {max_ratio: 1.5}");
    let world = world(&text).await;
    let half = |seen: &loadtest::origin::Recorded| {
        if seen.number.is_multiple_of(2) { status(500) } else { Reply::text("ok") }
    };
    world.new.behave(half);
    world.fresh.behave(half);
    act(&world.turnout, "start").await;
    let before = world.new.count();
    assert!(world.new.reached(before + 60, Duration::from_secs(120)).await);
    let running = eventually_some("it is looked at", async || {
        Some(rollout(&world.turnout).await).filter(|rollout| !rollout["control"].is_null())
    })
    .await;
    assert_eq!((&running["phase"], &running["control"]), (&json!("running"), &json!("baseline")));
    world.fresh.behave(same);
    world.new.behave(|_| status(500));
    eventually_some("it is worse now", async || {
        (rollout(&world.turnout).await["phase"] == "aborted").then_some(())
    })
    .await;
    let last = history(&world.turnout).await.pop().unwrap();
    assert!(last["why"].as_str().unwrap().starts_with("a gate fails: "), "{last}");
    assert!(last["why"].as_str().unwrap().contains("a gate fails"), "{last}");
}

/// What it fails to serve is served by stable where the route says so, and counts as its failure.
#[tokio::test]
async fn stable_serves_what_it_fails_to() {
    let text = PLAN.replace("    rollout: ramp", "    rollout: ramp\n    fallback: stable");
    let world = world(&text).await;
    world.fresh.behave(|_| status(503));
    act(&world.turnout, "start").await;
    assert!(world.fresh.reached(20, Duration::from_secs(60)).await);
    for _ in 0..40 {
        let answer = world.turnout.client.send(world.turnout.proxy(), get("/v1/sms")).await;
        answer.unwrap().expect(200);
    }
    eventually("they count as its failures", async || {
        let route = world.turnout.route("sms").await;
        let baseline = &route["sli"]["baseline"];
        baseline["errors"].as_u64() >= Some(20)
            && baseline["fallbacks"] == baseline["errors"]
            && route["sli"]["candidate"]["errors"] == 0
    })
    .await;
}
