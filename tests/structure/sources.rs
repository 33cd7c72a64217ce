//! Does every file say what it is for, stay short, and keep quiet about the machine it was made on?

use std::fs;

use crate::files::{files, read, root, rust_files};

/// Where a file should have been split. Tests at its end do not count.
const LONGEST_FILE: usize = 400;

/// The same for files that hold nothing but tests.
const LONGEST_TESTS: usize = 600;

#[test]
fn every_file_says_first_what_it_answers() {
    for (path, text) in rust_files() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 8, "{}: {first:?}", path.display());
    }
}

#[test]
fn files_are_split_before_they_grow_too_long() {
    let mut long = Vec::new();
    for (path, text) in rust_files() {
        let only_tests = path.ends_with("tests.rs") || path.iter().any(|folder| folder == "tests");
        let longest = if only_tests { LONGEST_TESTS } else { LONGEST_FILE };
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if code > longest {
            long.push(format!("{} ({code} lines)", path.display()));
        }
    }
    assert!(long.is_empty(), "look for the seam in {}", long.join(", "));
}

#[test]
fn nothing_names_the_machine_it_was_made_on_or_a_registry() {
    let here = root().to_string_lossy().into_owned();
    let hosts = ["index.crates.io", "static.crates.io", "registry.npmjs.org", "pypi.org"];
    for path in files().into_iter().filter(|path| !path.ends_with("tests/structure/sources.rs")) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let folders = [&*here, concat!("/wo", "rk/")];
        for word in hosts.iter().chain(&folders) {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
    assert!(!root().join(".cargo").exists(), "cargo's settings belong to the machine");
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        for line in read(lock).lines().filter(|line| line.starts_with("source = ")) {
            let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
            assert_eq!(line, public, "{lock}: only the public index");
        }
    }
}
