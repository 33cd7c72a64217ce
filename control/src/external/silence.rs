//! Why is there no answer? Told to people as it is: never anything of an answer, an address or a secret.

use http::StatusCode;

/// Why another system gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    /// The configuration has no such system any more.
    #[error("there is no external `{0}` any more")]
    Unknown(String),
    /// Its settings make no request, or no TLS.
    #[error("it cannot be asked: {0}")]
    Settings(String),
    /// No connection came about.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// It took too long.
    #[error("no answer within {0}")]
    TimedOut(config::units::Time),
    /// Its answer is too large.
    #[error("its answer is larger than 64KiB")]
    TooLarge,
    /// It refused, or sent elsewhere: redirects are not followed.
    #[error("it answered with status {0}")]
    Status(StatusCode),
    /// Its answer is not what was expected.
    #[error("its answer is not JSON of the expected form")]
    Form,
    /// There is no value in its answer.
    #[error("there is no such value in its answer")]
    NoValue,
    /// There are several.
    #[error("the query gives {0} values: aggregate them to one")]
    ManyValues(usize),
    /// The value is of another kind.
    #[error("the value is not {0}")]
    Kind(&'static str),
    /// There is too much to ask at the same time.
    #[error("too much is asked at the same time")]
    Crowded,
}

impl Silence {
    /// Its kind, as the metric writes it.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown",
            Self::Settings(_) => "settings",
            Self::Unreachable(_) => "unreachable",
            Self::Broken => "broken",
            Self::TimedOut(_) => "timed_out",
            Self::TooLarge => "too_large",
            Self::Status(_) => "status",
            Self::Form | Self::NoValue | Self::ManyValues(_) | Self::Kind(_) => "unusable",
            Self::Crowded => "crowded",
        }
    }
}
