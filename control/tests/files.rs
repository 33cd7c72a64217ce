//! The configuration file: at the start, when it changes, when it is asked for, and when it is wrong.

use control::{Node, Phase, StartError};
use serde_json::json;

use crate::kit::{Listening, Running, YAML, eventually, folder_with, opening};

fn other() -> String {
    YAML.replace("/v1/billing", "/v1/invoices")
}

#[tokio::test]
async fn a_changed_file_is_taken_by_itself() {
    let running = Running::start(YAML).await;
    let mut listening = Listening::to(&running, None).await;
    running.write(&other());
    let (id, _, event) = listening.next().await.unwrap();
    assert_eq!(id, 2);
    assert_eq!((&event["why"], &event["actor"]), (&json!("the file changed"), &json!("turnout")));
    assert_eq!(running.get("/v1/config").await.body, other());
    running.stop().await;
}

#[tokio::test]
async fn a_symbolic_link_that_is_swapped_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [("one", YAML), ("two", &other())] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("turnout.yaml"), text).unwrap();
    }
    std::os::unix::fs::symlink("one", at("..data")).unwrap();
    std::os::unix::fs::symlink("..data/turnout.yaml", at("turnout.yaml")).unwrap();
    let (one, data, next) = (at("two"), at("..data"), at("..next"));
    let running = Running::start_in(folder).await;
    std::os::unix::fs::symlink(one, &next).unwrap();
    std::fs::rename(next, data).unwrap();
    eventually("the new file serves", async || running.revision().await == 2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_is_asked_for_is_taken_at_once() {
    let running = Running::start(YAML).await;
    let mut listening = Listening::to(&running, None).await;
    running.write(&other());
    running.reload.send(()).await.unwrap();
    let (_, _, event) = listening.next().await.unwrap();
    assert_eq!(event["why"], "SIGHUP");
    running.stop().await;
}

#[tokio::test]
async fn a_bad_file_leaves_the_last_good_one_serving() {
    let running = Running::start(YAML).await;
    running.phase.send_replace(Phase::Serving);
    let status = async || running.get("/v1/status").await.ok()["config"].clone();
    let metric = async |value: u8| {
        let line = format!("turnout_config_last_reload_successful {value}\n");
        running.get("/metrics").await.body.contains(&line)
    };
    assert!(status().await["last_reload_ok"].as_bool().unwrap() && metric(1).await);
    running.write(&YAML.replace("upstream: new", "upstream: nwe"));
    eventually("it is said", async || status().await["last_reload_ok"] == false).await;
    let error = status().await["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("turnout.yaml:") && error.contains("`nwe`"), "{error}");
    assert!(metric(0).await);
    let ready = running.get("/readyz").await.ok();
    assert_eq!(
        (&ready["status"], &ready["degraded"]),
        (&json!("degraded"), &json!(["configuration"]))
    );
    assert_eq!(running.revision().await, 1);
    running.shift("5%").await;
    running.write(&other());
    eventually("the good file is taken", async || status().await["last_reload_ok"] == true).await;
    assert_eq!(running.get("/v1/config").await.body, other());
    assert_eq!(running.get("/v1/routes/sms").await.ok()["share"], "5%");
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_taken_at_the_start() {
    let running = Running::start(YAML).await;
    running.shift("5%").await;
    let folder = running.stop().await;
    std::fs::write(folder.path().join("turnout.yaml"), other()).unwrap();
    let running = Running::start_in(folder).await;
    assert_eq!(running.cell.load().revision.0, 3);
    let last = running.get("/v1/revisions?limit=1").await.ok();
    assert_eq!((&last[0]["command"], &last[0]["why"]), (&json!("apply"), &json!("start")));
    assert_eq!(running.get("/v1/routes/sms").await.ok()["share"], "5%");
    running.stop().await;
}

#[tokio::test]
async fn what_was_restored_outlives_a_restart_until_the_file_changes() {
    let running = Running::start(YAML).await;
    running.write(&other());
    eventually("the bad idea is taken", async || running.revision().await == 2).await;
    running.post("/v1/revisions/1/restore", r#"{"why": "it was a bad idea"}"#).await.ok();
    let folder = running.stop().await;

    let running = Running::start_in(folder).await;
    assert_eq!(running.revision().await, 3);
    assert_eq!(running.get("/v1/config").await.body, YAML);
    let folder = running.stop().await;

    let better = YAML.replace("/v1/billing", "/v1/bills");
    std::fs::write(folder.path().join("turnout.yaml"), &better).unwrap();
    let running = Running::start_in(folder).await;
    assert_eq!(running.get("/v1/config").await.body, better);
    running.stop().await;
}

#[tokio::test]
async fn a_bad_file_at_a_restart_leaves_the_stored_state_serving() {
    for bad in ["routes: {sms: 7}", "no: [yaml", &YAML.replace("upstream: new", "upstream: nwe")] {
        let running = Running::start(YAML).await;
        running.shift("5%").await;
        let folder = running.stop().await;
        std::fs::write(folder.path().join("turnout.yaml"), bad).unwrap();
        let running = Running::start_in(folder).await;
        let status = running.get("/v1/status").await.ok();
        assert_eq!(
            (&status["revision"], &status["config"]["last_reload_ok"]),
            (&json!(2), &json!(false))
        );
        assert_eq!(running.get("/v1/routes/sms").await.ok()["share"], "5%");
        running.write(&other());
        eventually("the good file is taken", async || running.revision().await == 3).await;
        running.stop().await;
    }
}

#[test]
fn a_bad_file_at_the_first_start_is_an_error_with_all_problems() {
    let bad =
        YAML.replace("upstream: new", "upstream: nwe").replace("upstream: old", "upstream: odl");
    let folder = folder_with(&bad);
    let error = Node::open(&opening(folder.path())).unwrap_err();
    assert!(matches!(error, StartError::Config(_)));
    let text = error.to_string();
    assert!(text.contains("`nwe`") && text.contains("`odl`"), "{text}");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(names.iter().all(|n| n.as_ref().unwrap().file_name() != "turnout.db"), "{names:?}");
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(Node::open(&opening(nothing.path())), Err(StartError::File(_))));
}

#[tokio::test]
async fn the_store_is_in_use_by_one_process() {
    let running = Running::start(YAML).await;
    let second = Node::open(&opening(running.folder.path())).unwrap_err().to_string();
    assert!(second.contains("in use by another process"), "{second}");
    running.stop().await;
}
