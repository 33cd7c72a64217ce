//! Do the documents promise only what is there?

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use config::{Live, Source};
use rules::Revision;

use crate::files::{files, read, root};

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/capacity.md",
    "docs/residency-move.md",
    "docs/rollouts.md",
];

#[test]
fn documents_name_only_what_can_be_made() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target)
        .filter(|target| target.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
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
            let beside = Path::new(document).parent().unwrap_or(Path::new(""));
            assert!(root().join(beside).join(file).exists(), "{document} links to {link}");
        }
    }
}

/// Reads and compiles a configuration as the server would.
fn load(text: &str, name: &str, base: &Path) {
    let env = |name: &str| match name.rsplit_once('_')?.1 {
        "TOKEN" | "KEY" => Some("set".to_owned()),
        "URL" => Some("https://example.org/hook".to_owned()),
        _ => None,
    };
    let source = Source { text, name, base, env: &env };
    let document = Arc::new(config::read(&source).unwrap_or_else(|error| panic!("{error}")));
    let live = config::starting_live(&document, &Live::default());
    if let Err(error) = config::compile(&document, &live, Revision(1), None, 1_790_000_000) {
        panic!("{error}");
    }
}

#[test]
fn every_example_loads() {
    let examples = root().join("deploy/examples");
    let mut loaded = 0;
    for path in files().into_iter().filter(|path| path.starts_with(&examples)) {
        if path.extension().is_some_and(|extension| extension == "yaml") {
            load(&read(&path), &path.to_string_lossy(), path.parent().unwrap());
            loaded += 1;
        }
    }
    assert!(loaded > 0, "no example in {}", examples.display());
    for document in DOCUMENTS {
        let text = read(document);
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            load(block, document, root());
            loaded += 1;
        }
    }
    assert!(loaded > 2, "the documents show no configuration");
}

/// What `make bench` fills in.
#[test]
fn every_configuration_of_the_benchmarks_loads() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let values = [
        ("LISTEN", "127.0.0.1:1"),
        ("ADMIN", "127.0.0.1:2"),
        ("STATUS", "127.0.0.1:3"),
        ("STABLE", "127.0.0.1:4"),
        ("CANDIDATE", "127.0.0.1:5"),
        ("SHARE", "10"),
        ("ROUTE", "r1"),
        ("CERTIFICATE", certificate.to_str().unwrap()),
        ("KEY", key.to_str().unwrap()),
    ];
    for name in ["pass", "canary", "shadow", "tls"] {
        let template = read(format!("loadtest/peers/turnout/{name}.yaml"));
        let text =
            values.iter().fold(template.replace("#each ROUTE ", ""), |text, (name, value)| {
                text.replace(&format!("${{{name}}}"), value)
            });
        load(&text, name, folder.path());
    }
}
