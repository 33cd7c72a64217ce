//! How alike are the arms' answers? What is counted of shadowed exchanges, per route and cohort; never a value. (INV-12)
//!
//! Read in this order:
//!
//! - `tally`: what is counted of some exchanges; `spans`: over which times;
//! - `signatures`: in which ways answers differ; `tenants`: how many tenants saw one;
//! - `noise`: where stable itself is not steady, so that a difference says nothing; `remembered`: the last exchanges that
//!   differ, so that they can be judged anew once that is known; `uses`: what the rules hide;
//! - `route`: all of that of one route; `told`: as it is told; `suggest`: which rule would make a difference go away;
//! - `gate`: what a rollout's gate makes of it;
//! - `words`: what nodes tell one another of it;
//! - `book`: all routes, and the bounds for all of them together. (INV-7)
//!
//! Everything that is counted is a count or a sum, so that figures of several nodes can be added up.

mod book;
mod gate;
mod noise;
mod remembered;
mod route;
mod signatures;
mod spans;
mod suggest;
mod tally;
mod tenants;
mod told;
mod uses;
mod words;

#[cfg(test)]
pub(crate) mod kit;
#[cfg(test)]
mod tests;

pub use book::{Overflow, Parity, Standing};
pub(crate) use gate::at_gate;
pub use noise::{Blind, Excuse, NoiseState};
pub(crate) use signatures::id as signature_id;
pub use signatures::{MAX_SIGNATURES, Signature};
pub use spans::{Point, Span, SpanTally};
pub use suggest::{Suggestion, suggestion};
pub use tally::{Arms, Tally};
pub use tenants::TenantCount;
pub use told::{Counted, RouteParity};
pub use uses::{RuleState, RuleWorry};
pub(crate) use words::{RouteWords, of_route, print_of_rules, together};
