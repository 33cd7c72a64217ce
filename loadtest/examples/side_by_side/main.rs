//! Turnout beside what people would otherwise put there: nginx, HAProxy, Envoy, Caddy, and Pingora itself.
//!
//! `make bench` builds what is measured and runs this. Read in this order: [`scenario`] says what is compared, [`peer`] who
//! takes part and [`template`] how each gets its configuration; a [`contestant`] is one that runs, as a [`process`] on its
//! own core; [`asked`] measures what requests cost, [`saturation`] how many there can be, in interleaved [`rounds`];
//! [`outcome`] holds what came of it, and [`report`] writes it down. [`stage`] is what they share.
#![expect(clippy::print_stdout, reason = "its progress and figures are what it is run for")]

mod asked;
mod certificate;
mod contestant;
mod outcome;
mod peer;
mod process;
mod report;
mod rounds;
mod saturation;
mod scenario;
mod stage;
mod template;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;

use crate::outcome::{Chapter, Result};
use crate::peer::Programs;
use crate::report::Machine;
use crate::scenario::Scenario;
use crate::stage::{Extent, Stage};

/// Measures Turnout beside nginx, HAProxy, Envoy, Caddy and bare Pingora.
#[derive(Debug, Parser)]
struct Wanted {
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Fewer and shorter rounds; without --scenario also fewer scenarios.
    #[arg(long)]
    quick: bool,
    /// Where the report goes.
    #[arg(long, value_name = "FOLDER", default_value = "loadtest/results")]
    results: PathBuf,
    #[command(flatten)]
    programs: Programs,
}

fn main() -> Result<()> {
    let wanted = Wanted::parse();
    process::stay_on_our_core()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(wanted))
}

async fn measure(wanted: Wanted) -> Result<()> {
    let mut machine = Machine::look(&wanted.programs, wanted.command());
    let name = wanted.name(&machine.date);
    let scenarios = wanted.scenarios();
    let stage =
        Stage::set(wanted.programs, if wanted.quick { Extent::QUICK } else { Extent::WHOLE });
    let stage = stage.await?;
    let mut chapters = Vec::new();
    for scenario in scenarios {
        let begun = Instant::now();
        let chapter = scenario.run(&stage).await?;
        println!("({}) {} took {:.0?}", chapter.letter, chapter.title, begun.elapsed());
        chapters.push(chapter);
    }
    machine.look_again();
    let page = report::write(&wanted.results, &name, &machine, &chapters)?;
    println!("{}", page.display());
    let missing = missing(&chapters);
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n").into()) }
}

impl Wanted {
    fn scenarios(&self) -> Vec<Scenario> {
        match (&self.scenario[..], self.quick) {
            ([], false) => Scenario::ALL.to_vec(),
            ([], true) => Scenario::QUICK.to_vec(),
            (chosen, _) => chosen.to_vec(),
        }
    }

    /// What makes this run again.
    fn command(&self) -> String {
        let mut command = "make bench".to_owned();
        if self.quick {
            command += " BENCH=quick";
        }
        if !self.scenario.is_empty() {
            command += &format!(" SCENARIO={}", self.letters().join(","));
        }
        command
    }

    /// The page's name, which tells when it is not of everything.
    fn name(&self, date: &str) -> String {
        let mut name = date.to_owned();
        if !self.scenario.is_empty() {
            name += &format!("-{}", self.letters().concat());
        }
        if self.quick {
            name += "-quick";
        }
        name
    }

    fn letters(&self) -> Vec<&'static str> {
        self.scenario.iter().map(|scenario| scenario.letter()).collect()
    }
}

/// What could not be measured, in a line each.
fn missing(chapters: &[Chapter]) -> Vec<String> {
    let mut missing = Vec::new();
    for chapter in chapters {
        for case in chapter.parts.iter().flat_map(|part| &part.cases) {
            for row in &case.rows {
                if let Err(why) = &row.rounds {
                    missing.push(format!(
                        "not measured: ({}) {}, {}: {why}",
                        chapter.letter, case.title, row.who
                    ));
                }
            }
        }
    }
    missing
}
