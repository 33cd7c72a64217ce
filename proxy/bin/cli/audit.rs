//! What was asked for, by whom, and what came of it? The audit: listed, exported, and verified here, not by the server.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use control::audit::{Head, SignedHead, Verifier};
use rules::{RouteName, TenantId};
use serde_json::Value;

use super::answer::{self, AuditAnswer};
use super::args::{Format, OutputArgs, ServerArgs};
use super::ask::{Ask, encoded};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, number, rendered};
use super::revisions::time;

/// Show what was asked for, carried out or refused.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Each line of the audit holds the hash of the one before. `verify` goes along all of them; a head that you keep
elsewhere shows later that nothing was taken out, changed, or written anew:

  turnout audit head > head.json
  turnout audit verify --head head.json"
)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    list: ListArgs,
}

/// What is done with the audit.
#[derive(Debug, Subcommand)]
enum Part {
    /// Print the whole audit as JSON lines, oldest first
    Export(ExportArgs),
    /// Print the newest link of its chain, signed by the server
    Head(HeadArgs),
    /// Check the whole chain, and the server's signature of its newest link
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only about this route
    #[arg(long, value_name = "NAME")]
    route: Option<RouteName>,
    /// Only about this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
    /// Only what this one asked for
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only from then on, such as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// Only until then
    #[arg(long, value_name = "TIME")]
    until: Option<jiff::Timestamp>,
    /// How many to list, newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// Only lines after this one
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct HeadArgs {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// An exported audit; the server's where none is given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// A head that was kept earlier, which must be part of the chain
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Does what is asked of the audit.
pub(crate) fn run(args: &AuditArgs) -> Result<Exit, Failure> {
    match &args.part {
        None => list(&args.list),
        Some(Part::Export(args)) => export(args),
        Some(Part::Head(args)) => head(args),
        Some(Part::Verify(args)) => verify(args),
    }
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let mut path = format!("/v1/audit?limit={}", args.limit);
    let texts = [
        ("route", args.route.as_ref().map(ToString::to_string)),
        ("tenant", args.tenant.as_ref().map(ToString::to_string)),
        ("actor", args.actor.clone()),
        ("since", args.since.map(|at| at.to_string())),
        ("until", args.until.map(|at| at.to_string())),
    ];
    for (name, text) in texts {
        let part = text.map(|text| format!("&{name}={}", encoded(&text)));
        path.push_str(&part.unwrap_or_default());
    }
    let answer = Client::new(&args.server)?.get(&path)?;
    let lines: Vec<AuditAnswer> = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| table(&lines, style))?;
    Ok(Exit::Done)
}

fn table(lines: &[AuditAnswer], style: Style) -> String {
    let mut table = style.table(&["LINE", "AT", "WHO", "WHAT", "CAME OF IT", "WHY"]);
    for line in lines {
        let who = match &line.claimed {
            Some(claimed) => format!("{} for {claimed}", line.actor),
            None => line.actor.clone(),
        };
        let (tone, came_of_it) = match &*line.outcome {
            "accepted" => (Tone::Good, format!("r{}", line.after)),
            "refused" => (Tone::Bad, format!("refused: {}", line.code)),
            other => (Tone::Faint, other.to_owned()),
        };
        let what = match &*line.summary {
            "" => format!("{} {}", line.command, arguments(&line.arguments)),
            summary => summary.to_owned(),
        };
        table.add_row([
            number(Tone::Plain, line.seq),
            cell(Tone::Faint, time(&line.at)),
            cell(Tone::Plain, who),
            cell(Tone::Plain, what.trim_end()),
            cell(tone, came_of_it),
            cell(Tone::Plain, &line.why),
        ]);
    }
    rendered(&table)
}

fn arguments(arguments: &Value) -> String {
    let Some(map) = arguments.as_object() else { return String::new() };
    let word = |(name, value): (&String, &Value)| match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(format!("{name}={text}")),
        other => Some(format!("{name}={other}")),
    };
    map.iter().filter_map(word).collect::<Vec<_>>().join(" ")
}

fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let ask = Ask::get(format!("/v1/audit/export?after={}", args.after));
    let mut stdout = io::stdout().lock();
    Client::new(&args.server)?.stream(&ask, None, |piece| Ok(stdout.write_all(piece)?))?;
    stdout.flush()?;
    Ok(Exit::Done)
}

fn head(args: &HeadArgs) -> Result<Exit, Failure> {
    let head = Client::new(&args.server)?.get("/v1/audit/head")?;
    out::answer(Format::Json, &head, |_| String::new())?;
    Ok(Exit::Done)
}

fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    let kept = args.head.as_deref().map(kept_head).transpose()?;
    let verifier = kept.map_or_else(Verifier::default, Verifier::meeting);
    let (end, signed) = match &args.file {
        Some(file) => (along_file(file, verifier)?, None),
        None => along_server(&args.server, verifier)?,
    };
    let Some((first, head)) = end else {
        out::note("the audit is empty");
        return Ok(Exit::Done);
    };
    let by = signed.map(|signed| format!(", signed by {}", signed.key)).unwrap_or_default();
    out::line(&format!("lines {first} to {} hold: {}{by}", head.seq, head.hash))?;
    Ok(Exit::Done)
}

fn kept_head(path: &Path) -> Result<Head, Failure> {
    let what = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::of(&what, error))?;
    let signed: SignedHead =
        serde_json::from_str(&text).map_err(|error| Failure::of(&what, error))?;
    signed.verify().map_err(|error| Failure::of(&what, error))?;
    Ok(signed.head)
}

type End = Option<(u64, Head)>;

fn along_file(path: &Path, mut verifier: Verifier) -> Result<End, Failure> {
    let broken = |error: &dyn std::error::Error| Failure::of(path.display(), error);
    let file = File::open(path).map_err(|error| broken(&error))?;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| broken(&error))?;
        verifier.take(&line).map_err(|error| broken(&error))?;
    }
    verifier.end().map_err(|error| broken(&error))
}

/// The server's audit must reach to the head that it signed before: it may have grown since then.
fn along_server(
    server: &ServerArgs,
    mut verifier: Verifier,
) -> Result<(End, Option<SignedHead>), Failure> {
    let client = Client::new(server)?;
    let broken = |error: control::audit::Broken| Failure::of("the audit does not hold", error);
    let signed: SignedHead = answer::read(&client.get("/v1/audit/head")?)?;
    signed.verify().map_err(broken)?;
    verifier = verifier.also_meeting(signed.head.clone());
    let mut lines = Lines::default();
    client.stream(&Ask::get("/v1/audit/export"), None, |piece| {
        lines.take(piece, |line| verifier.take(line)).map_err(broken)
    })?;
    Ok((verifier.end().map_err(broken)?, Some(signed)))
}

/// Makes lines of pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take<E>(
        &mut self,
        piece: &[u8],
        mut line: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.extend_from_slice(piece);
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let whole: Vec<u8> = self.0.drain(..=end).collect();
            line(&String::from_utf8_lossy(&whole))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_refused_is_told_with_its_code() {
        let answer = json!([
            {"seq": 3, "at": "2026-11-21T02:15:00.123Z", "actor": "ops", "claimed": "ann", "command": "shift",
             "arguments": {"route": "sms", "share": "5%", "tenant": null}, "why": "go", "outcome": "refused", "code": "no_candidate", "summary": ""},
            {"seq": 2, "at": "2026-11-21T02:14:00Z", "actor": "bob", "command": "rollback",
             "arguments": {}, "why": "errors", "outcome": "accepted", "after": 7, "summary": "sms: rolled back"},
        ]);
        let lines: Vec<AuditAnswer> = answer::read(&answer).unwrap();
        let expected = "\
LINE  AT                    WHO          WHAT                      CAME OF IT             WHY
   3  2026-11-21 02:15:00Z  ops for ann  shift route=sms share=5%  refused: no_candidate  go
   2  2026-11-21 02:14:00Z  bob          sms: rolled back          r7                     errors
";
        assert_eq!(table(&lines, Style::PLAIN), expected);
    }

    #[test]
    fn lines_are_found_across_pieces() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in ["a", "b\nc", "d\n\n", "e"] {
            let taken = lines.take(piece.as_bytes(), |line| {
                found.push(line.to_owned());
                Ok::<_, ()>(())
            });
            taken.unwrap();
        }
        assert_eq!(found, ["ab\n", "cd\n", "\n"]);
    }
}
