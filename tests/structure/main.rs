//! Is the house in order?
//!
//! [`edges`]: who may depend on whom; [`sources`]: first lines, lengths, names of machines; [`documents`]: what the
//! documents promise; [`generated`]: whether what is generated and checked in is current; [`fuzzing`]: what is fuzzed.
//! [`files`] finds all of them.
#![cfg(test)]

mod documents;
mod edges;
mod files;
mod fuzzing;
mod generated;
mod sources;
