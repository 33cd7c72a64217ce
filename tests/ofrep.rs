//! What do OpenFeature's own clients get? The providers for Node and Python against the built binary.
//!
//! `make test` installs them and says where in `TURNOUT_CLIENTS`; without it there is nothing to ask with.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::kit::{Setup, Turnout};

const FILE: &str = r#"
flags:
  truth: {start: {share: 100%}}
  text: {variants: {old: a, new: "ü"}, off: old, start: {share: 100%}}
  count: {variants: {off: 0, many: 9007199254740991}, start: {share: 100%}}
  ratio: {variants: {off: 0.5, half: 1.25}, start: {share: 100%}}
  tree: {variants: {off: {}, on: {a: [1, {b: c}]}}, start: {share: 100%}}
  ramped: {start: {share: 50%}}
routes: {}
"#;

/// The folder of the clients, where they are installed.
fn clients() -> Option<PathBuf> {
    let folder = std::env::var_os("TURNOUT_CLIENTS");
    if folder.is_none() {
        eprintln!("no clients: `make test` installs them and sets TURNOUT_CLIENTS");
    }
    folder.map(|folder| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder))
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a client: what it is told. Then a flag is turned off, and the client says how soon it sees that.
async fn asked(turnout: &Turnout, mut command: Command) -> Value {
    command.arg(format!("http://{}", turnout.control()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Client(command.spawn().unwrap());
    let mut lines = BufReader::new(client.0.stdout.take().unwrap()).lines();
    let reading = tokio::task::spawn_blocking(move || (lines.next(), lines));
    let (told, mut lines) = reading.await.unwrap();
    let told = told.expect("the client says why on its standard error").unwrap();
    turnout.command("POST", "/v1/flags/truth/off", json!({"why": "test"})).await;
    client.0.stdin.take().unwrap().write_all(b"again\n").unwrap();
    let changed =
        tokio::task::spawn_blocking(move || lines.next()).await.unwrap().unwrap().unwrap();
    let changed: Value = serde_json::from_str(&changed).unwrap();
    assert!(changed["changed_after_ms"].as_u64().unwrap() < 1_000, "{changed}");
    serde_json::from_str(&told).unwrap()
}

/// A client that ends with its test.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn expect(told: &Value) {
    let tree = json!({"a": [1, {"b": "c"}]});
    for (name, value, variant) in [
        ("truth", json!(true), "on"),
        ("text", json!("ü"), "new"),
        ("count", json!(9_007_199_254_740_991_i64), "many"),
        ("ratio", json!(1.25), "half"),
        ("tree", tree, "on"),
    ] {
        let found = &told[name];
        assert_eq!((&found["value"], &found["variant"]), (&value, &json!(variant)), "{told}");
        assert_eq!(found["reason"], "DEFAULT", "{told}");
    }
    for (name, code) in [
        ("unknown", "FLAG_NOT_FOUND"),
        ("other_type", "TYPE_MISMATCH"),
        ("no_tenant", "TARGETING_KEY_MISSING"),
    ] {
        let found = &told[name];
        assert_eq!(
            (&found["value"], &found["errorCode"]),
            (&json!(true), &json!(code)),
            "{name}: {told}"
        );
    }
}

#[tokio::test]
async fn the_client_for_node_gets_values_defaults_and_changes() {
    let Some(folder) = clients() else { return };
    let turnout = Setup::new(FILE).start().await;
    let mut node = Command::new("node");
    node.arg(script("ofrep.cjs")).env("NODE_PATH", folder.join("node_modules"));
    expect(&asked(&turnout, node).await);
}

#[tokio::test]
async fn the_client_for_python_gets_values_defaults_and_changes() {
    let Some(folder) = clients() else { return };
    let turnout = Setup::new(FILE).start().await;
    let mut python = Command::new(folder.join("python/bin/python"));
    python.arg(script("ofrep.py"));
    expect(&asked(&turnout, python).await);
}
