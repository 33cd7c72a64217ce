//! Who may depend on whom, and what may `rules` depend on?

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::files::root;

/// Who may depend on whom, among our own crates. (INV-2)
const EDGES: [(&str, &[&str]); 7] = [
    ("rules", &[]),
    ("config", &["rules"]),
    ("control", &["config", "rules"]),
    ("proxy", &["config", "rules"]),
    ("loadtest", &[]),
    // In a workspace of its own.
    ("fuzz", &["config", "proxy", "rules"]),
    ("turnout", &["config", "control", "loadtest", "proxy", "rules"]),
];

/// What `rules` may depend on: nothing that waits, reads a clock, or knows files and sockets. (INV-1)
const PURE: [&str; 15] = [
    "arc-swap",
    "brotli-decompressor",
    "flate2",
    "http",
    "ipnet",
    "memchr",
    "percent-encoding",
    "quick-xml",
    "regex",
    "regex-automata",
    "foldhash",
    "statrs",
    "thiserror",
    "unicode-normalization",
    "zstd",
];

struct Crate {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// Set for what only tests or the build need.
    kind: Option<String>,
}

fn crates() -> Vec<Crate> {
    [root().to_owned(), root().join("fuzz")].iter().flat_map(|at| crates_of(at)).collect()
}

fn crates_of(workspace: &Path) -> Vec<Crate> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace).args(["metadata", "--offline", "--no-deps", "--format-version=1"]);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let dependency =
        |one: &Value| Dependency { name: text(&one["name"]).unwrap(), kind: text(&one["kind"]) };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| Crate {
            name: text(&package["name"]).unwrap(),
            dependencies: package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .map(dependency)
                .collect(),
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_in_one_direction_only() {
    let crates = crates();
    let names: BTreeSet<&str> = crates.iter().map(|one| &*one.name).collect();
    let listed: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed, "a crate without its edges here");
    for Crate { name, dependencies } in &crates {
        let (_, allowed) = EDGES.iter().find(|(known, _)| known == name).unwrap();
        for dependency in dependencies.iter().filter(|one| names.contains(&*one.name)) {
            assert!(
                allowed.contains(&&*dependency.name),
                "{name} must not depend on {}: ARCHITECTURE.md says how they meet",
                dependency.name
            );
        }
    }
}

#[test]
fn rules_depends_on_nothing_impure() {
    let rules = crates().into_iter().find(|one| one.name == "rules").unwrap();
    for dependency in rules.dependencies.iter().filter(|one| one.kind.is_none()) {
        let name = &*dependency.name;
        assert!(PURE.contains(&name), "rules must not depend on {name}");
    }
}
