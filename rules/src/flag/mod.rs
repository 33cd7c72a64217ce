//! Flags: a named value that each tenant has, decided the same way in the proxy and for the services that ask.
//!
//! [`definition`] is what a flag is, [`prerequisites`] which others it needs, [`evaluate`] which variant a tenant has and
//! why, [`set`] all flags of a snapshot, `steady` whether everybody has the same of one, and `gate` what routes do with
//! them.

pub mod definition;
pub mod evaluate;
pub mod prerequisites;
pub mod set;

mod gate;
mod steady;

pub use definition::{
    Flag, FlagDefinition, FlagId, FlagSetting, Kind, Serve, Value, Variant, VariantId,
};
pub use evaluate::{Evaluation, FlagReason, Subject};
pub(crate) use gate::{kept_out, told};
pub use prerequisites::{Need, PrerequisiteError, closures};
pub use set::{FlagSet, Unavailable};
