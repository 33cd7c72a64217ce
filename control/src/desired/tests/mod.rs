//! What commands make of a state: cases as tables, and what holds for every sequence of them.

mod cases;
mod flags;
mod kit;
mod properties;
mod rollouts;
