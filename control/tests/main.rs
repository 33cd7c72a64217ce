//! The control plane over real sockets.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod events;
#[cfg(test)]
mod files;
mod flags;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod ofrep;
mod refusals;
mod repeated;
#[cfg(test)]
mod revisions;
#[cfg(test)]
mod state;
