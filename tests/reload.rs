//! Is a configuration taken whole or not at all? At the start, by a changed file, by SIGHUP and by command.

use serde_json::Value;

use crate::kit::{
    Answer, Origin, Setup, Turnout, ask, eventually, eventually_some, free_address, get, origin,
    turnout,
};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
const AB: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n  b: {canonical: /b, stable: {upstream: api}}\n";
/// Two things are wrong here.
const BAD: &str = "routes:\n  b: {canonical: /b, stable: {upstream: apj}}\n  c: {canonicl: /c, stable: {upstream: api}}\n";

async fn serving_a() -> (Turnout, Origin) {
    let api = origin("api").await;
    (Setup::new(A).upstream("api", api.address()).start().await, api)
}

impl Turnout {
    async fn serves(&self, path: &str) -> bool {
        self.get(path).await.status == 200
    }

    async fn reload_gauge(&self) -> Option<String> {
        let metrics = self.metrics().await;
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.starts_with("turnout_config_last_reload_successful "))?;
        line.split(' ').next_back().map(str::to_owned)
    }

    async fn apply(&self, text: &str, query: &str) -> Answer {
        let apply =
            ask("POST", &format!("/v1/config?{query}")).header("content-type", "application/yaml");
        self.control_send(apply.body(text.to_owned())).await
    }
}

#[tokio::test]
async fn a_start_with_an_invalid_file_tells_everything_that_is_wrong_and_where() {
    let api = origin("api").await;
    let setup = Setup::new(BAD).upstream("api", api.address());
    setup.write();
    let mut process = setup.spawn();
    assert_eq!(process.ended().await.code(), Some(1));
    process.output().complete().await;
    let said = process.output().text();
    let line_of =
        |text: &str| setup.text().lines().position(|line| line.contains(text)).unwrap() + 1;
    assert!(said.contains(&format!("turnout.yaml:{}:", line_of("apj"))), "{said}");
    assert!(said.contains(&format!("turnout.yaml:{}:", line_of("canonicl"))), "{said}");
    assert!(said.contains("`api`") || said.contains("\"api\""), "no hint: {said}");
    assert!(!setup.folder().join("turnout.db").exists() || process.has_ended().is_some());
}

#[tokio::test]
async fn a_start_without_a_file_says_so() {
    let ran = turnout(&["serve", "--config", "/no/such/turnout.yaml"]).await.expect(1);
    assert!(ran.text().contains("/no/such/turnout.yaml"), "{ran:?}");
}

#[tokio::test]
async fn a_changed_file_is_served_by_itself() {
    let (turnout, _api) = serving_a().await;
    let before = turnout.revision().await;
    turnout.setup().rewritten(AB).write();
    eventually("the new route is served", async || turnout.serves("/b").await).await;
    assert_eq!(turnout.revision().await, before + 1);
    turnout.setup().rewritten(A).write();
    eventually("the route is gone again", async || !turnout.serves("/b").await).await;
    assert!(turnout.serves("/a").await);
}

#[tokio::test]
async fn a_file_written_in_place_is_seen_too() {
    let (turnout, _api) = serving_a().await;
    std::fs::write(turnout.setup().file(), turnout.setup().rewritten(AB).text()).unwrap();
    eventually("the new route is served", async || turnout.serves("/b").await).await;
}

/// Kubernetes mounts a folder whose files are links into another, and swaps that one.
#[tokio::test]
async fn a_swapped_link_is_seen_too() {
    let api = origin("api").await;
    let setup = Setup::new(A).upstream("api", api.address());
    let version = |name: &str, yaml: &str| {
        let folder = setup.folder().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("turnout.yaml"), setup.rewritten(yaml).text()).unwrap();
        let beside = setup.folder().join("..data_tmp");
        std::os::unix::fs::symlink(name, &beside).unwrap();
        std::fs::rename(beside, setup.folder().join("..data")).unwrap();
    };
    version("..1", A);
    std::os::unix::fs::symlink("..data/turnout.yaml", setup.file()).unwrap();
    let mut turnout = setup.spawn();
    turnout.ready().await;
    assert!(!turnout.serves("/b").await);
    version("..2", AB);
    eventually("the new route is served", async || turnout.serves("/b").await).await;
}

/// The text stays the same, so that only the signal can be the reason.
#[tokio::test]
async fn a_hangup_reads_the_file_and_what_it_refers_to_again() {
    let api = origin("api").await;
    let yaml = "routes:\n  a: {canonical: /a, stable: {upstream: api}, response_headers: {set: {X-File: {file: v.txt}}}}\n";
    let setup = Setup::new(yaml).upstream("api", api.address());
    let version = |text: &str| std::fs::write(setup.folder().join("v.txt"), text).unwrap();
    version("one");
    let turnout = setup.clone().start().await;
    assert_eq!(turnout.get("/a").await.header("x-file"), Some("one"));
    version("two");
    turnout.signal("HUP");
    eventually("the new value is served", async || {
        turnout.get("/a").await.header("x-file") == Some("two")
    })
    .await;
}

#[tokio::test]
async fn an_invalid_change_is_refused_whole_and_the_old_one_serves_on() {
    let (turnout, _api) = serving_a().await;
    let before = turnout.revision().await;
    assert_eq!(turnout.reload_gauge().await.as_deref(), Some("1"));
    for bad in [BAD, "routes: [", "routes:\n  a: {canonical: /a}\n", ""] {
        turnout.setup().rewritten(bad).write();
        turnout.signal("HUP");
        let told = eventually_some("the failure is shown", async || {
            let config = turnout.view("/v1/status").await["config"].clone();
            (config["last_reload_ok"] == false).then_some(config)
        })
        .await;
        assert!(told["last_error"].is_string(), "{told}");
        assert_eq!(turnout.reload_gauge().await.as_deref(), Some("0"));
        assert!(
            turnout.serves("/a").await
                && !turnout.serves("/b").await
                && !turnout.serves("/c").await
        );
        assert_eq!(turnout.revision().await, before, "{bad}");
        let ready = turnout.client.send(turnout.status(), get("/readyz")).await.unwrap();
        assert_eq!(ready.status, 200, "a bad file takes nobody out of service");

        turnout.setup().write();
        turnout.signal("HUP");
        eventually("a good file makes it well", async || {
            turnout.view("/v1/status").await["config"]["last_reload_ok"] == true
        })
        .await;
        assert_eq!(turnout.reload_gauge().await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_file_that_vanishes_changes_nothing() {
    let (turnout, _api) = serving_a().await;
    std::fs::remove_file(turnout.setup().file()).unwrap();
    turnout.signal("HUP");
    eventually("the failure is shown", async || {
        turnout.view("/v1/status").await["config"]["last_reload_ok"] == false
    })
    .await;
    assert!(turnout.serves("/a").await);
}

#[tokio::test]
async fn apply_takes_a_text_and_a_dry_run_only_looks() {
    let (turnout, _api) = serving_a().await;
    let (before, text) = (turnout.revision().await, turnout.setup().rewritten(AB).text());
    let dry = turnout.apply(&text, "dry_run=true").await.expect(200).json();
    assert_eq!(dry["changed"], true, "{dry}");
    assert!(dry["diff"].as_str().unwrap().contains("+  b:"), "{dry}");
    assert_eq!(turnout.revision().await, before);
    assert!(!turnout.serves("/b").await);

    let applied = turnout.apply(&text, "dry_run=false&why=b%20comes").await.expect(200).json();
    assert_eq!(
        (&applied["changed"], &applied["revision"]),
        (&Value::Bool(true), &Value::from(before + 1))
    );
    assert!(turnout.serves("/b").await);
    let shown = turnout.control_send(get("/v1/config")).await.expect(200);
    assert_eq!(shown.text(), text, "the text as it was applied");

    let again = turnout.apply(&text, "dry_run=false&why=again").await.expect(200).json();
    assert_eq!(again["changed"], false, "{again}");
}

#[tokio::test]
async fn an_applied_text_that_does_not_compile_names_every_problem() {
    let (turnout, _api) = serving_a().await;
    let before = turnout.revision().await;
    let bad = turnout.setup().rewritten(BAD).text();
    for query in ["dry_run=true", "dry_run=false&why=w"] {
        let answer = turnout.apply(&bad, query).await.expect(422);
        answer.problem();
        let problem = answer.json();
        let errors = problem["errors"].as_array().unwrap();
        let pointers: Vec<_> =
            errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert!(
            pointers.iter().any(|pointer| pointer.starts_with("/routes/b/stable")),
            "{problem}"
        );
        assert!(pointers.iter().any(|pointer| pointer.starts_with("/routes/c")), "{problem}");
        for error in errors {
            assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        }
    }
    assert_eq!(turnout.revision().await, before);
    assert!(turnout.serves("/a").await);
}

#[tokio::test]
async fn applying_keeps_where_traffic_stands() {
    let (old, new) = (origin("old").await, origin("new").await);
    let route = |more: &str| {
        format!(
            "routes:\n  a: {{canonical: /a, stable: {{upstream: old}}, candidate: {{upstream: new}}, start: {{share: 0%}}{more}}}\n"
        )
    };
    let setup =
        Setup::new(&route("")).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    turnout.shift("a", "100%").await;
    let text =
        turnout.setup().rewritten(&route(", response_headers: {set: {X-New: \"1\"}}")).text();
    turnout.apply(&text, "why=w").await.expect(200);
    let answer = turnout.get("/a").await.expect(200);
    assert_eq!((answer.origin(), answer.header("x-new")), ("new", Some("1")));

    // A route that goes takes its shift along; one of its name that comes later starts anew.
    let none = turnout.setup().rewritten("routes: {}\n").text();
    turnout.apply(&none, "why=w").await.expect(200);
    turnout.get("/a").await.expect(404);
    turnout.apply(&turnout.setup().rewritten(&route("")).text(), "why=w").await.expect(200);
    assert_eq!(turnout.get("/a").await.origin(), "old");
}

#[tokio::test]
async fn a_swap_of_targets_and_the_file_do_not_fight() {
    let (one, two) = (origin("one").await, origin("two").await);
    let turnout = Setup::new(A).upstream("api", one.address()).start().await;
    let body = serde_json::json!({"targets": [{"address": two.address().to_string(), "weight": 1}], "why": "swap"});
    turnout.command("PUT", "/v1/upstreams/api/targets", body).await;
    assert_eq!(turnout.get("/a").await.origin(), "two");
    // The file says nothing new about this upstream.
    let text = turnout.setup().rewritten(AB).text();
    turnout.apply(&text, "why=w").await.expect(200);
    assert_eq!(turnout.get("/a").await.origin(), "two");
    let upstreams = turnout.view("/v1/upstreams").await;
    let list = upstreams.as_array().or_else(|| upstreams["upstreams"].as_array()).unwrap();
    assert_eq!(list[0]["overridden"], true, "{upstreams}");
    assert_eq!(list[0]["targets"][0]["address"], two.address().to_string(), "{upstreams}");
}

#[tokio::test]
async fn what_needs_a_restart_is_said() {
    let (turnout, _api) = serving_a().await;
    let listener = format!("\"{}\"", turnout.proxy());
    let text = turnout.setup().text().replacen(&listener, &format!("\"{}\"", free_address()), 1);
    let applied = turnout.apply(&text, "why=w").await.expect(200).json();
    let warnings = applied["warnings"].to_string();
    assert!(warnings.contains("listeners changed"), "{applied}");
    assert!(turnout.serves("/a").await, "it serves on where it did");
}

#[tokio::test]
async fn what_the_file_said_at_the_start_needs_no_other() {
    let (turnout, _api) = serving_a().await;
    let before = turnout.setup().text();
    let turnout = turnout.kill().with_line("threads: 3").start().await;
    let started_with = turnout.setup().text();
    let warnings = async |text: &str| {
        turnout.apply(text, "why=w").await.expect(200).json()["warnings"].to_string()
    };
    let same = warnings(&format!("{started_with}# the same\n")).await;
    assert!(!same.contains("changed"), "{same}");
    let former = warnings(&before).await;
    assert!(former.contains("threads changed"), "{former}");
    assert!(!turnout.output().contains("threads changed"), "{}", turnout.output().text());
}

#[tokio::test]
async fn variables_come_from_the_environment() {
    let api = origin("api").await;
    let yaml = "routes:\n  a:\n    canonical: ${E2E_PATH}\n    stable: {upstream: api}\n    response_headers: {set: {X-Env: \"${E2E_MISSING:-fallback}\"}}\n";
    let setup = Setup::new(yaml).upstream("api", api.address()).env("E2E_PATH", "/from-env");
    let turnout = setup.start().await;
    let answer = turnout.get("/from-env").await.expect(200);
    assert_eq!(answer.header("x-env"), Some("fallback"));
}

#[tokio::test]
async fn a_control_address_beyond_loopback_is_refused() {
    let setup = Setup::new(A).upstream("api", ([127, 0, 0, 1], 1).into());
    setup.write();
    let text = setup.text();
    let exposed = text.replace("control: {address: \"127.0.0.1:", "control: {address: \"0.0.0.0:");
    assert_ne!(exposed, text);
    std::fs::write(setup.file(), exposed).unwrap();
    let mut process = setup.spawn();
    assert_eq!(process.ended().await.code(), Some(1));
    process.output().complete().await;
    assert!(process.output().contains("loopback"), "{}", process.output().text());
}
