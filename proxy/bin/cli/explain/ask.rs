//! How is the question asked? Compiles the file, describes the request, decides.

use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use config::{Document, Live, RouteLive};
use rules::{RouteName, Share, decide};

use super::super::args::OutputArgs;
use super::super::exit::{Exit, Failure};
use super::super::file::{File, FileArgs, now_unix};
use super::super::out;
use super::account::Account;
use super::request::RequestArgs;

/// Say where a request would go and why.
#[derive(Debug, Args)]
#[command(after_help = "\
No server is asked: every route stands where its `start:` says, unless --shift says otherwise.

  turnout explain turnout.yaml --path /v1/sms --header X-Tenant-Id=acme --trusted
  turnout explain turnout.yaml --path /v1/sms --shift sms=25% --request-id 7")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    request: RequestArgs,
    /// As if this route's share were another; again for more routes
    #[arg(long = "shift", value_name = "ROUTE=SHARE")]
    shifts: Vec<Shifted>,
    /// As if it were this date or time: 2027-04-01 or 2027-04-01T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = instant)]
    now: Option<i64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// A route's share as written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shifted {
    route: RouteName,
    share: Share,
}

impl FromStr for Shifted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (route, share) =
            text.split_once('=').ok_or("write ROUTE=SHARE, for example sms=25%")?;
        let route = route.parse().map_err(|error| format!("{error}"))?;
        let share = match share {
            "off" => Share::NONE,
            "live" => Share::ALL,
            _ => share.parse().map_err(|error| format!("{error}"))?,
        };
        Ok(Self { route, share })
    }
}

/// Reads a date, which begins at midnight UTC, or a time.
fn instant(text: &str) -> Result<i64, String> {
    let date = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let time = text.parse().ok().or_else(date);
    time.map(jiff::Timestamp::as_second)
        .ok_or_else(|| "write 2027-04-01 or 2027-04-01T12:00:00Z".to_owned())
}

/// Says where a request would go and why.
pub(crate) fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let file = File::read(&args.file.file)?;
    let now = args.now.unwrap_or_else(now_unix);
    let mut unknown = None;
    let compiled = file.compile(now, |document, live| {
        unknown = args.shifts.iter().find_map(|shifted| apply(shifted, document, live).err());
    });
    let compiled = compiled.map_err(|problems| Failure::Failed(problems.to_string()))?;
    if let Some(unknown) = unknown {
        return Err(Failure::Usage(unknown));
    }
    let request = args.request.describe(now);
    let facts = request.facts(&compiled.snapshot);
    let verdict = decide(&compiled.snapshot, &facts);
    let account = Account { snapshot: &compiled.snapshot, facts: &facts, verdict: &verdict };
    out::answer(args.output.output, &account.json(), |style| account.text(style))?;
    Ok(Exit::Done)
}

fn apply(shifted: &Shifted, document: &Document, live: &mut Live) -> Result<(), String> {
    let name = shifted.route.as_str();
    if !document.routes.contains_key(name) {
        let known = document.routes.keys().map(AsRef::as_ref);
        let hint = config::closest(name, known)
            .map(|route| format!(" (did you mean {route:?}?)"))
            .unwrap_or_default();
        return Err(format!("--shift: the file has no route {name:?}{hint}"));
    }
    let route = live.routes.entry(shifted.route.clone()).or_default();
    let mut changed: RouteLive = (**route).clone();
    changed.default.share = shifted.share;
    *route = Arc::new(changed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_and_dates_are_read() {
        let shifted: Shifted = "sms=25%".parse().unwrap();
        assert_eq!((shifted.route.as_str(), shifted.share), ("sms", "25%".parse().unwrap()));
        assert_eq!("sms=live".parse::<Shifted>().unwrap().share, Share::ALL);
        for wrong in ["sms", "=5%", "sms=5"] {
            assert!(wrong.parse::<Shifted>().is_err(), "{wrong}");
        }
        assert_eq!(instant("1970-01-02"), Ok(86_400));
        assert_eq!(instant("1970-01-01T00:01:00Z"), Ok(60));
        assert!(instant("soon").is_err());
    }
}
