//! How much of the traffic? Shares in basis points.

use std::fmt;
use std::str::FromStr;

/// A part of the whole in basis points: 0 to 10,000, where 10,000 is everything.
///
/// ```
/// use rules::Share;
/// let five: Share = "5%".parse().unwrap();
/// assert_eq!(five.basis_points(), 500);
/// assert_eq!("0.05%".parse::<Share>().unwrap().to_string(), "0.05%");
/// assert!("101%".parse::<Share>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share(u16);

/// Why a text is not a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The text is not a number with a percent sign.
    #[error("{0:?} is not a share: write a percentage such as `5%` or `0.25%`")]
    NotAShare(String),
    /// The share is larger than everything.
    #[error("{0:?} is more than everything: a share is between `0%` and `100%`")]
    TooLarge(String),
    /// The share has more digits than basis points can hold.
    #[error("{0:?} is too fine: the smallest step is `0.01%`")]
    TooFine(String),
}

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(10_000);

    /// A share of `basis_points` parts of 10,000, or nothing when that is more than everything.
    #[must_use]
    pub const fn from_basis_points(basis_points: u16) -> Option<Self> {
        if basis_points <= 10_000 { Some(Self(basis_points)) } else { None }
    }

    /// The parts of 10,000.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// The share between 0.0 and 1.0, as metrics show it.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// What is left of everything.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(10_000 - self.0)
    }

    /// Whether this is nothing at all.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether this is everything.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.0 == 10_000
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let not_a_share = || ShareError::NotAShare(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(not_a_share)?.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(not_a_share());
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 2 {
            return Err(ShareError::TooFine(text.to_owned()));
        }
        let too_large = |_| ShareError::TooLarge(text.to_owned());
        let whole: u16 = whole.parse().map_err(too_large)?;
        let hundredths: u16 = format!("{fraction:0<2}").parse().map_err(too_large)?;
        whole
            .checked_mul(100)
            .and_then(|bp| bp.checked_add(hundredths))
            .and_then(Self::from_basis_points)
            .ok_or_else(|| ShareError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        match (hundredths, hundredths % 10) {
            (0, _) => write!(f, "{whole}%"),
            (_, 0) => write!(f, "{whole}.{}%", hundredths / 10),
            _ => write!(f, "{whole}.{hundredths:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_wrong_text_says_what_is_wrong() {
        for (text, says) in [
            ("5", "is not a share"),
            ("%", "is not a share"),
            ("-1%", "is not a share"),
            ("five%", "is not a share"),
            ("1.%", "is not a share"),
            ("1e1%", "is not a share"),
            ("100.01%", "more than everything"),
            ("99999999%", "more than everything"),
            ("0.001%", "too fine"),
        ] {
            let error = text.parse::<Share>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert_eq!("5.00 %".parse(), Ok(Share(500)));
    }

    proptest! {
        #[test]
        fn text_there_and_back_is_the_identity(bp in 0_u16..=10_000) {
            let share = Share::from_basis_points(bp).unwrap();
            prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
        }
    }
}
