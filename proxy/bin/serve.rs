//! How is the proxy run? Opens the state, hands what both planes share from one to the other, and serves.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use control::{Links, Node, Opening};
use prometheus_client::registry::Registry;
use proxy::{Listener, Parts, Phase, Proxy};
use tokio::sync::{mpsc, watch};
use tracing_subscriber::EnvFilter;

/// How many comparison results may wait for the control plane. More are dropped; the counts are kept all the same. (INV-7)
const WAITING_REPORTS: usize = 4_096;
/// What is logged unless `RUST_LOG` says otherwise: Pingora only where something is wrong.
const LOGGED: &str = "info,pingora=error,pingora_core=error,pingora_proxy=error";

/// What `turnout serve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The configuration file; changes of it are applied while serving.
    #[arg(
        short,
        long,
        env = "TURNOUT_CONFIG",
        default_value = "turnout.yaml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// The state file, instead of the configuration's `store.path`.
    #[arg(long, env = "TURNOUT_STORE", value_name = "FILE")]
    store: Option<PathBuf>,
}

/// Serves until a signal asks to leave.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    log_to_stderr();
    let opening = Opening { config: args.config.clone(), store: args.store.clone() };
    let node = Node::open(&opening)?;
    let (phase, phases) = watch::channel(control::Phase::Starting);
    let (reload, reloads) = mpsc::channel(1);
    let (offers, reports) = mpsc::channel(WAITING_REPORTS);
    let listener = Listener {
        phase: Arc::new(move |reached| {
            phase.send_replace(phase_for_control(reached));
        }),
        reload: Arc::new(move || {
            // A reload that is waiting already reads the same file.
            reload.try_send(()).unwrap_or_default();
        }),
    };
    let parts = Parts { cell: node.cell(), settings: node.settings(), reports: offers, listener };
    let mut metrics = Registry::default();
    let proxy = Proxy::new(parts, &mut metrics)?;
    let links = Links { reports, phase: phases, metrics, reload: reloads };
    proxy.run(async move {
        let ended = node.run(links).await.context("the control plane ended");
        leave(&ended);
    });
    Ok(ExitCode::SUCCESS)
}

const fn phase_for_control(phase: Phase) -> control::Phase {
    match phase {
        Phase::Serving => control::Phase::Serving,
        Phase::Draining => control::Phase::Draining,
        Phase::Stopped => control::Phase::Stopped,
    }
}

/// Ends the process: everything is drained, or the control plane could not even start.
#[expect(clippy::exit, reason = "Pingora would stay for the whole drain time, though all is done")]
fn leave(ended: &anyhow::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(error = format!("{error:#}"), "cannot go on");
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// Logs to standard error: JSON lines, or plain ones where a person looks. Standard output is the access log's.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.compact().init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
