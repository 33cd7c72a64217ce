//! What waits for somebody else, and how is it approved?

use clap::Args;
use http::Method;
use serde_json::json;

use super::answer::{self, ApprovedAnswer, PlanAnswer};
use super::args::{OutputArgs, ServerArgs, reason};
use super::ask::{Ask, encoded};
use super::client::Client;
use super::document::painted_diff;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone};
use super::revisions::time;

/// List what waits for the approval of others.
#[derive(Debug, Args)]
pub(crate) struct PlansArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Approve what somebody else wants to do.
#[derive(Debug, Args)]
#[command(after_help = "\
An approval is for exactly what `turnout plans` shows. When its author does it, or anything of it is another
thing by then, the approval is used up. A rollback never waits for one.")]
pub(crate) struct ApproveArgs {
    /// The plan's hash
    #[arg(value_name = "PLAN")]
    plan: String,
    /// Why; kept in the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    why: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lists what waits.
pub(crate) fn list(args: &PlansArgs) -> Result<Exit, Failure> {
    let answer = Client::new(&args.server)?.get("/v1/plans")?;
    let plans: Vec<PlanAnswer> = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| {
        plans.iter().map(|plan| shown(plan, style)).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::Done)
}

fn shown(plan: &PlanAnswer, style: Style) -> String {
    let PlanAnswer { plan, at, actor, why, summary, diff, approved_by } = plan;
    let approved = match approved_by.as_slice() {
        [] => "nobody".to_owned(),
        some => some.join(", "),
    };
    format!(
        "{}\n{summary}\n{} by {actor}: {why}\napproved by {approved}\n\n{}",
        style.paint(Tone::Strong, plan),
        time(at),
        painted_diff(diff, style)
    )
}

/// Approves one.
pub(crate) fn approve(args: &ApproveArgs) -> Result<Exit, Failure> {
    let path = format!("/v1/plans/{}/approve", encoded(&args.plan));
    let ask = Ask::json(Method::POST, path, &json!({"why": args.why}));
    let answer = Client::new(&args.server)?.send(&ask)?;
    let approved: ApprovedAnswer = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |_| {
        let ApprovedAnswer { approvals, needed } = approved;
        let next = if approvals >= needed { "; its author can go on" } else { "" };
        format!("approved by {approvals} of {needed}{next}\n")
    })?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_shows_who_wants_what_and_what_it_changes() {
        let answer = json!([{
            "plan": "abc", "at": "2026-11-21T02:15:00Z", "actor": "ann", "why": "go", "command": "shift",
            "summary": "sms: off -> canary 5%", "diff": "-a\n+b\n", "approved_by": []
        }]);
        let plans: Vec<PlanAnswer> = answer::read(&answer).unwrap();
        let expected = "abc\nsms: off -> canary 5%\n2026-11-21 02:15:00Z by ann: go\napproved by nobody\n\n-a\n+b\n";
        assert_eq!(shown(&plans[0], Style::PLAIN), expected);
    }
}
