//! What is wrong is refused, with a message that says what would be right.
//!
//! Each `bad/*.yaml` has its messages beside it in `*.txt`; `BLESS=1 cargo test -p config` writes them anew.

use std::collections::BTreeSet;

use config::{Problem, Severity};

use crate::kit::{check, files};

/// Everything that is said about a file, one line each.
fn said(text: &str) -> (Vec<Problem>, String) {
    match check("turnout.yaml", text) {
        Ok(compiled) => {
            let lines = compiled.warnings.iter().map(|problem| format!("turnout.yaml:{problem}\n"));
            (compiled.warnings.clone(), lines.collect())
        }
        Err(problems) => (problems.iter().cloned().collect(), format!("{problems}\n")),
    }
}

#[test]
fn bad_files_are_told_what_would_be_right() {
    let mut wrong = Vec::new();
    for file in files("bad", &["yaml"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let (_, said) = said(&text);
        let golden = file.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&golden, said).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{}\n{}", golden.display(), config::diff(&expected, &said)));
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 takes these as right", wrong.join("\n"));
}

#[test]
fn every_problem_has_its_place_and_every_line_of_a_bad_file_its_problem() {
    for file in files("bad", &["yaml"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let (problems, _) = said(&text);
        assert!(!problems.is_empty(), "{}", file.display());
        let told: BTreeSet<usize> = problems.iter().map(|problem| problem.line).collect();
        assert!(!told.contains(&0), "{}", file.display());
        // Lines that are wrong say so, so that a check that goes missing is seen without reading the goldens.
        for (number, line) in (1..).zip(text.lines()) {
            let marked = line.contains("# wrong") || line.contains("# doubtful");
            assert_eq!(told.contains(&number), marked, "{}:{number}", file.display());
        }
        let doubtful: Vec<usize> = (1..)
            .zip(text.lines())
            .filter(|(_, line)| line.contains("# doubtful"))
            .map(|(n, _)| n)
            .collect();
        let warned = problems.iter().filter(|problem| problem.severity == Severity::Warning);
        assert!(
            warned.clone().all(|problem| doubtful.contains(&problem.line)),
            "{}",
            file.display()
        );
    }
}

#[test]
fn no_secret_is_ever_told() {
    for file in files("bad", &["yaml"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let (problems, said) = said(&text);
        assert!(!said.contains("very-secret"), "{}", file.display());
        assert!(!format!("{problems:?}").contains("very-secret"), "{}", file.display());
    }
}
