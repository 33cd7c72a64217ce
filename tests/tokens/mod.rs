//! Whose request is it, proven by a token? Good ones of every kind, every trick with bad ones, and keys that change.

mod hostile;
mod keys;
mod signer;

use serde_json::{Value, json};

use crate::kit::{Ask, Origin, Setup, Turnout, get, origin, sample};
use signer::{Signer, claims, key_set};

/// A route whose tenant is the token's; `acme` is on the candidate, everybody else on stable.
const ROUTES: &str = "\
tenants: {acme: {}, zeta: {}}
issuers:
  login: {issuer: \"https://login.example/\", audience: [api, web], keys: {file: jwks.json}, leeway: 0s}
routes:
  a:
    canonical: /a
    stable: {upstream: old}
    candidate: {upstream: new}
    jwt: {issuer: login}
    tenant: {from: [{claim: tenant}, {header: X-Tenant-Id}]}
  open:
    canonical: /open
    stable: {upstream: old}
    candidate: {upstream: new}
    jwt: {issuer: login, missing: pass}
    tenant: {from: [{header: X-Tenant-Id}, {claim: tenant}]}
  sticky:
    canonical: /sticky
    stable: {upstream: old}
    candidate: {upstream: new}
    jwt: {issuer: login}
    sticky: {claim: sub}
    start: {share: 50%}
  public: {canonical: /public, stable: {upstream: old}}
";

struct Served {
    turnout: Turnout,
    old: Origin,
    new: Origin,
}

async fn served(signers: &[&Signer]) -> Served {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(ROUTES).upstream("old", old.address()).upstream("new", new.address());
    std::fs::write(setup.folder().join("jwks.json"), key_set(signers)).unwrap();
    let turnout = setup.start().await;
    for route in ["a", "open"] {
        turnout.shift_tenant(route, "acme", "100%").await;
    }
    Served { turnout, old, new }
}

impl Served {
    /// How many requests have reached any arm.
    fn reached(&self) -> usize {
        self.old.requests().len() + self.new.requests().len()
    }

    async fn outcomes(&self, outcome: &str) -> f64 {
        let label = format!("outcome=\"{outcome}\"");
        let metrics = self.turnout.metrics().await;
        sample(&metrics, "turnout_jwt_total", &["issuer=\"login\"", &label]).unwrap()
    }
}

fn with(token: &str, path: &str) -> Ask {
    get(path).header("authorization", &format!("Bearer {token}"))
}

fn tenant(id: &str) -> Value {
    claims(&json!({"tenant": id}))
}

#[tokio::test]
async fn a_token_of_any_kind_proves_its_tenant() {
    let signers = [Signer::p256("p"), Signer::ed25519("e"), Signer::rsa("r")];
    let served = served(&signers.each_ref()).await;
    for signer in &signers {
        for (id, arm) in [("acme", "new"), ("zeta", "old"), ("else", "old")] {
            let answer = served.turnout.send(with(&signer.token(&tenant(id)), "/a/x")).await;
            assert_eq!(answer.expect(200).origin(), arm, "{id}, signed by {}", signer.id);
        }
    }
    let several = claims(&json!({"tenant": "acme", "aud": ["other", "web"]}));
    served.turnout.send(with(&signers[0].token(&several), "/a")).await.expect(200);
    assert_eq!(served.outcomes("verified").await, 10.0);
}

#[tokio::test]
async fn a_token_that_is_known_is_not_verified_again() {
    let signer = Signer::rsa("r");
    let served = served(&[&signer]).await;
    let token = signer.token(&tenant("acme"));
    for _ in 0..20 {
        served.turnout.send(with(&token, "/a")).await.expect(200);
    }
    assert_eq!(
        (served.outcomes("verified").await, served.outcomes("remembered").await),
        (1.0, 19.0)
    );
    let text = served.turnout.output().text() + &served.turnout.metrics().await;
    for part in token.split('.') {
        assert!(!text.contains(part), "a part of the token is shown");
    }
}

#[tokio::test]
async fn a_believed_header_must_name_the_tokens_tenant() {
    let signer = Signer::p256("p");
    let served = served(&[&signer]).await;
    let token = signer.token(&tenant("acme"));
    for path in ["/a", "/open"] {
        let same = with(&token, path).tenant("acme");
        assert_eq!(served.turnout.send(same).await.expect(200).origin(), "new");
        let reached = served.reached();
        let answer = served.turnout.send(with(&token, path).tenant("zeta")).await.expect(403);
        assert_eq!(answer.problem(), "tenant_disagreement");
        assert_eq!(served.reached(), reached);
    }
}

#[tokio::test]
async fn without_a_token_it_depends_on_the_route() {
    let served = served(&[&Signer::p256("p")]).await;
    for credentials in [None, Some("Basic YTpi"), Some("Digest x=1")] {
        let asked = |path| match credentials {
            Some(credentials) => get(path).header("authorization", credentials).tenant("acme"),
            None => get(path).tenant("acme"),
        };
        let answer = served.turnout.send(asked("/a")).await.expect(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.problem(), "token_missing");
        assert_eq!(served.turnout.send(asked("/open")).await.expect(200).origin(), "new");
    }
    // Where nobody asks, tokens are the service's own business.
    served.turnout.send(with("whatever", "/public")).await.expect(200);
}

#[tokio::test]
async fn a_claim_makes_requests_sticky() {
    let signer = Signer::p256("p");
    let served = served(&[&signer]).await;
    let mut arms = Vec::new();
    for user in ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"] {
        let token = signer.token(&claims(&json!({"sub": user})));
        let first = served.turnout.send(with(&token, "/sticky")).await.expect(200);
        let again = signer.token(&claims(&json!({"sub": user, "jti": "another"})));
        let second = served.turnout.send(with(&again, "/sticky")).await.expect(200);
        assert_eq!(first.origin(), second.origin(), "{user}");
        arms.push(first.origin().to_owned());
    }
    assert!(arms.iter().any(|arm| arm == "old") && arms.iter().any(|arm| arm == "new"), "{arms:?}");
}
