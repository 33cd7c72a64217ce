//! Where does a request go, and why? One decision per request, kept to its end. (INV-3)
//!
//! [`choose`] decides, [`verdict`] is what comes of it.

mod choose;
mod verdict;

pub use choose::{ARM_HEADER, SHADOW_HEADER, decide, decide_on};
pub use verdict::{Decision, Pick, Reason, Redirection, Refusal, RefusalCause, Verdict};
