//! How does a rollout stand? Its steps, its gates with counts and bounds, and what it still waits for.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::super::answer;
use super::super::args::{Format, OutputArgs, RouteArgs, ScopeArgs, ServerArgs, span};
use super::super::client::Client;
use super::super::exit::{Exit, Failure};
use super::super::out::{self, Style, Tone, cell, number, rendered};
use super::super::revisions::time;
use super::super::screen::Screen;
use super::asked_of;

const REFRESH: Duration = Duration::from_secs(1);

/// Show how rollouts stand.
#[derive(Debug, Args)]
#[command(after_help = "\
FIGURE is what a gate looked at (a bound of the ratio, or the logarithm of its evidence), LIMIT what it is held against.
With --watch it ends when all rollouts of the route have: with 0 where they are completed, else with 1.")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Refresh each second, until the rollouts have ended
    #[arg(short, long)]
    watch: bool,
    /// With --watch: stop after this time, such as 90s or 10m, and end with code 124
    #[arg(long, value_name = "TIME", value_parser = span, requires = "watch")]
    timeout: Option<Duration>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// One rollout, as the server tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RolloutAnswer {
    route: String,
    cohort: Option<String>,
    tenant: Option<String>,
    plan: String,
    phase: String,
    steps: Vec<StepAnswer>,
    since: Option<Value>,
    deadline: Option<Value>,
    ended: Option<Value>,
    started_by: String,
    control: Option<String>,
    gates: Vec<GateAnswer>,
    waits: Vec<WaitAnswer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StepAnswer {
    name: String,
    #[serde(rename = "for")]
    bake: String,
    state: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GateAnswer {
    gate: String,
    rule: String,
    verdict: String,
    candidate: TallyAnswer,
    stable: TallyAnswer,
    figure: Option<f64>,
    limit: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TallyAnswer {
    bad: u64,
    total: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WaitAnswer {
    text: String,
}

/// Shows how the rollouts of a route stand.
pub(crate) fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.server)?;
    let path = format!("/v1/routes/{}/rollout{}", args.route.route, asked_of(&args.scope));
    let ask = || client.get(&path);
    let mut answer = ask()?;
    if !args.watch {
        let rollouts: Vec<RolloutAnswer> = answer::read(&answer)?;
        out::answer(args.output.output, &answer, |style| text(&rollouts, style))?;
        return Ok(Exit::Done);
    }
    let deadline = args.timeout.map(|timeout| (timeout, Instant::now() + timeout));
    let mut screen = Screen::new();
    loop {
        let rollouts: Vec<RolloutAnswer> = answer::read(&answer)?;
        screen.show(&frame(&answer, &rollouts, args.output.output)?)?;
        if let Some(exit) = ended(&rollouts) {
            return Ok(exit);
        }
        if let Some((timeout, _)) = deadline.filter(|(_, at)| Instant::now() + REFRESH > *at) {
            return Err(Failure::TimedOut(timeout));
        }
        std::thread::sleep(REFRESH);
        answer = match ask() {
            Ok(answer) => answer,
            // A server that is started again is watched again.
            Err(failure @ Failure::Unreachable { .. }) => {
                screen.lost(&failure)?;
                continue;
            }
            Err(failure) => return Err(failure),
        };
    }
}

fn frame(answer: &Value, rollouts: &[RolloutAnswer], format: Format) -> Result<String, Failure> {
    match format {
        Format::Table => Ok(text(rollouts, Style::of_stdout())),
        Format::Json => Ok(format!("{answer}\n")),
        Format::Yaml => out::formatted(Format::Yaml, answer, |_| String::new())
            .map(|text| format!("---\n{text}")),
    }
}

/// How the watch ends; not yet while one of them is under way.
fn ended(rollouts: &[RolloutAnswer]) -> Option<Exit> {
    let all = |phases: &[&str]| rollouts.iter().all(|one| phases.contains(&&*one.phase));
    if rollouts.is_empty() || !all(&["completed", "aborted"]) {
        return None;
    }
    Some(if all(&["completed"]) { Exit::Done } else { Exit::Failed })
}

fn text(rollouts: &[RolloutAnswer], style: Style) -> String {
    if rollouts.is_empty() {
        return "no rollout was started; `turnout rollout start ROUTE --why ..` does\n".to_owned();
    }
    rollouts.iter().map(|rollout| one(rollout, style)).collect::<Vec<_>>().join("\n")
}

fn one(rollout: &RolloutAnswer, style: Style) -> String {
    let scope = match (&rollout.cohort, &rollout.tenant) {
        (Some(cohort), _) => format!(", cohort {cohort}"),
        (None, Some(tenant)) => format!(", tenant {tenant}"),
        (None, None) => String::new(),
    };
    let tone = match &*rollout.phase {
        "completed" => Tone::Good,
        "aborted" => Tone::Bad,
        "paused" => Tone::Warn,
        _ => Tone::Plain,
    };
    let place = style.paint(Tone::Strong, &format!("{}{scope}", rollout.route));
    let phase = style.paint(tone, &rollout.phase);
    let mut text =
        format!("{place}  rollout {} {phase}, started by {}\n", rollout.plan, rollout.started_by);
    for (number, step) in (1..).zip(&rollout.steps) {
        let (mark, tone) = match &*step.state {
            "done" => ("x", Tone::Faint),
            "current" => (">", Tone::Strong),
            _ => (" ", Tone::Plain),
        };
        let bake = if step.bake == "0ms" { String::new() } else { format!(", for {}", step.bake) };
        text +=
            &format!("  {mark} {number}  {}\n", style.paint(tone, &format!("{}{bake}", step.name)));
    }
    let moments =
        [("since", &rollout.since), ("deadline", &rollout.deadline), ("ended", &rollout.ended)];
    let moments =
        moments.iter().filter_map(|(name, at)| Some(format!("{name} {}", time(at.as_ref()?))));
    let moments: Vec<String> = moments.collect();
    text += &format!("  {}\n", moments.join(", "));
    if !rollout.gates.is_empty() {
        let control = rollout.control.as_deref().unwrap_or("stable");
        text += &gates(&rollout.gates, control, style);
    }
    for wait in &rollout.waits {
        text += &format!("  waits: {}\n", wait.text);
    }
    text
}

fn gates(gates: &[GateAnswer], control: &str, style: Style) -> String {
    let control = control.to_uppercase();
    let mut table =
        style.table(&["GATE", "RULE", "VERDICT", "CANDIDATE", &control, "FIGURE", "LIMIT"]);
    let figure =
        |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |one| format!("{one:.4}"));
    for gate in gates {
        let tone = match &*gate.verdict {
            "pass" => Tone::Good,
            "fail" => Tone::Bad,
            _ => Tone::Faint,
        };
        let counts = !matches!(&*gate.rule, "external" | "tenants");
        let of = |tally: &TallyAnswer| {
            if counts { format!("{} of {}", tally.bad, tally.total) } else { "-".to_owned() }
        };
        table.add_row([
            cell(Tone::Strong, &gate.gate),
            cell(Tone::Plain, &gate.rule),
            cell(tone, &gate.verdict),
            number(Tone::Plain, of(&gate.candidate)),
            number(Tone::Plain, of(&gate.stable)),
            number(Tone::Plain, figure(gate.figure)),
            number(Tone::Plain, figure(gate.limit)),
        ]);
    }
    rendered(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(phase: &str) -> Vec<RolloutAnswer> {
        let answer = json!([{
            "route": "sms", "plan": "ramp", "phase": phase, "generation": 1, "step": 2, "started_by": "ann",
            "steps": [
                {"name": "shadow 100%", "for": "1d", "state": "done"},
                {"name": "canary 5%", "for": "0ms", "state": "current"},
                {"name": "live", "for": "1h", "state": "to_come"},
            ],
            "since": "2026-11-24T10:00:00Z", "deadline": "2026-11-25T10:00:00Z", "approved_by": [],
            "gates": [{
                "gate": "error_rate", "rule": "not_worse", "verdict": "hold", "grounds": "too_few",
                "candidate": {"bad": 3, "total": 700}, "stable": {"bad": 40, "total": 13_300},
                "figure": 1.25, "limit": 2.9957, "needs": 1_240,
            }],
            "waits": [{"kind": "gate", "text": "error_rate not_worse: needs 1240 more requests, about 14 min"}],
        }]);
        answer::read(&answer).unwrap()
    }

    #[test]
    fn a_rollout_is_shown_with_what_it_waits_for() {
        let expected = "\
sms  rollout ramp running, started by ann
  x 1  shadow 100%, for 1d
  > 2  canary 5%
    3  live, for 1h
  since 2026-11-24 10:00:00Z, deadline 2026-11-25 10:00:00Z
GATE        RULE       VERDICT  CANDIDATE  STABLE       FIGURE  LIMIT
error_rate  not_worse  hold      3 of 700  40 of 13300  1.2500  2.9957
  waits: error_rate not_worse: needs 1240 more requests, about 14 min
";
        assert_eq!(text(&answer("running"), Style::PLAIN), expected);
        assert!(text(&[], Style::PLAIN).contains("no rollout was started"));
    }

    #[test]
    fn a_watch_ends_with_its_rollouts() {
        assert_eq!(ended(&answer("paused")), None);
        assert_eq!(ended(&answer("completed")), Some(Exit::Done));
        assert_eq!(ended(&answer("aborted")), Some(Exit::Failed));
        assert_eq!(ended(&[]), None);
    }
}
