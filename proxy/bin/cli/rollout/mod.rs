//! How does traffic move by a plan? `turnout rollout`.
//!
//! [`change`] is what people ask of a rollout, [`status`] how it stands, [`history`] what became of it, and [`simulate`]
//! plays a plan without a server.

mod change;
mod history;
mod simulate;
mod status;

use clap::Subcommand;

use super::args::ScopeArgs;
use super::exit::{Exit, Failure};

/// What is done with a rollout.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Begin with the first step; it goes on by itself while its gates pass
    Start(change::StartArgs),
    /// Show its steps, what its gates found, and what it still waits for
    Status(status::StatusArgs),
    /// Stay at this step until somebody says otherwise; gates go on watching
    Pause(change::MoveArgs),
    /// Go on at this step, which begins anew
    Resume(change::MoveArgs),
    /// Go one step further whatever gates still wait for, or with --to-end all the way
    Promote(change::PromoteArgs),
    /// Say that a step that waits for approval may end
    Approve(change::MoveArgs),
    /// Put everything back on stable and end it; the same as `turnout rollback`
    Abort(change::AbortArgs),
    /// List what became of a route's rollouts: every step and decision, with its reason
    History(history::HistoryArgs),
    /// Play a plan on virtual time with made-up traffic: what would happen, and when
    Simulate(simulate::SimulateArgs),
}

/// Whose rollouts are asked for, as a query. Names and ids need no escapes but for `:` and `@`, which may stand in one.
fn asked_of(scope: &ScopeArgs) -> String {
    match (&scope.tenant, &scope.cohort) {
        (Some(tenant), _) => format!("?tenant={tenant}"),
        (None, Some(cohort)) => format!("?cohort={cohort}"),
        (None, None) => String::new(),
    }
}

/// Does what is asked with a rollout.
pub(crate) fn run(command: &RolloutCommand) -> Result<Exit, Failure> {
    match command {
        RolloutCommand::Start(args) => change::start(args),
        RolloutCommand::Status(args) => status::run(args),
        RolloutCommand::Pause(args) => change::plain("pause", args),
        RolloutCommand::Resume(args) => change::plain("resume", args),
        RolloutCommand::Promote(args) => change::promote(args),
        RolloutCommand::Approve(args) => change::plain("approve", args),
        RolloutCommand::Abort(args) => change::abort(args),
        RolloutCommand::History(args) => history::run(args),
        RolloutCommand::Simulate(args) => simulate::run(args),
    }
}
