//! What came of a command that changes something?

use serde_json::Value;

use super::answer::{self, ChangeAnswer};
use super::args::{Format, OutputArgs, ServerArgs};
use super::ask::Ask;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone};

/// Sends a command and says what came of it.
pub(crate) fn change(server: &ServerArgs, ask: &Ask, output: OutputArgs) -> Result<Exit, Failure> {
    let answer = Client::new(server)?.send(ask)?;
    let change: ChangeAnswer = answer::read(&answer)?;
    if output.output == Format::Table {
        warn(&change);
    }
    out::answer(output.output, &answer, |style| changed(&change, style))?;
    Ok(Exit::Done)
}

/// What came of a command, in one line.
pub(crate) fn changed(change: &ChangeAnswer, style: Style) -> String {
    let revision = format!("r{}", change.revision);
    if change.changed {
        format!("{}  {}\n", style.paint(Tone::Good, &revision), change.summary)
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
    fn warnings_are_shown_as_texts() {
        let problem = json!({"pointer": "/routes/sms", "message": "no tenant", "hint": "add one"});
        assert_eq!(warned(&problem), "/routes/sms: no tenant (add one)");
        assert_eq!(warned(&json!("plain")), "plain");
    }
}
