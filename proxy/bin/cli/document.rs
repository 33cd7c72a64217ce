//! How does a configuration file get to the server, and back? `apply`, `diff` and `export`.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::answer::{self, ChangeAnswer, StatusAnswer};
use super::args::{Format, OutputArgs, ServerArgs, reason, revision};
use super::ask::{Ask, encoded};
use super::change::{changed, warn};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::file::File;
use super::out::{self, Style, Tone};

/// Make a configuration file the server's.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is taken whole or not at all. Where traffic stands is kept; only new routes begin with their `start:`.")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    file: SourceArgs,
    /// Why; kept with the revision
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    why: Option<String>,
    /// Do it only on top of this revision, as `status` shows it; else end with code 75
    #[arg(long, value_name = "N", value_parser = revision)]
    if_revision: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show what applying a configuration file would change.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    file: SourceArgs,
    /// End with code 2 where something would change
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Print the configuration as applied.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// How to print: yaml (the default) is the configuration as applied; json holds where traffic stands as well
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Exported::Yaml)]
    output: Exported,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Exported {
    /// The configuration as applied
    Yaml,
    /// The whole revision: configuration, and where traffic stands
    Json,
}

/// Which file.
#[derive(Debug, Args)]
struct SourceArgs {
    /// The configuration file; `-` reads standard input
    #[arg(short, long = "file", value_name = "FILE")]
    file: PathBuf,
}

/// Makes a file the server's configuration.
pub(crate) fn apply(args: &ApplyArgs) -> Result<Exit, Failure> {
    let text = File::read(&args.file.file)?.text;
    let why = args.why.as_deref().map(|why| format!("&why={}", encoded(why))).unwrap_or_default();
    let ask = Ask::yaml(format!("/v1/config?dry_run=false{why}"), text).on(args.if_revision);
    let answer = Client::new(&args.server)?.send(&ask)?;
    let change: ChangeAnswer = answer::read(&answer)?;
    if args.output.output == Format::Table {
        warn(&change);
    }
    out::answer(args.output.output, &answer, |style| changed(&change, style))?;
    Ok(Exit::Done)
}

/// Shows what a file would change.
pub(crate) fn diff(args: &DiffArgs) -> Result<Exit, Failure> {
    let text = File::read(&args.file.file)?.text;
    let answer = Client::new(&args.server)?.send(&Ask::yaml("/v1/config?dry_run=true", text))?;
    let change: ChangeAnswer = answer::read(&answer)?;
    if args.output.output == Format::Table {
        warn(&change);
    }
    out::answer(args.output.output, &answer, |style| painted_diff(&change.diff, style))?;
    Ok(if args.exit_code && change.changed { Exit::Drift } else { Exit::Done })
}

/// Prints the configuration as applied.
pub(crate) fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let client = Client::new(&args.server)?;
    match args.output {
        Exported::Yaml => out::text(&client.text("/v1/config")?)?,
        Exported::Json => {
            // Revisions never change, so what is read in two steps belongs together.
            let status: StatusAnswer = answer::read(&client.get("/v1/status")?)?;
            let revision: Value = client.get(&format!("/v1/revisions/{}", status.revision))?;
            out::answer(Format::Json, &revision, |_| String::new())?;
        }
    }
    Ok(Exit::Done)
}

/// A unified diff with its lines in their tones.
pub(crate) fn painted_diff(diff: &str, style: Style) -> String {
    let tone = |line: &str| match line.as_bytes().first() {
        Some(b'+') => Tone::Good,
        Some(b'-') => Tone::Bad,
        Some(b'@') => Tone::Faint,
        _ => Tone::Plain,
    };
    diff.lines().map(|line| style.paint(tone(line), line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_keeps_its_lines() {
        let diff = "@@ -1 +1 @@\n-a\n+b\n";
        assert_eq!(painted_diff(diff, Style::PLAIN), diff);
        assert_eq!(painted_diff("", Style::PLAIN), "");
    }
}
