//! What happened, and what happens? Revisions, phases and failed reloads, as they come.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::answer::RevisionAnswer;
use super::args::{Format, OutputArgs, ServerArgs, span};
use super::ask::Ask;
use super::client::{Client, Ended};
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone};
use super::revisions::{listed, time};

/// How long until a broken stream is asked for again.
const RETRY: Duration = Duration::from_secs(1);

/// Show what happened, and with `-f` what happens.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on and show what happens, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many past revisions to show first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    limit: u32,
    /// With --follow: stop after this time, such as 90s or 10m, and end with code 124
    #[arg(long, value_name = "TIME", value_parser = span, requires = "follow")]
    timeout: Option<Duration>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Shows what happened and, where asked to, what happens.
pub(crate) fn run(args: &EventsArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.server)?;
    // At least one is asked for, because the newest is where following begins.
    let answer = client.get(&format!("/v1/revisions?limit={}", args.limit.max(1)))?;
    let past = listed(&answer)?;
    let mut last = past.iter().map(|revision| revision.revision).max();
    let shown = past.iter().take(usize::try_from(args.limit).unwrap_or(usize::MAX));
    for revision in shown.rev() {
        let data = answer_of(&answer, revision.revision);
        show(&Event { kind: "revision".to_owned(), data, id: None }, args.output.output)?;
    }
    if !args.follow {
        return Ok(Exit::Done);
    }
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let mut parser = Parser::default();
        let ask = Ask::get("/v1/events").after(last);
        let ended = client.stream(&ask, deadline, |piece| {
            for event in parser.push(piece) {
                last = event.id.or(last);
                show(&event, args.output.output)?;
            }
            Ok(())
        });
        match (ended, args.timeout) {
            (Ok(Ended::ByDeadline), Some(timeout)) => return Err(Failure::TimedOut(timeout)),
            // A server that is started again is followed again.
            (Ok(_) | Err(Failure::Unreachable { .. }), timeout) => {
                if let Some(timeout) = timeout.filter(|_| is_over(deadline)) {
                    return Err(Failure::TimedOut(timeout));
                }
                std::thread::sleep(RETRY);
            }
            (Err(failure), _) => return Err(failure),
        }
    }
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|at| Instant::now() >= at)
}

fn answer_of(answer: &Value, revision: u64) -> Value {
    let revisions = answer.get("revisions").unwrap_or(answer).as_array();
    let of = |item: &&Value| item.get("revision").and_then(Value::as_u64) == Some(revision);
    revisions.into_iter().flatten().find(of).cloned().unwrap_or_default()
}

fn show(event: &Event, format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => out::text(&event.line(Style::of_stdout())),
        Format::Json => out::line(&event.json().to_string()),
        Format::Yaml => {
            out::answer(Format::Yaml, &Value::Array(vec![event.json()]), |_| String::new())
        }
    }
}

/// One event of a stream (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    kind: String,
    data: Value,
    id: Option<u64>,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::json!({"event": self.kind, "data": self.data})
    }

    fn line(&self, style: Style) -> String {
        let text = |key: &str| {
            let value = self.data.get(key)?;
            Some(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
        };
        if let ("revision", Ok(revision)) =
            (&*self.kind, super::answer::read::<RevisionAnswer>(&self.data))
        {
            let why = &revision.why;
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            return format!(
                "{}  {}  {}, by {}{why}\n",
                style.paint(Tone::Faint, &time(&revision.at)),
                style.paint(Tone::Good, &format!("r{}", revision.revision)),
                revision.summary,
                revision.actor,
            );
        }
        let said = ["detail", "error", "message", "phase"].into_iter().find_map(text);
        let said = said.unwrap_or_else(|| {
            self.data.as_str().map_or_else(|| self.data.to_string(), ToOwned::to_owned)
        });
        let at = self.data.get("at").map(time).map(|at| at + "  ").unwrap_or_default();
        let tone = if self.kind.ends_with("failed") { Tone::Bad } else { Tone::Strong };
        format!("{at}{}  {said}\n", style.paint(tone, &self.kind.replace('_', " ")))
    }
}

/// Puts the pieces of a stream together to events.
#[derive(Debug, Default)]
struct Parser {
    pending: Vec<u8>,
    kind: String,
    data: String,
    id: Option<u64>,
}

impl Parser {
    fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        self.pending.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\r', '\n'])));
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.finish();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "id" => self.id = value.trim_start_matches('r').parse().ok(),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments keep the connection alive.
            _ => {}
        }
        None
    }

    fn finish(&mut self) -> Option<Event> {
        let data = std::mem::take(&mut self.data);
        let kind = std::mem::take(&mut self.kind);
        if data.is_empty() {
            return None;
        }
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
        Some(Event { kind, data, id: self.id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STREAM: &str = ": hello\n\nid: 43\nevent: revision\ndata: {\"revision\":43,\"at\":\"2026-11-21T02:15:00Z\",\
        \"actor\":\"ann\",\"why\":\"clean\",\"summary\":\"sms: canary 5% -> 25%\"}\n\n\
        event: reload_failed\r\ndata: {\"error\":\"turnout.yaml:1:1 bad\"}\r\n\r\n";

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut() {
        let whole = Parser::default().push(STREAM.as_bytes());
        assert_eq!(whole.len(), 2);
        for size in [1, 2, 7, 64] {
            let mut parser = Parser::default();
            let cut: Vec<_> =
                STREAM.as_bytes().chunks(size).flat_map(|piece| parser.push(piece)).collect();
            assert_eq!(cut, whole, "in pieces of {size}");
        }
        assert_eq!(whole[0].id, Some(43));
    }

    #[test]
    fn events_are_lines() {
        let lines: Vec<_> = Parser::default()
            .push(STREAM.as_bytes())
            .iter()
            .map(|event| event.line(Style::PLAIN))
            .collect();
        assert_eq!(
            lines,
            [
                "2026-11-21 02:15:00Z  r43  sms: canary 5% -> 25%, by ann: clean\n",
                "reload failed  turnout.yaml:1:1 bad\n",
            ]
        );
        let phase = Event { kind: "phase".to_owned(), data: json!("draining"), id: None };
        assert_eq!(phase.line(Style::PLAIN), "phase  draining\n");
    }
}
