//! How does a route's parity look at a glance? The verdict first, then what it rests on, then what differs.

use super::super::out::{Style, Tone, cell, number, rendered};
use super::super::revisions::time;
use super::super::status::{count, whole};
use super::answer::{Figures, Parity, Signature, Window};
use super::words::{maybe, place, rate, verdict, what, window};

/// A verdict's tone: what is not known is grey, not green.
pub(super) fn tone(verdict: &str) -> Tone {
    match verdict {
        "pass" => Tone::Good,
        "fail" => Tone::Bad,
        _ => Tone::Faint,
    }
}

/// Everything at a glance.
pub(super) fn text(parity: &Parity, differences: &[Signature], style: Style) -> String {
    let mut text = format!(
        "{}  {} since {}{}\n{}  {}\n\n",
        style.paint(Tone::Strong, &parity.route),
        parity.stage,
        time(&parity.stage_since),
        if parity.nodes > 1 { format!(", of {} nodes", parity.nodes) } else { String::new() },
        style.paint(tone(&parity.verdict.verdict), &verdict(&parity.verdict.verdict)),
        parity.verdict.detail,
    );
    text.push_str(&figures(parity, style));
    text.push_str(&arms(parity));
    text.push_str(&facts(parity));
    for note in &parity.notes {
        text.push_str(&format!("{}  {note}\n", style.paint(Tone::Warn, "note")));
    }
    text.push_str(&listed(parity, differences, style));
    text
}

fn figures(parity: &Parity, style: Style) -> String {
    let mut table = style.table(&[
        "",
        "FIELDS DIFFER",
        "AT 95%",
        "REQUESTS",
        "STATUSES",
        "COMPARED",
        "LOOKED AT",
    ]);
    for counted in &parity.windows {
        table.add_row(row(window(&counted.window), &counted.figures));
    }
    for cohort in &parity.cohorts {
        let stage = cohort.windows.iter().find(|window: &&Window| window.window == "stage");
        if let Some(stage) = stage {
            table.add_row(row(&format!("cohort {}", cohort.name), &stage.figures));
        }
    }
    rendered(&table)
}

fn row(name: &str, figures: &Figures) -> Vec<comfy_table::Cell> {
    let tone = if figures.compared == 0 { Tone::Faint } else { tone(&figures.verdict.verdict) };
    let bounds = figures.lower_bound.zip(figures.upper_bound);
    let bounds = bounds
        .map_or_else(|| "-".to_owned(), |(low, high)| format!("{} to {}", rate(low), rate(high)));
    let compared = match figures.shadowed {
        0 => "-".to_owned(),
        shadowed => format!("{} of {}", maybe(figures.comparability), count(whole(shadowed))),
    };
    vec![
        cell(Tone::Plain, name),
        number(tone, maybe(figures.field_mismatch_rate)),
        number(Tone::Plain, bounds),
        number(Tone::Plain, maybe(figures.request_mismatch_rate)),
        number(Tone::Plain, maybe(figures.status_mismatch_rate)),
        number(Tone::Plain, compared),
        number(Tone::Plain, maybe(figures.coverage)),
    ]
}

/// Which arm failed while the other did not.
fn arms(parity: &Parity) -> String {
    let Some(Window { figures: Figures { arms, .. }, .. }) = parity.stage_window() else {
        return String::new();
    };
    let number = |number| count(whole(number));
    format!(
        "\narms      both answered {}, only the candidate failed {}, only stable failed {}, both failed {}\n",
        number(arms.both_ok),
        number(arms.candidate_failed),
        number(arms.stable_failed),
        number(arms.both_failed)
    )
}

fn facts(parity: &Parity) -> String {
    let mut lines = String::new();
    let mut fact = |name: &str, said: String| lines.push_str(&format!("{name:<10}{said}\n"));
    if let Some(Window { figures, .. }) = parity.stage_window() {
        if !figures.not_comparable.is_empty() {
            let reasons = figures.not_comparable.iter();
            let reasons = reasons
                .map(|(reason, n)| format!("{} {}", reason.replace('_', " "), count(whole(*n))));
            fact("left out", reasons.collect::<Vec<_>>().join(", "));
        }
        if figures.excused > 0 || figures.fields.masked > 0 {
            fact(
                "excused",
                format!(
                    "{} exchanges and {} fields, as stable differs from itself there",
                    count(whole(figures.excused)),
                    count(whole(figures.fields.masked))
                ),
            );
        }
    }
    let noise = &parity.noise;
    if noise.twins == 0 && !matches!(&*noise.share, "" | "0%") {
        fact(
            "noise",
            format!("stable is asked twice for {} of safe requests; none came yet", noise.share),
        );
    }
    if noise.twins > 0 {
        let blind: Vec<String> =
            noise.blind.iter().map(|blind| format!("{} {}", blind.location, blind.path)).collect();
        let blind = if blind.is_empty() { "nothing".to_owned() } else { blind.join(", ") };
        fact(
            "noise",
            format!("stable was asked twice {} times; blind: {blind}", count(whole(noise.twins))),
        );
    }
    lines
}

fn listed(parity: &Parity, differences: &[Signature], style: Style) -> String {
    if differences.is_empty() {
        return "\nno difference was seen\n".to_owned();
    }
    let mut table = style.table(&["COUNT", "SHARE", "WHERE", "WHAT", "SIGNATURE"]);
    for signature in differences {
        let (tone, excused) = match &signature.excused {
            Some(_) => (Tone::Faint, " (excused)"),
            None => (Tone::Plain, ""),
        };
        table.add_row([
            number(tone, count(whole(signature.count))),
            number(tone, maybe(signature.share)),
            cell(if excused.is_empty() { Tone::Strong } else { tone }, place(signature)),
            cell(tone, format!("{}{excused}", what(signature))),
            cell(Tone::Faint, &signature.id),
        ]);
    }
    let shown = u64::try_from(differences.len()).unwrap_or(u64::MAX);
    let more = match parity.signatures.count.saturating_sub(shown) {
        0 => String::new(),
        more => format!("and {} more: turnout signatures {}\n", count(whole(more)), parity.route),
    };
    format!("\n{}{more}", rendered(&table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_verdict_comes_first_and_every_rate_has_its_bounds() {
        let figures = json!({"verdict": {"verdict": "fail", "detail": ""}, "shadowed": 3_010, "compared": 3_000,
            "mismatched": 30, "excused": 5, "field_mismatch_rate": 0.002, "lower_bound": 0.001_5, "upper_bound": 0.002_5,
            "request_mismatch_rate": 0.01, "status_mismatch_rate": 0.0, "comparability": 0.996_7, "coverage": 0.95,
            "fields": {"equal": 30_000, "mismatched": 60, "masked": 7},
            "arms": {"both_ok": 2_999, "candidate_failed": 1}, "not_comparable": {"shadow_timeout": 10}});
        let mut stage = figures.clone();
        stage["window"] = json!("stage");
        let parity: Parity = serde_json::from_value(json!({
            "route": "sms", "stage": "shadow", "stage_since": "2026-11-21T02:15:00Z",
            "verdict": {"verdict": "fail", "detail": "0.2% of fields differ, and 0.1% may"},
            "windows": [{"window": "10s", "verdict": {"verdict": "undetermined"}}, stage],
            "cohorts": [{"name": "africa", "windows": [stage]}],
            "noise": {"twins": 150, "blind": [{"location": "body", "path": "/at", "masked_in": 150}]},
            "signatures": {"count": 12}, "notes": ["the rule on /id has applied to nothing for a day"],
        }))
        .unwrap();
        let differences = [
            Signature {
                id: "sms-1".to_owned(),
                location: "body".to_owned(),
                path: "/price".to_owned(),
                kind: "value".to_owned(),
                stable_class: "number".to_owned(),
                relation: Some("number_rounding".to_owned()),
                count: 25,
                share: Some(0.008_3),
                ..Signature::default()
            },
            Signature {
                id: "sms-2".to_owned(),
                location: "body".to_owned(),
                path: "/at".to_owned(),
                kind: "value".to_owned(),
                stable_class: "datetime".to_owned(),
                count: 5,
                excused: Some("blind".to_owned()),
                ..Signature::default()
            },
        ];
        let expected = "\
sms  shadow since 2026-11-21 02:15:00Z
FAIL  0.2% of fields differ, and 0.1% may

               FIELDS DIFFER            AT 95%  REQUESTS  STATUSES         COMPARED  LOOKED AT
last 10 s                  -                 -         -         -                -          -
this stage              0.2%  0.15% to 0.25%        1%        0%  99.67% of 3,010        95%
cohort africa           0.2%  0.15% to 0.25%        1%        0%  99.67% of 3,010        95%

arms      both answered 2,999, only the candidate failed 1, only stable failed 0, both failed 0
left out  shadow timeout 10
excused   5 exchanges and 7 fields, as stable differs from itself there
noise     stable was asked twice 150 times; blind: body /at
note  the rule on /id has applied to nothing for a day

COUNT  SHARE   WHERE        WHAT                              SIGNATURE
   25  0.83%  body /price  another number: number rounding  sms-1
    5      -  body /at     another datetime (excused)       sms-2
and 10 more: turnout signatures sms
";
        let text = text(&parity, &differences, Style::PLAIN);
        assert_eq!(squeezed(&text), squeezed(expected), "\n{text}");
    }

    /// The words, however many blanks align them.
    fn squeezed(text: &str) -> Vec<Vec<&str>> {
        text.lines().map(|line| line.split_whitespace().collect()).collect()
    }
}
