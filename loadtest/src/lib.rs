//! Sample origins and load generators for the demo, the tests and the benchmarks.
//!
//! Read [`origin`] first (a scripted server that remembers what it was asked), then [`load`] (real requests at a real
//! rate) and last [`messaging`], which builds an old and a new service out of origins. Nothing here knows Turnout.

pub mod load;
pub mod messaging;
pub mod origin;
