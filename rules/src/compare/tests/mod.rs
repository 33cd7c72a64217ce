//! Tables of cases, and what must hold for any two answers.

mod answers;
mod cases;
pub(super) mod kit;
mod properties;
