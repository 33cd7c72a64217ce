//! How do the arms' answers differ? The signatures of a route's mismatches.

use clap::Args;
use serde_json::Value;

use super::answer::{self, SignatureAnswer};
use super::args::{OutputArgs, RouteArgs, ServerArgs};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, number, rendered};
use super::revisions::time;

/// List how the arms' answers differ.
#[derive(Debug, Args)]
#[command(after_help = "\
A difference that is meant can be left out of the comparison with the route's `compare.ignore`.
`turnout diff-signature SIGNATURE` shows all of one: exchanges that showed it, and a rule that would make it go away.")]
pub(crate) struct SignaturesArgs {
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lists the differences.
pub(crate) fn run(args: &SignaturesArgs) -> Result<Exit, Failure> {
    let route = &args.route.route;
    let answer = Client::new(&args.server)?.get(&format!("/v1/routes/{route}/signatures"))?;
    let mut signatures = listed(&answer)?;
    signatures.sort_by_key(|signature| std::cmp::Reverse(signature.count));
    out::answer(args.output.output, &answer, |style| table(&signatures, style))?;
    Ok(Exit::Done)
}

fn listed(answer: &Value) -> Result<Vec<SignatureAnswer>, Failure> {
    answer::read(answer.get("signatures").unwrap_or(answer))
}

fn table(signatures: &[SignatureAnswer], style: Style) -> String {
    if signatures.is_empty() {
        return "no difference seen; `turnout status ROUTE` shows how many were compared\n"
            .to_owned();
    }
    let mut table =
        style.table(&["COUNT", "WHERE", "WHAT", "STABLE", "CANDIDATE", "LAST SEEN", "SIGNATURE"]);
    for signature in signatures {
        let place = format!("{} {}", signature.location, signature.path);
        let class = |class: &Option<String>| class.clone().unwrap_or_else(|| "-".to_owned());
        let relation = signature.relation.as_deref().filter(|said| !said.is_empty());
        let kind = relation.map_or_else(
            || signature.kind.clone(),
            |relation| format!("{} ({relation})", signature.kind),
        );
        table.add_row([
            number(Tone::Plain, signature.count),
            cell(Tone::Strong, place.trim_end()),
            cell(Tone::Plain, kind),
            cell(Tone::Plain, class(&signature.stable_class)),
            cell(Tone::Plain, class(&signature.candidate_class)),
            cell(Tone::Faint, time(&signature.last_seen)),
            cell(Tone::Faint, &signature.id),
        ]);
    }
    rendered(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_listed() {
        let answer = json!([{
            "id": "sms-1", "location": "body", "path": "/items/*/at", "kind": "changed", "stable_class": "string",
            "candidate_class": "number", "relation": null, "count": 1204,
            "first_seen": "2026-11-21T02:00:00Z", "last_seen": "2026-11-21T02:15:00Z", "examples": ["a", "b"],
        }]);
        let expected = "\
COUNT  WHERE             WHAT     STABLE  CANDIDATE  LAST SEEN             SIGNATURE
 1204  body /items/*/at  changed  string  number     2026-11-21 02:15:00Z  sms-1
";
        assert_eq!(table(&listed(&answer).unwrap(), Style::PLAIN), expected);
        assert!(table(&[], Style::PLAIN).contains("no difference"));
    }
}
