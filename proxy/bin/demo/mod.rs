//! `turnout demo`: a whole migration in half a minute, with real traffic, on this machine alone.
//!
//! Read in this order: [`mod@run`] sets up and cleans up, [`walk`] tells the story step by step, [`observe`] waits until a
//! step shows what it should. Below them: [`server`] runs this very binary as `turnout serve`, [`control`] commands it
//! over its API, [`clients`] counts what the clients see, [`screen`] prints, [`rollback`] measures, [`stay`] goes on.

mod args;
mod clients;
mod control;
mod observe;
mod rollback;
mod run;
mod screen;
mod server;
mod stay;
mod walk;

pub(crate) use args::DemoArgs;
pub(crate) use run::run;
