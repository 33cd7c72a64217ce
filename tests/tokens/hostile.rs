//! Tricks with tokens, each with its answer: none reaches an arm.

use serde_json::{Value, json};

use super::signer::{Signer, base64, claims, key_set, now};
use super::{served, tenant, with};
use crate::kit::get;

/// What is tried, the token, and what it counts as.
type Trick = (&'static str, String, &'static str);

/// Those who try: they have seen tokens and public keys, and can have tokens signed for themselves.
struct Tricksters {
    signer: Signer,
    rsa: Signer,
    /// Calls its key as the issuer does.
    stranger: Signer,
}

impl Tricksters {
    fn good(&self) -> String {
        tenant("acme").to_string()
    }

    /// A rightly signed token with these fields in its head.
    fn headed(&self, more: &Value) -> String {
        self.signer.token_with(&head(more), &self.good())
    }

    /// A token by a stranger with these fields in its head.
    fn strange(&self, more: &Value) -> String {
        self.stranger.token_with(&head(more), &self.good())
    }

    fn with_signatures(&self) -> Vec<Trick> {
        let token = self.signer.token(&tenant("acme"));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (front, _) = signed.split_once('.').unwrap();
        let other = base64(tenant("zeta").to_string());
        let unsigned = |alg: &str| {
            format!("{}.{}.", base64(json!({"alg": alg}).to_string()), base64(self.good()))
        };
        let short: String = signature.chars().take(40).collect();
        // Whoever takes a public key for a shared secret believes this one.
        let confused =
            format!("{}.{}", base64("{\"alg\":\"HS256\",\"kid\":\"r\"}"), base64(self.good()));
        let secret =
            ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key_set(&[&self.rsa]).as_bytes());
        let confused =
            format!("{confused}.{}", base64(ring::hmac::sign(&secret, confused.as_bytes())));
        let unasked = json!({"alg": "PS256", "kid": "r"});
        vec![
            ("no algorithm", unsigned("none"), "malformed"),
            ("no algorithm, in capitals", unsigned("NONE"), "malformed"),
            ("no signature", format!("{signed}."), "signature"),
            ("a public key as a secret", confused, "algorithm"),
            ("an algorithm unasked for", self.rsa.token_with(&unasked, &self.good()), "algorithm"),
            ("another key's algorithm", self.headed(&json!({"kid": "r"})), "algorithm"),
            ("somebody else's signature", self.stranger.token(&tenant("acme")), "signature"),
            ("claims changed", format!("{front}.{other}.{signature}"), "signature"),
            ("a signature cut short", format!("{signed}.{short}"), "signature"),
            ("a signature of zeros", format!("{signed}.{}", base64([0; 64])), "signature"),
            ("four parts", format!("{token}.x"), "malformed"),
            ("nothing", "..".to_owned(), "malformed"),
        ]
    }

    fn with_heads(&self) -> Vec<Trick> {
        let attacker = "http://127.0.0.1:1/keys";
        let own = json!({"jwk": self.stranger.public()});
        let critical = json!({"crit": ["b64"], "b64": false});
        vec![
            ("an unknown key", self.headed(&json!({"kid": "../../etc/passwd"})), "key"),
            ("a key by injection", self.headed(&json!({"kid": "p' OR 1=1 --"})), "key"),
            ("a key that is a list", self.headed(&json!({"kid": ["p"]})), "malformed"),
            ("what must be understood", self.headed(&critical), "malformed"),
            ("its own key", self.strange(&own), "signature"),
            ("an address for keys", self.strange(&json!({"jku": attacker})), "signature"),
            ("an address for certificates", self.strange(&json!({"x5u": attacker})), "signature"),
        ]
    }

    fn with_claims(&self) -> Vec<Trick> {
        let said = |more: Value| self.signer.token(&claims(&more));
        let raw = |claims: &str| self.signer.token_with(&head(&json!({})), claims);
        let twice = self.good().replacen('{', "{\"tenant\":\"zeta\",", 1);
        let issuers = json!({"iss": ["https://login.example/"]});
        vec![
            ("another issuer", said(json!({"iss": "https://evil.example/"})), "issuer"),
            ("an issuer among others", said(issuers), "issuer"),
            ("no issuer", said(json!({"iss": null})), "issuer"),
            ("for others", said(json!({"aud": "billing"})), "issuer"),
            ("for nobody", said(json!({"aud": []})), "issuer"),
            ("for no text", said(json!({"aud": 7})), "issuer"),
            ("ended", said(json!({"exp": now() - 1})), "time"),
            ("ended long ago", said(json!({"exp": 0})), "time"),
            ("no end", said(json!({"exp": null})), "time"),
            ("an end in words", said(json!({"exp": "tomorrow"})), "time"),
            ("not yet", said(json!({"nbf": now() + 600})), "time"),
            ("a claim twice", raw(&twice), "malformed"),
            ("no object", raw("[1]"), "malformed"),
            ("no JSON", raw("acme"), "malformed"),
            ("too long", said(json!({"x": "x".repeat(8 << 10)})), "malformed"),
        ]
    }
}

fn head(more: &Value) -> Value {
    let mut head = json!({"alg": "ES256", "kid": "p"});
    for (name, value) in more.as_object().unwrap() {
        head[name] = value.clone();
    }
    head
}

#[tokio::test]
async fn no_trick_gets_through() {
    let who = Tricksters {
        signer: Signer::p256("p"),
        rsa: Signer::rsa("r"),
        stranger: Signer::p256("p"),
    };
    let served = served(&[&who.signer, &who.rsa]).await;
    for (what, token, outcome) in
        [who.with_signatures(), who.with_heads(), who.with_claims()].concat()
    {
        let before = served.outcomes(outcome).await;
        for path in ["/a", "/open"] {
            let answer = served.turnout.send(with(&token, path).tenant("acme")).await;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            assert_eq!(answer.problem(), "token_invalid", "{what}");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{what}");
        }
        assert_eq!(served.outcomes(outcome).await - before, 2.0, "{what} counts as {outcome}");
    }
    let good = who.signer.token(&tenant("acme"));
    let twice = with(&good, "/a").header("authorization", &format!("Bearer {good}"));
    assert_eq!(served.turnout.send(twice).await.expect(401).problem(), "token_invalid");
    assert_eq!(served.reached(), 0);
    served.turnout.send(with(&good, "/a")).await.expect(200);
}

#[tokio::test]
async fn a_tenant_in_a_token_is_one_text() {
    let signer = Signer::p256("p");
    let served = served(&[&signer]).await;
    for tenant in [json!(["acme"]), json!({"id": "acme"}), json!(7), json!("a b"), json!("")] {
        let token = signer.token(&claims(&json!({"tenant": tenant})));
        let answer = served.turnout.send(with(&token, "/a")).await.expect(400);
        assert_eq!(answer.problem(), "tenant_invalid", "{tenant}");
    }
    assert_eq!(served.reached(), 0);
    // Without the claim, the next place is asked.
    let token = signer.token(&claims(&json!({})));
    served.turnout.send(with(&token, "/a").tenant("acme")).await.expect(200);
    served.turnout.send(get("/public")).await.expect(200);
}
