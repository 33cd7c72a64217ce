//! Is it the same answer? Structural comparison of two answers to the same request.

mod answer;
mod difference;
mod rules;

pub use answer::{Answer, Comparison, compare};
pub use difference::{Difference, DifferenceKind, Location, Relation, ValueClass};
pub use rules::{ArrayRule, CompareRules, PatternError, PointerPattern};
