//! Where and with what was it measured?

use std::fmt;
use std::fs;
use std::process::Command;

use crate::peer::{Peer, Programs};

/// What a reader needs to know to compare figures with other ones.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// When the run began.
    pub(crate) date: String,
    pub(crate) revision: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// How many processes wanted to run on average in the last minute, before and after.
    pub(crate) load: [f64; 2],
    pub(crate) command: String,
    /// Which `turnout` it was.
    pub(crate) measured: String,
    pub(crate) versions: Vec<(&'static str, String)>,
}

impl Machine {
    pub(crate) fn look(programs: &Programs, command: String) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory.split(' ').next().unwrap_or_default().parse().unwrap_or_default();
        let peers =
            [Peer::Turnout, Peer::Bare, Peer::Nginx, Peer::Haproxy, Peer::Envoy, Peer::Caddy];
        let version = |peer: &Peer| Some((peer.name(), peer.version(programs)?));
        Self {
            date: jiff::Zoned::now().strftime("%Y-%m-%d").to_string(),
            revision: said("git", &["describe", "--always", "--dirty"]),
            processor: after(&read("/proc/cpuinfo"), "model name"),
            cores: read("/proc/cpuinfo").matches("processor\t").count(),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: [now(), 0.0],
            command,
            measured: programs.turnout.display().to_string(),
            versions: peers.iter().filter_map(version).collect(),
        }
    }

    /// Looks once more at how busy it is.
    pub(crate) fn look_again(&mut self) {
        let [_, after] = &mut self.load;
        *after = now();
    }
}

fn now() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().parse().unwrap_or(f64::NAN)
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory_gib, kernel, revision, command, measured, .. } = self;
        let [before, after] = self.load;
        let versions: Vec<String> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        write!(
            f,
            "`{command}` at {revision}, of `{measured}`, on {processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}; \
             one-minute load average {before:.2} before and {after:.2} after. The proxy's one worker runs on core 0, load and origins on core \
             1, everything on loopback. {}.",
            versions.join(", ")
        )
    }
}
