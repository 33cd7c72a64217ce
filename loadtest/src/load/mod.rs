//! Real requests at a real rate, and figures while they run.

mod call;
mod figures;
mod plan;
mod run;

pub use call::{Answer, Call, Failure, ask};
pub use figures::{Figures, Latency};
pub use plan::{Pace, Plan};
pub use run::Load;
