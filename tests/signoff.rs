//! Can people sign off on parity? Known differences are named with a rule each, a noisy service is like itself, and a
//! report holds it all.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::kit::{
    Origin, Reply, Setup, Turnout, With, each_of, eventually, eventually_some, get, origin, post,
};
use crate::shadow::{Pair, comparing};

/// Exchanges that pass without a difference at a limit of 0.1 %, and a few more.
const ENOUGH: u64 = 3_050;
/// Copies are shed where they wait for long.
const AT_ONCE: u64 = 100;

impl Pair {
    async fn report(&self) -> Value {
        self.turnout.view("/v1/routes/a/parity").await
    }

    /// Waits until so many exchanges are counted for the stage.
    async fn counted(&self, exchanges: u64) -> Value {
        eventually_some("every exchange is counted", async || {
            let parity = self.report().await;
            let stage = stage(&parity);
            (stage["shadowed"].as_u64().unwrap() >= exchanges).then_some(parity)
        })
        .await
    }

    /// Asks until so many exchanges are counted, and never for more than copies keep up with.
    async fn asked(&self, mut counted: u64, exchanges: u64) -> Value {
        while counted < exchanges {
            let more = (exchanges - counted).min(AT_ONCE);
            ask(&self.turnout, more).await;
            counted += more;
            self.counted(counted).await;
        }
        self.report().await
    }
}

fn stage(parity: &Value) -> &Value {
    parity["windows"].as_array().unwrap().iter().find(|window| window["window"] == "stage").unwrap()
}

#[tokio::test]
async fn known_differences_are_named_each_with_what_would_make_it_go_away() {
    let pair = comparing("ignore_headers: [x-origin]", "").await;
    pair.answer(
        json!({"id": 1, "at": "2026-01-02T03:04:05Z", "price": 9.99, "tags": [1, 2], "name": "MARK-n"}),
        json!({"id": 1, "at": "2026-01-02T03:04:06Z", "price": "9.99", "tags": [2, 1], "title": "MARK-t"}),
    );
    for _ in 0..20 {
        pair.turnout.get("/a").await.expect(200);
    }
    let parity = pair.counted(20).await;
    assert_eq!(parity["verdict"]["verdict"], "fail", "{parity}");
    let figures = stage(&parity);
    assert_eq!((&figures["mismatched"], &figures["arms"]["both_ok"]), (&json!(20), &json!(20)));
    assert_eq!(figures["comparability"], 1.0);
    let fields = &figures["fields"];
    // Equal are: the status, content-type and /id. The order is a field beside its elements.
    assert_eq!(fields["mismatched"].as_u64().unwrap() % 20, 0, "{figures}");
    assert!(figures["lower_bound"].as_f64() <= figures["field_mismatch_rate"].as_f64());
    let listed = pair.turnout.view("/v1/routes/a/signatures").await;
    let rules: Vec<(String, Value)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["path"].as_str().unwrap().to_owned(), one["suggestion"]["rule"].clone()))
        .collect();
    for (path, rule) in [
        ("/at", "time_tolerance: {\"/at\": 2s}"),
        ("/name", "ignore: [\"/name\"]"),
        ("/price", "ignore: [\"/price\"]"),
        ("/tags", "unordered: [\"/tags\"]"),
        ("/title", "ignore: [\"/title\"]"),
    ] {
        assert!(rules.contains(&(path.to_owned(), json!(rule))), "{path}: {rules:?}");
    }
    assert_eq!(rules.len(), 5, "{rules:?}");
    for one in listed.as_array().unwrap() {
        assert_eq!((&one["count"], &one["share"]), (&json!(20), &json!(1.0)), "{one}");
        assert_eq!(one["together_with"].as_array().unwrap().len(), 4, "one cause: {one}");
        assert_eq!(one["examples"].as_array().unwrap().len(), 5);
    }
}

#[tokio::test]
async fn people_see_it_at_a_glance_and_leave_out_what_may_differ() {
    let pair = comparing("ignore_headers: [x-origin]", "").await;
    let more: Vec<u64> = (0..30).collect();
    pair.answer(json!({"id": 1, "more": more}), json!({"id": 2, "more": more}));
    pair.turnout.get("/a").await.expect(200);
    pair.counted(1).await;
    let shown = pair.turnout.cli(&["parity", "a"]).await.expect(0).stdout;
    assert!(shown.contains("FAIL") && shown.contains("body /id"), "{shown}");
    assert!(shown.contains("nobody knows whether stable differs from itself"), "{shown}");
    let overview = pair.turnout.cli(&["parity"]).await.expect(0).stdout;
    assert!(overview.contains("FAIL"), "{overview}");

    let id = pair.turnout.view("/v1/routes/a/signatures").await[0]["id"].clone();
    let shown = pair.turnout.cli(&["diff-signature", id.as_str().unwrap()]).await.expect(0).stdout;
    assert!(shown.contains("turnout ignore a '/id' --why"), "{shown}");
    let wrong = pair.turnout.cli(&["diff-signature", "a-000000000000"]).await.expect(1);
    assert!(wrong.stderr.contains("unknown_signature"), "{wrong:?}");

    for (pattern, why) in
        [("id", "no pointer, but it could be a header"), ("/id", "each has its own")]
    {
        let ran = pair.turnout.cli(&["ignore", "a", pattern, "--why", why]).await.expect(0);
        assert!(ran.stdout.contains("configuration:"), "{ran:?}");
    }
    let again = pair.turnout.cli(&["ignore", "a", "/id", "--why", "again"]).await.expect(1);
    assert!(again.stderr.contains("already_ignored"), "{again:?}");
    let wrong = pair.turnout.cli(&["ignore", "a", "/i~d", "--why", "no"]).await.expect(1);
    assert!(wrong.stderr.contains("bad_pattern"), "{wrong:?}");
    let text = pair.turnout.control_send(get("/v1/config")).await.text();
    assert!(
        text.contains("compare: {ignore: [\"/id\"], ignore_headers: [\"id\", x-origin]}"),
        "{text}"
    );

    pair.turnout.get("/a").await.expect(200);
    let parity = pair.counted(1).await;
    let figures = stage(&parity);
    // The place, and the header that was ignored from the start.
    assert_eq!((&figures["mismatched"], &figures["fields"]["ignored"]), (&json!(0), &json!(2)));
    assert_eq!(parity["verdict"]["lacks"], "exchanges", "{parity}");
    assert_eq!(parity["verdict"]["exchanges_needed"], 2_994);
    assert_eq!(parity["rules"]["places"][0]["exchanges"], 1);
    assert_eq!(pair.turnout.view("/v1/routes/a/signatures").await, json!([]));
}

#[tokio::test]
async fn a_report_is_one_file_that_holds_it_all_and_nobodys_data() {
    let pair = comparing("ignore: [/secret], ignore_headers: [x-origin]", "").await;
    pair.answer(
        json!({"id": "MARK-1", "secret": "MARK", "<u>": 1}),
        json!({"id": "MARK-2", "secret": "MARK-x"}),
    );
    for _ in 0..3 {
        pair.turnout.get("/a").await.expect(200);
    }
    pair.counted(3).await;
    let folder = pair.turnout.setup().folder().to_owned();
    let read = async |name: &str| {
        let file = folder.join(name);
        let path = file.to_str().unwrap();
        pair.turnout.cli(&["parity", "a", "--report", path]).await.expect(0);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("MARK"), "{text}");
        text
    };
    let page = read("report.html").await;
    for word in ["FAIL", "/id", "&lt;u&gt;", "/secret", "asked by", "Rules in force"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(!page.contains("<u>") && !page.contains("src=") && !page.contains("href="), "{page}");
    let text = read("report.md").await;
    assert!(
        text.starts_with("# Parity of a\n\n**FAIL**") && text.contains("- ignore /secret"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&read("report.json").await).unwrap();
    assert_eq!(json["differences"].as_array().unwrap().len(), 2, "{json}");
    assert!(json["asked_by"].is_string());
    let wrong = pair.turnout.cli(&["parity", "a", "--report", "report.pdf"]).await.expect(64);
    assert!(wrong.stderr.contains(".html, .md or .json"), "{wrong:?}");
}

/// A service whose clock and counter never say the same twice.
fn noisy(origin: &Origin) {
    let count = AtomicU64::new(0);
    origin.behave(move |_| {
        let n = count.fetch_add(1, Ordering::Relaxed);
        let steady: Vec<u64> = (0..60).collect();
        Reply::json(&json!({"n": n, "at": format!("2026-01-02T03:{:02}:{:02}Z", n / 60 % 60, n % 60), "steady": steady}))
            .with("x-count", &n.to_string())
    });
}

/// A route whose two arms are the same service.
async fn same_service(compare: &str) -> Pair {
    let (old, new) = (origin("old").await, origin("unused").await);
    noisy(&old);
    let yaml = format!(
        "routes:\n  a:\n    canonical: /a\n    stable: {{upstream: old}}\n    candidate: {{upstream: same}}\n    start: {{shadow: 100%}}\n    compare: {{{compare}}}\n"
    );
    let setup = Setup::new(&yaml).upstream("old", old.address()).upstream("same", old.address());
    Pair { turnout: setup.start().await, old, new }
}

async fn ask(turnout: &Turnout, times: u64) {
    let (client, proxy) = (turnout.client.clone(), turnout.proxy());
    each_of(0..times, move |_| {
        let client = client.clone();
        async move {
            client.send(proxy, get("/a")).await.unwrap().expect(200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_noisy_service_is_like_itself_where_stable_is_asked_twice() {
    let pair = same_service("ignore_headers: [x-origin], noise: {share: 25%}").await;
    // Few enough to be remembered, and more than enough to learn from.
    ask(&pair.turnout, 200).await;
    pair.counted(200).await;
    eventually("what is stable's own noise is known", async || {
        pair.report().await["noise"]["blind"].as_array().unwrap().len() == 3
    })
    .await;
    let parity = pair.asked(200, ENOUGH).await;
    assert_eq!(parity["verdict"]["verdict"], "pass", "{parity}");
    let figures = stage(&parity);
    assert_eq!(figures["mismatched"], 0, "{figures}");
    assert!(figures["excused"].as_u64().unwrap() > 2_000, "{figures}");
    assert_eq!(parity["notes"], json!([]), "{parity}");
    let blind: Vec<&str> = parity["noise"]["blind"]
        .as_array()
        .unwrap()
        .iter()
        .map(|blind| blind["path"].as_str().unwrap())
        .collect();
    assert_eq!(blind, ["x-count", "/at", "/n"]);
    let twins = parity["noise"]["twins"].as_u64().unwrap();
    assert!((600..900).contains(&twins), "a quarter of them: {twins}");
    for one in pair.turnout.view("/v1/routes/a/signatures").await.as_array().unwrap() {
        assert_eq!(one["excused"], "blind", "{one}");
    }
    let metrics = pair.turnout.metrics().await;
    let answered =
        format!("turnout_noise_requests_total{{route=\"a\",result=\"answered\"}} {twins}");
    assert!(metrics.contains(&answered), "{answered}");
}

#[tokio::test]
async fn without_asking_twice_the_report_says_why_nobody_can_tell() {
    let pair = same_service("ignore_headers: [x-origin]").await;
    ask(&pair.turnout, 50).await;
    let parity = pair.counted(50).await;
    assert_eq!(parity["verdict"]["verdict"], "fail", "{parity}");
    let note = parity["notes"][0].as_str().unwrap();
    assert!(
        note.contains("signatures differ by value only") && note.contains("noise: {share: 5%}"),
        "{note}"
    );
    assert_eq!(pair.old.count(), 100, "each was asked once");
}

#[tokio::test]
async fn stable_is_asked_twice_only_where_that_does_no_harm() {
    let more = "shadow: {methods: [GET, POST]}";
    let pair = comparing("ignore_headers: [x-origin], noise: {share: 100%}", more).await;
    pair.answer(json!({"id": 1}), json!({"id": 1}));
    pair.turnout.send(post("/a", "{}")).await.expect(200);
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.counted(2).await;
    assert_eq!(parity["noise"]["twins"], 1, "{parity}");
    let methods: Vec<String> =
        pair.old.requests().iter().map(|asked| asked.method.to_string()).collect();
    assert_eq!(methods.iter().filter(|method| *method == "POST").count(), 1, "{methods:?}");
    assert_eq!(methods.iter().filter(|method| *method == "GET").count(), 2, "{methods:?}");
    let twin =
        pair.old.requests().into_iter().find(|asked| asked.header("x-turnout-shadow").is_some());
    assert_eq!(twin.unwrap().path_and_query, "/old/a", "under stable's path");
}
