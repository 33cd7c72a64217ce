//! Why did something fail, in one line? An error says what; what led to it is said by the errors behind it.

use std::error::Error;

/// An error with all that led to it. What a log shows of an error alone ends with the first sentence.
///
/// ```
/// use config::causes;
/// let error = std::io::Error::other("the disk is full");
/// assert_eq!(causes(&error), "the disk is full");
/// ```
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let (mut text, mut behind) = (error.to_string(), error.source());
    while let Some(cause) = behind {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        behind = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("the store failed")]
    struct Failed(#[source] io::Error);

    #[test]
    fn the_whole_chain_is_told() {
        let error = Failed(io::Error::other("the disk is full"));
        assert_eq!(causes(&error), "the store failed: the disk is full");
    }
}
