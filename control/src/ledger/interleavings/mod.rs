//! Every order in which two or three nodes can shift, roll back, be cut off, come back and be started again: the rollback wins.
//!
//! The nodes are the real ones, on a store in `memory` that each of them can be cut off from, that loses answers, and that
//! carries out late what was given up. `every` tries every sequence of steps.

mod every;
mod memory;
