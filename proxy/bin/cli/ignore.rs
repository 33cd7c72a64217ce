//! How is a difference left out of a comparison at once?

use clap::Args;
use http::Method;
use serde_json::json;

use super::args::{ChangeArgs, Format, RouteArgs};
use super::ask::Ask;
use super::change::change;
use super::exit::{Exit, Failure};
use super::out;

/// Leave a place of answers out of a route's comparison.
#[derive(Debug, Args)]
#[command(after_help = "\
PATTERN is a JSON pointer, in which `*` is any segment and `**` any number of them, or a header's name. The server's
configuration gets one more entry, as a revision like any other; write it into your file, too.
What was counted so far was under other rules: figures and differences begin anew.

  turnout ignore sms '/items/*/updatedAt' --why \"each service has its own clock\"
  turnout ignore sms x-build --why \"another build\"")]
pub(crate) struct IgnoreArgs {
    #[command(flatten)]
    route: RouteArgs,
    /// What is not looked at any more
    #[arg(value_name = "PATTERN")]
    pattern: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Leaves a place out.
pub(crate) fn run(args: &IgnoreArgs) -> Result<Exit, Failure> {
    let route = &args.route.route;
    let body = json!({"pattern": args.pattern, "why": args.change.why});
    let ask = Ask::json(Method::POST, format!("/v1/routes/{route}/ignore"), &body);
    let exit = change(&args.change, ask)?;
    if args.change.output.output == Format::Table && !args.change.dry_run {
        out::note(
            "write it into your file as well, or applying that takes it back: turnout export",
        );
    }
    Ok(exit)
}
