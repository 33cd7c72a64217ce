//! What do people ask of a rollout? To start, stay, go on, end.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::super::args::{ChangeArgs, RouteArgs, ScopeArgs};
use super::super::ask::Ask;
use super::super::change::change;
use super::super::confirm::confirm;
use super::super::exit::{Exit, Failure};
use super::super::shift::add_scope;

/// What every change of a rollout says.
#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Begin with the first step.
#[derive(Debug, Args)]
#[command(after_help = "\
The plan is the one that the route names in the configuration, `rollout: NAME`, or that of --plan.
`turnout rollout simulate PLAN -f turnout.yaml` shows beforehand what it would do.

With --tenant or --cohort only their traffic goes through the steps, judged by their own requests, beside whatever else is
under way. Up to 100 tenants may have rollouts of their own at once.

  turnout rollout start sms --why \"parity was fine for a week\"
  turnout rollout start sms --tenant acme --plan one-tenant --why \"acme moves first\"
  turnout rollout status sms -w")]
pub(crate) struct StartArgs {
    /// The plan, where it is not the route's
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    #[command(flatten)]
    moves: MoveArgs,
}

/// Go one step further.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// All the way, step by step, whatever gates still wait for; a gate that fails still takes it back
    #[arg(long)]
    to_end: bool,
    /// Do not ask before
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    moves: MoveArgs,
}

/// Put everything back on stable.
#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    /// Go on copying to the candidate, to see when it is well again
    #[arg(long)]
    keep_shadow: bool,
    #[command(flatten)]
    moves: MoveArgs,
}

/// Starts a rollout.
pub(crate) fn start(args: &StartArgs) -> Result<Exit, Failure> {
    send(&args.moves, json!({"action": "start", "plan": args.plan}))
}

/// Goes one step further.
pub(crate) fn promote(args: &PromoteArgs) -> Result<Exit, Failure> {
    let route = &args.moves.route.route;
    if args.to_end {
        confirm(
            &format!("All steps of {route}'s rollout follow without waiting."),
            args.yes || args.moves.change.dry_run,
        )?;
    }
    send(&args.moves, json!({"action": "promote", "to_end": args.to_end}))
}

/// Ends a rollout.
pub(crate) fn abort(args: &AbortArgs) -> Result<Exit, Failure> {
    send(&args.moves, json!({"action": "abort", "keep_shadow": args.keep_shadow}))
}

/// An action that says nothing more.
pub(crate) fn plain(action: &str, args: &MoveArgs) -> Result<Exit, Failure> {
    send(args, json!({"action": action}))
}

fn send(args: &MoveArgs, mut body: Value) -> Result<Exit, Failure> {
    if let Some(body) = body.as_object_mut() {
        body.insert("why".to_owned(), args.change.why.as_str().into());
    }
    add_scope(&mut body, &args.scope);
    let ask = Ask::json(Method::POST, format!("/v1/routes/{}/rollout", args.route.route), &body);
    change(&args.change, ask)
}
