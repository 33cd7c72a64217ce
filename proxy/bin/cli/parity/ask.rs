//! What is asked? One route, once or each second, on the terminal or as a report; or all routes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use rules::RouteName;
use serde_json::{Value, json};

use super::super::args::{Format, OutputArgs, ServerArgs, span};
use super::super::client::Client;
use super::super::exit::{Exit, Failure};
use super::super::out::{self, Style};
use super::super::screen::Screen;
use super::super::{answer, completion};
use super::answer::{All, Parity, Signature};
use super::report::{self, Kind};
use super::{overview, text};

const REFRESH: Duration = Duration::from_secs(1);
/// People look at ten signatures, not at ten thousand differences.
const SHOWN: usize = 10;

/// Say how alike the arms are, and how sure that is.
#[derive(Debug, Args)]
#[command(after_help = "\
PASS: even the upper bound (at 95%) of the field mismatch rate is within the limit, and enough was compared.
FAIL: the rate itself is over it. UNDETERMINED: neither can be said yet; it says how many exchanges are missing.
Figures are counted anew when a route's stage or its rules of comparison change.

  turnout parity sms --watch
  turnout parity sms --report sms.html       one page for a sign-off meeting; .md and .json as well
  turnout diff-signature sms-280519e97178    one difference, with a rule that would make it go away")]
pub(crate) struct ParityArgs {
    /// This route; all of them where none is given
    #[arg(value_name = "ROUTE", add = ArgValueCandidates::new(completion::route_names))]
    route: Option<RouteName>,
    /// Refresh each second, until Ctrl-C
    #[arg(short, long, conflicts_with = "report")]
    watch: bool,
    /// With --watch: stop after this time, such as 90s or 10m, and end with code 124
    #[arg(long, value_name = "TIME", value_parser = span, requires = "watch")]
    timeout: Option<Duration>,
    /// Write a report to this file; its name ends with .html, .md or .json
    #[arg(long, value_name = "FILE", requires = "route")]
    report: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Says how alike the arms are.
pub(crate) fn run(args: &ParityArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.server)?;
    if let (Some(file), Some(route)) = (&args.report, &args.route) {
        let kind = Kind::of(file)?;
        let asked = ask_route(&client, route, None)?;
        report::write(file, kind, &asked, &report::Asker::here(&args.server.server))?;
        out::note(&format!("written to {}", file.display()));
        return Ok(Exit::Done);
    }
    let moment = ask(&client, args)?;
    if !args.watch {
        let table = table(&moment, args, Style::of_stdout())?;
        out::answer(args.output.output, &moment, |_| table)?;
        return Ok(Exit::Done);
    }
    let deadline = args.timeout.map(|timeout| (timeout, Instant::now() + timeout));
    let mut screen = Screen::new();
    screen.show(&frame(&moment, args)?)?;
    loop {
        if let Some((timeout, _)) = deadline.filter(|(_, at)| Instant::now() + REFRESH > *at) {
            return Err(Failure::TimedOut(timeout));
        }
        std::thread::sleep(REFRESH);
        match ask(&client, args) {
            Ok(moment) => screen.show(&frame(&moment, args)?)?,
            Err(failure @ Failure::Unreachable { .. }) => screen.lost(&failure)?,
            Err(failure) => return Err(failure),
        }
    }
}

fn ask(client: &Client, args: &ParityArgs) -> Result<Value, Failure> {
    match &args.route {
        Some(route) => ask_route(client, route, Some(SHOWN)),
        None => client.get("/v1/parity"),
    }
}

/// A route's figures, with its differences beside them.
fn ask_route(client: &Client, route: &RouteName, most: Option<usize>) -> Result<Value, Failure> {
    let mut parity = client.get(&format!("/v1/routes/{route}/parity"))?;
    let limit = most.map(|most| format!("?limit={most}")).unwrap_or_default();
    let differences = client.get(&format!("/v1/routes/{route}/signatures{limit}"))?;
    if let Some(parity) = parity.as_object_mut() {
        parity.insert("differences".to_owned(), differences);
    }
    Ok(parity)
}

/// The figures and the differences of an answer.
pub(super) fn parts(answer: &Value) -> Result<(Parity, Vec<Signature>), Failure> {
    let differences = answer.get("differences").unwrap_or(&json!([])).clone();
    Ok((answer::read(answer)?, answer::read(&differences)?))
}

fn table(moment: &Value, args: &ParityArgs, style: Style) -> Result<String, Failure> {
    if args.route.is_none() {
        return Ok(overview::text(&answer::read::<All>(moment)?, style));
    }
    let (parity, differences) = parts(moment)?;
    Ok(text::text(&parity, &differences, style))
}

/// What is shown of one moment. Scripts get one document per moment: a line of JSON, or one of several in YAML.
fn frame(moment: &Value, args: &ParityArgs) -> Result<String, Failure> {
    match args.output.output {
        Format::Table => table(moment, args, Style::of_stdout()),
        Format::Json => Ok(format!("{moment}\n")),
        Format::Yaml => out::formatted(Format::Yaml, moment, |_| String::new())
            .map(|text| format!("---\n{text}")),
    }
}
