//! Tables of cases, and what must hold for any two answers.

mod cases;
mod properties;
