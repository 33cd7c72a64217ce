//! The pictures: bars for cases that stand beside each other, lines for those that are points of a curve.

use std::fmt::Write as _;

use crate::outcome::{Case, Part, Row, Spread};

const WIDTH: f64 = 760.0;
/// Where bars and lines begin, after the names.
const LEFT: f64 = 190.0;
/// Where they end, before the figures.
const RIGHT: f64 = 600.0;
const LINE: f64 = 22.0;
/// How high a curve's plane is.
const PLANE: f64 = 260.0;
const COLOURS: [&str; 7] =
    ["#6b7280", "#1d4ed8", "#059669", "#d97706", "#9333ea", "#0891b2", "#be123c"];

/// The picture of a part's first metric, in ratios to the first row.
pub(crate) fn picture(part: &Part) -> String {
    match part.axis {
        None => bars(part),
        Some(axis) => curve(part, axis),
    }
}

/// What every row is drawn in, so that the same one has the same colour throughout a picture.
fn colour(place: usize) -> &'static str {
    COLOURS.get(place % COLOURS.len()).copied().unwrap_or("#000000")
}

fn caption(part: &Part) -> String {
    let metric = part.metrics.first().map_or("", |metric| metric.name());
    format!(
        "{metric}, ratio to the first of each group; whiskers hold the middle half of the rounds"
    )
}

fn frame(height: f64, caption: &str, inner: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}{inner}</svg>\n",
        text(10.0, 18.0, "#374151", caption)
    )
}

fn text(x: f64, y: f64, colour: &str, said: &str) -> String {
    let said = said.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{said}</text>\n")
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str) -> String {
    let ((x1, y1), (x2, y2)) = (from, to);
    format!(
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n"
    )
}

/// The highest ratio that is to be shown.
fn highest(part: &Part) -> f64 {
    let ratios = part.cases.iter().flat_map(|case| {
        case.rows.iter().filter_map(|row| case.ratio(row, 0)).map(|ratio| ratio.high)
    });
    ratios.fold(1.0, f64::max)
}

fn bars(part: &Part) -> String {
    let scale = (RIGHT - LEFT) / highest(part);
    let (mut drawn, mut y) = (String::new(), 40.0);
    for case in &part.cases {
        drawn += &text(10.0, y, "#111827", &case.title);
        y += LINE - 6.0;
        for (place, row) in case.rows.iter().enumerate() {
            drawn += &text(20.0, y + 4.0, "#374151", &row.who);
            drawn += &bar(case, row, colour(place), y, scale);
            y += LINE;
        }
        y += LINE / 2.0;
    }
    let one = LEFT + scale;
    drawn += &line((one, 30.0), (one, y - LINE), "#9ca3af");
    frame(y, &caption(part), &drawn)
}

fn bar(case: &Case, row: &Row, colour: &str, y: f64, scale: f64) -> String {
    let Some(Spread { low, median, high }) = case.ratio(row, 0) else {
        let why = if row.rounds.is_ok() { "nothing to compare with" } else { "not measured" };
        return text(LEFT, y + 4.0, "#9ca3af", why);
    };
    let at = |ratio: f64| LEFT + ratio * scale;
    let mut drawn = String::new();
    writeln!(
        drawn,
        "<rect x=\"{LEFT:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\"/>",
        y - 7.0,
        median * scale
    )
    .unwrap_or_default();
    drawn += &line((at(low), y), (at(high), y), "#111827");
    drawn + &text(at(high.max(median)) + 8.0, y + 4.0, "#111827", &format!("{median:.2}"))
}

fn curve(part: &Part, axis: &str) -> String {
    let (top, bottom) = (40.0, 40.0 + PLANE);
    let highest = highest(part);
    let places = part.cases.iter().map(|case| case.at.max(1.0).log10());
    let (first, last) =
        places.fold((f64::MAX, f64::MIN), |(first, last), at| (first.min(at), last.max(at)));
    let x = |at: f64| {
        LEFT / 3.0 + (at.max(1.0).log10() - first) / (last - first).max(0.1) * (RIGHT - LEFT / 3.0)
    };
    let y = |ratio: f64| bottom - ratio / highest * (bottom - top);
    let mut drawn = line((x(1.0).max(LEFT / 3.0), bottom), (RIGHT, bottom), "#9ca3af");
    for case in &part.cases {
        drawn += &text(x(case.at) - 10.0, bottom + 16.0, "#374151", &case.title);
    }
    drawn += &text(RIGHT - 60.0, bottom + 34.0, "#374151", axis);
    for quarter in [0.25, 0.5, 0.75, 1.0] {
        let ratio = highest * quarter;
        drawn += &text(8.0, y(ratio) + 4.0, "#9ca3af", &format!("{ratio:.2}"));
    }
    let rows = part.cases.first().map_or(0, |case| case.rows.len());
    for place in 0..rows {
        let points: Vec<(f64, Spread)> = part
            .cases
            .iter()
            .filter_map(|case| Some((x(case.at), case.ratio(case.rows.get(place)?, 0)?)))
            .collect();
        let path: Vec<String> =
            points.iter().map(|(x, ratio)| format!("{x:.1},{:.1}", y(ratio.median))).collect();
        writeln!(
            drawn,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            path.join(" "),
            colour(place)
        )
        .unwrap_or_default();
        for (x, ratio) in &points {
            drawn += &line((*x, y(ratio.low)), (*x, y(ratio.high)), colour(place));
        }
        let who = part.cases.last().and_then(|case| case.rows.get(place));
        if let (Some((x, ratio)), Some(row)) = (points.last(), who) {
            let said = format!("{} {:.2}", row.who, ratio.median);
            drawn += &text(x + 8.0, y(ratio.median) + 4.0, colour(place), &said);
        }
    }
    frame(bottom + 44.0, &caption(part), &drawn)
}
