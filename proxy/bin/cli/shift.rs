//! How is traffic moved? `shift`, `shadow` and `rollback`, for a route, a cohort or a tenant.

use std::str::FromStr;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use http::Method;
use rules::{FlagName, Share};
use serde_json::{Value, json};

use super::args::{self, ChangeArgs, OutputArgs, RouteArgs, ScopeArgs, ServerArgs};
use super::ask::Ask;
use super::change::{change, send};
use super::completion;
use super::confirm::confirm;
use super::each_node::change_each;
use super::exit::{Exit, Failure};

/// Move traffic: set the share that the candidate serves.
#[derive(Debug, Args)]
#[command(after_help = "\
Raising a share only adds users to the candidate; nobody is moved back.
A tenant's own share stands before its cohort's, a cohort's before the route's.

  turnout shift sms 25% --why \"5% is clean for a day\"
  turnout shift sms live --tenant acme --why \"acme moves first\"
  turnout shift sms inherit --tenant acme --why \"acme follows the route again\"")]
pub(crate) struct ShiftArgs {
    #[command(flatten)]
    route: RouteArgs,
    /// The candidate's share, such as 25%; `off` is 0%, `live` is 100%; `inherit` ends what --tenant or --cohort had
    #[arg(value_name = "SHARE")]
    share: Wanted,
    #[command(flatten)]
    scope: ScopeArgs,
    /// A flag that the same tenants get with the same command, so that proxy and services switch at the same moment
    #[arg(long, value_name = "FLAG", add = ArgValueCandidates::new(completion::flag_names))]
    flag: Option<FlagName>,
    /// Do not ask before all traffic moves
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Copy traffic: set the share of requests that the other arm gets a copy of.
#[derive(Debug, Args)]
#[command(after_help = "\
The client gets the serving arm's answer and never waits for the copy.
Which methods may be copied is the route's `shadow.methods`.

  turnout shadow sms 100% --why \"compare before anybody is moved\"
  turnout shadow sms 10% --reverse --why \"keep the old service warm\"
  turnout shadow sms off --why \"done\"")]
pub(crate) struct ShadowArgs {
    #[command(flatten)]
    route: RouteArgs,
    /// The share of requests that is copied, such as 100%; `off` is 0%
    #[arg(value_name = "SHARE", value_parser = copied)]
    share: Share,
    /// Copy what the candidate serves to stable, instead of what stable serves to the candidate
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Put everything back on stable, at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --tenant or --cohort the whole route goes back: its own share and every cohort's and tenant's.
It never asks back, and it wins against whatever changed meanwhile.
With --nodes each node is told itself: that works while the Redis of a fleet is down, or nodes are cut off from it. Each
says what came of it, and the exit code is 0 only if all of them have done it.

  turnout rollback sms --why \"errors rise\"
  turnout rollback sms --nodes 10.0.0.1:7081,10.0.0.2:7081 --why \"errors rise, and Redis is down\"")]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Why; kept with the revision, so that others can read it later
    #[arg(long, value_name = "TEXT", value_parser = args::reason)]
    why: String,
    /// Go on copying to the candidate, to see when it is well again
    #[arg(long)]
    keep_shadow: bool,
    /// Only say what would change, and who would notice
    #[arg(long)]
    dry_run: bool,
    /// Tell each of these nodes, by the address of its control API, instead of one server
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',', conflicts_with = "dry_run")]
    nodes: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// The share that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Share(Share),
    Inherit,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Share(Share::NONE)),
            "live" => Ok(Self::Share(Share::ALL)),
            "inherit" => Ok(Self::Inherit),
            _ => text
                .parse()
                .map(Self::Share)
                .map_err(|error| format!("{error}; or one of the words `off`, `live`, `inherit`")),
        }
    }
}

fn copied(text: &str) -> Result<Share, String> {
    match text {
        "off" => Ok(Share::NONE),
        _ => text.parse().map_err(|error| format!("{error}; or the word `off`")),
    }
}

/// Sets a share.
pub(crate) fn shift(args: &ShiftArgs) -> Result<Exit, Failure> {
    let scoped = args.scope.tenant.is_some() || args.scope.cohort.is_some();
    let share = match args.share {
        Wanted::Share(share) => Some(share),
        Wanted::Inherit if scoped => None,
        Wanted::Inherit => {
            return Err(Failure::Usage(
                "a route has nothing to inherit from: add --tenant or --cohort, or give a share such as 25%"
                    .to_owned(),
            ));
        }
    };
    let route = &args.route.route;
    if share == Some(Share::ALL) && !scoped && !args.change.dry_run {
        confirm(&format!("All traffic of {route} goes to its candidate."), args.yes)?;
    }
    let mut body = json!({"share": share.map(|share| share.to_string()), "why": args.change.why});
    add_scope(&mut body, &args.scope);
    if let (Some(flag), Some(body)) = (&args.flag, body.as_object_mut()) {
        body.insert("flag".to_owned(), flag.as_str().into());
    }
    let ask = Ask::json(Method::POST, format!("/v1/routes/{route}/shift"), &body);
    change(&args.change, ask)
}

/// Sets the share of copies.
pub(crate) fn shadow(args: &ShadowArgs) -> Result<Exit, Failure> {
    let mut body = json!({
        "share": args.share.to_string(),
        "reverse": args.reverse,
        "why": args.change.why,
    });
    add_scope(&mut body, &args.scope);
    let ask = Ask::json(Method::POST, format!("/v1/routes/{}/shadow", args.route.route), &body);
    change(&args.change, ask)
}

/// Puts everything back.
pub(crate) fn rollback(args: &RollbackArgs) -> Result<Exit, Failure> {
    let mut body = json!({"why": args.why, "keep_shadow": args.keep_shadow});
    add_scope(&mut body, &args.scope);
    if let (false, Some(body)) = (args.nodes.is_empty(), body.as_object_mut()) {
        // One rollback, whichever node stores it first.
        body.insert("id".to_owned(), control::digest::unique().into());
    }
    let ask = Ask::json(Method::POST, format!("/v1/routes/{}/rollback", args.route.route), &body);
    if !args.nodes.is_empty() {
        return change_each(&args.nodes, &args.server, &ask, args.output);
    }
    send(&args.server, &ask.tried(args.dry_run), args.output)
}

/// Says whose traffic is meant.
pub(crate) fn add_scope(body: &mut Value, scope: &ScopeArgs) {
    if let (Some(tenant), Some(body)) = (&scope.tenant, body.as_object_mut()) {
        body.insert("tenant".to_owned(), tenant.as_str().into());
    }
    if let (Some(cohort), Some(body)) = (&scope.cohort, body.as_object_mut()) {
        body.insert("cohort".to_owned(), cohort.as_str().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_or_words() {
        assert_eq!("25%".parse(), Ok(Wanted::Share("25%".parse().unwrap())));
        assert_eq!("off".parse(), Ok(Wanted::Share(Share::NONE)));
        assert_eq!("live".parse(), Ok(Wanted::Share(Share::ALL)));
        assert_eq!("inherit".parse(), Ok(Wanted::Inherit));
        let wrong = "25".parse::<Wanted>().unwrap_err();
        assert!(wrong.contains("write a percentage") && wrong.contains("`inherit`"), "{wrong}");
        assert!(copied("live").is_err());
    }

    #[test]
    fn the_scope_goes_into_the_body() {
        let mut body = json!({"why": "x"});
        add_scope(&mut body, &ScopeArgs { tenant: Some("a:1".parse().unwrap()), cohort: None });
        assert_eq!(body, json!({"why": "x", "tenant": "a:1"}));
    }
}
