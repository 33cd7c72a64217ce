//! What would a plan do with traffic like this? Played on virtual time: days in seconds, the same commands and verdicts.
//!
//! [`world`] makes up the traffic, [`mod@play`] lets the engine's decisions and the commands act on it.

pub mod play;
pub mod world;

#[cfg(test)]
mod tests;

pub use play::{Ending, Moment, Story, play};
pub use world::{Scenario, World};
