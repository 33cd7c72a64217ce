//! How did it go? The field mismatch rate over time as a drawing (SVG), with its bound and the limit.

use std::fmt::Write;

use super::super::super::revisions::time;
use super::super::answer::Point;
use super::super::words::rate;
use super::escape::Html;

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

/// Where things are drawn.
struct Scale {
    points: usize,
    most: f64,
}

impl Scale {
    fn x(&self, place: usize) -> f64 {
        let steps = self.points.max(2) - 1;
        LEFT + (WIDTH - LEFT - RIGHT) * part(place, steps)
    }

    fn y(&self, rate: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height * (1.0 - (rate / self.most).min(1.0))
    }
}

fn part(place: usize, of: usize) -> f64 {
    place as f64 / of as f64
}

/// The trend; nothing where there is none to draw.
pub(super) fn chart(trend: &[Point], limit: f64) -> String {
    let drawn: Vec<(usize, f64, f64)> = trend
        .iter()
        .enumerate()
        .filter_map(|(place, point)| {
            Some((place, point.field_mismatch_rate?, point.upper_bound.unwrap_or(1.0)))
        })
        .collect();
    if drawn.len() < 2 {
        return String::new();
    }
    let highest = drawn.iter().map(|(_, rate, _)| *rate).fold(limit, f64::max);
    let scale = Scale { points: trend.len(), most: highest * 1.6 };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Field mismatch rate over time\">\n"
    );
    svg.push_str(&grid(&scale, limit));
    svg.push_str(&lines(&scale, &drawn));
    svg.push_str(&labels(&scale, trend));
    svg.push_str("</svg>\n");
    svg
}

fn grid(scale: &Scale, limit: f64) -> String {
    let mut svg = String::new();
    let right = WIDTH - RIGHT;
    for quarter in 0..=4_u8 {
        let value = scale.most * f64::from(quarter) / 4.0;
        let y = scale.y(value);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            Html(&rate(value)),
        )
        .unwrap_or_default();
    }
    let y = scale.y(limit);
    writeln!(
        svg,
        "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
         <text class=\"limit-name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">limit {}</text>",
        right - 4.0,
        y - 5.0,
        Html(&rate(limit)),
    )
    .unwrap_or_default();
    svg
}

fn lines(scale: &Scale, drawn: &[(usize, f64, f64)]) -> String {
    let path = |points: &mut dyn Iterator<Item = (usize, f64)>| {
        let mut path = String::new();
        for (place, value) in points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            write!(path, "{command}{:.1} {:.1}", scale.x(place), scale.y(value))
                .unwrap_or_default();
        }
        path
    };
    let rates = path(&mut drawn.iter().map(|(place, rate, _)| (*place, *rate)));
    let bounds = path(&mut drawn.iter().map(|(place, _, bound)| (*place, *bound)));
    let back = path(&mut drawn.iter().rev().map(|(place, rate, _)| (*place, *rate)));
    let band = format!("{bounds}{}Z", back.replacen('M', "L", 1));
    let mut svg =
        format!("<path class=\"band\" d=\"{band}\"/>\n<path class=\"rate\" d=\"{rates}\"/>\n");
    for (place, rate, _) in drawn {
        let (x, y) = (scale.x(*place), scale.y(*rate));
        writeln!(svg, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>")
            .unwrap_or_default();
    }
    svg
}

fn labels(scale: &Scale, trend: &[Point]) -> String {
    let mut svg = String::new();
    let every = trend.len().div_ceil(6).max(1);
    for (place, point) in trend.iter().enumerate().step_by(every) {
        let at = time(&point.at);
        let clock = at.get(11..16).unwrap_or(&at);
        let anchor = match place {
            0 => "start",
            place if place + 1 == trend.len() => "end",
            _ => "middle",
        };
        writeln!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            scale.x(place),
            HEIGHT - 8.0,
            Html(clock)
        )
        .unwrap_or_default();
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn point(hour: usize, rate: Option<f64>) -> Point {
        Point {
            at: json!(format!("2026-11-21T{hour:02}:00:00Z")),
            compared: 100,
            field_mismatch_rate: rate,
            upper_bound: rate.map(|rate| rate + 0.001),
        }
    }

    #[test]
    fn a_trend_is_drawn_within_its_frame() {
        let trend: Vec<Point> = (0..24).map(|hour| point(hour, Some(0.002))).collect();
        let svg = chart(&trend, 0.001);
        assert_eq!(svg.matches("class=\"dot\"").count(), 24);
        assert!(svg.contains(">limit 0.1%<") && svg.contains(">04:00<"), "{svg}");
        for number in
            svg.split(['"', ' ', 'M', 'L', 'Z']).filter_map(|text| text.parse::<f64>().ok())
        {
            assert!((0.0..=WIDTH).contains(&number), "{number}");
        }
    }

    #[test]
    fn one_point_is_no_trend() {
        assert_eq!(chart(&[point(1, Some(0.1))], 0.001), "");
        assert_eq!(chart(&[point(1, Some(0.1)), point(2, None)], 0.001), "");
    }
}
