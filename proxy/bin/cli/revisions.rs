//! Who changed what, when and why? Revisions, and the way back to one.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::answer::{self, RevisionAnswer};
use super::args::{ChangeArgs, OutputArgs, ServerArgs, revision};
use super::ask::Ask;
use super::change::change;
use super::client::Client;
use super::confirm::confirm;
use super::document::painted_diff;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, number, rendered};

/// List the revisions, or show one.
#[derive(Debug, Args)]
pub(crate) struct RevisionsArgs {
    /// Show this revision, and what it changed
    #[arg(value_name = "N", value_parser = revision)]
    revision: Option<u64>,
    /// Compare with this revision instead of the one before
    #[arg(long, value_name = "M", value_parser = revision, requires = "revision")]
    against: Option<u64>,
    /// How many to list, newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, conflicts_with = "revision")]
    limit: u32,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Bring back an earlier revision, as a new one.
#[derive(Debug, Args)]
#[command(after_help = "\
Configuration and traffic become what they were at that revision. See first what that means:
  turnout revisions 41")]
pub(crate) struct RestoreArgs {
    /// The revision to bring back
    #[arg(value_name = "N", value_parser = revision)]
    revision: u64,
    /// Do not ask before
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Lists the revisions, or shows one.
pub(crate) fn list(args: &RevisionsArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.server)?;
    let Some(number) = args.revision else {
        let answer = client.get(&format!("/v1/revisions?limit={}", args.limit))?;
        let revisions = listed(&answer)?;
        out::answer(args.output.output, &answer, |style| table(&revisions, style))?;
        return Ok(Exit::Done);
    };
    let mut answer = client.get(&format!("/v1/revisions/{number}"))?;
    let revision: RevisionAnswer = answer::read(&answer)?;
    let before = args.against.or(number.checked_sub(1).filter(|before| *before > 0));
    let diff = match before {
        Some(before) => diff_of(&client, number, before, args.against.is_some())?,
        None => None,
    };
    if let (Some(diff), Some(answer)) = (&diff, answer.as_object_mut()) {
        answer.insert("diff".to_owned(), diff.clone().into());
    }
    out::answer(args.output.output, &answer, |style| {
        shown(&revision, before, diff.as_deref(), style)
    })?;
    Ok(Exit::Done)
}

/// The revisions of an answer, newest first.
pub(crate) fn listed(answer: &Value) -> Result<Vec<RevisionAnswer>, Failure> {
    answer::read(answer.get("revisions").unwrap_or(answer))
}

/// What changed from one revision to another. The one before may not be kept any more, which is no failure.
fn diff_of(
    client: &Client,
    revision: u64,
    before: u64,
    asked_for: bool,
) -> Result<Option<String>, Failure> {
    match client.get(&format!("/v1/revisions/{revision}/diff?against={before}")) {
        Ok(answer) => Ok(answer.get("diff").and_then(Value::as_str).map(ToOwned::to_owned)),
        Err(Failure::Refused(problem)) if problem.status == 404 && !asked_for => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Brings back an earlier revision.
pub(crate) fn restore(args: &RestoreArgs) -> Result<Exit, Failure> {
    let number = args.revision;
    confirm(
        &format!("Configuration and all traffic go back to what r{number} says."),
        args.yes || args.change.dry_run,
    )?;
    let path = format!("/v1/revisions/{number}/restore");
    let ask = Ask::json(Method::POST, path, &json!({"why": args.change.why}));
    change(&args.change, ask)
}

/// Revisions, one line each.
pub(crate) fn table(revisions: &[RevisionAnswer], style: Style) -> String {
    let mut table = style.table(&["REVISION", "AT", "WHO", "WHAT", "WHY"]);
    for revision in revisions {
        table.add_row([
            number(Tone::Plain, format!("r{}", revision.revision)),
            cell(Tone::Faint, time(&revision.at)),
            cell(Tone::Plain, &revision.actor),
            cell(Tone::Plain, &revision.summary),
            cell(Tone::Plain, &revision.why),
        ]);
    }
    rendered(&table)
}

fn shown(
    revision: &RevisionAnswer,
    before: Option<u64>,
    diff: Option<&str>,
    style: Style,
) -> String {
    let why = if revision.why.is_empty() { "no reason given" } else { &revision.why };
    let head = format!(
        "{}  {}\n{} by {}: {why}\n",
        style.paint(Tone::Strong, &format!("r{}", revision.revision)),
        revision.summary,
        time(&revision.at),
        revision.actor,
    );
    match (before, diff) {
        (Some(before), Some("")) => format!("{head}\nnothing differs from r{before}\n"),
        (Some(_), Some(diff)) => format!("{head}\n{}", painted_diff(diff, style)),
        _ => head,
    }
}

/// A time as people read it, in UTC and to the second; what is no time is shown as it is.
pub(crate) fn time(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return String::new(),
        other => other.to_string(),
    };
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_listed_with_their_reasons() {
        let answer = json!([
            {"revision": 43, "at": "2026-11-21T02:15:00.123Z", "actor": "ann", "why": "clean", "summary": "sms: canary 5% -> 25%"},
            {"revision": 1, "at": "2026-11-20T02:15:00Z", "actor": "file", "why": "", "summary": "2 routes"},
        ]);
        let expected = "\
REVISION  AT                    WHO   WHAT                   WHY
     r43  2026-11-21 02:15:00Z  ann   sms: canary 5% -> 25%  clean
      r1  2026-11-20 02:15:00Z  file  2 routes
";
        assert_eq!(table(&listed(&answer).unwrap(), Style::PLAIN), expected);
    }

    #[test]
    fn a_revision_is_shown_with_its_diff() {
        let revision = RevisionAnswer {
            revision: 2,
            at: json!("2026-11-21T02:15:00Z"),
            actor: "ann".to_owned(),
            why: "try".to_owned(),
            summary: "sms: off -> canary 5%".to_owned(),
        };
        let text = shown(&revision, Some(1), Some("-a\n+b\n"), Style::PLAIN);
        let expected = "r2  sms: off -> canary 5%\n2026-11-21 02:15:00Z by ann: try\n\n-a\n+b\n";
        assert_eq!(text, expected);
        let text = shown(&revision, Some(1), Some(""), Style::PLAIN);
        assert!(text.ends_with("nothing differs from r1\n"), "{text}");
    }
}
