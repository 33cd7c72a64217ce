//! How alike are the arms' answers? What is counted of shadowed exchanges, per route and cohort; never a value. (INV-12)
//!
//! Read in this order:
//!
//! - `tally`: what is counted of some exchanges; `spans`: over which times;
//! - `signatures`: in which ways answers differ; `tenants`: how many tenants saw one;
//! - `noise`: where stable itself is not steady, so that a difference says nothing; `remembered`: the last exchanges that
//!   differ, so that they can be judged anew once that is known; `uses`: what the rules hide;
//! - `route`: all of that of one route; `suggest`: which rule would make a difference go away;
//! - `book`: all routes, and the bounds for all of them together. (INV-7)
//!
//! Everything that is counted is a count or a sum, so that figures of several nodes can be added up.

mod book;
mod noise;
mod remembered;
mod route;
mod signatures;
mod spans;
mod suggest;
mod tally;
mod tenants;
mod uses;

pub use book::{Overflow, Parity, Standing};
pub use noise::{Blind, Excuse, NoiseState};
pub use route::{Counted, RouteParity};
pub use signatures::{MAX_SIGNATURES, Signature};
pub use spans::{Point, Span, SpanTally};
pub use suggest::{Suggestion, suggestion};
pub use tally::{Arms, Tally};
pub use tenants::TenantCount;
pub use uses::{RuleState, RuleWorry};
