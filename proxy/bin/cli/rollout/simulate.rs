//! What would a plan do? Played on virtual time with made-up traffic, by the engine's own decisions.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use control::command::{Configuration, Scope};
use control::desired::Desired;
use control::rollout::Place;
use control::rollout::simulate::{Ending, Scenario, Story, World, play};
use jiff::{SignedDuration, Timestamp};
use rules::{RouteName, Share};
use serde_json::{Value, json};

use super::super::args::{OutputArgs, span};
use super::super::exit::{Exit, Failure};
use super::super::file::{File, now_unix};
use super::super::out::{self, Style, Tone};

/// More runs than this take too long to wait for.
const MOST_RUNS: u64 = 10_000;

/// More tenants than this take too long to wait for.
const MOST_TENANTS: i64 = 100_000;

/// Play a plan on virtual time.
#[derive(Debug, Args)]
#[command(after_help = "\
Requests, failures and slow answers are made up from a seed; decisions are those of the real engine. With --runs it says
how often and when a plan ends in which way: the tool for tuning one before the real thing. Other systems that gates ask
are taken to answer as expected.

  turnout rollout simulate sms-ramp -f turnout.yaml --requests-per-second 20 --error-rate 0.5%
  turnout rollout simulate sms-ramp -f turnout.yaml --candidate-error-rate 2.5% --runs 100")]
pub(crate) struct SimulateArgs {
    /// The plan's name, under `rollouts:`
    #[arg(value_name = "PLAN")]
    plan: String,
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "turnout.yaml")]
    file: PathBuf,
    /// The route; the first that names the plan, or has a candidate, where none is given
    #[arg(long, value_name = "ROUTE")]
    route: Option<RouteName>,
    /// Requests per second of the route
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = positive)]
    requests_per_second: f64,
    /// The share of stable's requests that fail
    #[arg(long, value_name = "SHARE", default_value = "0.5%")]
    error_rate: Share,
    /// The share of the candidate's requests that fail; as stable's where none is given
    #[arg(long, value_name = "SHARE")]
    candidate_error_rate: Option<Share>,
    /// How many times as long as stable the candidate takes
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = positive)]
    candidate_slower: f64,
    /// The share of copied exchanges whose answers differ
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    mismatch_rate: Share,
    /// By how much failures come in bursts: the variance of counts per minute over that of independent ones
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = at_least_one)]
    bursts: f64,
    /// How many times as many requests of both arms fail, for ten minutes of every fifty
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = positive)]
    swing: f64,
    /// So many tenants, of all sizes and with failures of their own, move whole; single requests do where none are given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_TENANTS))]
    tenants: Option<u32>,
    /// When it is started; now where nothing is said
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// How long it is watched
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1440h")]
    longest: Duration,
    /// What the traffic is made up from: the same seed gives the same story
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Play it so often, each time with another seed, and count how it ends
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=MOST_RUNS))]
    runs: u64,
    #[command(flatten)]
    output: OutputArgs,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "write a number such as 20 or 0.5".to_owned())
}

fn at_least_one(text: &str) -> Result<f64, String> {
    let number = positive(text).ok().filter(|number| *number >= 1.0);
    number.ok_or_else(|| "write a number of at least 1, such as 5".to_owned())
}

/// Plays a plan.
pub(crate) fn run(args: &SimulateArgs) -> Result<Exit, Failure> {
    let desired = desired(args)?;
    let place = Place { route: route(args, &desired)?, scope: Scope::Route };
    let spec = desired.configuration.document.rollouts.get(&args.plan);
    let plan = spec.and_then(config::Plan::of);
    if args.tenants.is_none() && plan.is_some_and(|plan| plan.asks_for_tenants()) {
        let message = "the plan asks for `min_tenants`: say how many there are, with --tenants";
        return Err(Failure::Failed(message.to_owned()));
    }
    let start = args.start.unwrap_or_else(Timestamp::now);
    let longest = SignedDuration::try_from(args.longest).unwrap_or(SignedDuration::MAX);
    let mut stories = Vec::new();
    for run in 0..args.runs {
        let world = World::new(scenario(args, args.seed.wrapping_add(run)));
        let story = play(desired.clone(), &place, &args.plan, world, (start, longest));
        stories.push(story.map_err(|refusal| Failure::Failed(refusal.to_string()))?);
    }
    let answer = answer(&stories);
    out::answer(args.output.output, &answer, |style| match stories.as_slice() {
        [story] => told(story, style),
        several => counted(several),
    })?;
    Ok(Exit::Done)
}

fn desired(args: &SimulateArgs) -> Result<Desired, Failure> {
    let file = File::read(&args.file)?;
    let invalid = |problems: config::Problems| Failure::Failed(problems.to_string());
    let compiled = file.compile(now_unix(), |_, _| {}).map_err(invalid)?;
    Ok(Desired::first(Configuration {
        text: file.text.as_str().into(),
        document: compiled.document,
        accepted_unix: now_unix(),
        from_file: true,
    }))
}

fn route(args: &SimulateArgs, desired: &Desired) -> Result<RouteName, Failure> {
    if let Some(route) = &args.route {
        return Ok(route.clone());
    }
    let routes = &desired.configuration.document.routes;
    let names_it = routes.iter().find(|(_, route)| route.rollout.as_deref() == Some(&args.plan));
    let found = names_it.or_else(|| routes.iter().find(|(_, route)| route.candidate.is_some()));
    let found = found.and_then(|(name, _)| name.parse().ok());
    found.ok_or_else(|| Failure::Failed("no route of the file has a candidate".to_owned()))
}

fn scenario(args: &SimulateArgs, seed: u64) -> Scenario {
    Scenario {
        requests_per_second: args.requests_per_second,
        error_rate: args.error_rate.ratio(),
        candidate_error_rate: args.candidate_error_rate.unwrap_or(args.error_rate).ratio(),
        candidate_slower: args.candidate_slower,
        mismatch_rate: args.mismatch_rate.ratio(),
        swing: args.swing,
        bursts: args.bursts,
        tenants: args.tenants.and_then(|count| usize::try_from(count).ok()),
        seed,
        ..Scenario::default()
    }
}

const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "completed",
        Ending::RolledBack => "rolled back",
        Ending::Paused => "paused: waits for people",
        Ending::Waiting => "still waiting",
    }
}

fn answer(stories: &[Story]) -> Value {
    let one = |story: &Story| {
        let moments = story.moments.iter();
        let moments = moments.map(
            |moment| json!({"at": moment.at.to_string(), "what": moment.what, "why": moment.why}),
        );
        json!({
            "ending": ending(story.ending),
            "took": story.took.to_string(),
            "moments": moments.collect::<Vec<_>>(),
        })
    };
    stories.iter().map(one).collect()
}

/// One story, moment by moment.
fn told(story: &Story, style: Style) -> String {
    let mut text = String::new();
    for moment in &story.moments {
        let at = moment.at.strftime("%a %Y-%m-%d %H:%M:%SZ");
        text += &format!("{}  {}\n", style.paint(Tone::Faint, &at.to_string()), moment.what);
        text += &format!("    {}\n", moment.why);
    }
    text + &format!("{} after {:#}\n", ending(story.ending), story.took)
}

/// Many stories: how they ended, and when.
fn counted(stories: &[Story]) -> String {
    let mut text = format!("{} runs\n", stories.len());
    for how in [Ending::Completed, Ending::RolledBack, Ending::Paused, Ending::Waiting] {
        let mut times: Vec<SignedDuration> =
            stories.iter().filter(|story| story.ending == how).map(|story| story.took).collect();
        times.sort();
        if let Some(middle) = times.get(times.len() / 2) {
            text += &format!("  {} {}, half of them within {middle:#}\n", times.len(), ending(how));
        }
    }
    text
}
