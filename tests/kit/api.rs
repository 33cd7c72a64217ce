//! How does a test command the product? Through the control API and through the command line, as people do.

use std::process::Command;

use serde_json::{Value, json};

use super::client::{Answer, Ask, ask, get};
use super::node::Turnout;

/// What a command of the command line came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Both streams, for tests that do not care which one it was.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a command that needs no server.
pub(crate) async fn turnout(arguments: &[&str]) -> Ran {
    run(None, arguments).await
}

async fn run(server: Option<String>, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnout"));
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .env_remove("TURNOUT_SERVER")
        .env_remove("RUST_LOG");
    if let Some(server) = server {
        command.env("TURNOUT_SERVER", server);
    }
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = run.await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Turnout {
    /// Runs a command of the command line against this server.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Ran {
        run(Some(format!("http://{}", self.control())), arguments).await
    }

    /// Sends a request to the control API.
    pub(crate) async fn control_send(&self, ask: Ask) -> Answer {
        self.try_control_send(ask).await.unwrap()
    }

    pub(crate) async fn try_control_send(&self, ask: Ask) -> Result<Answer, String> {
        self.client.send(self.control(), ask).await
    }

    /// What the control API shows at a path.
    pub(crate) async fn view(&self, path: &str) -> Value {
        self.control_send(get(path)).await.expect(200).json()
    }

    /// Sends a command, which must be accepted, and gives its answer.
    pub(crate) async fn command(&self, method: &str, path: &str, body: Value) -> Value {
        self.control_send(ask(method, path).json(&body)).await.expect(200).json()
    }

    pub(crate) async fn shift(&self, route: &str, share: &str) -> Value {
        let body = json!({"share": share, "why": "test"});
        self.command("POST", &format!("/v1/routes/{route}/shift"), body).await
    }

    pub(crate) async fn shift_tenant(&self, route: &str, tenant: &str, share: &str) -> Value {
        let body = json!({"share": share, "tenant": tenant, "why": "test"});
        self.command("POST", &format!("/v1/routes/{route}/shift"), body).await
    }

    pub(crate) async fn shift_cohort(&self, route: &str, cohort: &str, share: &str) -> Value {
        let body = json!({"share": share, "cohort": cohort, "why": "test"});
        self.command("POST", &format!("/v1/routes/{route}/shift"), body).await
    }

    pub(crate) async fn shadow(&self, route: &str, share: &str) -> Value {
        let body = json!({"share": share, "why": "test"});
        self.command("POST", &format!("/v1/routes/{route}/shadow"), body).await
    }

    pub(crate) async fn rollback(&self, route: &str) -> Value {
        let path = format!("/v1/routes/{route}/rollback");
        self.command("POST", &path, json!({"why": "test"})).await
    }

    pub(crate) async fn route(&self, route: &str) -> Value {
        self.view(&format!("/v1/routes/{route}")).await
    }

    pub(crate) async fn revision(&self) -> u64 {
        self.view("/v1/status").await["revision"].as_u64().unwrap()
    }
}
