//! What has a program done? Read from what valgrind's callgrind tells of it.
//!
//! The format: <https://valgrind.org/docs/manual/cl-format.html>. A name is written out where it comes first, as `(7) name`,
//! and is `(7)` from then on. `cfn=` names who is called, and `calls=` after it says how often.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Result;

/// What Turnout's allocator is asked by. It comes from C, so that the compiler leaves these calls as they are.
const ALLOCATE: [&str; 3] = ["mi_malloc_aligned", "mi_zalloc_aligned", "mi_realloc_aligned"];

/// How much was done in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) instructions: u64,
    /// Pieces of memory that were asked for, or made larger.
    pub(crate) allocations: u64,
}

/// A program under valgrind.
pub(crate) struct Run {
    child: Child,
    told: PathBuf,
}

/// Starts a command under valgrind.
pub(crate) fn start(command: &Command, folder: &Path) -> Result<Run> {
    let told = folder.join("callgrind.out");
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", told.display()))
        .arg(command.get_program())
        .args(command.get_args())
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("valgrind: {error}"))?;
    Ok(Run { child, told })
}

impl Run {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; then it is known what it did.
    pub(crate) fn counts(mut self) -> Result<Counts> {
        let ended = self.child.wait()?;
        if !ended.success() {
            return Err(format!("it ended with {ended}").into());
        }
        counts(&fs::read_to_string(&self.told)?)
    }
}

/// Adds up what is told.
fn counts(told: &str) -> Result<Counts> {
    let (mut counts, mut names, mut called) = (Counts::default(), HashMap::new(), None);
    for line in told.lines() {
        if let Some(total) = line.strip_prefix("totals: ") {
            counts.instructions = total.trim().parse()?;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = Some(named(name, &mut names)?);
        } else if let Some(name) = line.strip_prefix("fn=") {
            named(name, &mut names)?;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let often: u64 = calls.split(' ').next().unwrap_or_default().parse()?;
            if called.take().is_some_and(|name| ALLOCATE.contains(&name)) {
                counts.allocations += often;
            }
        }
    }
    if counts.instructions == 0 {
        return Err("callgrind told of no instructions".into());
    }
    Ok(counts)
}

/// The function of `(7) name`, or of `(7)` alone.
fn named<'t>(text: &'t str, names: &mut HashMap<&'t str, &'t str>) -> Result<&'t str> {
    let Some((id, name)) = text.split_once(' ') else {
        return names.get(text).copied().ok_or_else(|| format!("nobody is called {text}").into());
    };
    names.insert(id, name);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_calls_are_found_where_they_stand() {
        let told = "events: Ir\nfn=(1) main\n+1 5\ncfn=(2) mi_malloc_aligned\ncalls=3 0 \n+2 60\n\
                    fn=(3) other\ncfn=(2)\ncalls=4 0 \n+1 80\ncfn=(1)\ncalls=9 0 \n+1 9\ntotals: 154\n";
        assert_eq!(counts(told).unwrap(), Counts { instructions: 154, allocations: 7 });
        assert!(counts("events: Ir\n").is_err());
        assert!(counts("cfn=(2)\ntotals: 1\n").is_err());
    }
}
