//! May a rollout go on? Verdicts of gates over what both arms did, each with the evidence it rests on.
//!
//! Read in this order:
//!
//! - [`tally`]: what is judged: bad requests out of all, of both arms;
//! - [`interval`]: how sure a ratio is; [`absolute`]: a limit on it; [`burn`]: many failures within seconds;
//! - [`ratio`]: is the candidate worse than stable, and is it surely not: tests that may be looked at after each request;
//! - [`exposure`] and [`dispersion`]: what whole tenants and bursts do to these tests;
//! - [`latency`]: how slow requests become bad ones; [`parity`]: what a comparison's figures come to;
//!   [`external`]: what another system's answer does;
//! - [`verdict`]: `pass`, `hold` or `fail`, and why; [`sli`]: all tests of one SLI together.

pub mod absolute;
pub mod burn;
pub mod dispersion;
pub mod exposure;
pub mod external;
pub mod interval;
pub mod latency;
pub mod parity;
pub mod ratio;
pub mod sli;
pub mod tally;
pub mod verdict;

#[cfg(test)]
mod vectors;

pub use external::{External, ExternalRules};
pub use parity::Parity;
pub use ratio::{Exposures, HarmTest, NotWorseTest};
pub use sli::{SliRules, SliTest, Tick};
pub use tally::{Tallies, Tally};
pub use verdict::{Finding, Grounds, Rule, Verdict};
