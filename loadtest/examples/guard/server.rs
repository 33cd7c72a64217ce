//! What does Turnout do for so many requests? It serves them under valgrind, over one connection, and leaves.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use loadtest::load::{Call, Load, Plan, ask};
use loadtest::origin::{Fixed, Manner};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Result;
use crate::callgrind::{self, Counts};

/// Valgrind takes its time.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// What it takes to pass on `count` requests with bodies of so many bytes, start and end included.
pub(crate) fn asked(turnout: &Path, folder: &Path, count: u32, body: usize) -> Result<Counts> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(turnout, folder, count, body))
}

async fn serve(turnout: &Path, folder: &Path, count: u32, body: usize) -> Result<Counts> {
    let origin = Fixed::start("api", Manner::default()).await?;
    let [address, control, status] = free_addresses()?;
    let file = folder.join("turnout.yaml");
    let origin_address = origin.address();
    let configuration = format!(
        "threads: 1\naccess_log: false\nlisteners: [{{address: \"{address}\"}}]\n\
         control: {{address: \"{control}\"}}\nstatus: {{address: \"{status}\"}}\n\
         upstreams: {{api: {{targets: [{{address: \"{origin_address}\"}}]}}}}\n\
         routes: {{all: {{canonical: /, stable: {{upstream: api}}}}}}\n"
    );
    fs::write(&file, configuration)?;
    let mut command = Command::new(turnout);
    command.args(["serve", "--config"]).arg(&file);
    let run = callgrind::start(&command, folder)?;
    let begun = Instant::now();
    while !ask(status, Call::get("/readyz"), Duration::from_secs(5)).await.is_ok() {
        if begun.elapsed() > READY_WITHIN {
            return Err(format!("{} is never ready", turnout.display()).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let call = match body {
        0 => Call::get("/a?bytes=1024"),
        bytes => Call::new(Method::POST, "/a?bytes=1024").with_body("x".repeat(bytes)),
    };
    let plan = Plan::connections(address, 1).for_requests(count.into());
    let figures = Load::start(plan, move |_| call.clone(), |_| {})?.finish().await;
    if figures.ok < u64::from(count) {
        return Err(format!("{} of {count} were answered", figures.ok).into());
    }
    kill(Pid::from_raw(i32::try_from(run.id())?), Signal::SIGTERM)?;
    run.counts()
}

/// Three at once, so that they differ.
fn free_addresses() -> Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = [bind()?, bind()?, bind()?];
    let [one, two, three] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([one?, two?, three?])
}
