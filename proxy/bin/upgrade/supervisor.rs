//! What does systemd hear? That the process serves, that it leaves, and which process is the main one. (sd_notify(3))

use sd_notify::NotifyState;

/// Clients are served.
pub(crate) fn serving() {
    tell(&[NotifyState::Ready]);
}

/// It is leaving, and nobody takes its place.
pub(crate) fn leaving() {
    tell(&[NotifyState::Stopping]);
}

/// Another process is the service from now on; this one only finishes what it began.
pub(super) fn main_process_is(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// Where no supervisor listens, nothing is said.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the supervisor cannot be told how this process does");
    }
}
