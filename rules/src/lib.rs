//! Pure decisions: which route, which arm, is it the same answer.
//!
//! Nothing here waits, reads a clock, draws a random number, opens a file or a socket, or logs (INV-1). Read in this
//! order:
//!
//! - [`facts`]: what is known of a request; [`normal`]: the one spelling of its path; [`lookalike`]: header names that read
//!   the same; [`matching`]: which route it belongs to; [`route`]: what a route is;
//! - [`token`], [`tenant`], [`cohort`], [`shift`], [`bucket`]: who it is for and where their traffic stands;
//! - [`flag`]: named values that tenants have;
//! - [`mod@decide`]: one decision per request, with its reason;
//! - [`snapshot`] and [`cell`]: a revision compiled for serving, swapped in as one pointer; [`limits`],
//!   [`overload`] and [`tls`]: what clients may take, what is given up first, and who proves what;
//! - [`upstream`]: pools of targets and the pick among them; [`sli`]: what is counted;
//! - [`exchange`] and [`compare`]: what came of a shadowed request;
//! - [`gate`]: whether a rollout may go on.

pub mod bucket;
pub mod cell;
pub mod cohort;
pub mod compare;
pub mod decide;
pub mod exchange;
pub mod facts;
pub mod flag;
pub mod gate;
pub mod limits;
pub mod lookalike;
pub mod matching;
pub mod normal;
pub mod overload;
pub mod path;
pub mod route;
pub mod shift;
pub mod sli;
pub mod snapshot;
pub mod tenant;
pub mod tls;
pub mod token;
pub mod upstream;

mod address_text;
mod baseline;
mod name;
mod readings;
mod share;

pub use baseline::Baseline;
pub use bucket::Bucket;
pub use cell::SnapshotCell;
pub use decide::{Decision, Verdict, decide};
pub use facts::Facts;
pub use name::{
    CohortName, FlagName, IssuerName, NameError, RouteName, TenantId, TokenName, UpstreamName,
    is_tenant_id,
};
pub use path::{Path, Rewrite};
pub use route::{Arm, Route};
pub use share::{Share, ShareError};
pub use shift::{Shift, Stage};
pub use snapshot::{Revision, Snapshot};
pub use upstream::Upstream;
