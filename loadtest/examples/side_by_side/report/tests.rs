//! The report as it is checked in; `BLESS=1` writes it anew.

use std::path::Path;
use std::{env, fs};

use super::Machine;
use crate::outcome::{Case, Chapter, Metric, Part, Row};

fn row(who: &str, rounds: &[[f64; 2]]) -> Row {
    let rounds = rounds.iter().map(|values| values.to_vec()).collect();
    Row { who: who.to_owned(), rounds: Ok(rounds) }
}

fn chapter() -> Chapter {
    let base = row("bare Pingora", &[[6.0, 0.2], [8.0, 0.3], [6.0, 0.2]]);
    let less = row("nginx", &[[3.6, 0.1], [4.8, 0.2], [4.2, 0.1]]);
    let gone = Row {
        who: "Caddy".to_owned(),
        rounds: Err("caddy: No such file or directory (os error 2)".to_owned()),
    };
    let case = |title: &str, at, rows| Case { title: title.to_owned(), at, rows };
    let metrics = &[Metric::Cpu, Metric::P99];
    Chapter {
        letter: "a",
        title: "Pass-through",
        text: "Everything goes to one origin.".to_owned(),
        parts: vec![
            Part {
                name: "bars",
                axis: None,
                metrics,
                cases: vec![case("GET, <1 KB", 0.0, vec![base.clone(), less.clone(), gone])],
            },
            Part {
                name: "curve",
                axis: Some("routes"),
                metrics,
                cases: vec![
                    case("10", 10.0, vec![base.clone(), less.clone()]),
                    case("1,000", 1_000.0, vec![base, less]),
                ],
            },
        ],
    }
}

fn machine() -> Machine {
    Machine {
        date: "2026-03-01".to_owned(),
        revision: "0123abc".to_owned(),
        processor: "Some Processor".to_owned(),
        cores: 2,
        memory_gib: 24,
        kernel: "6.1.0".to_owned(),
        load: [0.1, 1.9],
        command: "make bench".to_owned(),
        measured: "target/optimised/turnout".to_owned(),
        versions: vec![("nginx", "1.22.1".to_owned()), ("Envoy", "1.40.0".to_owned())],
    }
}

#[test]
fn the_report_is_as_it_is_checked_in() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/side_by_side/report/golden");
    let written = tempfile::tempdir().unwrap();
    let folder = if env::var_os("BLESS").is_some() { golden.as_path() } else { written.path() };
    super::write(folder, "2026-03-01", &machine(), &[chapter()]).unwrap();
    for name in ["2026-03-01.md", "2026-03-01-a-bars.svg", "2026-03-01-a-curve.svg"] {
        let expected = fs::read_to_string(golden.join(name)).unwrap();
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), expected, "{name}");
    }
}
