//! How do all routes stand, at a glance?

use comfy_table::{Cell, Table};

use super::super::answer::{ArmAnswer, ParityAnswer, RouteAnswer, StatusAnswer};
use super::super::out::{Style, Tone, cell, number, rendered};
use super::figures::{count, milliseconds, percent, whole};

/// With fewer samples than this nobody can tell, so the figure is grey instead of good or bad.
const ENOUGH: f64 = 50.0;
const BAR: usize = 10;

/// The server and all of its routes.
pub(super) fn text(status: &StatusAnswer, style: Style) -> String {
    let mut text = head(status, style);
    if status.routes.is_empty() {
        text.push_str("\nno routes yet: add some to the configuration\n");
        return text;
    }
    text.push('\n');
    text.push_str(&table(status.routes.iter(), style));
    text.push_str(&unwell(status, style));
    text
}

fn head(status: &StatusAnswer, style: Style) -> String {
    let revision = style.paint(Tone::Strong, &format!("r{}", status.revision));
    let phase_tone = if status.phase == "serving" { Tone::Good } else { Tone::Warn };
    let phase = style.paint(phase_tone, &status.phase);
    let mut head = format!("{revision}  {phase}  {}\n", status.config.path);
    if status.store_up == Some(false) {
        let said = "the store does not serve: traffic goes on as it is, but no command is taken";
        head.push_str(&format!("{}\n", style.paint(Tone::Bad, said)));
    }
    for caution in &status.store_cautions {
        head.push_str(&format!("{}\n", style.paint(Tone::Warn, &format!("store: {caution}"))));
    }
    if let Some(said) = &status.namesake {
        head.push_str(&format!("{}\n", style.paint(Tone::Bad, said)));
    }
    if status.config.last_reload_ok == Some(false) {
        let error = status.config.last_error.as_deref().unwrap_or("see the log");
        let said =
            style.paint(Tone::Bad, "the file does not apply, so the last good one serves on:");
        head.push_str(&format!("{said}\n  {}\n", error.trim_end().replace('\n', "\n  ")));
    }
    head
}

/// A line for each arm of a route.
pub(super) fn table<'r>(routes: impl Iterator<Item = &'r RouteAnswer>, style: Style) -> String {
    let mut table = style.table(&["ROUTE", "TRAFFIC", "ARM", "SPLIT", "ERRORS", "P95", "MISMATCH"]);
    routes.for_each(|route| add_route(&mut table, route, style));
    rendered(&table)
}

fn add_route(table: &mut Table, route: &RouteAnswer, style: Style) {
    let (stable, candidate) = (&route.sli.stable, &route.sli.candidate);
    let baseline = route.sli.baseline.as_ref();
    let all = stable.window_requests
        + candidate.window_requests
        + baseline.map_or(0, |baseline| baseline.window_requests);
    let name = cell(Tone::Strong, &route.name);
    if route.candidate.is_none() {
        let arm = if route.stable.is_some() { "stable" } else { "redirect" };
        let mut row = vec![name, faint(), cell(Tone::Plain, arm)];
        row.extend(measured(stable, all, style));
        row.push(faint());
        table.add_row(row);
        return;
    }
    let nothing = || cell(Tone::Plain, "");
    let [stands, copies] = route.shift.in_words();
    let mut row =
        vec![name, cell(stage_tone(&route.shift.stage), stands), cell(Tone::Plain, "stable")];
    row.extend(measured(stable, all, style));
    row.push(mismatch(&route.parity));
    table.add_row(row);
    let mut row = vec![nothing(), cell(Tone::Plain, copies), cell(Tone::Plain, "candidate")];
    row.extend(measured(candidate, all, style));
    table.add_row(row);
    if let Some(baseline) = baseline {
        let mut row = vec![nothing(), nothing(), cell(Tone::Plain, "baseline")];
        row.extend(measured(baseline, all, style));
        table.add_row(row);
    }
    let own = own_shifts(route);
    if !own.is_empty() {
        table.add_row([nothing(), cell(Tone::Faint, own)]);
    }
}

fn faint() -> Cell {
    cell(Tone::Faint, "-")
}

/// How many tenants and cohorts do not follow the route.
fn own_shifts(route: &RouteAnswer) -> String {
    let cohorts = u64::try_from(route.cohorts.len()).unwrap_or(u64::MAX);
    let several = [(cohorts, "cohort"), (route.tenants.count, "tenant")];
    let words = several.iter().filter(|(number, _)| *number > 0).map(|(number, what)| {
        let plural = if *number == 1 { "" } else { "s" };
        format!("+{} {what}{plural}", count(whole(*number)))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Split, errors and latency of one arm. `all` is how many requests both arms served in the window.
pub(super) fn measured(arm: &ArmAnswer, all: u64, style: Style) -> [Cell; 3] {
    let (own, all) = (whole(arm.window_requests), whole(all));
    if arm.window_requests == 0 {
        let split = if all < 1.0 { "no requests".to_owned() } else { split(0.0, all, style) };
        return [cell(Tone::Faint, split), faint(), faint()];
    }
    let ratio = arm.error_ratio.unwrap_or(0.0);
    let error_tone = match ratio {
        _ if own < ENOUGH => Tone::Faint,
        ratio if ratio >= 0.05 => Tone::Bad,
        ratio if ratio > 0.0 => Tone::Warn,
        _ => Tone::Good,
    };
    [
        cell(Tone::Plain, split(own, all, style)),
        cell(error_tone, format!("{} of {}", percent(ratio), count(own))),
        number(enough_tone(own), arm.p95_ms.map_or_else(|| "-".to_owned(), milliseconds)),
    ]
}

fn split(own: f64, all: f64, style: Style) -> String {
    let ratio = if all > 0.0 { own / all } else { 0.0 };
    let figure = format!("{} of {}", percent(ratio), count(all));
    if style.is_wide() { format!("{} {figure}", bar(ratio)) } else { figure }
}

fn bar(ratio: f64) -> String {
    // A bar of ten: what is there at all shows at least one, what is not everything shows at most nine.
    let full = (1..=BAR).filter(|tenth| ratio * 10.0 + 0.5 >= bar_place(*tenth)).count();
    let full = match ratio {
        ratio if ratio <= 0.0 => 0,
        ratio if ratio >= 1.0 => BAR,
        _ => full.clamp(1, BAR - 1),
    };
    "█".repeat(full) + &"░".repeat(BAR - full)
}

fn bar_place(tenth: usize) -> f64 {
    u32::try_from(tenth).map_or(f64::INFINITY, f64::from)
}

fn mismatch(parity: &ParityAnswer) -> Cell {
    if parity.compared == 0 {
        return faint();
    }
    let compared = whole(parity.compared);
    let ratio = whole(parity.mismatched) / compared;
    let tone = match parity.mismatched {
        _ if compared < ENOUGH => Tone::Faint,
        0 => Tone::Good,
        _ => Tone::Warn,
    };
    cell(tone, format!("{} of {}", percent(ratio), count(compared)))
}

fn enough_tone(samples: f64) -> Tone {
    if samples < ENOUGH { Tone::Faint } else { Tone::Plain }
}

/// The tone of a stage.
pub(crate) fn stage_tone(stage: &str) -> Tone {
    match stage {
        "canary" => Tone::Warn,
        "live" => Tone::Good,
        "off" => Tone::Faint,
        _ => Tone::Plain,
    }
}

fn unwell(status: &StatusAnswer, style: Style) -> String {
    let mut text = String::new();
    for upstream in &status.upstreams {
        let down: Vec<_> = upstream.targets.iter().filter(|target| !target.healthy).collect();
        if down.is_empty() {
            continue;
        }
        let names: Vec<_> = down.iter().map(|target| target.address.as_str()).collect();
        let said = format!(
            "upstream {}: {} of {} targets down: {}",
            upstream.name,
            down.len(),
            upstream.targets.len(),
            names.join(", ")
        );
        text.push_str(&format!("\n{}", style.paint(Tone::Bad, &said)));
    }
    if text.is_empty() { text } else { text + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status() -> StatusAnswer {
        serde_json::from_value(json!({
            "revision": 42, "phase": "serving", "started_at": "2026-11-21T00:00:00Z",
            "config": {"path": "turnout.yaml", "last_reload_ok": true},
            "routes": [
                {"name": "sms", "canonical": "/v1/sms", "stable": {"upstream": "old"}, "candidate": {"upstream": "new"},
                 "stage": "canary", "share": "25%", "shadow": "100%", "reverse_shadow": "0%",
                 "cohorts": [], "tenants": {"count": 3, "first": []},
                 "sli": {"stable": {"requests": 9000, "window_s": 10.0, "window_requests": 903, "rate_per_s": 90.3, "error_ratio": 0.0, "p95_ms": 11.8},
                         "candidate": {"requests": 3000, "window_s": 10.0, "window_requests": 301, "rate_per_s": 30.1, "error_ratio": 0.0066, "p95_ms": 14.2}},
                 "parity": {"compared": 5321, "matched": 5304, "mismatched": 17}},
                {"name": "fax", "canonical": "/v1/fax", "stable": {"upstream": "old"}, "stage": "off", "share": "0%",
                 "sli": {"stable": {"window_s": 10.0, "window_requests": 0, "rate_per_s": 0.0}}},
            ],
            "upstreams": [{"name": "new", "targets": [
                {"address": "10.0.0.1:80", "weight": 1, "healthy": false}, {"address": "10.0.0.2:80", "weight": 1, "healthy": true}]}],
        }))
        .unwrap()
    }

    #[test]
    fn all_routes_are_seen_at_a_glance() {
        let expected = "\
r42  serving  turnout.yaml

ROUTE  TRAFFIC      ARM        SPLIT                      ERRORS        P95    MISMATCH
sms    canary 25%   stable     ████████░░ 75.0% of 1,204  0% of 903     12 ms  0.32% of 5,321
       shadow 100%  candidate  ███░░░░░░░ 25.0% of 1,204  0.66% of 301  14 ms
       +3 tenants
fax    -            stable     no requests                -             -      -

upstream new: 1 of 2 targets down: 10.0.0.1:80
";
        assert_eq!(text(&status(), Style::PLAIN), expected);
    }

    #[test]
    fn a_file_that_does_not_apply_is_said_first() {
        let mut status = status();
        status.config.last_reload_ok = Some(false);
        status.config.last_error = Some("turnout.yaml:1:1 bad\n".to_owned());
        let text = text(&status, Style::PLAIN);
        assert!(text.contains("the last good one serves on:\n  turnout.yaml:1:1 bad\n"), "{text}");
    }

    #[test]
    fn a_bar_shows_what_is_there_at_all() {
        assert!(bar(0.001).starts_with("█░"));
        assert!(bar(0.999).ends_with("█░"));
        assert!(bar(0.0).starts_with("░") && bar(1.0).ends_with("█"));
    }
}
