//! The crate from outside: files in, problems or a snapshot out.

mod good;
mod kit;
