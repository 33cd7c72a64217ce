//! Is that really meant? The one place that asks back, and only where a person sits at a terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use super::exit::Failure;

/// Asks a person before all traffic moves. Scripts are not asked, nor is who said `--yes`.
///
/// # Errors
/// When the answer is anything but yes.
pub(crate) fn confirm(effect: &str, yes: bool) -> Result<(), Failure> {
    let (stdin, stderr) = (io::stdin(), io::stderr());
    if yes || !stdin.is_terminal() || !stderr.is_terminal() {
        return Ok(());
    }
    let mut stderr = stderr.lock();
    write!(stderr, "{effect} Go on? [y/N] ")?;
    stderr.flush()?;
    let mut said = String::new();
    stdin.lock().read_line(&mut said)?;
    if is_yes(&said) { Ok(()) } else { Err(Failure::Failed("left as it is".to_owned())) }
}

fn is_yes(said: &str) -> bool {
    matches!(said.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(is_yes("y\n") && is_yes(" YES\n"));
        assert!(!is_yes("\n") && !is_yes("no\n") && !is_yes("yep\n") && !is_yes(""));
    }
}
