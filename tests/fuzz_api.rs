//! Does the control API keep to its own description, whatever it is asked? Schemathesis makes requests of all kinds from it.
//!
//! `make test` installs it and says where in `TURNOUT_CLIENTS`; without it there is nothing to ask with. With `TURNOUT_LONG=1`
//! it asks much more.

use std::path::Path;
use std::process::Command;

use crate::kit::{Setup, turnout};

const FILE: &str = r#"
flags: {reports: {}}
tenants: {acme: {plan: gold}}
cohorts: {gold: {tenants: [acme]}}
routes:
  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}}
"#;

#[tokio::test]
async fn whatever_is_asked_is_answered_as_described_and_never_with_a_failure() {
    let Some(folder) = std::env::var_os("TURNOUT_CLIENTS") else {
        eprintln!("no schemathesis: `make test` installs it and sets TURNOUT_CLIENTS");
        return;
    };
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("python/bin/schemathesis");
    let made = turnout(&["token", "hash"]).await.expect(0).stdout;
    let (token, hash) = made.trim().split_once('\n').unwrap();
    let nobody = ([127, 0, 0, 1], 1).into();
    let setup = Setup::new(FILE)
        .upstream("old", nobody)
        .upstream("new", nobody)
        .controlled(&format!(", tokens: {{ops: {{hash: \"{hash}\", scopes: [admin]}}}}"));
    let serving = setup.start().await;
    let examples = if std::env::var_os("TURNOUT_LONG").is_some() { "100" } else { "5" };
    let mut command = Command::new(&program);
    command
        .args(["run", &format!("http://{}/openapi.json", serving.control())])
        .args(["--checks", "not_a_server_error,status_code_conformance"])
        .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"])
        // The same requests each time.
        .args(["--seed", "1", "--max-examples", examples])
        // What is sent as long as somebody listens has no end.
        .args(["--exclude-path", "/v1/events", "--suppress-health-check", "all"])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .current_dir(serving.setup().folder());
    let asked = tokio::task::spawn_blocking(move || command.output());
    let asked = asked.await.unwrap().unwrap_or_else(|error| {
        panic!("{} is needed, see `make test`: {error}", program.display())
    });
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success(), "{said}\n{}", String::from_utf8_lossy(&asked.stderr));
    assert!(said.contains("Test cases:"), "{said}");
    let address = format!("http://{}", serving.control());
    let ready = ["healthcheck", "--url", &address];
    turnout(&ready).await.expect(0);
}
