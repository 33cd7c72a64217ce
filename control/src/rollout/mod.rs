//! How does traffic move by a plan, while gates pass? The engine that decides as people would, by the same commands.
//!
//! Read in this order:
//!
//! - [`record`]: where a rollout stands, as desired state; [`progress`]: what its step has seen so far;
//! - [`readings`]: what is seen at one look; [`mod@step`]: what that comes to, pure;
//! - `counters` of one node, and those of all `together`; how `alike` the answers of all of them were; `watch`: how they become readings, and `inquiries` what other
//!   systems say;
//! - [`engine`]: who looks, each second, and orders the next move, which `orders` makes a command, for
//!   which `places`;
//! - [`mod@evidence`] and `metrics`: how findings are told; [`lint`]: what a plan may never see enough of;
//! - [`simulate`]: a plan on virtual time.

pub mod engine;
pub mod evidence;
pub mod lint;
pub mod progress;
pub mod readings;
pub mod record;
pub mod simulate;
pub mod step;

mod alike;
mod counters;
mod inquiries;
pub(crate) mod metrics;
mod orders;
mod places;
mod together;
mod watch;

#[cfg(test)]
mod decisions;

pub use engine::{ENGINE, Engine};
pub(crate) use places::{subject, told_step};
pub use progress::Progress;
pub use readings::{Heard, Readings};
pub use record::{Phase, Place, Rollout};
pub use step::{Because, Move, Named, Seen, Wait, step};
