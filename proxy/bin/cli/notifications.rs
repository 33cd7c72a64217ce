//! Who was told of rollouts, and who waits to be? `turnout notifications`.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::answer;
use super::args::{OutputArgs, ServerArgs};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, number, rendered};
use super::revisions::time;

/// List messages about rollouts.
#[derive(Debug, Args)]
#[command(after_help = "\
What waits comes first, then what was delivered, given up or dropped, the last one first; since the node started, up to 200.
In a fleet the node that moves rollouts sends them: ask that one.")]
pub(crate) struct NotificationsArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotificationsAnswer {
    waiting: Vec<NotificationAnswer>,
    ended: Vec<NotificationAnswer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotificationAnswer {
    to: String,
    event: String,
    rollout: String,
    state: String,
    queued: Value,
    attempts: u64,
    problem: Option<String>,
}

/// Lists them.
pub(crate) fn run(args: &NotificationsArgs) -> Result<Exit, Failure> {
    let answer = Client::new(&args.server)?.get("/v1/notifications")?;
    let notifications: NotificationsAnswer = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| text(&notifications, style))?;
    Ok(Exit::Done)
}

fn text(notifications: &NotificationsAnswer, style: Style) -> String {
    if notifications.waiting.is_empty() && notifications.ended.is_empty() {
        return "nobody was told anything since the node started\n".to_owned();
    }
    let mut table =
        style.table(&["QUEUED", "STATE", "TO", "EVENT", "ROLLOUT", "ATTEMPTS", "PROBLEM"]);
    for one in notifications.waiting.iter().chain(&notifications.ended) {
        let tone = match &*one.state {
            "delivered" => Tone::Good,
            "waiting" => Tone::Plain,
            _ => Tone::Bad,
        };
        table.add_row([
            cell(Tone::Faint, time(&one.queued)),
            cell(tone, &one.state),
            cell(Tone::Strong, &one.to),
            cell(Tone::Plain, &one.event),
            cell(Tone::Plain, &one.rollout),
            number(Tone::Plain, one.attempts),
            cell(Tone::Warn, one.problem.as_deref().unwrap_or_default()),
        ]);
    }
    rendered(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_listed_with_what_came_of_them() {
        let answer = serde_json::json!({
            "waiting": [{"to": "desk", "event": "moved", "rollout": "sms", "state": "waiting",
                "queued": "2026-11-24T10:00:00Z", "attempts": 2, "problem": "no answer within 5s"}],
            "ended": [{"to": "chat", "event": "started", "rollout": "sms/cohort/africa", "state": "delivered",
                "queued": "2026-11-24T09:00:00Z", "attempts": 1}],
        });
        let expected = "\
QUEUED                STATE      TO    EVENT    ROLLOUT            ATTEMPTS  PROBLEM
2026-11-24 10:00:00Z  waiting    desk  moved    sms                       2  no answer within 5s
2026-11-24 09:00:00Z  delivered  chat  started  sms/cohort/africa         1
";
        assert_eq!(text(&answer::read(&answer).unwrap(), Style::PLAIN), expected);
        assert!(text(&NotificationsAnswer::default(), Style::PLAIN).starts_with("nobody was told"));
    }
}
