//! Whose token does a request bring, and what does it prove? Asked before anything is decided. (INV-3)
//!
//! [`bearer`] finds the token in a head, [`verifier`] judges it by the keys of one issuer and remembers what it found,
//! [`signature`] is the arithmetic, [`issuers`] holds a verifier for each issuer of the snapshot, and [`fetch`] brings the
//! keys of those that publish them. Nothing that a token says is ever fetched or followed.

mod bearer;
mod fetch;
mod issuers;
mod signature;
mod verifier;

pub(crate) use fetch::{all_asked, keep_fetching};
pub(crate) use issuers::Figures;
pub use issuers::Issuers;
pub use verifier::Verified;
