//! What does it look like? Plain lines, and on a terminal a progress bar with live figures below them.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::clients::Clients;
use super::control::Parity;

/// Where the demo tells its story.
pub(super) struct Screen {
    bar: ProgressBar,
    colour: bool,
}

impl Screen {
    /// Standard output, with a bar for so many steps where that is a terminal.
    pub(super) fn new(steps: u64) -> Self {
        let terminal = io::stdout().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        if let Ok(style) = ProgressStyle::with_template(" {bar:20} {pos}/{len}  {wide_msg}") {
            bar.set_style(style);
        }
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { bar, colour: terminal && !no_colour }
    }

    /// One line.
    pub(super) fn say(&self, line: &str) {
        // Nobody is left to be told when this cannot be written.
        self.bar.suspend(|| drop(writeln!(io::stdout().lock(), "{line}")));
    }

    /// The title of a step.
    pub(super) fn title(&self, step: usize, title: &str) {
        let title = self.painted("1", &format!("{step:>2}  {title}"));
        self.say(&format!("\n{title}"));
    }

    /// What a person would type.
    pub(super) fn command(&self, command: &str) {
        self.say(&format!("    {}", self.painted("36", &format!("$ {command}"))));
    }

    /// What was done or seen.
    pub(super) fn tell(&self, line: &str) {
        self.say(&format!("    {line}"));
    }

    /// What is to be seen right now; only where there is a bar.
    pub(super) fn live(&self, line: String) {
        self.bar.set_message(line);
    }

    /// A step is over.
    pub(super) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How the clients' answers are split, as a picture and in figures.
pub(super) fn pictured(clients: &Clients) -> String {
    format!("{}  {}", picture(clients.new_share()), split(clients))
}

/// How the clients' answers are split, their errors and latencies, with how many requests that is.
pub(super) fn split(clients: &Clients) -> String {
    let new = clients.new_share() * 100.0;
    let (requests, errors) = (clients.ended(), errors(clients.errors));
    let split = format!("old {:.1}%  new {new:.1}%  of {requests} requests, {errors}", 100.0 - new);
    match (clients.old.p95().map(millis), clients.new.p95().map(millis)) {
        (None, None) => split,
        (Some(old), None) => format!("{split}, p95 old {old}"),
        (None, Some(new)) => format!("{split}, p95 new {new}"),
        (Some(old), Some(new)) => format!("{split}, p95 old {old}, new {new}"),
    }
}

/// What the comparisons came to, with how many they are.
#[expect(clippy::cast_precision_loss, reason = "a count of requests of one demo")]
pub(super) fn parity(parity: Parity) -> String {
    let rate = parity.mismatched as f64 / parity.compared.max(1) as f64 * 100.0;
    format!("{rate:.1}% of {} compared answers differ", parity.compared)
}

/// A number of errors in words.
pub(super) fn errors(count: u64) -> String {
    match count {
        0 => "no errors".to_owned(),
        1 => "1 error".to_owned(),
        more => format!("{more} errors"),
    }
}

/// A duration in milliseconds, with a digit after the point where it is short.
pub(super) fn millis(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// The new service's share as twenty characters, each begun part shown.
fn picture(new: f64) -> String {
    const WIDTH: usize = 20;
    let filled = (1..=WIDTH).filter(|place| threshold(*place, WIDTH) < new).count();
    format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled))
}

#[expect(clippy::cast_precision_loss, reason = "at most twenty")]
fn threshold(place: usize, width: usize) -> f64 {
    (place - 1) as f64 / width as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_show_every_begun_part() {
        assert_eq!(picture(0.0), "░".repeat(20));
        assert_eq!(picture(0.01), format!("█{}", "░".repeat(19)));
        assert_eq!(picture(0.5), format!("{}{}", "█".repeat(10), "░".repeat(10)));
        assert_eq!(picture(1.0), "█".repeat(20));
    }

    #[test]
    fn figures_carry_their_n() {
        assert_eq!(split(&Clients::default()), "old 100.0%  new 0.0%  of 0 requests, no errors");
        let parity_of = |compared, mismatched| parity(Parity { compared, mismatched });
        assert_eq!(parity_of(0, 0), "0.0% of 0 compared answers differ");
        assert_eq!(parity_of(200, 50), "25.0% of 200 compared answers differ");
    }

    #[test]
    fn short_times_keep_a_digit() {
        assert_eq!(millis(Duration::from_micros(3_440)), "3.4 ms");
        assert_eq!(millis(Duration::from_micros(83_440)), "83 ms");
    }
}
