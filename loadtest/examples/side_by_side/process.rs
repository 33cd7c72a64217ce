//! How is a server started on its core, what has it used, and what does it hold?

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::outcome::Result;

/// Where the server that is measured runs.
const MEASURED: usize = 0;
/// Where everything else does: load, origins, this program.
const OTHERS: usize = 1;
/// How long a server may take to leave when it is asked to.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// Keeps this program away from what it measures.
pub(crate) fn stay_on_our_core() -> Result<()> {
    stay_on(OTHERS).map_err(|error| {
        format!("two cores are needed, one for the proxy and one for load and origin: {error}")
            .into()
    })
}

fn stay_on(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}

/// A server process on the core of those that are measured; ended when it is dropped.
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    clock: ClockId,
    complaints: std::path::PathBuf,
}

impl Process {
    /// Starts it; what it writes to standard error goes to a file in the folder.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<Self> {
        let complaints = folder.join("stderr");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&complaints)?);
        // What a thread starts runs where the thread may.
        stay_on(MEASURED)?;
        let spawned = command.spawn();
        stay_on(OTHERS)?;
        let child =
            spawned.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let clock = ClockId::pid_cpu_clock_id(pid)?;
        Ok(Self { child, pid, clock, complaints })
    }

    /// The CPU time of all its threads, those that have ended included, to the nanosecond (`clock_getcpuclockid(3)`).
    /// `/proc/PID/task/*/schedstat` forgets threads that end, and `/proc/PID/stat` counts hundredths of seconds.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(self.clock.now()?.into())
    }

    /// The MiB of memory that are its own or shared, as the kernel counts them now (`smaps_rollup`).
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).ok_or("no Rss")?;
        Ok(kib.parse::<f64>()? / 1_024.0)
    }

    /// What it has complained of, when it is over.
    pub(crate) fn end(&mut self) -> Result<Option<String>> {
        let Some(status) = self.child.try_wait()? else { return Ok(None) };
        let said = fs::read_to_string(&self.complaints)?;
        let last: Vec<&str> = said.lines().rev().take(3).collect();
        Ok(Some(format!("it ended with {status}: {}", last.join(" | "))))
    }

    /// Asks it to leave, as somebody at a terminal does, so that it writes what it has to write at its end.
    fn leave(&mut self) {
        if !self.runs() || kill(self.pid, Signal::SIGINT).is_err() {
            return;
        }
        let begun = Instant::now();
        while self.runs() && begun.elapsed() < LEAVES_WITHIN {
            sleep(Duration::from_millis(10));
        }
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.leave();
        // It may be over already.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
