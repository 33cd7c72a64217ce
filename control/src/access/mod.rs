//! Who may command what?
//!
//! A [`token`] is a secret that only its holder knows; kept are its hash and what it is good for. A [`certificate`] is shown
//! to TLS, and stands for the subject that the configuration names. An [`Identity`] is whom a request turned out to come
//! from, and says what it may do. [`failures`] slows down who guesses; [`mod@guarded`] is what of a configuration takes an
//! administrator.

pub mod certificate;
pub mod failures;
pub mod guarded;
pub mod identity;
pub mod token;

pub use certificate::Shown;
pub use failures::Failures;
pub use guarded::guarded;
pub use identity::{Denied, Identity, Proof, Rights};
