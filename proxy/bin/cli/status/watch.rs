//! How often is the server asked where traffic stands? Once, or each second while somebody watches.

use std::time::{Duration, Instant};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use rules::RouteName;
use serde_json::Value;

use super::super::answer;
use super::super::args::{Format, OutputArgs, ServerArgs, span};
use super::super::client::Client;
use super::super::completion;
use super::super::exit::{Exit, Failure};
use super::super::out::{self, Style};
use super::super::screen::Screen;
use super::{detail, routes};

const REFRESH: Duration = Duration::from_secs(1);

/// Show where traffic stands.
#[derive(Debug, Args)]
#[command(after_help = "\
SPLIT, ERRORS and P95 are of the last 10 seconds, MISMATCH is of all compared exchanges since start.
Every percentage says of how many; what is too few to tell is grey.")]
pub(crate) struct StatusArgs {
    /// Everything about this route, instead of all routes
    #[arg(value_name = "ROUTE", add = ArgValueCandidates::new(completion::route_names))]
    route: Option<RouteName>,
    /// Refresh each second, until Ctrl-C
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

/// Shows where traffic stands.
pub(crate) fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.server)?;
    let format = args.output.output;
    let answer = ask(&client, args)?;
    if !args.watch {
        let table = table(&answer, args, Style::of_stdout())?;
        out::answer(format, &answer, |_| table)?;
        return Ok(Exit::Done);
    }
    let deadline = args.timeout.map(|timeout| (timeout, Instant::now() + timeout));
    let mut screen = Screen::new();
    screen.show(&frame(&answer, args)?)?;
    loop {
        if let Some((timeout, _)) = deadline.filter(|(_, at)| Instant::now() + REFRESH > *at) {
            return Err(Failure::TimedOut(timeout));
        }
        std::thread::sleep(REFRESH);
        match ask(&client, args) {
            Ok(answer) => screen.show(&frame(&answer, args)?)?,
            // A server that is started again is watched again.
            Err(failure @ Failure::Unreachable { .. }) => screen.lost(&failure)?,
            Err(failure) => return Err(failure),
        }
    }
}

fn ask(client: &Client, args: &StatusArgs) -> Result<Value, Failure> {
    match &args.route {
        Some(route) => client.get(&format!("/v1/routes/{route}")),
        None => client.get("/v1/status"),
    }
}

fn table(answer: &Value, args: &StatusArgs, style: Style) -> Result<String, Failure> {
    Ok(match &args.route {
        Some(_) => detail::text(&answer::read(answer)?, style),
        None => routes::text(&answer::read(answer)?, style),
    })
}

/// What is shown of one moment. Scripts get one document per moment: a line of JSON, or one of several in YAML.
fn frame(answer: &Value, args: &StatusArgs) -> Result<String, Failure> {
    match args.output.output {
        Format::Table => table(answer, args, Style::of_stdout()),
        Format::Json => Ok(format!("{answer}\n")),
        Format::Yaml => out::formatted(Format::Yaml, answer, |_| String::new())
            .map(|text| format!("---\n{text}")),
    }
}
