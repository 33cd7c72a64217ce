//! The control plane over real sockets.

mod commands;
mod kit;
