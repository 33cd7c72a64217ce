//! Real requests at a real rate, and figures while they run.

mod call;
mod figures;
mod plan;
mod run;
mod wire;

pub use call::{Answer, Call, Failure, ask};
pub use figures::{Figures, Latency};
pub use plan::{Pace, Plan, Protocol};
pub use run::Load;
