//! What the tests share: files, a made-up environment, a fixed clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Compiled, Document, Live, Problems, Source};
use rules::Revision;

/// 2026-11-21, for sunset dates.
pub(crate) const NOW: i64 = 1_795_219_200;

/// The folder of the test files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The environment of all test files.
pub(crate) fn env(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("Bearer very-secret".to_owned()),
        "BROKEN_TOKEN" => Some("very-secret\nX-Evil: 1".to_owned()),
        "WORD" => Some("very-secret".to_owned()),
        "SAMPLE_KEY" => Some("very-secret-".repeat(3)),
        "NUMBER" => Some("3".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// Reads a text as the file of this name.
pub(crate) fn read(name: &str, text: &str) -> Result<Document, Problems> {
    config::read(&Source { text, name, base: &folder(), env: &env })
}

/// Reads and compiles a text, as `turnout check` does.
pub(crate) fn check(name: &str, text: &str) -> Result<Compiled, Problems> {
    let document = Arc::new(read(name, text)?);
    let live = config::starting_live(&document, &Live::default());
    config::compile(&document, &live, Revision(1), None, NOW)
}

/// Compiles a text that is right.
pub(crate) fn compiled(text: &str) -> Compiled {
    check("turnout.yaml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The files of a folder below the test files with one of these extensions, sorted.
pub(crate) fn files(below: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join(below)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        extensions.iter().any(|wanted| file.extension().is_some_and(|has| has == *wanted))
    });
    files.sort();
    assert!(!files.is_empty(), "no test files in {below}");
    files
}
