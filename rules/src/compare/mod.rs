//! Is it the same answer? Structural comparison of two answers to the same request.
//!
//! [`compare`] takes the answers of both arms, and perhaps a second one of stable's, and yields a [`Comparison`]: the
//! outcome, the [`Fields`] by what came of them, each [`Difference`] as a signature with the number of fields it stands
//! for, the rules that applied, and where stable itself is not steady. Nothing of it is a value (INV-12), so it may be
//! counted, kept and shown. [`pinpoint`] also says where exactly, for whoever has both answers before them anyway.
//!
//! What is counted over many exchanges, per route, cohort and window:
//!
//! - [`parity::Figures::count`] takes each comparison, figures add up, and [`parity::Figures::judge`] gives the verdict
//!   with what is missing for one.
//! - Count each signature once per exchange. [`Found::fields`] says how much of the mismatched fields is its own: the sum
//!   over the excused ones is what `count` takes off.
//! - Exchanges with `drifts` had a second answer of stable's. A signature by value without a [`Drift`] at its path is
//!   one where only the candidate differed; a drift whose `candidate_differs` is not set, one where only stable did.
//!   [`noise::excused`] judges the counts of all signatures of a route at once, and [`noise::is_blind`] tells paths that
//!   say nothing.
//! - `uses` says which rules applied; one that never did, or that hides more than half of all fields, is worth telling.
//! - [`clusters::clusters`] groups signatures that are seen in the same exchanges.
//!
//! Read in this order:
//!
//! - `answer`: what is compared, and in which order; `difference`, `tally`: what is told of it, never a value; `samples`: values all the same, of a
//!   route that opted in;
//! - `rules`: what a route says may differ; `pattern`, `place`: where in a body a rule applies; `lenient`: how;
//! - `headers`, `fields`, `cookies`, `reference`: which header is compared how;
//! - `body`: which way two bodies go; `decode`: content codings undone; `class`: what is read as what;
//! - `json` (read by `grammar`), `number`, `xml`, `form`: bodies as trees; `walk`: two trees side by side; `arrays`, `align`:
//!   which elements belong together;
//! - `relation`, `texts`, `moment`: hints and classes; `template`: paths without anybody's ids;
//! - [`noise`], [`parity`], [`clusters`]: many comparisons together;
//! - `findings`: the bounds, on what is kept and on the work done.

pub mod clusters;
pub mod noise;
pub mod parity;

mod align;
mod answer;
mod arrays;
mod body;
mod class;
mod cookies;
mod decode;
mod difference;
mod fields;
mod findings;
mod form;
mod grammar;
mod headers;
mod json;
mod lenient;
mod moment;
mod number;
mod pattern;
mod place;
mod reference;
mod relation;
mod rules;
mod samples;
mod tally;
mod template;
mod texts;
mod walk;
mod xml;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Body, Comparison, Home, Pair, compare, pinpoint, sample};
pub use decode::{Undecoded, decoded};
pub use difference::{Difference, DifferenceKind, Found, Location, Pinpoint, Relation, ValueClass};
pub use pattern::{PatternError, PointerPattern};
pub use rules::{ArrayRule, CompareRules, Effect, Leniency, Numbers, PlaceRule, When};
pub use samples::{Sample, SamplePolicy, SampledValue, Samples};
pub use tally::{Drift, Fields, RuleUse};
