//! A peer that runs: started with its configuration, waited for, ended when it is dropped.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use loadtest::load::{Call, Load, Plan};
use tempfile::TempDir;

use crate::outcome::Result;
use crate::peer::{Job, Peer};
use crate::process::Process;
use crate::stage::Stage;
use crate::template::Filling;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Who takes part in a scenario, or why it does not.
pub(crate) struct Entry {
    pub(crate) who: String,
    pub(crate) contestant: std::result::Result<Contestant, String>,
}

/// A proxy that answers.
pub(crate) struct Contestant {
    pub(crate) peer: Peer,
    /// Where clients ask.
    pub(crate) listen: SocketAddr,
    /// Turnout's control API.
    pub(crate) admin: SocketAddr,
    /// Turnout's metrics.
    pub(crate) status: SocketAddr,
    pub(crate) process: Process,
    folder: TempDir,
}

impl Entry {
    /// Starts a peer; what fails is for the report to say.
    pub(crate) async fn start(stage: &Stage, peer: Peer, job: Job, filling: &Filling) -> Self {
        let contestant = Contestant::start(stage, peer, job, filling).await;
        Self {
            who: peer.name().to_owned(),
            contestant: contestant.map_err(|error| error.to_string()),
        }
    }

    /// All that are chosen among some.
    pub(crate) async fn start_all(
        stage: &Stage,
        peers: &[Peer],
        job: Job,
        filling: &Filling,
    ) -> Vec<Self> {
        let mut entries = Vec::new();
        for peer in stage.programs.chosen(peers) {
            entries.push(Self::start(stage, peer, job, filling).await);
        }
        entries
    }

    /// Whether this is a peer.
    pub(crate) fn is(&self, peer: Peer) -> bool {
        self.contestant.as_ref().is_ok_and(|contestant| contestant.peer == peer)
    }

    /// Does what has to be done before it is measured; what fails is for the report to say.
    pub(crate) async fn prepare(&mut self, what: impl AsyncFn(&Contestant) -> Result<()>) {
        let Ok(contestant) = &self.contestant else { return };
        if let Err(error) = what(contestant).await {
            self.contestant = Err(error.to_string());
        }
    }

    /// The same under another name.
    pub(crate) fn called(mut self, who: &str) -> Self {
        who.clone_into(&mut self.who);
        self
    }
}

impl Contestant {
    async fn start(stage: &Stage, peer: Peer, job: Job, filling: &Filling) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("side-by-side-").tempdir()?;
        let [listen, admin, status] = free_addresses()?;
        let command = if peer == Peer::Bare {
            let mut command = peer.serve(&stage.programs, folder.path(), Path::new(""));
            command.arg(listen.to_string()).arg(stage.stable.address().to_string());
            if job == Job::Tls {
                command.args(stage.certificate.files());
            }
            command
        } else {
            let filling = stage
                .fill(filling.clone())
                .address("LISTEN", listen)
                .address("ADMIN", admin)
                .address("STATUS", status)
                .value("FOLDER", folder.path().to_string_lossy());
            let file = peer.write(job, &filling, folder.path())?;
            peer.serve(&stage.programs, folder.path(), &file)
        };
        Self::run(stage, peer, job, command, folder, [listen, admin, status]).await
    }

    async fn run(
        stage: &Stage,
        peer: Peer,
        job: Job,
        command: Command,
        folder: TempDir,
        [listen, admin, status]: [SocketAddr; 3],
    ) -> Result<Self> {
        let process = Process::start(command, folder.path())?;
        let mut contestant = Self { peer, listen, admin, status, process, folder };
        let begun = Instant::now();
        loop {
            let plan = stage.plan(Plan::connections(listen, 1), job).for_requests(1);
            let figures = Load::start(plan, |_| Call::get("/"), |_| {})?.finish().await;
            if figures.answered_by("stable") == 1 {
                return Ok(contestant);
            }
            if let Some(end) = contestant.process.end()? {
                return Err(end.into());
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(format!("it is never ready: {figures:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Three at once, so that they differ.
fn free_addresses() -> Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = [bind()?, bind()?, bind()?];
    let [one, two, three] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([one?, two?, three?])
}
