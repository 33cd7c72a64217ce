//! Whose tokens are believed now? A verifier for each issuer of the snapshot, kept for as long as the issuer stays the same.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use rules::token::{Issuer, IssuerId, TokenProblem};
use rules::{Revision, Snapshot};

use super::bearer::bearer;
use super::signature;
use super::verifier::{Verified, Verifier};

/// The verifiers of the snapshot's issuers.
pub struct Issuers {
    made: ArcSwap<Made>,
}

/// What was made of the snapshot's issuers, for as long as they stay.
struct Made {
    revision: Revision,
    of: Arc<[Issuer]>,
    /// By [`IssuerId`].
    verifiers: Box<[Arc<Verifier>]>,
}

impl Issuers {
    /// Of this snapshot at first; later ones are followed.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        signature::install();
        let of = Arc::clone(&snapshot.issuers);
        let verifiers = verifiers(&of, &[]);
        let revision = snapshot.revision;
        Self { made: ArcSwap::from_pointee(Made { revision, of, verifiers }) }
    }

    /// What the token of a request proves; nothing where it has none.
    ///
    /// # Errors
    /// Why its token proves nothing.
    pub fn judge(
        &self,
        snapshot: &Snapshot,
        issuer: IssuerId,
        headers: &HeaderMap,
        now_unix: i64,
    ) -> Result<Option<Arc<Verified>>, TokenProblem> {
        let made = self.of(snapshot);
        let place = usize::try_from(issuer.0).ok();
        let verifier = place.and_then(|place| made.verifiers.get(place));
        let verifier = verifier.ok_or(TokenProblem::NoKeys)?;
        let token = bearer(headers).inspect_err(|problem| verifier.counts.count(*problem))?;
        let now = u64::try_from(now_unix).unwrap_or(0);
        token.map(|token| verifier.judge(token, now)).transpose()
    }

    /// The verifiers of a snapshot's issuers.
    pub(super) fn all(&self, snapshot: &Snapshot) -> Box<[Arc<Verifier>]> {
        self.of(snapshot).verifiers.clone()
    }

    fn of(&self, snapshot: &Snapshot) -> Arc<Made> {
        let made = self.made.load_full();
        if Arc::ptr_eq(&made.of, &snapshot.issuers) {
            return made;
        }
        let of = Arc::clone(&snapshot.issuers);
        let (revision, verifiers) = (snapshot.revision, verifiers(&of, &made.verifiers));
        let next = Arc::new(Made { revision, of, verifiers });
        // A request that began earlier does not set back what others are judged by. (INV-5)
        if made.revision <= revision {
            self.made.store(Arc::clone(&next));
        }
        next
    }

    /// What came of tokens, by issuer and outcome, and how many keys each issuer has.
    pub(crate) fn figures(&self, snapshot: &Snapshot) -> Vec<Figures> {
        self.all(snapshot).iter().map(|verifier| Figures(Arc::clone(verifier))).collect()
    }
}

/// What is counted of one issuer.
pub(crate) struct Figures(Arc<Verifier>);

impl Figures {
    /// The issuer's name.
    pub(crate) fn name(&self) -> &str {
        self.0.issuer.name.as_str()
    }

    /// How many of its keys are known.
    pub(crate) fn keys(&self) -> usize {
        self.0.key_count()
    }

    /// What came of its tokens, by outcome.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.counts.outcomes()
    }
}

/// A verifier for each issuer: the one before, with what it remembers, where the issuer is the same.
fn verifiers(of: &[Issuer], before: &[Arc<Verifier>]) -> Box<[Arc<Verifier>]> {
    let verifier = |issuer: &Issuer| match before
        .iter()
        .find(|verifier| verifier.issuer.name == issuer.name)
    {
        Some(same) if same.issuer == *issuer => Arc::clone(same),
        Some(other) => Arc::new(Verifier::following(issuer.clone(), other)),
        None => Arc::new(Verifier::new(issuer.clone())),
    };
    of.iter().map(verifier).collect()
}
