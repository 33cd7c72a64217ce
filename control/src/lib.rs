//! Who may change traffic, and when: commands, state, stores, the control API.

pub mod store;
