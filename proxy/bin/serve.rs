//! How is the proxy run? Opens the state, hands what both planes share from one to the other, and serves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use control::{Links, Node, Opening};
use prometheus_client::registry::Registry;
use proxy::{Listener, Parts, Phase, Proxy};
use tokio::sync::{mpsc, watch};

use crate::log;

/// How many comparison results may wait for the control plane. More are dropped; the counts are kept all the same. (INV-7)
const WAITING_REPORTS: usize = 4_096;

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
    log::to_stderr();
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
