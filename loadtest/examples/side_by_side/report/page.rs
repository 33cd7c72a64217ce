//! The page: what was measured, where, and how everybody compares.

use std::fmt::Write as _;

use super::machine::Machine;
use crate::outcome::{Case, Chapter, Metric, Row, Spread};

const HOW_TO_READ: &str = "Each figure is first a ratio to the first row of its table: the median over the rounds, and in \
brackets what the middle half of the rounds lies between. After it comes the median as it was measured. All are asked right \
after one another in each round, and ratios are taken within a round, so that whatever else the machine did falls on all; \
differences below a tenth are noise. Latencies are those of the client, from the moment that a request was due, so that time \
in client and origin is in them. CPU time is that of the whole process.";

/// The whole page.
pub(crate) fn page(name: &str, machine: &Machine, chapters: &[Chapter]) -> String {
    let mut text = format!("# Side by side, {}\n\n{machine}\n\n{HOW_TO_READ}\n", machine.date);
    for chapter in chapters {
        text += &format!("\n## ({}) {}\n\n{}\n", chapter.letter, chapter.title, chapter.text);
        for part in &chapter.parts {
            let picture = super::file_name(name, chapter, part);
            text += &format!("\n![{} of {}]({picture})\n", chapter.title, part.name);
            for case in &part.cases {
                text += &table(part.metrics, case);
            }
        }
    }
    text
}

/// A table of one case.
fn table(metrics: &[Metric], case: &Case) -> String {
    let mut text = format!("\n| {} |", case.title);
    for metric in metrics {
        // Writing to a string cannot fail.
        write!(text, " {} |", metric.name()).unwrap_or_default();
    }
    text += "\n|---|";
    text += &"---|".repeat(metrics.len());
    text.push('\n');
    for row in &case.rows {
        write!(text, "| {} |", row.who).unwrap_or_default();
        match &row.rounds {
            Err(why) => {
                let why = why.replace('|', "/").replace('\n', " ");
                write!(
                    text,
                    " not measured: {why} |{}",
                    " |".repeat(metrics.len().saturating_sub(1))
                )
                .unwrap_or_default();
            }
            Ok(_) => {
                for (place, metric) in metrics.iter().enumerate() {
                    write!(text, " {} |", figure(case, row, place, *metric)).unwrap_or_default();
                }
            }
        }
        text.push('\n');
    }
    text
}

fn figure(case: &Case, row: &Row, place: usize, metric: Metric) -> String {
    let Some(seen) = row.seen(place) else { return "-".to_owned() };
    let shown = metric.show(seen.median);
    match case.ratio(row, place) {
        None => shown,
        Some(Spread { low, median, high }) => {
            format!("**{median:.2}** ({low:.2} to {high:.2}), {shown}")
        }
    }
}
