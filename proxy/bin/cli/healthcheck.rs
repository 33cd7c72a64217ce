//! Is the server ready? For containers, which have no curl.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::args::ServerArgs;
use super::ask::Ask;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out;
use super::tls::TlsArgs;

/// Ask whether the server is ready.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 0 where it is ready, 1 where it is not, 69 where nobody answers.

  HEALTHCHECK CMD [\"turnout\", \"healthcheck\"]")]
pub(crate) struct HealthcheckArgs {
    /// The status listener's address, or the control API's; /readyz where the address has no path
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7082")]
    url: String,
    #[command(flatten)]
    tls: TlsArgs,
}

/// What `/readyz` answers.
#[derive(Debug, Deserialize)]
struct Ready {
    status: String,
    revision: u64,
    #[serde(default)]
    degraded: Vec<String>,
}

/// Asks whether the server is ready.
pub(crate) fn run(args: &HealthcheckArgs) -> Result<Exit, Failure> {
    let (server, path) = split(&args.url);
    let client = Client::new(&ServerArgs {
        server: server.to_owned(),
        token_file: None,
        tls: args.tls.clone(),
    })?;
    let (status, body) = client.with_patience(Duration::from_secs(5)).ask(&Ask::get(path))?;
    out::line(&said(&body))?;
    Ok(if status.is_success() { Exit::Done } else { Exit::Failed })
}

/// What the server says of itself, in a few words: `ready, r42` or `degraded (store), r42`.
fn said(body: &[u8]) -> String {
    let Ok(Ready { status, revision, degraded }) = serde_json::from_slice(body) else {
        return String::from_utf8_lossy(body).trim().to_owned();
    };
    let degraded =
        if degraded.is_empty() { degraded.concat() } else { format!(" ({})", degraded.join(", ")) };
    format!("{status}{degraded}, r{revision}")
}

fn split(url: &str) -> (&str, &str) {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let path_at = url.get(host_at..).and_then(|rest| rest.find('/')).map(|at| host_at + at);
    match path_at.and_then(|at| url.split_at_checked(at)) {
        Some((server, path)) if path.len() > 1 => (server, path),
        Some((server, _)) => (server, "/readyz"),
        None => (url, "/readyz"),
    }
}

#[cfg(test)]
mod tests {
    use super::{said, split};

    #[test]
    fn readiness_is_said_in_a_few_words() {
        assert_eq!(said(br#"{"status":"ready","revision":42,"degraded":[]}"#), "ready, r42");
        let degraded = br#"{"status":"degraded","revision":7,"degraded":["store"]}"#;
        assert_eq!(said(degraded), "degraded (store), r7");
        assert_eq!(said(b"ok\n"), "ok");
    }

    #[test]
    fn an_address_without_a_path_asks_for_readiness() {
        for (url, expected) in [
            ("http://127.0.0.1:7082", ("http://127.0.0.1:7082", "/readyz")),
            ("http://127.0.0.1:7082/", ("http://127.0.0.1:7082", "/readyz")),
            ("http://[::1]:7082/livez", ("http://[::1]:7082", "/livez")),
            ("localhost:7082/healthz", ("localhost:7082", "/healthz")),
        ] {
            assert_eq!(split(url), expected);
        }
    }
}
