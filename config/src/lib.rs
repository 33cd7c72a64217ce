//! Configuration as written, and compiled to what the proxy runs on.
//!
//! Read in this order:
//!
//! - [`document`]: the file as written, with [`units`] for shares, times and sizes;
//! - [`mod@read`]: from text to a [`Document`], with every structural error at once;
//! - [`live`]: what commands change while the file stays the same;
//! - [`mod@compile`]: from both to what serves, with every error of meaning at once; [`plan`]: what rollouts become;
//! - [`problem`]: what is wrong, where, and what would be right; [`mod@diff`] and [`schema`] for people and editors;
//! - [`jwks`]: the keys of those who sign tokens; [`server_config`]: what ends TLS; [`edit`]: a text with one more thing in it;
//!   [`fn@flag_uses`]: where flags are named; [`fn@causes`]: why something failed.

pub mod compile;
pub mod diff;
pub mod document;
pub mod edit;
pub mod jwks;
pub mod live;
pub mod plan;
pub mod problem;
pub mod read;
pub mod schema;
pub mod units;

mod causes;
mod closest;
mod flag_uses;
mod flags;
mod names;
mod server_tls;

pub use causes::causes;
pub use closest::closest;
pub use compile::{
    Compiled, Encrypted, External, Listener, Notification, Protocol, RedisAddress, RedisServers,
    RedisSettings, RedisTls, Settings, ShadowLimits, compile, redis_settings,
};
pub use diff::diff;
pub use document::{AccessScope, CertifiedName, Document, SubjectSpec, TokenSpec};
pub use flag_uses::flag_uses;
pub use flags::{FlagLive, ServeSpec};
pub use live::{
    AskedStep, AttributeChanges, Counting, Live, LockSpec, RouteLive, ShiftSpec, TargetSpec,
    starting_live,
};
pub use plan::Plan;
pub use problem::{Problem, Problems, Severity};
pub use read::{Source, read};
pub use schema::json_schema;
pub use server_tls::server_config;
