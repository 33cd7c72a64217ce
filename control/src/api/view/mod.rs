//! How do things look in the API? The shapes of its answers, each made from what serves.

mod accepted;
mod arm;
mod entry;
mod figures;
mod flag;
mod parity;
mod rollout;
mod route;
mod rule;
mod signature;
mod upstream;

pub(super) use accepted::{Accepted, Answered};
pub(super) use arm::ArmView;
pub(super) use entry::{EntryView, RevisionView};
pub(super) use flag::{EvaluationView, FlagView, RemovalView};
pub(super) use parity::{ParityView, StandingView};
pub(super) use rollout::RolloutView;
pub(super) use route::{RouteView, ShiftView, Showing};
pub(super) use signature::SignatureView;
pub(super) use upstream::UpstreamView;

use jiff::Timestamp;

/// A moment as RFC 3339 writes it.
pub(super) fn moment(unix_seconds: i64) -> String {
    Timestamp::from_second(unix_seconds).map(|at| at.to_string()).unwrap_or_default()
}

/// A moment as RFC 3339 writes it, from milliseconds.
pub(super) fn moment_ms(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms).map(|at| at.to_string()).unwrap_or_default()
}
