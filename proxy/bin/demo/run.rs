//! How does the demo begin and end? Services, server and clients start; at the end nothing of them is left.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use loadtest::load::{Load, Plan};
use loadtest::messaging::{Messaging, TENANTS, call};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::args::DemoArgs;
use super::clients::Tally;
use super::observe::Scene;
use super::screen::Screen;
use super::server::{Server, log};
use super::walk::STEPS;

/// What the shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// How much of the server's log is shown when something went wrong.
const LOG_LINES: usize = 20;

/// Runs the demo: with `--once` to the end of its walk, else until it is interrupted.
///
/// # Errors
/// Something could not be started, or a step did not show what it should.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let end = runtime.block_on(demo(args));
    runtime.shutdown_background();
    end
}

async fn demo(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let screen = Screen::new(STEPS);
    let mut signals = Signals::listen()?;
    let folder = Folder::create(args.keep)?;
    let walked = AtomicBool::new(false);
    let end = tokio::select! {
        end = Box::pin(play(args, &screen, &folder.path, &walked)) => end.map(|()| ExitCode::SUCCESS),
        () = signals.come() => {
            let done = walked.load(Ordering::Relaxed);
            Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
        }
    };
    screen.clear();
    if end.is_err() {
        tell_log(&screen, &folder.path);
    }
    screen.say(&format!("\nClients, both services and the server have ended. {}", folder.end()));
    end
}

/// All that is started here ends when this future ends or is dropped.
async fn play(
    args: &DemoArgs,
    screen: &Screen,
    folder: &Path,
    walked: &AtomicBool,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let messaging = Messaging::start().await.context("cannot start the two services")?;
    let server = Server::start(folder, &messaging).await?;
    let tally = Arc::new(Tally::new());
    let seen = Arc::clone(&tally);
    let plan = Plan::per_second(server.proxy, args.rate.into());
    let _load = Load::start(plan, call, move |answer| seen.note(answer))?;
    introduce(screen, folder, &messaging, &server, args.rate);
    let mut scene = Scene::new(screen, messaging, server, tally);
    scene.migrate(folder).await?;
    scene.fail_and_roll_back().await?;
    screen.advance();
    walked.store(true, Ordering::Relaxed);
    let took = start.elapsed().as_secs_f64();
    screen.say(&format!("\nAll {STEPS} steps showed what they should, in {took:.0} s."));
    if !args.once {
        scene.stay(folder).await?;
    }
    Ok(())
}

fn introduce(screen: &Screen, folder: &Path, messaging: &Messaging, server: &Server, rate: u32) {
    let (old, new) = (messaging.old.address(), messaging.new.address());
    let (proxy, control) = (server.proxy, server.control);
    screen.say("Turnout moves live traffic from an old service to a new one, and back.\n");
    for (what, where_) in [
        ("old service", format!("http://{old}/v1/messaging")),
        (
            "new service",
            format!("http://{new}/v1/communication   the same data, told a bit differently"),
        ),
        ("turnout", format!("http://{proxy}   in front of both; control API http://{control}")),
        (
            "clients",
            format!("{rate} requests/s of {TENANTS} tenants, half of them by the old paths"),
        ),
        ("files", format!("{}   turnout.yaml, turnout.db, turnout.log", folder.display())),
    ] {
        screen.tell(&format!("{what:<12} {where_}"));
    }
}

fn tell_log(screen: &Screen, folder: &Path) {
    let text = std::fs::read_to_string(log(folder)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
    screen.say(&format!("\nThe server's log, its last {} lines:", last.len()));
    for line in last {
        screen.tell(line);
    }
}

/// The demo's folder, removed at the end unless it is to be kept.
struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    fn create(keep: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("turnout-demo-")
            .tempdir()
            .context("cannot create a temporary folder")?;
        let path = folder.path().to_owned();
        let temporary = if keep {
            drop(folder.keep());
            None
        } else {
            Some(folder)
        };
        Ok(Self { path, temporary })
    }

    /// Removes what is to be removed and says so.
    fn end(self) -> String {
        let path = self.path.display();
        match self.temporary.map(TempDir::close) {
            None => format!("Kept: {path}"),
            Some(Ok(())) => format!("Removed: {path}"),
            Some(Err(error)) => format!("Could not remove {path}: {error}"),
        }
    }
}

/// The signals that end the demo.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
