//! How are moments shown while somebody watches? Each in place of the one before, where that is a terminal.

use std::io::IsTerminal;

use super::exit::Failure;
use super::out::{self, Style, Tone};

/// Where the moments are shown: each in place of the one before on a terminal, else one after the other.
pub(crate) struct Screen {
    in_place: bool,
    last: String,
}

impl Screen {
    /// Where nothing is shown yet.
    pub(crate) fn new() -> Self {
        Self { in_place: std::io::stdout().is_terminal(), last: String::new() }
    }

    /// Shows a moment.
    pub(crate) fn show(&mut self, text: &str) -> Result<(), Failure> {
        if !self.in_place {
            return out::text(text);
        }
        let begin = if self.last.is_empty() { "\x1b[2J" } else { "" };
        text.clone_into(&mut self.last);
        out::text(&format!("{begin}{}", redrawn(text)))
    }

    /// Says that the server cannot be reached, below the last moment.
    pub(crate) fn lost(&mut self, failure: &Failure) -> Result<(), Failure> {
        let failure = failure.to_string();
        if !self.in_place {
            out::warning(&failure);
            return Ok(());
        }
        let said = Style::of_stdout().paint(Tone::Bad, &failure);
        let text = format!("{}\n{said}\n", self.last);
        out::text(&redrawn(&text))
    }
}

/// The text drawn over what is there: nothing is cleared before it is replaced, so nothing flickers.
fn redrawn(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[H{lines}\x1b[J")
}

#[cfg(test)]
mod tests {
    use super::redrawn;

    #[test]
    fn a_screen_is_drawn_over() {
        assert_eq!(redrawn("a\nb\n"), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
    }
}
