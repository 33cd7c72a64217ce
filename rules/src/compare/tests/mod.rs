//! Tables of cases, and what must hold for any two answers.

mod answers;
mod cases;
mod kit;
mod properties;
