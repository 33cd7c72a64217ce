//! Which values of differences are kept? Of routes that opted in, a few for a while, encrypted; in memory alone. (INV-12)
//!
//! They belong to the signatures that they are samples of, and are gone with them when the process ends: nothing of them
//! is on disk, and no restart makes them live longer than they may.
//!
//! - `seal`: how one is encrypted and opened again;
//! - `shelf`: which ones are kept, how many and for how long. (INV-7)

mod seal;
mod shelf;

pub use seal::{KeptSample, KeptValue};
pub use shelf::{Opened, SampleGauges, Shelf};
