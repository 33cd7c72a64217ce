//! How is the state of a stopped node, or of a fleet, moved to another store? Written out whole, and put into an empty one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use control::Opening;
use control::node::moving::{self, MoveError, Moved};

use super::exit::{Exit, Failure};
use super::out;

/// Move the whole state from one store to another.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
From the file beside the configuration to a Redis, while no node runs:

  turnout store export state.jsonl --config turnout.yaml
  (now write `store: {redis: ...}` into turnout.yaml)
  turnout store import state.jsonl --config turnout.yaml

It holds every revision that is kept, where traffic stands, the audit with its newest link signed, tokens (their hashes
alone), plans that wait, and what rollouts have seen. The key that the audit is signed with stays where it is.")]
pub(crate) enum StoreCommand {
    /// Write all that a store holds as JSON lines
    Export(ExportStoreArgs),
    /// Put all that was exported into an empty store; checked as a whole before anything is written
    Import(ImportStoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportStoreArgs {
    /// Where to; there must be no such file yet. `-` writes to standard output
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportStoreArgs {
    /// What was exported; `-` reads standard input
    #[arg(value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Which store.
#[derive(Debug, Args)]
struct PlaceArgs {
    /// The configuration file, which names the store
    #[arg(
        short,
        long,
        env = "TURNOUT_CONFIG",
        default_value = "turnout.yaml",
        value_name = "FILE",
        hide_env_values = true
    )]
    config: PathBuf,
    /// This state file, whatever the configuration says
    #[arg(long, env = "TURNOUT_STORE", value_name = "FILE", hide_env_values = true)]
    store: Option<PathBuf>,
}

impl PlaceArgs {
    fn opening(&self) -> Opening {
        Opening { config: self.config.clone(), store: self.store.clone() }
    }
}

/// Moves a state.
pub(crate) fn run(command: &StoreCommand) -> Result<Exit, Failure> {
    match command {
        StoreCommand::Export(args) => export(args),
        StoreCommand::Import(args) => import(args),
    }
}

fn export(args: &ExportStoreArgs) -> Result<Exit, Failure> {
    let opening = args.place.opening();
    if is_standard(&args.to) {
        let moved = moving::export(&opening, io::stdout().lock()).map_err(failure)?;
        out::note(&told("exported from", &moved));
        return Ok(Exit::Done);
    }
    let file = created(&args.to)?;
    let moved = moving::export(&opening, BufWriter::new(&file)).and_then(|moved| {
        file.sync_all().map_err(MoveError::Write)?;
        Ok(moved)
    });
    match moved {
        Ok(moved) => out::line(&told("exported from", &moved))?,
        Err(error) => {
            // Half an export helps nobody, and would be in the way of the next one.
            let _removed = std::fs::remove_file(&args.to);
            return Err(failure(error));
        }
    }
    Ok(Exit::Done)
}

fn import(args: &ImportStoreArgs) -> Result<Exit, Failure> {
    let opening = args.place.opening();
    let moved = if is_standard(&args.from) {
        moving::import(&opening, io::stdin().lock())
    } else {
        let unread = |error| Failure::of(format!("cannot read {}", args.from.display()), error);
        moving::import(&opening, BufReader::new(File::open(&args.from).map_err(unread)?))
    };
    out::line(&told("imported into", &moved.map_err(failure)?))?;
    Ok(Exit::Done)
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A new file that only its owner can read: it holds the configuration and who did what.
fn created(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| Failure::of(format!("cannot create {}", path.display()), error))
}

fn told(what: &str, moved: &Moved) -> String {
    let Moved { store, revisions, newest, lines } = moved;
    format!("{what} {store}: revisions {revisions}, the newest r{}; audit lines {lines}", newest.0)
}

/// The failure with all of its causes.
fn failure(error: MoveError) -> Failure {
    Failure::Serving(error.into())
}
