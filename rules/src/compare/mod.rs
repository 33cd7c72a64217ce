//! Is it the same answer? Structural comparison of two answers to the same request.
//!
//! Read in this order:
//!
//! - `answer`: what is compared, and in which order; `difference`: what is told of it, never a value (INV-12);
//! - `rules`: what a route says may differ; `place`: where in a body a rule applies;
//! - `headers`, `fields`, `cookies`: which header is compared how; `body`: how a body is read, by its media type;
//! - `json`, `number`: JSON as text says it; `walk`: two trees side by side; `arrays`, `align`: which elements
//!   belong together;
//! - `relation`, `moment`: hints and classes; `template`: paths without anybody's ids;
//! - `findings`: the bounds, on what is kept and on the work done.

mod align;
mod answer;
mod arrays;
mod body;
mod cookies;
mod difference;
mod fields;
mod findings;
mod headers;
mod json;
mod moment;
mod number;
mod place;
mod relation;
mod rules;
mod template;
mod walk;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Comparison, compare};
pub use difference::{Difference, DifferenceKind, Location, Relation, ValueClass};
pub use rules::{ArrayRule, CompareRules, PatternError, PointerPattern};
