//! What became of a route's rollouts? Every step and decision, with its reason.

use clap::Args;

use super::super::args::{OutputArgs, RouteArgs, ScopeArgs, ServerArgs};
use super::super::client::Client;
use super::super::exit::{Exit, Failure};
use super::super::out;
use super::super::revisions::{listed, table};
use super::asked_of;

/// List what became of a route's rollouts.
#[derive(Debug, Args)]
#[command(after_help = "\
With `-o json` each step has its evidence: counts, bounds and limits of every gate.")]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lists them, newest first.
pub(crate) fn run(args: &HistoryArgs) -> Result<Exit, Failure> {
    let path = format!("/v1/routes/{}/rollout/history{}", args.route.route, asked_of(&args.scope));
    let answer = Client::new(&args.server)?.get(&path)?;
    let entries = listed(&answer)?;
    out::answer(args.output.output, &answer, |style| table(&entries, style))?;
    Ok(Exit::Done)
}
