//! How does the report look as a page? One HTML file without anything from elsewhere.

use super::super::super::revisions::time;
use super::super::super::status::{count, whole};
use super::super::answer::{Figures, Parity, Rule, Signature, Window};
use super::super::words::{maybe, place, rate, verdict, what, window};
use super::escape::Html;
use super::{Asker, chart, reason};

const CSS: &str = include_str!("page.css");

/// The page.
pub(super) fn page(parity: &Parity, differences: &[Signature], asker: &Asker) -> String {
    let route = Html(&parity.route);
    let mut body = heading(parity, asker);
    body.push_str(&first_glance(parity));
    let drawn = chart::chart(&parity.trend, parity.limits.field_mismatch_rate);
    if !drawn.is_empty() {
        body.push_str(&section(
            "Trend",
            &format!("{drawn}<p class=\"soft\">Field mismatch rate, with the band up to its 95% bound.</p>"),
        ));
    }
    body.push_str(&section("Figures", &figures(parity)));
    body.push_str(&section("Differences", &listed(parity, differences)));
    body.push_str("<div class=\"two\">\n");
    body.push_str(&section("What was not compared, and why", &left_out(parity)));
    body.push_str(&section("How both arms did", &arms(parity)));
    body.push_str("</div>\n");
    body.push_str(&section("Rules in force", &rules(parity)));
    body.push_str(&section("Stable's own noise", &noise(parity)));
    if !parity.notes.is_empty() {
        let notes = parity.notes.iter().map(|note| format!("<li>{}</li>", Html(note)));
        body.push_str(&section("Worth a word", &format!("<ul>{}</ul>", notes.collect::<String>())));
    }
    body.push_str(&footer(parity));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Parity of {route}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{content}</section>\n", Html(title))
}

fn heading(parity: &Parity, asker: &Asker) -> String {
    format!(
        "<header>\n<div><h1>Parity of {}</h1><p class=\"sub\">{} since {}</p></div>\n\
         <div class=\"who\">asked by {} at {}<br>{}</div>\n</header>\n",
        Html(&parity.route),
        Html(&parity.stage),
        Html(&time(&parity.stage_since)),
        Html(&asker.name),
        Html(&time(&parity.at)),
        Html(&asker.server),
    )
}

fn first_glance(parity: &Parity) -> String {
    let nothing = Figures::default();
    let figures = parity.stage_window().map_or(&nothing, |window| &window.figures);
    let bounds = match figures.lower_bound.zip(figures.upper_bound) {
        Some((low, high)) => format!(
            "{} to {} at 95%; {} allowed",
            rate(low),
            rate(high),
            rate(parity.limits.field_mismatch_rate)
        ),
        None => "nothing compared yet".to_owned(),
    };
    let tile = |value: String, name: &str, said: String| {
        format!(
            "<div class=\"tile\"><b>{}</b><span>{name}<br>{}</span></div>",
            Html(&value),
            Html(&said)
        )
    };
    let whole_count = |number| count(whole(number));
    let tiles = [
        tile(maybe(figures.field_mismatch_rate), "of fields differ", bounds),
        tile(
            maybe(figures.request_mismatch_rate),
            "of exchanges differ",
            format!("{} of {}", whole_count(figures.mismatched), whole_count(figures.compared)),
        ),
        tile(
            maybe(figures.status_mismatch_rate),
            "have another status",
            format!("of {}", whole_count(figures.compared)),
        ),
        tile(
            maybe(figures.comparability),
            "could be compared",
            format!(
                "of {}; {} needed",
                whole_count(figures.shadowed),
                rate(parity.limits.comparability)
            ),
        ),
        tile(
            maybe(figures.coverage),
            "of fields were looked at",
            format!("{} needed", rate(parity.limits.coverage)),
        ),
    ];
    let name = Html(&parity.verdict.verdict);
    format!(
        "<section class=\"verdict {name}\">\n<strong>{}</strong>{}\n<div class=\"tiles\">{}</div>\n</section>\n",
        Html(&verdict(&parity.verdict.verdict)),
        Html(&parity.verdict.detail),
        tiles.concat()
    )
}

fn figures(parity: &Parity) -> String {
    let mut rows = String::new();
    for counted in &parity.windows {
        rows.push_str(&row(window(&counted.window), &counted.figures));
    }
    for cohort in &parity.cohorts {
        let stage = cohort.windows.iter().find(|window: &&Window| window.window == "stage");
        if let Some(stage) = stage {
            rows.push_str(&row(&format!("cohort {}", cohort.name), &stage.figures));
        }
    }
    format!(
        "<table>\n<tr><th></th><th>Verdict</th><th class=\"n\">Fields differ</th><th class=\"n\">at 95%</th><th class=\"n\">Exchanges differ</th>\
         <th class=\"n\">Statuses</th><th class=\"n\">Excused</th><th class=\"n\">Compared</th><th class=\"n\">Looked at</th></tr>\n{rows}</table>\n"
    )
}

fn row(name: &str, figures: &Figures) -> String {
    let bounds = figures.lower_bound.zip(figures.upper_bound);
    let bounds = bounds
        .map_or_else(|| "-".to_owned(), |(low, high)| format!("{} to {}", rate(low), rate(high)));
    let compared =
        format!("{} of {}", count(whole(figures.compared)), count(whole(figures.shadowed)));
    let numbers = [
        maybe(figures.field_mismatch_rate),
        bounds,
        maybe(figures.request_mismatch_rate),
        maybe(figures.status_mismatch_rate),
        count(whole(figures.excused)),
        compared,
        maybe(figures.coverage),
    ];
    let cells = numbers.iter().map(|text| format!("<td class=\"n\">{}</td>", Html(text)));
    let verdict = Html(&figures.verdict.verdict);
    format!(
        "<tr><td>{}</td><td class=\"{verdict}\">{verdict}</td>{}</tr>\n",
        Html(name),
        cells.collect::<String>()
    )
}

fn listed(parity: &Parity, differences: &[Signature]) -> String {
    if differences.is_empty() {
        return "<p class=\"soft\">No difference was seen.</p>\n".to_owned();
    }
    let rows: String = differences.iter().map(difference).collect();
    let overflow = match parity.signatures.overflow {
        0 => String::new(),
        more => format!(
            "<p class=\"soft\">{} more differences had no room here; all figures count them.</p>",
            count(whole(more))
        ),
    };
    format!(
        "<table>\n<tr><th class=\"n\">Exchanges</th><th class=\"n\">Share</th><th>Where</th><th>What</th><th class=\"n\">Tenants</th><th>Seen</th></tr>\n{rows}</table>\n{overflow}"
    )
}

fn difference(signature: &Signature) -> String {
    let excused = match signature.excused.as_deref() {
        Some("blind") => "<br><span class=\"soft\">excused: stable differs from itself here</span>",
        Some(_) => "<br><span class=\"soft\">excused: stable does so as often</span>",
        None => "",
    };
    let tenants = match (signature.tenants, signature.tenants_estimated) {
        (0, _) => "-".to_owned(),
        (tenants, false) => count(whole(tenants)),
        (tenants, true) => format!("about {}", count(whole(tenants))),
    };
    let rule = signature.suggestion.as_ref().filter(|_| signature.excused.is_none());
    let rule = rule.map_or_else(String::new, |told| {
        format!(
            "<br><span class=\"soft\">{}</span><br><code>{}</code>",
            Html(&told.why),
            Html(&told.rule)
        )
    });
    format!(
        "<tr{}><td class=\"n\">{}</td><td class=\"n\">{}</td><td><code>{}</code><br><span class=\"soft\">{}</span></td><td>{}{excused}{rule}</td><td class=\"n\">{}</td><td class=\"seen\">{}<br>{}</td></tr>\n",
        if excused.is_empty() { "" } else { " class=\"excused\"" },
        count(whole(signature.count)),
        Html(&maybe(signature.share)),
        Html(&place(signature)),
        Html(&signature.id),
        Html(&what(signature)),
        Html(&tenants),
        Html(&time(&signature.first_seen)),
        Html(&time(&signature.last_seen)),
    )
}

fn left_out(parity: &Parity) -> String {
    let Some(Window { figures, .. }) = parity.stage_window() else { return String::new() };
    let mut rows: String = figures
        .not_comparable
        .iter()
        .map(|(name, number)| {
            format!(
                "<tr><td class=\"n\">{}</td><td>{}<br><span class=\"soft\">{}</span></td></tr>\n",
                count(whole(*number)),
                Html(&name.replace('_', " ")),
                reason(name)
            )
        })
        .collect();
    if figures.partial > 0 {
        rows.push_str(&format!(
            "<tr><td class=\"n\">{}</td><td>not looked into to the end<br><span class=\"soft\">compared by a hash, or found to differ before the bounds were reached</span></td></tr>\n",
            count(whole(figures.partial))
        ));
    }
    if figures.fields.ignored > 0 {
        rows.push_str(&format!(
            "<tr><td class=\"n\">{}</td><td>fields that rules hide</td></tr>\n",
            count(whole(figures.fields.ignored))
        ));
    }
    if figures.fields.masked > 0 {
        rows.push_str(&format!(
            "<tr><td class=\"n\">{}</td><td>fields where stable itself is not steady<br><span class=\"soft\">their type was compared</span></td></tr>\n",
            count(whole(figures.fields.masked))
        ));
    }
    if rows.is_empty() {
        return "<p class=\"soft\">Everything was compared.</p>\n".to_owned();
    }
    format!("<table>\n{rows}</table>\n")
}

fn arms(parity: &Parity) -> String {
    let Some(Window { figures: Figures { arms, .. }, .. }) = parity.stage_window() else {
        return String::new();
    };
    let number = |number| count(whole(number));
    format!(
        "<table>\n<tr><th></th><th class=\"n\">candidate answered</th><th class=\"n\">candidate failed</th></tr>\n\
         <tr><td>stable answered</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n\
         <tr><td>stable failed</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n</table>\n\
         <p class=\"soft\">A 5xx has failed, and so has an arm that gave no answer.</p>\n",
        number(arms.both_ok),
        number(arms.candidate_failed),
        number(arms.stable_failed),
        number(arms.both_failed)
    )
}

fn rules(parity: &Parity) -> String {
    let mut content = String::new();
    if parity.rules.places.is_empty() {
        content.push_str(
            "<p class=\"soft\">No rule on places of bodies: everything in them is compared.</p>\n",
        );
    } else {
        let rows: String = parity.rules.places.iter().map(rule).collect();
        content.push_str(&format!(
            "<table>\n<tr><th>Rule</th><th>Place</th><th class=\"n\">Exchanges</th><th class=\"n\">Fields</th><th class=\"n\">Hides</th><th></th></tr>\n{rows}</table>\n"
        ));
    }
    let mut facts = Vec::new();
    if !parity.rules.ignore_headers.is_empty() {
        facts.push(format!("Headers not looked at: {}", parity.rules.ignore_headers.join(", ")));
    }
    for (from, to) in &parity.rules.hosts {
        facts.push(format!("{from} and {to} are the same service"));
    }
    if parity.rules.numbers == "lexical" {
        facts.push("Numbers must be written alike".to_owned());
    }
    let facts = facts.iter().map(|fact| format!("<p class=\"soft\">{}</p>\n", Html(fact)));
    content.extend(facts);
    content
}

fn rule(rule: &Rule) -> String {
    let with = rule.with.as_ref().map(|with| format!(" {with}")).unwrap_or_default();
    let when = rule.when.as_ref().map(|when| format!(" ({when})")).unwrap_or_default();
    let worry = match rule.worry.as_deref() {
        Some("idle") => "has applied to nothing for a day",
        Some("hides_most") => "hides more than half of all fields",
        _ => "",
    };
    format!(
        "<tr><td>{}</td><td><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"fail\">{worry}</td></tr>\n",
        Html(&format!("{}{with}{when}", rule.rule)),
        Html(&rule.at),
        count(whole(rule.exchanges)),
        count(whole(rule.fields)),
        Html(&maybe(rule.hidden)),
    )
}

fn noise(parity: &Parity) -> String {
    let noise = &parity.noise;
    if noise.twins == 0 {
        return "<p class=\"soft\">Stable was never asked twice, so nobody knows whether it differs from itself.</p>\n".to_owned();
    }
    let blind: String = noise
        .blind
        .iter()
        .map(|blind| {
            format!(
                "<li><code>{} {}</code> <span class=\"soft\">in {} of {}</span></li>",
                Html(&blind.location),
                Html(&blind.path),
                count(whole(blind.masked_in)),
                count(whole(noise.twins))
            )
        })
        .collect();
    let blind = if blind.is_empty() {
        "<p class=\"soft\">No place is blind.</p>\n".to_owned()
    } else {
        format!("<p>Blind, so that only the type is compared there:</p><ul>{blind}</ul>\n")
    };
    format!(
        "<p>Stable was asked twice in {} exchanges; {} differences are excused for it.</p>\n{blind}",
        count(whole(noise.twins)),
        count(whole(noise.excused_signatures))
    )
}

fn footer(parity: &Parity) -> String {
    format!(
        "<footer>Counted since {} under the rules above, by Turnout {}. A field is a leaf of the body, the status or a header. The bound \
         takes exchanges as what is drawn; PASS means that even the bound is within the limit. No value of any answer is kept.</footer>\n",
        Html(&time(&parity.since)),
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parity::report::markdown::markdown;
    use serde_json::json;

    fn parity() -> Parity {
        serde_json::from_value(json!({
            "route": "sms", "stage": "shadow", "at": "2026-11-21T05:15:00Z",
            "verdict": {"verdict": "fail", "detail": "0.2% of fields differ, and 0.1% may"},
            "limits": {"field_mismatch_rate": 0.001, "comparability": 0.99, "coverage": 0.9},
            "windows": [{"window": "stage", "shadowed": 10, "compared": 9, "not_comparable": {"shed": 1}}],
            "rules": {"places": [{"rule": "ignore", "at": "/<script>", "worry": "idle"}]},
            "notes": ["a <note>"],
        }))
        .unwrap()
    }

    fn difference() -> Signature {
        Signature {
            id: "sms-1".to_owned(),
            location: "body".to_owned(),
            path: "/<img src=x onerror=alert(1)>|x".to_owned(),
            kind: "missing".to_owned(),
            ..Signature::default()
        }
    }

    #[test]
    fn nothing_of_a_service_becomes_markup_and_nothing_comes_from_elsewhere() {
        let asker = Asker { name: "<ann>".to_owned(), server: "http://127.0.0.1:7081".to_owned() };
        let page = page(&parity(), &[difference()], &asker);
        for word in ["<img", "<script", "<note>", "<ann>", "src=\"", "href=", "url(", "@import"] {
            assert!(!page.contains(word), "{word}");
        }
        for word in
            ["FAIL", "asked by &lt;ann&gt;", "has applied to nothing", "the copy was not sent"]
        {
            assert!(page.contains(word), "{word}");
        }
        let text = markdown(&parity(), &[difference()], &asker);
        assert!(text.contains("onerror=alert(1)>\\|x"), "{text}");
        assert!(!text.contains("<img"), "{text}");
    }
}
