//! How is the server commanded? Over its control API, as the command line does it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Method;
use loadtest::load::{Call, ask};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The demo's only route, as `deploy/examples/demo.yaml` names it.
pub(super) const ROUTE: &str = "messaging";

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The control API of the demo's server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control(pub(super) SocketAddr);

/// A route as the API shows it; what the demo looks at.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RouteView {
    pub(super) stage: String,
    pub(super) sli: Arms,
    pub(super) parity: Parity,
}

/// Both arms' figures.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Arms {
    pub(super) candidate: ArmView,
}

/// One arm's figures since the start.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ArmView {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) fallbacks: u64,
}

/// What came of the comparisons since the start.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Parity {
    pub(super) compared: u64,
    pub(super) mismatched: u64,
}

impl Parity {
    /// What was added since an earlier look.
    pub(super) const fn since(self, earlier: Self) -> Self {
        Self {
            compared: self.compared.saturating_sub(earlier.compared),
            mismatched: self.mismatched.saturating_sub(earlier.mismatched),
        }
    }
}

/// One way in which answers differ.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Signature {
    pub(super) location: String,
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) relation: Option<String>,
    pub(super) count: u64,
}

/// What a command came to.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Done {
    pub(super) revision: u64,
    pub(super) summary: String,
}

impl Control {
    pub(super) async fn route(self) -> anyhow::Result<RouteView> {
        self.get(&format!("/v1/routes/{ROUTE}")).await
    }

    pub(super) async fn signatures(self) -> anyhow::Result<Vec<Signature>> {
        self.get(&format!("/v1/routes/{ROUTE}/signatures")).await
    }

    pub(super) async fn shadow(self, share: &str, why: &str) -> anyhow::Result<Done> {
        self.post("shadow", &json!({"share": share, "why": why})).await
    }

    pub(super) async fn shift(self, share: &str, why: &str) -> anyhow::Result<Done> {
        self.post("shift", &json!({"share": share, "why": why})).await
    }

    pub(super) async fn rollback(self, why: &str) -> anyhow::Result<Done> {
        self.post("rollback", &json!({"why": why})).await
    }

    /// Makes a configuration, given as text, the server's.
    pub(super) async fn apply(self, text: String) -> anyhow::Result<Done> {
        let call = Call::new(Method::POST, "/v1/config?why=noise")
            .with_header("content-type", "application/yaml")
            .with_body(text);
        self.send(call).await
    }

    async fn get<T: DeserializeOwned>(self, path: &str) -> anyhow::Result<T> {
        self.send(Call::get(path)).await
    }

    async fn post(self, command: &str, body: &Value) -> anyhow::Result<Done> {
        let call = Call::new(Method::POST, format!("/v1/routes/{ROUTE}/{command}"))
            .with_header("content-type", "application/json")
            .with_body(body.to_string());
        self.send(call).await
    }

    async fn send<T: DeserializeOwned>(self, call: Call) -> anyhow::Result<T> {
        let asked = format!("{} {}", call.method, call.path);
        let call = call.with_header("x-turnout-actor", "demo");
        let answer = ask(self.0, call, ANSWER_WITHIN).await;
        if !answer.is_ok() {
            let said = String::from_utf8_lossy(&answer.body);
            bail!("the control API refused {asked}: {:?} {said}", answer.status);
        }
        serde_json::from_slice(&answer.body)
            .with_context(|| format!("the control API's answer to {asked} is not as expected"))
    }
}
