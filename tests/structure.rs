//! Is the house in order? Crate edges, what `rules` may depend on, first lines, file sizes, what documents promise.

#[cfg(test)]
mod structure {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use serde_json::Value;

    /// Who may depend on whom, among our own crates. (INV-2)
    const EDGES: [(&str, &[&str]); 6] = [
        ("rules", &[]),
        ("config", &["rules"]),
        ("control", &["config", "rules"]),
        ("proxy", &["config", "rules"]),
        ("loadtest", &[]),
        ("turnout", &["config", "control", "loadtest", "proxy", "rules"]),
    ];

    /// What `rules` may depend on: nothing that waits, reads a clock, or knows files and sockets. (INV-1)
    const PURE: [&str; 9] = [
        "arc-swap",
        "http",
        "ipnet",
        "jiter",
        "percent-encoding",
        "regex",
        "regex-automata",
        "foldhash",
        "thiserror",
    ];

    const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];

    /// Where a file should have been split. Tests at its end do not count.
    const LONGEST_FILE: usize = 400;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn read(path: impl AsRef<Path>) -> String {
        let path = root().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The files that belong to the repository: not what is built, and nothing hidden but `.ci`.
    fn files() -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![root().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let hidden = name.starts_with('.') && name != ".ci";
                if path.is_file() && !hidden {
                    found.push(path);
                } else if path.is_dir() && !hidden && name != "target" {
                    folders.push(path);
                }
            }
        }
        found.sort();
        assert!(found.len() > 50, "only {} files below {}", found.len(), root().display());
        found
    }

    fn rust_files() -> impl Iterator<Item = (PathBuf, String)> {
        let sources =
            files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
        sources.map(|path| {
            let text = read(&path);
            (path.strip_prefix(root()).unwrap().to_owned(), text)
        })
    }

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
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args([
            "metadata",
            "--offline",
            "--no-deps",
            "--format-version=1",
        ]);
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let dependency = |one: &Value| Dependency {
            name: text(&one["name"]).unwrap(),
            kind: text(&one["kind"]),
        };
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

    #[test]
    fn every_file_says_first_what_it_answers() {
        for (path, text) in rust_files() {
            let first = text.lines().next().unwrap_or_default();
            assert!(first.starts_with("//! ") && first.len() > 8, "{}: {first:?}", path.display());
        }
    }

    #[test]
    fn files_are_split_before_they_grow_too_long() {
        let long: Vec<String> = rust_files()
            .map(|(path, text)| {
                let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
                (path, code)
            })
            .filter(|(_, code)| *code > LONGEST_FILE)
            .map(|(path, code)| format!("{} ({code} lines)", path.display()))
            .collect();
        assert!(long.is_empty(), "look for the seam in {}", long.join(", "));
    }

    #[test]
    fn nothing_names_the_machine_it_was_made_on_or_a_registry() {
        let here = root().to_string_lossy().into_owned();
        let hosts = ["index.crates.io", "static.crates.io", "registry.npmjs.org", "pypi.org"];
        for path in files().into_iter().filter(|path| !path.ends_with("tests/structure.rs")) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let folders = [&*here, concat!("/wo", "rk/")];
            for word in hosts.iter().chain(&folders) {
                assert!(!text.contains(word), "{} names {word}", path.display());
            }
        }
        assert!(!root().join(".cargo").exists(), "cargo's settings belong to the machine");
        for line in read("Cargo.lock").lines().filter(|line| line.starts_with("source = ")) {
            let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
            assert_eq!(line, public, "Cargo.lock: only the public index");
        }
    }

    #[test]
    fn documents_name_only_what_can_be_made() {
        let makefile = read("Makefile");
        let targets: BTreeSet<&str> = makefile
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(target, _)| target)
            .filter(|target| target.bytes().all(|b| b.is_ascii_lowercase()))
            .collect();
        for document in DOCUMENTS {
            let text = read(document);
            // In running text as `make demo`, in a block as a line of its own.
            let named = text.split(['`', '\n']).filter_map(|code| code.strip_prefix("make "));
            for target in named.filter_map(|rest| rest.split_whitespace().next()) {
                assert!(targets.contains(target), "{document}: there is no `make {target}`");
            }
        }
        for target in ["demo", "test", "check", "bench"] {
            assert!(targets.contains(target), "the Makefile lacks {target}");
        }
    }

    #[test]
    fn documents_link_only_to_files_that_are_there() {
        for document in DOCUMENTS {
            let text = read(document);
            let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
                let file = link.split('#').next().unwrap_or(link);
                assert!(root().join(file).exists(), "{document} links to {link}");
            }
        }
    }
}
