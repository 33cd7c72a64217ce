//! Which share does the baseline serve? As much as is asked for of what the candidate leaves, at the other end of the buckets.

use crate::{Bucket, Share};

/// Fresh instances of the old version that serve a share of stable's keys while the candidate serves some: the control that
/// gates compare the candidate with. Long-running instances have warm caches and long-lived connections, which a fresh
/// candidate has not. (Graff and Sanden 2018, "Automated Canary Analysis at Netflix with Kayenta".)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Baseline {
    /// The share of keys; as many as the candidate serves where none is given.
    pub share: Option<Share>,
}

impl Baseline {
    /// The share that it serves beside the candidate's. The candidate's stands first. (INV-6)
    ///
    /// ```
    /// use rules::{Baseline, Share};
    /// let share = |text: &str| text.parse::<Share>().unwrap();
    /// assert_eq!(Baseline::default().beside(share("5%")), share("5%"));
    /// let fixed = Baseline { share: Some(share("10%")) };
    /// assert_eq!((fixed.beside(share("5%")), fixed.beside(share("97%"))), (share("10%"), share("3%")));
    /// ```
    #[must_use]
    pub fn beside(self, candidate: Share) -> Share {
        let left = candidate.rest();
        self.share.unwrap_or(candidate).min(left)
    }

    /// Whether a key is the baseline's: those of the last buckets are, which the candidate gets last.
    #[must_use]
    pub fn has(self, bucket: Bucket, candidate: Share) -> bool {
        !bucket.is_within(self.beside(candidate).rest())
    }
}
