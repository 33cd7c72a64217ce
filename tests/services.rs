//! Who gets flags on the listener that is there for services? Whoever holds a token of its own, and only the flags it is for.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::kit::{
    Answer, Ask, Authority, Client, Setup, TlsClient, Turnout, ask, eventually, free_address, get,
    sample, turnout,
};

const FLAGS: &str = "\
flags:
  reports: {start: {share: 100%}}
  billing.page: {start: {share: 100%}}
  billing.old: {archived: true}
  secret: {start: {share: 100%}}
routes: {}
";

/// A token, and its hash.
async fn made() -> (String, String) {
    let made = turnout(&["token", "hash"]).await.expect(0).stdout;
    let (token, hash) = made.trim().split_once('\n').unwrap();
    (token.to_owned(), hash.to_owned())
}

struct Served {
    turnout: Turnout,
    at: SocketAddr,
}

/// What services are told, as the file writes it, beginning with a comma.
async fn served(more: &str) -> Served {
    let at = free_address();
    let line = format!("ofrep: {{address: \"{at}\"{more}}}");
    Served { turnout: Setup::new(FLAGS).with_line(&line).start().await, at }
}

fn of(key: &str, token: &str) -> Ask {
    let path = format!("/ofrep/v1/evaluate/flags/{key}");
    ask("POST", path.trim_end_matches('/'))
        .json(&json!({"context": {"targetingKey": "acme"}}))
        .header("authorization", &format!("Bearer {token}"))
}

impl Served {
    async fn send(&self, ask: Ask) -> Answer {
        Client::new().send(self.at, ask).await.unwrap()
    }

    async fn denied(&self, reason: &str) -> Option<f64> {
        let metrics = self.turnout.metrics().await;
        let label = format!("reason=\"{reason}\"");
        sample(&metrics, "turnout_ofrep_auth_failures_total", &[&label])
    }
}

fn keys(answer: &Answer) -> Vec<Value> {
    let told = answer.json();
    told["flags"].as_array().unwrap().iter().map(|flag| flag["key"].clone()).collect()
}

#[tokio::test]
async fn a_token_gets_its_flags_and_cannot_tell_what_others_there_are() {
    let ([all, some], hashes) = {
        let (all, some) = (made().await, made().await);
        ([all.0, some.0], [all.1, some.1])
    };
    let served = served(&format!(
        ", tokens: {{all: {{hash: \"{}\"}}, billing: {{hash: \"{}\", flags: [reports, \"billing.*\"]}}}}",
        hashes[0], hashes[1]
    ))
    .await;
    for (key, by_all, by_some) in
        [("reports", 200, 200), ("billing.page", 200, 200), ("secret", 200, 404)]
    {
        assert_eq!(served.send(of(key, &all)).await.status, by_all, "{key}");
        assert_eq!(served.send(of(key, &some)).await.status, by_some, "{key}");
    }
    let mut answers = Vec::new();
    for key in ["secret", "absent", "billing.old"] {
        let answer = served.send(of(key, &some)).await.expect(404);
        answers.push(answer.text().replace(key, "KEY"));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let (of_all, of_some) = (served.send(of("", &all)).await, served.send(of("", &some)).await);
    assert_eq!(keys(&of_all), ["reports", "billing.page", "secret"]);
    assert_eq!(keys(&of_some), ["reports", "billing.page"]);
    let tag = of_some.header("etag").unwrap().to_owned();
    assert_ne!(of_all.header("etag"), Some(&*tag));
    served.send(of("", &some).header("if-none-match", &tag)).await.expect(304);
    served.send(of("", &all).header("if-none-match", &tag)).await.expect(200);
}

#[tokio::test]
async fn nobody_gets_a_flag_without_a_good_token_nor_anything_else_with_one() {
    let ((good, hash), (old, over)) = (made().await, made().await);
    let served = served(&format!(
        ", tokens: {{good: {{hash: \"{hash}\"}}, old: {{hash: \"{over}\", expires: \"2026-01-01T00:00:00Z\"}}}}"
    ))
    .await;
    let bare = ask("POST", "/ofrep/v1/evaluate/flags/reports").json(&json!({}));
    let refused = served.send(bare).await.expect(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    served.send(get("/v1/status")).await.expect(401);
    for wrong in ["turnout_wrong", &hash, &old] {
        let known = served.send(of("reports", wrong)).await.expect(401);
        assert_eq!(known.text(), served.send(of("absent", wrong)).await.text(), "{wrong}");
    }
    for path in ["/v1/status", "/metrics", "/openapi.json", "/v1/tokens"] {
        let with = get(path).header("authorization", &format!("Bearer {good}"));
        served.send(with).await.expect(404);
    }
    let slowed = async || {
        let answer = served.send(of("reports", "turnout_wrong")).await;
        answer.status == 429 && answer.header("retry-after").is_some()
    };
    eventually("who guesses is slowed down", slowed).await;
    served.send(of("reports", &good)).await.expect(200);
    assert_eq!(served.denied("missing").await, Some(2.0));
    assert_eq!(served.denied("expired").await, Some(2.0));
    // Who fails here fails nowhere else.
    served.turnout.control_send(get("/v1/status")).await.expect(200);
    let text = served.turnout.output().text() + &served.turnout.metrics().await;
    assert!(!text.contains(&good) && !text.contains(&hash));
}

#[tokio::test]
async fn on_loopback_no_token_is_needed_until_there_is_one() {
    let served = served("").await;
    served.send(of("reports", "")).await.expect(200);
    let named = of("reports", "").host("evil.example.org");
    served.send(named).await.expect(403);
    let page = of("reports", "").header("origin", "https://evil.example.org");
    served.send(page).await.expect(403);
    let (token, hash) = made().await;
    let setup = served.turnout.setup();
    let line =
        format!("ofrep: {{address: \"{}\", tokens: {{one: {{hash: \"{hash}\"}}}}}}", served.at);
    setup.rewritten(&format!("{line}\n{FLAGS}")).write();
    let turned_away = async || served.send(of("reports", "")).await.status == 401;
    eventually("a token is needed", turned_away).await;
    served.send(of("reports", &token)).await.expect(200);
    // A file that speaks of no such listener any more leaves it open to nobody.
    setup.rewritten(FLAGS).write();
    let closed = async || served.send(of("reports", &token)).await.status != 200;
    eventually("it is closed", closed).await;
}

#[tokio::test]
async fn another_process_goes_on_with_the_listener_and_its_tls() {
    let authority = Authority::new("services");
    let at = free_address();
    let tls = "tls: {certificates: [{cert: {file: own.pem}, key: {file: own.key}}]}";
    let setup = Setup::new(FLAGS).with_line(&format!("ofrep: {{address: \"{at}\", {tls}}}"));
    authority.certifies(&["localhost"]).write(setup.folder(), "own");
    let turnout = setup.start().await;
    let client = TlsClient::trusting(&authority).speaking("http/1.1");
    let asked = async || {
        let mut connection = client.open(at, "localhost").await.unwrap();
        connection.send(of("reports", "").host("localhost")).await.unwrap().status
    };
    assert_eq!(asked().await, 200);
    let next = turnout.upgrade().await;
    drop(turnout);
    assert_eq!(asked().await, 200);
    drop(next);
}
