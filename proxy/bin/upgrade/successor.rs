//! How is the binary on disk started in this one's place? As this one was, with `--upgrade`.

use std::ffi::OsString;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it may take to end by itself, and say why, when it is not to go on.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often it is looked whether it lives.
const LOOK: Duration = Duration::from_millis(50);
/// How long it may take until it serves; longer than everything that it may take on the way.
const LONGEST: Duration = Duration::from_secs(120);

/// The new process that a signal asked for, if there is one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Successor(Arc<Mutex<Option<Started>>>);

#[derive(Debug)]
struct Started {
    child: Child,
    /// When it is ended if it does not serve by then.
    until: Instant,
}

impl Successor {
    /// Starts the binary on disk, unless that is under way. What becomes of it is logged.
    pub(crate) fn start(&self) {
        let mut present = self.present();
        if let Some(started) = &*present {
            tracing::warn!(pid = started.child.id(), "an upgrade is under way already");
            return;
        }
        match command().spawn() {
            Ok(child) => {
                tracing::info!(pid = child.id(), "the binary on disk was started to take over");
                *present = Some(Started { child, until: Instant::now() + LONGEST });
            }
            Err(error) => {
                tracing::error!(%error, "the binary on disk cannot be started; this process serves on");
                return;
            }
        }
        drop(present);
        let watched = self.clone();
        let watching = std::thread::Builder::new().name("turnout-successor".to_owned());
        if let Err(error) = watching.spawn(move || watched.watch()) {
            tracing::error!(%error, "the new process cannot be watched");
        }
    }

    /// It has taken over: nobody here has to look after it any more.
    pub(super) fn serves(&self) {
        *self.present() = None;
    }

    /// Ends it, if it is this process: it failed, and must not go on to try.
    pub(super) fn end(&self, pid: u32) {
        if let Some(started) = self.present().as_mut().filter(|one| one.child.id() == pid) {
            started.until = Instant::now() + FAREWELL;
        }
    }

    /// Looks after it until it serves or ends. It goes on when this process leaves before.
    fn watch(&self) {
        loop {
            sleep(LOOK);
            let mut present = self.present();
            let Some(Started { child, until }) = present.as_mut() else { return };
            if let Ok(Some(status)) = child.try_wait() {
                tracing::error!(pid = child.id(), %status, "the new process ended; this one serves on");
                *present = None;
                return;
            }
            if *until < Instant::now() {
                // It may have ended by itself.
                child.kill().ok();
            }
        }
    }

    fn present(&self) -> MutexGuard<'_, Option<Started>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command line of this process, by the name that it was started by: whatever that name leads to now.
fn command() -> Command {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| OsString::from("turnout"));
    let mut command = Command::new(program);
    command.args(arguments.filter(|argument| argument != "--upgrade")).arg("--upgrade");
    command
}
