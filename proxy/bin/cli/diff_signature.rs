//! What is one difference, and which rule would make it go away?

use clap::Args;

use super::answer;
use super::args::{OutputArgs, ServerArgs};
use super::ask::encoded;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone};
use super::parity::{Signature, Suggestion, place, rate, what};
use super::revisions::time;
use super::samples::{self, Samples};
use super::status::{count, whole};

/// Show one difference.
#[derive(Debug, Args)]
#[command(after_help = "\
IDs are shown by `turnout parity ROUTE` and `turnout signatures ROUTE`. No value of any answer is kept, so none is shown:
an example's id finds its line in the access log. Routes with `shadow: {samples: ..}` keep some for a while, encrypted;
`--samples` shows them, and who looked is kept in the audit.")]
pub(crate) struct DiffSignatureArgs {
    /// The signature's id, such as sms-280519e97178
    #[arg(value_name = "ID")]
    id: String,
    /// Show the values that the route keeps of it
    #[arg(long)]
    samples: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Shows one difference.
pub(crate) fn run(args: &DiffSignatureArgs) -> Result<Exit, Failure> {
    let Some((route, _)) = args.id.rsplit_once('-') else {
        return Err(Failure::Usage(format!(
            "{:?} is no signature's id: one is ROUTE-HASH, such as sms-280519e97178",
            args.id
        )));
    };
    let path = format!("/v1/routes/{}/signatures/{}", encoded(route), encoded(&args.id));
    let client = Client::new(&args.server)?;
    if args.samples {
        let answer = client.get(&format!("{path}/samples"))?;
        let kept: Samples = answer::read(&answer)?;
        out::answer(args.output.output, &answer, |style| samples::text(&kept, style))?;
        return Ok(Exit::Done);
    }
    let answer = client.get(&path)?;
    let signature: Signature = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| text(route, &signature, style))?;
    Ok(Exit::Done)
}

fn text(route: &str, signature: &Signature, style: Style) -> String {
    let mut text =
        format!("{}  {}\n\n", style.paint(Tone::Strong, &place(signature)), what(signature));
    let mut fact = |name: &str, said: String| text.push_str(&format!("{name:<11}{said}\n"));
    let share = signature.share.map(|share| format!(", {} of those compared", rate(share)));
    fact(
        "seen",
        format!(
            "in {} exchanges{}, as {} fields",
            count(whole(signature.count)),
            share.unwrap_or_default(),
            count(whole(signature.fields))
        ),
    );
    fact("first", time(&signature.first_seen));
    fact("last", time(&signature.last_seen));
    fact("stable", signature.stable_class.replace('_', " "));
    fact("candidate", signature.candidate_class.replace('_', " "));
    if signature.tenants > 0 {
        let about = if signature.tenants_estimated { "about " } else { "" };
        fact("tenants", format!("{about}{}", count(whole(signature.tenants))));
    }
    match signature.excused.as_deref() {
        Some("blind") => fact(
            "excused",
            "stable differs from itself here most of the time: only the type is compared"
                .to_owned(),
        ),
        Some(_) => fact(
            "excused",
            "stable differs from itself here as often as the candidate does".to_owned(),
        ),
        None => {}
    }
    if !signature.together_with.is_empty() {
        fact("together", format!("nearly always with {}", signature.together_with.join(", ")));
    }
    if !signature.examples.is_empty() {
        fact("examples", signature.examples.join(", "));
    }
    if let Some(suggestion) = &signature.suggestion {
        text.push_str(&suggested(route, signature, suggestion, style));
    }
    text
}

fn suggested(route: &str, signature: &Signature, told: &Suggestion, style: Style) -> String {
    let rule = style.paint(Tone::Good, &format!("compare: {{{}}}", told.rule));
    let command = match (&*signature.location, told.rule.split_once(':')) {
        ("body", Some(("ignore", _))) => {
            let pattern = signature.path.replace("{*}", "*");
            Some(format!("turnout ignore {route} '{pattern}' --why \"...\""))
        }
        ("header", _) => {
            let name = signature.path.split(':').next().unwrap_or_default();
            Some(format!("turnout ignore {route} {name} --why \"...\""))
        }
        _ => None,
    };
    let command = command.map(|command| format!("or at once:\n  {command}\n")).unwrap_or_default();
    format!("\n{}\nbelow `routes: {{{route}: ..}}`:\n  {rule}\n{command}", told.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_comes_with_a_rule_to_paste() {
        let signature = Signature {
            id: "sms-1".to_owned(),
            location: "body".to_owned(),
            path: "/items/*/at".to_owned(),
            kind: "value".to_owned(),
            stable_class: "datetime".to_owned(),
            candidate_class: "datetime".to_owned(),
            relation: Some("datetime_close".to_owned()),
            count: 1_200,
            share: Some(0.4),
            fields: 2_400,
            first_seen: json!("2026-11-21T02:15:00Z"),
            last_seen: json!("2026-11-21T03:15:00Z"),
            tenants: 120,
            tenants_estimated: true,
            examples: vec!["x1".to_owned(), "x2".to_owned()],
            together_with: vec!["sms-2".to_owned()],
            suggestion: Some(Suggestion {
                why: "two timestamps within two seconds".to_owned(),
                rule: "time_tolerance: {\"/items/*/at\": 2s}".to_owned(),
            }),
            ..Signature::default()
        };
        let expected = "\
body /items/*/at  another datetime: datetime close

seen       in 1,200 exchanges, 40% of those compared, as 2,400 fields
first      2026-11-21 02:15:00Z
last       2026-11-21 03:15:00Z
stable     datetime
candidate  datetime
tenants    about 120
together   nearly always with sms-2
examples   x1, x2

two timestamps within two seconds
below `routes: {sms: ..}`:
  compare: {time_tolerance: {\"/items/*/at\": 2s}}
";
        assert_eq!(text("sms", &signature, Style::PLAIN), expected);
        let ignored = Signature {
            suggestion: Some(Suggestion {
                why: "if".to_owned(),
                rule: "ignore: [\"/a\"]".to_owned(),
            }),
            path: "/a/{*}".to_owned(),
            ..signature
        };
        let text = text("sms", &ignored, Style::PLAIN);
        assert!(text.contains("turnout ignore sms '/a/*' --why"), "{text}");
    }
}
