//! Has the hot path become more expensive? Instructions per decision and allocations per request, against the figures that
//! are checked in.
//!
//! `guard TURNOUT DECISIONS`: both binaries run under valgrind's callgrind, which counts what they do and not how long it
//! takes, so that the figures are the same on a busy machine. Each runs twice, with fewer and with more to do, and what
//! counts is the difference, without start and end. `BLESS=1` writes the figures anew.
#![expect(clippy::print_stdout, reason = "its figures are what it is run for")]

mod callgrind;
mod server;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use callgrind::Counts;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is checked in.
const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/figures.json");
/// By how much a figure may differ: another compiler or C library does some things in other ways.
const TOLERANCE: f64 = 0.05;
const FEWER: u32 = 200;
const MORE: u32 = 700;

fn main() -> Result<ExitCode> {
    let given: Vec<PathBuf> = env::args_os().skip(1).map(Into::into).collect();
    let [turnout, decisions] = &given[..] else {
        return Err("guard TURNOUT DECISIONS: name two binaries (`make guard`)".into());
    };
    let measured = measure(turnout, decisions)?;
    if env::var_os("BLESS").is_some() {
        fs::write(FIGURES, format!("{:#}\n", json!(measured.clone())))?;
    }
    let checked_in: Value = serde_json::from_str(&fs::read_to_string(FIGURES)?)?;
    let mut is_fine = true;
    for (name, now) in &measured {
        let (Some(before), Some(now)) =
            (checked_in.get(name).and_then(Value::as_f64), now.as_f64())
        else {
            return Err(format!("{FIGURES}: no number for {name}; BLESS=1 writes one").into());
        };
        let ratio = now / before;
        let verdict = if (ratio - 1.0).abs() <= TOLERANCE { "as before" } else { "DIFFERS" };
        is_fine &= verdict == "as before";
        println!("{name:<34}{now:>10.1}{before:>10.1}  {verdict}");
    }
    if !is_fine {
        println!("Where that is meant, write the figures anew: BLESS=1 make guard");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(turnout: &Path, decisions: &Path) -> Result<serde_json::Map<String, Value>> {
    let folder = tempfile::tempdir()?;
    let decided = per_one(|count| {
        let mut command = Command::new(decisions);
        command.arg(count.to_string());
        let run = callgrind::start(&command, folder.path())?;
        run.counts()
    })?;
    // Each turn decides twice.
    let mut figures = serde_json::Map::new();
    figures.insert("instructions_per_decision".to_owned(), json!(decided.instructions / 2.0));
    for (name, body) in [("get", 0), ("post_of_4_kib", 4_096)] {
        let asked = per_one(|count| server::asked(turnout, folder.path(), count, body))?;
        figures.insert(format!("allocations_per_{name}"), json!(asked.allocations));
    }
    Ok(figures)
}

/// What one of whatever is done takes: of more of them, what fewer do not take.
struct Each {
    instructions: f64,
    allocations: f64,
}

fn per_one(mut run: impl FnMut(u32) -> Result<Counts>) -> Result<Each> {
    let (fewer, more) = (run(FEWER)?, run(MORE)?);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let each = |fewer: u64, more: u64| {
        let rounded = more.saturating_sub(fewer) as f64 * 10.0 / f64::from(MORE - FEWER);
        rounded.round() / 10.0
    };
    Ok(Each {
        instructions: each(fewer.instructions, more.instructions),
        allocations: each(fewer.allocations, more.allocations),
    })
}
