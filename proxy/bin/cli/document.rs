//! How does a configuration file get to the server, and back? `apply`, `diff` and `export`.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::answer::{self, ChangeAnswer, StatusAnswer};
use super::args::{Format, OutputArgs, ServerArgs, reason, revision};
use super::ask::{Ask, encoded};
use super::change::{came_of_it, warn};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::file::File;
use super::out::{self, Style, Tone};

/// Make a configuration file the server's.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is taken whole or not at all. Where traffic stands is kept; only new routes begin with their `start:`.
Files and variables that it refers to are the server's.")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    file: SourceArgs,
    /// Why; kept with the revision
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    why: Option<String>,
    /// Do it only on top of this revision, as `status` shows it; else end with code 75
    #[arg(long, value_name = "N", value_parser = revision)]
    if_revision: Option<u64>,
    /// Only say what would change, and who would notice
    #[arg(long)]
    dry_run: bool,
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
    let why = args.why.as_deref().map(|why| format!("&why={}", encoded(why))).unwrap_or_default();
    let (file, path) = (&args.file, format!("/v1/config?dry_run={}{why}", args.dry_run));
    let (answer, change) = send(&args.server, file, path, args.if_revision, args.output)?;
    out::answer(args.output.output, &answer, |style| came_of_it(&change, style))?;
    Ok(Exit::Done)
}

/// Shows what a file would change.
pub(crate) fn diff(args: &DiffArgs) -> Result<Exit, Failure> {
    let path = "/v1/config?dry_run=true".to_owned();
    let (answer, change) = send(&args.server, &args.file, path, None, args.output)?;
    out::answer(args.output.output, &answer, |style| previewed(&change, style))?;
    Ok(if args.exit_code && change.changed { Exit::Drift } else { Exit::Done })
}

/// Sends a file. What the server finds wrong with it is told with the file's name.
fn send(
    server: &ServerArgs,
    file: &SourceArgs,
    path: String,
    if_revision: Option<u64>,
    output: OutputArgs,
) -> Result<(Value, ChangeAnswer), Failure> {
    let file = File::read(&file.file)?;
    let ask = Ask::yaml(path, file.text).on(if_revision);
    let answer = Client::new(server)?.send(&ask).map_err(|failure| match failure {
        Failure::Refused(mut problem) => {
            problem.file = Some(file.name);
            Failure::Refused(problem)
        }
        other => other,
    })?;
    let change: ChangeAnswer = answer::read(&answer)?;
    if output.output == Format::Table {
        warn(&change);
    }
    Ok((answer, change))
}

/// What would change: the text, and where that is the same, what else.
fn previewed(change: &ChangeAnswer, style: Style) -> String {
    match (change.changed, &*change.diff) {
        (false, _) => format!("nothing would change: r{} is what the file says\n", change.revision),
        (true, "") => format!("{}\n", change.summary),
        (true, diff) => painted_diff(diff, style),
    }
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
    fn a_preview_says_what_would_change() {
        let nothing = ChangeAnswer { revision: 7, ..ChangeAnswer::default() };
        assert!(previewed(&nothing, Style::PLAIN).contains("r7 is what the file says"));
        let (changed, diff) = (true, "-a\n+b\n".to_owned());
        let text = ChangeAnswer { changed, diff, ..ChangeAnswer::default() };
        assert_eq!(previewed(&text, Style::PLAIN), "-a\n+b\n");
        let summary = "configuration: settings, or order changed".to_owned();
        let secret = ChangeAnswer { changed, summary, ..ChangeAnswer::default() };
        assert!(previewed(&secret, Style::PLAIN).starts_with("configuration: "));
    }

    #[test]
    fn a_diff_keeps_its_lines() {
        let diff = "@@ -1 +1 @@\n-a\n+b\n";
        assert_eq!(painted_diff(diff, Style::PLAIN), diff);
        assert_eq!(painted_diff("", Style::PLAIN), "");
    }
}
