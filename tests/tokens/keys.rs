//! Keys that are published, changed, lost and late; and tokens that end.

use std::time::Duration;

use loadtest::origin::Fault;
use serde_json::json;

use super::signer::{Signer, claims, key_set};
use super::{ROUTES, served, tenant, with};
use crate::kit::{Memory, Origin, Reply, Setup, Turnout, eventually, get, origin, sample, status};

/// An issuer that publishes this; nothing where it fails.
struct Published {
    issuer: Origin,
}

impl Published {
    async fn new(text: Option<String>) -> Self {
        let published = Self { issuer: origin("issuer").await };
        published.publish(text);
        published
    }

    fn publish(&self, text: Option<String>) {
        self.issuer.behave(move |_| text.clone().map_or_else(|| status(500), Reply::text));
    }

    /// A server that asks this issuer for its keys, and an arm behind it.
    async fn asked(&self) -> (Turnout, Origin) {
        let old = origin("old").await;
        let from =
            format!("keys_from: {{url: \"http://{}/keys?v=1\", every: 1s}}", self.issuer.address());
        let yaml = ROUTES.replace("keys: {file: jwks.json}", &from);
        let setup = Setup::new(&yaml).upstream("old", old.address()).upstream("new", old.address());
        (setup.start().await, old)
    }
}

async fn status_of(turnout: &Turnout, token: &str) -> u16 {
    turnout.send(with(token, "/a")).await.status.as_u16()
}

#[tokio::test]
async fn published_keys_are_fetched_and_followed() {
    let (first, second) = (Signer::p256("one"), Signer::ed25519("two"));
    let published = Published::new(Some(key_set(&[&first]))).await;
    let (turnout, _old) = published.asked().await;
    let (one, two) = (first.token(&tenant("acme")), second.token(&tenant("acme")));
    eventually("the keys are fetched", async || status_of(&turnout, &one).await == 200).await;
    assert_eq!(status_of(&turnout, &two).await, 401);
    published.publish(Some(key_set(&[&second])));
    eventually("the new key is known", async || status_of(&turnout, &two).await == 200).await;
    assert_eq!(status_of(&turnout, &one).await, 401, "what was good by a key that is gone");
    assert!(published.issuer.requests().iter().all(|asked| asked.path_and_query == "/keys?v=1"));
}

#[tokio::test]
async fn the_last_good_keys_outlive_their_issuer() {
    let signer = Signer::p256("one");
    let published = Published::new(Some(key_set(&[&signer]))).await;
    let (turnout, _old) = published.asked().await;
    let token = |id| signer.token(&claims(&json!({"tenant": "acme", "jti": id})));
    eventually("the keys are fetched", async || status_of(&turnout, &token(0)).await == 200).await;
    for (number, bad) in (1..).zip([None, Some("{}"), Some("{\"keys\":[]}"), Some("no JSON")]) {
        published.publish(bad.map(str::to_owned));
        let asked = published.issuer.requests().len();
        eventually("it is asked again", async || published.issuer.requests().len() > asked + 1)
            .await;
        assert_eq!(status_of(&turnout, &token(number)).await, 200, "{bad:?}");
    }
    let said = "keys could not be fetched, those before go on";
    eventually("it says so", async || turnout.output().contains(said)).await;
}

#[tokio::test]
async fn without_keys_nobody_can_tell() {
    let signer = Signer::p256("one");
    let published = Published::new(None).await;
    let (turnout, old) = published.asked().await;
    let answer = turnout.send(with(&signer.token(&tenant("acme")), "/a")).await.expect(503);
    assert_eq!(answer.problem(), "token_keys_missing");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(old.requests().len(), 0);
    turnout.send(get("/open").tenant("acme")).await.expect(200);
    let metrics = turnout.metrics().await;
    assert_eq!(sample(&metrics, "turnout_issuer_keys", &["issuer=\"login\""]), Some(0.0));
    published.publish(Some(key_set(&[&signer])));
    let token = signer.token(&tenant("acme"));
    eventually("the keys are fetched", async || status_of(&turnout, &token).await == 200).await;
}

#[tokio::test]
async fn the_first_client_finds_keys_that_take_a_moment() {
    let signer = Signer::p256("one");
    let published = Published::new(None).await;
    let keys = key_set(&[&signer]);
    published.issuer.behave(move |_| Reply::text(keys.clone()).after(Duration::from_millis(500)));
    let (turnout, _old) = published.asked().await;
    assert_eq!(status_of(&turnout, &signer.token(&tenant("acme"))).await, 200);
}

#[tokio::test]
async fn an_issuer_that_never_answers_does_not_keep_others_from_being_served() {
    let published = Published::new(None).await;
    published.issuer.behave(|_| Reply::fault(Fault::BlackHole));
    let (turnout, _old) = published.asked().await;
    published.issuer.was_asked(1).await;
    let given_up = turnout.output().contains("keys could not be fetched");
    assert!(!given_up, "the start takes as long as asking may");
    turnout.send(get("/open").tenant("acme")).await.expect(200);
    let token = Signer::p256("one").token(&tenant("acme"));
    assert_eq!(turnout.send(with(&token, "/a")).await.expect(503).problem(), "token_keys_missing");
}

#[tokio::test]
async fn keys_in_a_file_are_replaced_while_serving() {
    let (first, second) = (Signer::p256("one"), Signer::p256("two"));
    let served = served(&[&first]).await;
    let token = second.token(&tenant("acme"));
    served.turnout.send(with(&token, "/a")).await.expect(401);
    let file = served.turnout.setup().folder().join("jwks.json");
    std::fs::write(&file, key_set(&[&second])).unwrap();
    eventually("the new keys serve", async || {
        served.turnout.send(with(&token, "/a")).await.status == 200
    })
    .await;
    std::fs::write(&file, "{\"keys\": 7}").unwrap();
    eventually("it says what is wrong", async || {
        served.turnout.output().contains("no JSON Web Key Set")
    })
    .await;
    served.turnout.send(with(&token, "/a")).await.expect(200);
}
