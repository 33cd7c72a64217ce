//! The server of the demo: this very binary, run as `turnout serve` on free ports.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use loadtest::load::{Call, ask};
use loadtest::messaging::Messaging;
use tokio::time::Instant;

/// The configuration as shipped.
const SHIPPED: &str = include_str!("../../../deploy/examples/demo.yaml");
/// What hides the comparison rules that the demo adds on its way.
const HIDDEN: &str = "#~ ";

/// Ports below the range that the system hands out by itself, so that no outgoing connection takes one between the
/// check and the start.
const PORTS: std::ops::Range<u16> = 10_240..30_240;
/// How often a start is tried: another process may take a port first.
const STARTS: usize = 4;
const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A running server. Dropping it ends the process.
pub(super) struct Server {
    child: Child,
    pub(super) proxy: SocketAddr,
    pub(super) control: SocketAddr,
    status: SocketAddr,
}

/// The shipped configuration with the comparison rules that are hidden in it.
pub(super) fn with_rules() -> String {
    SHIPPED.replace(HIDDEN, "")
}

/// The lines that [`with_rules`] brings to light.
pub(super) fn rules() -> impl Iterator<Item = &'static str> {
    SHIPPED.lines().filter_map(|line| line.trim_start().strip_prefix(HIDDEN))
}

/// Where the configuration is.
pub(super) fn config(folder: &Path) -> PathBuf {
    folder.join("turnout.yaml")
}

/// Where the server's output goes.
pub(super) fn log(folder: &Path) -> PathBuf {
    folder.join("turnout.log")
}

impl Server {
    /// Writes the configuration into a folder, starts the server there and waits until it is ready.
    pub(super) async fn start(folder: &Path, messaging: &Messaging) -> anyhow::Result<Self> {
        std::fs::write(config(folder), SHIPPED).context("cannot write the configuration")?;
        let mut last = None;
        for _ in 0..STARTS {
            let mut server = Self::spawn(folder, messaging)?;
            match server.ready().await? {
                None => return Ok(server),
                Some(status) => last = Some(status),
            }
        }
        match last {
            Some(status) => bail!("`turnout serve` ended before it was ready: {status}"),
            None => bail!("`turnout serve` was never started"),
        }
    }

    fn spawn(folder: &Path, messaging: &Messaging) -> anyhow::Result<Self> {
        let [proxy, control, status] = free_addresses()?;
        let log = File::create(log(folder)).context("cannot create the log file")?;
        let binary = std::env::current_exe().context("cannot tell where this program is")?;
        let child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(config(folder))
            .current_dir(folder)
            // The demo has a state of its own, whatever the shell it is started from is set to.
            .env_remove("TURNOUT_STORE")
            .env("TURNOUT_DEMO_PROXY", proxy.to_string())
            .env("TURNOUT_DEMO_CONTROL", control.to_string())
            .env("TURNOUT_DEMO_STATUS", status.to_string())
            .env("TURNOUT_DEMO_OLD", messaging.old.address().to_string())
            .env("TURNOUT_DEMO_NEW", messaging.new.address().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the demo alone, which then ends the server.
            .process_group(0)
            .spawn()
            .context("cannot start `turnout serve`")?;
        Ok(Self { child, proxy, control, status })
    }

    /// Waits until the server is ready (`None`) or has ended.
    async fn ready(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if ask(self.status, Call::get("/readyz"), READY_WITHIN).await.is_ok() {
                return Ok(None);
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("`turnout serve` was not ready within {} s", READY_WITHIN.as_secs())
    }

    /// # Errors
    /// The process has ended.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("`turnout serve` ended by itself: {status}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process is gone already. Its state goes with the folder: it need not drain.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Three addresses of this machine that nobody listens on.
fn free_addresses() -> anyhow::Result<[SocketAddr; 3]> {
    // Two demos on one machine begin in different places.
    let first = usize::try_from(std::process::id().wrapping_mul(31)).unwrap_or_default();
    let mut held = Vec::new();
    for port in PORTS.cycle().skip(first % PORTS.len()).take(PORTS.len()) {
        // Held until all are found, so that none is found twice.
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        if let [a, b, c] = held.as_slice() {
            return Ok([a.local_addr()?, b.local_addr()?, c.local_addr()?]);
        }
    }
    bail!("no three free ports between {} and {}", PORTS.start, PORTS.end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_shipped_file_hides_rules_that_can_be_shown() {
        let rules: Vec<&str> = rules().collect();
        assert_eq!(rules.len(), 2);
        for rule in rules {
            assert!(with_rules().lines().any(|line| line.trim() == rule), "{rule}");
            assert!(!SHIPPED.lines().any(|line| line.trim() == rule), "{rule}");
        }
    }

    #[test]
    fn the_shipped_file_is_valid_with_its_rules_and_without() {
        for text in [SHIPPED.to_owned(), with_rules()] {
            let (name, base) = ("demo.yaml", Path::new("."));
            let source = config::Source { text: &text, name, base, env: &|_| None };
            let document = Arc::new(config::read(&source).unwrap());
            let live = config::starting_live(&document, &config::Live::default());
            let now_unix = 1_800_000_000;
            let compiled = config::compile(&document, &live, rules::Revision(1), None, now_unix);
            let warnings = compiled.unwrap().warnings;
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }

    #[test]
    fn free_addresses_differ_and_lie_below_the_ephemeral_range() {
        let mut ports = free_addresses().unwrap().map(|address| address.port());
        ports.sort_unstable();
        assert!(ports[0] < ports[1] && ports[1] < ports[2], "{ports:?}");
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}
