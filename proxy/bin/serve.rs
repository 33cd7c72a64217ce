//! How is the proxy run? Opens the state, hands what both planes share from one to the other, and serves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use control::{Links, Opening};
use prometheus_client::registry::Registry;
use proxy::{Listener, Parts, Phase, Proxy};
use tokio::sync::{mpsc, watch};

use crate::log;

use crate::upgrade::{Giver, Offer, Place, Predecessor, Start, Successor, supervisor};

/// How many comparison results may wait for the control plane. More are dropped; the counts are kept all the same. (INV-7)
const WAITING_REPORTS: usize = 4_096;

const SIGNALS: &str = "\
Signals:
  SIGHUP            reads the configuration file again
  SIGUSR2           has the binary on disk take over, as --upgrade does
  SIGTERM, SIGINT   drain and leave; a second one leaves at once";

/// What `turnout serve` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = SIGNALS)]
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
    /// Take over from the server that runs on the same state, without a request lost.
    ///
    /// It hands over its listening sockets and the state, and finishes what it has begun. If this process cannot serve, the
    /// other one goes on as if nothing had been. SIGUSR2 has a running server start the binary on disk in this way.
    #[arg(long)]
    upgrade: bool,
}

/// Serves until a signal asks to leave, or another process takes over.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    log::to_stderr();
    keep_pages_small();
    let opening = Opening { config: args.config.clone(), store: args.store.clone() };
    let begin = if args.upgrade { Start::taking_over } else { Start::alone };
    let Start { node, settings, sockets, place, predecessor } = begin(&opening)?;
    let (phase, phases) = watch::channel(control::Phase::Starting);
    let (reload, reloads) = mpsc::channel(1);
    let (offers, reports) = mpsc::channel(WAITING_REPORTS);
    let (handed_over, is_handed_over) = watch::channel(false);
    let listeners = sockets.listeners().context("cannot listen")?;
    let (offer, successor) = (Offer::of(sockets), Successor::default());
    let giver = Giver {
        offer: offer.clone(),
        desk: Arc::downgrade(node.desk()),
        successor: successor.clone(),
        handed_over,
    };
    let takes_over = predecessor.is_some();
    let serving = serving(place, predecessor, giver, phase.clone())?;
    let listener = Listener {
        phase: Arc::new(move |reached| match phase_for_control(reached) {
            control::Phase::Serving => serving.send(()).unwrap_or_default(),
            reached => {
                offer.end();
                if reached == control::Phase::Draining {
                    supervisor::leaving();
                }
                phase.send_replace(reached);
            }
        }),
        reload: Arc::new(move || {
            // A reload that is waiting already reads the same file.
            reload.try_send(()).unwrap_or_default();
        }),
        upgrade: Arc::new(move || successor.start()),
    };
    let parts = Parts {
        cell: node.cell(),
        settings,
        reports: offers,
        listener,
        sockets: listeners.traffic,
        handed_over: is_handed_over,
    };
    let mut metrics = Registry::default();
    let proxy = Proxy::new(parts, &mut metrics)?;
    let mut reached = phases.clone();
    let links = Links { reports, phase: phases, metrics, reload: reloads };
    proxy.run(async move {
        if takes_over {
            // Nothing may be commanded here as long as the other process could still go on.
            reached.wait_for(|phase| *phase != control::Phase::Starting).await.ok();
        }
        let listeners =
            control::Listeners::on(listeners.control, listeners.status, listeners.ofrep);
        let ended = match listeners.context("the control plane cannot listen") {
            Ok(listeners) => {
                node.serve(listeners, links).await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        leave(&ended);
    });
    Ok(ExitCode::SUCCESS)
}

/// Most of a connection's buffers stays empty, and must stay untouched: with huge pages, which the allocator asks for, the
/// kernel fills them in for good. Clients that send slowly cost half without. A kernel that knows no such thing has none.
fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).unwrap_or_default();
}

/// What happens once connections are accepted: whoever served before leaves, and the next one may come.
fn serving(
    place: Place,
    predecessor: Option<Predecessor>,
    giver: Giver,
    phase: watch::Sender<control::Phase>,
) -> anyhow::Result<mpsc::UnboundedSender<()>> {
    let (serving, mut serves) = mpsc::unbounded_channel();
    let begun = move || {
        if serves.blocking_recv().is_none() {
            return;
        }
        if let Err(error) = predecessor.map_or(Ok(()), Predecessor::relieve) {
            leave(&Err(error));
        }
        phase.send_if_modified(|phase| {
            let starting = *phase == control::Phase::Starting;
            if starting {
                *phase = control::Phase::Serving;
            }
            starting
        });
        supervisor::serving();
        if let Err(error) = giver.serve(&place) {
            tracing::warn!(%error, "no other process can take over from this one");
        }
    };
    std::thread::Builder::new().name("turnout-upgrade".to_owned()).spawn(begun)?;
    Ok(serving)
}

const fn phase_for_control(phase: Phase) -> control::Phase {
    match phase {
        Phase::Serving => control::Phase::Serving,
        Phase::Draining => control::Phase::Draining,
        Phase::HandedOver => control::Phase::HandedOver,
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
