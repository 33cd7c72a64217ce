//! How does the report look in a ticket? The same facts, as Markdown.

use super::super::super::revisions::time;
use super::super::super::status::{count, whole};
use super::super::answer::{Figures, Parity, Signature, Window};
use super::super::words::{maybe, place, rate, verdict, what, window};
use super::escape::Cell;
use super::{Asker, reason};

/// The report.
pub(super) fn markdown(parity: &Parity, differences: &[Signature], asker: &Asker) -> String {
    let mut text = format!(
        "# Parity of {}\n\n**{}**: {}\n\n{} since {}; asked by {} at {} of {}.\n",
        Cell(&parity.route),
        verdict(&parity.verdict.verdict),
        parity.verdict.detail,
        parity.stage,
        time(&parity.stage_since),
        Cell(&asker.name),
        time(&parity.at),
        asker.server,
    );
    text.push_str("\n## Figures\n\n| | verdict | fields differ | at 95% | exchanges differ | statuses | compared | looked at |\n|---|---|---:|---:|---:|---:|---:|---:|\n");
    for counted in &parity.windows {
        text.push_str(&row(window(&counted.window), &counted.figures));
    }
    for cohort in &parity.cohorts {
        let stage = cohort.windows.iter().find(|window: &&Window| window.window == "stage");
        if let Some(stage) = stage {
            text.push_str(&row(&format!("cohort {}", cohort.name), &stage.figures));
        }
    }
    text.push_str("\n## Differences\n\n");
    text.push_str(&listed(differences));
    text.push_str("\n## What was not compared\n\n");
    text.push_str(&left_out(parity));
    text.push_str("\n## Rules in force\n\n");
    text.push_str(&rules(parity));
    if !parity.notes.is_empty() {
        text.push_str("\n## Worth a word\n\n");
        text.extend(parity.notes.iter().map(|note| format!("- {note}\n")));
    }
    text
}

fn row(name: &str, figures: &Figures) -> String {
    let bounds = figures.lower_bound.zip(figures.upper_bound);
    let bounds = bounds
        .map_or_else(|| "-".to_owned(), |(low, high)| format!("{} to {}", rate(low), rate(high)));
    format!(
        "| {} | {} | {} | {bounds} | {} | {} | {} of {} | {} |\n",
        Cell(name),
        figures.verdict.verdict,
        maybe(figures.field_mismatch_rate),
        maybe(figures.request_mismatch_rate),
        maybe(figures.status_mismatch_rate),
        count(whole(figures.compared)),
        count(whole(figures.shadowed)),
        maybe(figures.coverage),
    )
}

fn listed(differences: &[Signature]) -> String {
    if differences.is_empty() {
        return "None was seen.\n".to_owned();
    }
    let mut text = "| exchanges | share | where | what | suggested rule | signature |\n|---:|---:|---|---|---|---|\n".to_owned();
    for signature in differences {
        let excused = if signature.excused.is_some() { " (excused)" } else { "" };
        let rule = signature.suggestion.as_ref().filter(|_| signature.excused.is_none());
        let rule = rule.map(|told| told.rule.clone()).unwrap_or_default();
        text.push_str(&format!(
            "| {} | {} | {} | {}{excused} | {} | {} |\n",
            count(whole(signature.count)),
            maybe(signature.share),
            Cell(&place(signature)),
            Cell(&what(signature)),
            Cell(&rule),
            signature.id,
        ));
    }
    text
}

fn left_out(parity: &Parity) -> String {
    let reasons = parity.stage_window().map(|window| &window.figures.not_comparable);
    let lines = reasons.into_iter().flatten().map(|(name, number)| {
        format!("- {} {}: {}\n", count(whole(*number)), name.replace('_', " "), reason(name))
    });
    let lines: String = lines.collect();
    if lines.is_empty() { "Everything was compared.\n".to_owned() } else { lines }
}

fn rules(parity: &Parity) -> String {
    let mut lines: String = parity
        .rules
        .places
        .iter()
        .map(|rule| {
            let with = rule.with.as_ref().map(|with| format!(" {with}")).unwrap_or_default();
            let when = rule.when.as_ref().map(|when| format!(" ({when})")).unwrap_or_default();
            format!(
                "- {} {}{}{}: {} fields in {} exchanges\n",
                rule.rule,
                Cell(&rule.at),
                Cell(&with),
                Cell(&when),
                count(whole(rule.fields)),
                count(whole(rule.exchanges))
            )
        })
        .collect();
    if !parity.rules.ignore_headers.is_empty() {
        lines.push_str(&format!(
            "- headers not looked at: {}\n",
            parity.rules.ignore_headers.join(", ")
        ));
    }
    if lines.is_empty() { "None: everything is compared.\n".to_owned() } else { lines }
}
