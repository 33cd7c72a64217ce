//! Does reading and compiling end with an answer, whatever stands in a file?
#![no_main]

use std::path::Path;
use std::sync::Arc;

use config::{Live, Problems, Source};
use libfuzzer_sys::fuzz_target;
use rules::Revision;

/// What a variable holds, and no input by chance.
const SECRET: &str = "hush-7f3a";
/// 2026-11-21, for sunset dates.
const NOW: i64 = 1_795_219_200;

fn check(text: &str) -> Result<(), Problems> {
    let env = |name: &str| matches!(name, "TOKEN" | "A").then(|| SECRET.to_owned());
    let source = Source { text, name: "turnout.yaml", base: Path::new("nowhere"), env: &env };
    let document = Arc::new(config::read(&source)?);
    let live = config::starting_live(&document, &Live::default());
    config::compile(&document, &live, Revision(1), None, NOW).map(drop)
}

fuzz_target!(|text: &str| {
    let Err(problems) = check(text) else { return };
    assert!(!problems.is_empty());
    for problem in &problems {
        assert!(problem.line > 0 && problem.column > 0, "{problem}");
        assert!(!problem.code.is_empty() && !problem.message.is_empty(), "{problem}");
        assert!(!problem.message.contains(SECRET), "{problem}");
    }
});
