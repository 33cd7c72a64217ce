//! How alike are the arms over many exchanges?
//!
//! - `figures`: what is counted, the rates that come of it, and how sure they are;
//! - `verdict`: what they come to, held against limits, and what is missing for that.

mod figures;
mod verdict;

pub use figures::Figures;
pub use verdict::{Lack, Limits, Verdict};
