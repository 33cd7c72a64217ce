//! What came of a command that changes something?

use serde_json::Value;

use super::answer::{self, BlastAnswer, ChangeAnswer};
use super::args::{ChangeArgs, Format, OutputArgs, ServerArgs};
use super::ask::Ask;
use super::client::Client;
use super::document::painted_diff;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone};

/// Sends a command as the command line says, and says what came of it.
pub(crate) fn change(args: &ChangeArgs, ask: Ask) -> Result<Exit, Failure> {
    send(&args.server, &ask.told_by(args), args.output)
}

/// Sends a command and says what came of it.
pub(crate) fn send(server: &ServerArgs, ask: &Ask, output: OutputArgs) -> Result<Exit, Failure> {
    let answer = Client::new(server)?.send(ask)?;
    let change: ChangeAnswer = answer::read(&answer)?;
    if output.output == Format::Table {
        warn(&change);
    }
    out::answer(output.output, &answer, |style| came_of_it(&change, style))?;
    Ok(Exit::Done)
}

/// What came of a command, or would come of it.
pub(crate) fn came_of_it(change: &ChangeAnswer, style: Style) -> String {
    match &change.blast {
        Some(blast) if change.changed => format!(
            "would change  {}\n{}\n{}",
            change.summary,
            noticed_by(blast),
            painted_diff(&change.diff, style)
        ),
        Some(_) => format!("nothing would change: {}\n", change.summary),
        None => changed(change, style),
    }
}

/// Who would notice, in one line.
fn noticed_by(blast: &BlastAnswer) -> String {
    let BlastAnswer { ratio, minutes, tenants, first_tenants } = blast;
    let since = if *minutes < 60 { format!("last {minutes} min") } else { "last hour".to_owned() };
    let traffic = format!("{:.1}% of the traffic of the {since} would change sides", ratio * 100.0);
    let tenants_are = if *tenants == 1 { "tenant" } else { "tenants" };
    match (tenants, first_tenants.as_slice()) {
        (0, _) => format!("{traffic}, and no tenant that is known by name"),
        (count, some) if some.len() < 6 => {
            format!("{traffic}, and {count} {tenants_are}: {}", some.join(", "))
        }
        (count, some) => {
            let first: Vec<&str> = some.iter().take(5).map(String::as_str).collect();
            format!("{traffic}, and {count} tenants: {}, ...", first.join(", "))
        }
    }
}

/// What came of a command, in one line.
fn changed(change: &ChangeAnswer, style: Style) -> String {
    let revision = format!("r{}", change.revision);
    if change.changed {
        let served = change
            .fleet
            .as_ref()
            .map(|fleet| format!("  serving: {} of {} nodes\n", fleet.serving, fleet.nodes));
        let served = served.unwrap_or_default();
        format!("{}  {}\n{served}", style.paint(Tone::Good, &revision), change.summary)
    } else {
        let summary = if change.summary.is_empty() { "" } else { ": " };
        format!("{revision}  nothing changed{summary}{}\n", change.summary)
    }
}

/// Says what the server warns of.
pub(crate) fn warn(change: &ChangeAnswer) {
    for warning in &change.warnings {
        out::warning(&warned(warning));
    }
}

/// A warning is a text, or a problem with its place.
fn warned(warning: &Value) -> String {
    let text = |key| warning.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(said) = text("message").or_else(|| text("detail")) else {
        return warning.as_str().map_or_else(|| warning.to_string(), ToOwned::to_owned);
    };
    let pointer = text("pointer").map(|pointer| format!("{pointer}: ")).unwrap_or_default();
    let hint = text("hint").map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{pointer}{said}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_came_of_it_is_one_line() {
        let change = ChangeAnswer {
            revision: 43,
            changed: true,
            summary: "sms: canary 5% -> 25%".to_owned(),
            ..ChangeAnswer::default()
        };
        assert_eq!(changed(&change, Style::PLAIN), "r43  sms: canary 5% -> 25%\n");
        let change = ChangeAnswer { changed: false, summary: String::new(), ..change };
        assert_eq!(changed(&change, Style::PLAIN), "r43  nothing changed\n");
    }

    #[test]
    fn what_would_come_of_it_says_who_would_notice() {
        let change = ChangeAnswer {
            changed: true,
            summary: "sms: off -> canary 5%".to_owned(),
            diff: "-a\n+b\n".to_owned(),
            blast: Some(BlastAnswer {
                ratio: 0.0512,
                minutes: 12,
                tenants: 1,
                first_tenants: vec!["acme".to_owned()],
            }),
            ..ChangeAnswer::default()
        };
        let expected = "would change  sms: off -> canary 5%\n5.1% of the traffic of the last 12 min would change sides, and 1 tenant: acme\n-a\n+b\n";
        assert_eq!(came_of_it(&change, Style::PLAIN), expected);
        let same = ChangeAnswer { changed: false, ..change };
        assert_eq!(
            came_of_it(&same, Style::PLAIN),
            "nothing would change: sms: off -> canary 5%\n"
        );
    }

    #[test]
    fn warnings_are_shown_as_texts() {
        let problem = json!({"pointer": "/routes/sms", "message": "no tenant", "hint": "add one"});
        assert_eq!(warned(&problem), "/routes/sms: no tenant (add one)");
        assert_eq!(warned(&json!("plain")), "plain");
    }
}
