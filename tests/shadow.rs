//! Does a shadow see everything and change nothing? Copies, their bounds, what becomes of them, and bad shadows.

use serde_json::{Value, json};

use crate::kit::{
    Memory, Origin, Reply, Setup, Turnout, all, ask, eventually, eventually_some, get, origin, post,
};

/// A node between an old and a new service.
pub(crate) struct Pair {
    pub(crate) turnout: Turnout,
    pub(crate) old: Origin,
    pub(crate) new: Origin,
}

/// A route below `/a` with all of its traffic copied. The origins' names, which differ, are not compared.
pub(crate) async fn shadowed(more: &str) -> Pair {
    comparing("ignore_headers: [x-origin]", more).await
}

/// The same with rules of its own for what counts as a difference.
pub(crate) async fn comparing(compare: &str, more: &str) -> Pair {
    let (old, new) = (origin("old").await, origin("new").await);
    let yaml = format!(
        "routes:\n  a:\n    canonical: /a\n    stable: {{upstream: old, path: /old/a}}\n    candidate: {{upstream: new, path: /new/a}}\n    start: {{shadow: 100%}}\n    compare: {{{compare}}}\n    {more}\n"
    );
    let setup = Setup::new(&yaml).upstream("old", old.address()).upstream("new", new.address());
    Pair { turnout: setup.start().await, old, new }
}

impl Pair {
    /// Both answer with these documents.
    pub(crate) fn answer(&self, old: Value, new: Value) {
        self.old.behave(move |_| Reply::json(&old));
        self.new.behave(move |_| Reply::json(&new));
    }

    /// The methods of the copies that arrived, sorted.
    fn copied_methods(&self) -> Vec<String> {
        let copies = self.new.requests().into_iter().map(|copy| copy.method.to_string());
        let mut methods: Vec<String> = copies.collect();
        methods.sort();
        methods
    }

    async fn parity(&self) -> Value {
        self.turnout.route("a").await["parity"].clone()
    }

    /// The signatures as lines, sorted: place, path, kind and relation.
    pub(crate) async fn signatures(&self) -> Vec<String> {
        lines(&self.turnout).await
    }

    /// Waits until so many exchanges are accounted for, and gives the parity.
    pub(crate) async fn exchanges(&self, count: u64) -> Value {
        eventually_some("every exchange has its outcome", async || {
            let parity = self.parity().await;
            (accounted(&parity) == count).then_some(parity)
        })
        .await
    }
}

/// The signatures of `a` as lines, sorted: place, path, kind and relation.
pub(crate) async fn lines(turnout: &Turnout) -> Vec<String> {
    let listed = turnout.view("/v1/routes/a/signatures").await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |one: &Value| {
        ["location", "path", "kind", "relation"].map(|member| text(&one[member])).join(" ")
    };
    let mut lines: Vec<String> = listed.as_array().unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

/// How many exchanges have their outcome.
pub(crate) fn accounted(parity: &Value) -> u64 {
    let reasons = parity["not_comparable"].as_object().unwrap();
    let others: u64 = reasons.values().map(|count| count.as_u64().unwrap()).sum();
    parity["compared"].as_u64().unwrap() + others
}

#[tokio::test]
async fn a_copy_reaches_the_other_arm_and_its_answer_nobody() {
    let Pair { turnout, old, new } = shadowed("").await;
    let request = get("/a/x?y=1&z=%20")
        .host("api.example.org:7080")
        .header("authorization", "Bearer t")
        .header("cookie", "c=1")
        .header("idempotency-key", "k-1")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("x-request-id", "req-1")
        .header("accept", "application/json")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1");
    for _ in 0..10 {
        assert_eq!(turnout.send(request.clone()).await.expect(200).origin(), "old");
    }
    new.was_asked(10).await;
    let (original, copy) = (old.last(), new.last());
    assert_eq!(original.path_and_query, "/old/a/x?y=1&z=%20");
    assert_eq!(copy.path_and_query, "/new/a/x?y=1&z=%20");
    assert_eq!(original.header("x-turnout-shadow"), None);
    assert_eq!(copy.header("x-turnout-shadow"), Some("1"));
    assert_eq!(copy.header("x-hop"), None);
    for name in [
        "host",
        "authorization",
        "cookie",
        "idempotency-key",
        "x-request-id",
        "accept",
        "x-forwarded-for",
    ] {
        assert_eq!(all(&copy, name), all(&original, name), "{name}");
        assert!(!all(&copy, name).is_empty(), "{name}");
    }
    assert_eq!(all(&copy, "traceparent").get(..36), all(&original, "traceparent").get(..36));
}

/// Where both want the CPU, requests have it.
#[tokio::test]
async fn copies_leave_the_cpu_to_requests() {
    let pair = shadowed("").await;
    pair.turnout.get("/a").await.expect(200);
    let nice_values = |thread: &str| -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", pair.turnout.pid())).unwrap();
        // A thread may end meanwhile.
        let stats =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        // The 19th member, after the thread's name in parentheses (proc_pid_stat(5)).
        let nice = |stat: String| {
            let rest = stat.split_once(&format!("({thread}) "))?.1;
            rest.split(' ').nth(16)?.parse().ok()
        };
        stats.filter_map(nice).collect()
    };
    // 19 is the most that there is.
    let requests: i32 = nice_values("proxy").into_iter().max().unwrap();
    let copies = [(requests + 5).min(19); 2];
    eventually("both threads of copies give way", async || nice_values("shadow") == copies).await;
}

#[tokio::test]
async fn unsafe_methods_are_copied_only_where_the_route_names_them() {
    let pair = shadowed("").await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD"] {
        pair.turnout.send(ask(method, "/a")).await.expect(200);
    }
    pair.exchanges(2).await;
    assert_eq!(pair.copied_methods(), ["GET", "HEAD"]);

    let pair = shadowed("shadow: {methods: [POST]}").await;
    pair.turnout.get("/a").await.expect(200);
    pair.turnout.send(ask("PUT", "/a").body("{}")).await.expect(200);
    pair.turnout.send(post("/a", "{\"n\":1}")).await.expect(200);
    pair.exchanges(1).await;
    assert_eq!(pair.copied_methods(), ["POST"]);
    assert_eq!(&*pair.new.last().body, b"{\"n\":1}");
}

#[tokio::test]
async fn bodies_are_copied_up_to_the_bound_and_no_further() {
    let pair = shadowed("shadow: {methods: [POST], max_body: 64KiB}").await;
    pair.answer(json!({}), json!({}));
    let body = |size: usize| vec![b'x'; size];
    pair.turnout.send(post("/a", body(65_536))).await.expect(200);
    pair.new.was_asked(1).await;
    assert_eq!(pair.new.last().body.len(), 65_536);

    for size in [65_537, 2_000_000] {
        assert_eq!(pair.turnout.send(post("/a", body(size))).await.expect(200).origin(), "old");
        assert_eq!(pair.old.last().body.len(), size, "it went through to stable untouched");
    }
    let parity = pair.exchanges(3).await;
    assert_eq!(parity["not_comparable"]["oversize"], 2, "{parity}");
    assert_eq!(parity["compared"], 1, "{parity}");
    assert_eq!(pair.new.count(), 1);
    let route = pair.turnout.route("a").await;
    assert_eq!(route["shadowed"]["oversize"], 2, "{route}");
}

#[tokio::test]
async fn an_answer_over_the_bound_reaches_the_client_whole_and_is_compared_by_its_hash() {
    let pair = shadowed("shadow: {max_body: 16KiB}").await;
    pair.old.behave(|_| Reply::text(vec![b'x'; 300_000]));
    pair.new.behave(|_| Reply::text(vec![b'x'; 300_000]));
    assert_eq!(pair.turnout.get("/a").await.expect(200).body.len(), 300_000);
    let parity = pair.exchanges(1).await;
    assert_eq!(parity["matched"], 1, "by its hash: {parity}");
    pair.new.behave(|_| Reply::text(vec![b'y'; 300_000]));
    pair.turnout.get("/a").await.expect(200);
    let parity = pair.exchanges(2).await;
    assert_eq!(parity["mismatched"], 1, "{parity}");
}

#[tokio::test]
async fn credentials_are_stripped_where_the_route_says_so() {
    let Pair { turnout, old, new } = shadowed("shadow: {credentials: strip}").await;
    let request =
        get("/a").header("authorization", "Bearer t").header("cookie", "c=1").header("x-a", "1");
    turnout.send(request).await.expect(200);
    new.was_asked(1).await;
    let copy = new.last();
    assert_eq!((copy.header("authorization"), copy.header("cookie")), (None, None));
    assert_eq!(copy.header("x-a"), Some("1"));
    assert_eq!(old.last().header("authorization"), Some("Bearer t"));
}

#[tokio::test]
async fn a_sample_is_repeatable_and_of_its_size() {
    let Pair { turnout, old: _old, new } = shadowed("").await;
    turnout.shadow("a", "25%").await;
    let round = async || {
        new.forget();
        let before = new.count();
        for n in 0..400 {
            turnout.send(get("/a").header("x-request-id", &format!("req-{n}"))).await.expect(200);
        }
        // The copies have left when all outcomes are there.
        eventually("the copies arrive", async || {
            let shadowed = turnout.route("a").await;
            accounted(&shadowed["parity"]) == new.count()
        })
        .await;
        let mut ids: Vec<String> =
            new.requests().iter().map(|copy| all(copy, "x-request-id")).collect();
        ids.sort();
        assert_eq!(ids.len() as u64, new.count() - before);
        ids
    };
    let (first, second) = (round().await, round().await);
    // 100 expected; the standard deviation is 8.7.
    assert!(first.len().abs_diff(100) <= 35, "{}", first.len());
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_copy_is_never_copied_again() {
    let Pair { turnout, old, new } = shadowed("").await;
    turnout.send(get("/a").header("x-turnout-shadow", "1")).await.expect(200);
    turnout.send(get("/a").header("x-request-id", "probe")).await.expect(200);
    new.was_asked(1).await;
    assert_eq!(all(&new.last(), "x-request-id"), "probe");
    assert_eq!((old.count(), new.count()), (2, 1));
}

#[tokio::test]
async fn the_old_side_can_be_kept_warm_after_the_shift() {
    let Pair { turnout, old, new } = shadowed("").await;
    turnout.shift("a", "100%").await;
    let body = json!({"share": "100%", "reverse": true, "why": "stay comparable"});
    turnout.command("POST", "/v1/routes/a/shadow", body).await;
    assert_eq!(turnout.get("/a/x").await.expect(200).origin(), "new");
    old.was_asked(1).await;
    assert_eq!(old.last().header("x-turnout-shadow"), Some("1"));
    assert_eq!(old.last().path_and_query, "/old/a/x");
    assert_eq!(new.last().header("x-turnout-shadow"), None);
}
