//! The command line: what people and scripts ask of Turnout.
//!
//! Read in this order:
//!
//! - [`args`]: the tree of commands; [`dispatch`]: parses and does what is asked;
//! - [`exit`]: the exit codes, and what can go wrong; [`out`]: the one place that prints, [`screen`]: as long as somebody
//!   watches; [`confirm`]: the one that asks;
//! - [`ask`], [`client`] (with [`tls`]) and [`problem`]: the control API as commands use it; [`answer`] and [`change`]: what it says;
//! - without a server: [`check`], [`explain`] and [`compare`] (all read a [`mod@file`], the last also a [`saved_answer`]),
//!   [`store`], [`completion`], [`healthcheck`];
//! - with one: [`status`], [`shift`], [`rollout`], [`swap`], [`tenant`], [`flag`], [`document`], [`revisions`], [`audit`],
//!   [`token`], [`plans`], [`nodes`], [`notifications`],
//!   [`events`];
//! - of parity: [`parity`], [`signatures`], [`diff_signature`] (with [`samples`]), [`ignore`].

mod answer;
mod args;
mod ask;
mod attributes;
mod audit;
mod change;
mod check;
mod client;
mod compare;
mod completion;
mod confirm;
mod diff_signature;
mod dispatch;
mod document;
mod each_node;
mod events;
mod exit;
mod explain;
mod file;
mod flag;
mod healthcheck;
mod ignore;
mod nodes;
mod notifications;
mod out;
mod parity;
mod plans;
mod problem;
mod revisions;
mod rollout;
mod samples;
mod saved_answer;
mod screen;
mod shift;
mod signatures;
mod status;
mod store;
mod swap;
mod tenant;
mod tls;
mod token;

pub(crate) use dispatch::run;
