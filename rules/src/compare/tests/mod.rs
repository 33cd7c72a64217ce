//! Tables of cases, and what must hold for any two answers.

mod answers;
mod bombs;
mod cases;
pub(super) mod kit;
mod properties;
mod samples;
