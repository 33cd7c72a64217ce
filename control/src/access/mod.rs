//! Who may command what?
//!
//! A [`token`] is a secret that only its holder knows; kept are its hash and what it is good for. An [`Identity`] is whom
//! a request turned out to come from, and says what it may do. [`failures`] slows down who guesses.

pub mod failures;
pub mod identity;
pub mod token;

pub use failures::Failures;
pub use identity::{Denied, Identity};
