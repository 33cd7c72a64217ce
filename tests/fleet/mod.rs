//! A fleet on one Redis: what one node is told, all serve; and what they do while the Redis, or the way to it, is away.

mod away;
mod chaos;
mod encrypted;
mod kit;
mod parity;
mod rollouts;
mod swift;
mod together;
