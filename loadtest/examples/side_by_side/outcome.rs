//! What was seen of whom: the figures of all rounds, and what is made of them.

use std::error::Error;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Seconds of CPU time of the server per 100,000 requests.
    Cpu,
    /// Half of the answers came within these milliseconds, from when the request was due.
    P50,
    /// 99 of 100 did.
    P99,
    /// MiB resident after the round.
    Resident,
    /// Requests that were answered each second at most.
    Rate,
    /// MiB of resident memory for each 1,000 connections.
    Connections,
}

impl Metric {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU s per 100,000",
            Self::P50 => "p50 ms",
            Self::P99 => "p99 ms",
            Self::Resident => "RSS MiB",
            Self::Rate => "requests/s",
            Self::Connections => "MiB per 1,000",
        }
    }

    /// A value as people read it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Cpu | Self::P50 | Self::P99 => format!("{value:.2}"),
            Self::Resident | Self::Connections => format!("{value:.1}"),
            Self::Rate => format!("{value:.0}"),
        }
    }
}

/// One scenario's outcome.
#[derive(Debug, Clone)]
pub(crate) struct Chapter {
    /// The letter that it is selected by.
    pub(crate) letter: &'static str,
    pub(crate) title: &'static str,
    /// What was done, and what the reader should know of it.
    pub(crate) text: String,
    pub(crate) parts: Vec<Part>,
}

/// What belongs into one picture.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What changes from case to case, where the cases are points of a curve.
    pub(crate) axis: Option<&'static str>,
    pub(crate) metrics: &'static [Metric],
    pub(crate) cases: Vec<Case>,
}

/// What was asked of all contestants alike, round by round.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) title: String,
    /// Where it is on the axis.
    pub(crate) at: f64,
    /// The first row is what the others are compared with.
    pub(crate) rows: Vec<Row>,
}

/// What was seen of one contestant.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) who: String,
    /// For each round the values of the part's metrics; or why there are none.
    pub(crate) rounds: std::result::Result<Vec<Vec<f64>>, String>,
}

/// The middle of some values, and between which the middle half of them is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// `None` of no values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        // Between two values it is as far from one to the other as the place is between them.
        let at = |quarters: usize| {
            let (place, rest) = (quarters * last / 4, quarters * last % 4);
            let below = values.get(place)?;
            let above = values.get(place + 1).unwrap_or(below);
            let part = [0.0, 0.25, 0.5, 0.75].get(rest)?;
            Some(below + (above - below) * part)
        };
        Some(Self { low: at(1)?, median: at(2)?, high: at(3)? })
    }
}

impl Row {
    /// The values of one metric.
    pub(crate) fn seen(&self, metric: usize) -> Option<Spread> {
        let rounds = self.rounds.as_ref().ok()?;
        Spread::of(rounds.iter().filter_map(|round| round.get(metric)).copied().collect())
    }
}

impl Case {
    /// How a row compares with the first one: the ratios within each round, so that whatever else the machine did in a
    /// round falls on both.
    pub(crate) fn ratio(&self, row: &Row, metric: usize) -> Option<Spread> {
        let (base, rounds) = (self.rows.first()?.rounds.as_ref().ok()?, row.rounds.as_ref().ok()?);
        let ratios = base.iter().zip(rounds).filter_map(|(base, round)| {
            let (base, value) = (base.get(metric)?, round.get(metric)?);
            (*base > 0.0).then_some(value / base)
        });
        Spread::of(ratios.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_of_the_middle_half() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![3.0]), Some(Spread { low: 3.0, median: 3.0, high: 3.0 }));
        let five = Spread::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(five, Some(Spread { low: 2.0, median: 3.0, high: 4.0 }));
        let two = Spread::of(vec![1.0, 2.0]);
        assert_eq!(two, Some(Spread { low: 1.25, median: 1.5, high: 1.75 }));
    }

    #[test]
    fn ratios_are_taken_within_each_round() {
        // The machine was slow in the second round, for both.
        let row = |who: &str, values: [f64; 3]| Row {
            who: who.to_owned(),
            rounds: Ok(values.iter().map(|value| vec![*value]).collect()),
        };
        let rows = vec![row("base", [10.0, 40.0, 10.0]), row("other", [5.0, 20.0, 5.0])];
        let case = Case { title: String::new(), at: 0.0, rows };
        let ratio = case.ratio(&case.rows[1], 0);
        assert_eq!(ratio, Some(Spread { low: 0.5, median: 0.5, high: 0.5 }));
    }

    #[test]
    fn nothing_is_compared_with_what_was_not_measured() {
        let base = Row { who: "base".to_owned(), rounds: Err("not there".to_owned()) };
        let other = Row { who: "other".to_owned(), rounds: Ok(vec![vec![1.0]]) };
        let case = Case { title: String::new(), at: 0.0, rows: vec![base, other] };
        assert_eq!(case.ratio(&case.rows[1], 0), None);
        assert!(case.rows[1].seen(0).is_some());
    }
}
