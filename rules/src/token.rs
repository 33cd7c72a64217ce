//! What does a token say of a request, and who is believed? Signed claims (RFC 7519), checked before anything is decided.

use std::time::Duration;

use crate::IssuerName;
use crate::facts::Occurrence;
use crate::upstream::{Address, UpstreamTls};

/// The longest token that is looked at, in bytes.
pub const LONGEST_TOKEN: usize = 8 << 10;

/// An issuer's place in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId(pub u32);

/// Who signs tokens, and which of them are meant for the services behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its name in the configuration.
    pub name: IssuerName,
    /// What `iss` must be.
    pub issuer: Box<str>,
    /// What `aud` must be, or have among others: one of these.
    pub audiences: Box<[Box<str>]>,
    /// The algorithms that its keys may be used with, by their names (RFC 7518); those of each key where none are given.
    pub algorithms: Box<[Box<str>]>,
    /// How far its clock may be from ours.
    pub leeway: Duration,
    /// Where its keys are.
    pub keys: KeySource,
    /// The claims that any route reads, by name.
    pub claims: Box<[Box<str>]>,
}

/// Where an issuer's public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Here: a JSON Web Key Set (RFC 7517), as text.
    Set(Box<str>),
    /// Under this URL; fetched in the background, again and again.
    Url(KeyUrl),
}

/// Where an issuer publishes its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUrl {
    /// Where it is asked.
    pub address: Address,
    /// Set where it is asked over TLS.
    pub tls: Option<UpstreamTls>,
    /// The path with its query.
    pub path: Box<str>,
    /// How often it is fetched.
    pub every: Duration,
}

/// What a route asks of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRule {
    /// Whose token.
    pub issuer: IssuerId,
    /// What becomes of a request without one.
    pub missing: MissingToken,
}

/// What becomes of a request without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingToken {
    /// It is refused with 401.
    #[default]
    Reject,
    /// It is served; the tenant is looked for elsewhere.
    Pass,
}

/// What is known of a request's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Token<'r> {
    /// It has none, or nobody asks.
    #[default]
    Missing,
    /// It has one that proves nothing.
    Refused(TokenProblem),
    /// It has one that is good: what it says.
    Verified(&'r Claims),
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenProblem {
    /// There is more than one credential, or it is too long or not a token.
    Malformed,
    /// Its algorithm is not one that the issuer's keys are used with.
    Algorithm,
    /// None of the issuer's keys is the one that it names.
    Key,
    /// It is signed by somebody else, or was changed.
    Signature,
    /// It is somebody else's, or meant for others: `iss` or `aud` is not as it must be.
    Issuer,
    /// Its time is over, or has not come.
    Time,
    /// The issuer's keys are not known yet: nobody can tell.
    NoKeys,
}

impl TokenProblem {
    /// The word for it, in problems and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Time => "time",
            Self::NoKeys => "no_keys",
        }
    }
}

/// What a verified token says, as far as any route wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims(Box<[Claim]>);

/// One claim of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    name: Box<str>,
    /// None where it is not a text.
    value: Option<Box<str>>,
}

impl Claims {
    /// Claims by name; those that are not a text have no value.
    #[must_use]
    pub fn new(claims: impl IntoIterator<Item = (Box<str>, Option<Box<str>>)>) -> Self {
        Self(claims.into_iter().map(|(name, value)| Claim { name, value }).collect())
    }

    /// A claim's value. What is not a text, a list for example, could be read in more than one way.
    #[must_use]
    pub fn get(&self, name: &str) -> Occurrence<&str> {
        let found = self.0.iter().find(|claim| *claim.name == *name);
        found.map_or(Occurrence::Missing, |claim| {
            claim.value.as_deref().map_or(Occurrence::Ambiguous, Occurrence::One)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_one_text_or_none() {
        let claims = Claims::new([("tenant".into(), Some("acme".into())), ("roles".into(), None)]);
        assert_eq!(claims.get("tenant"), Occurrence::One("acme"));
        assert_eq!(claims.get("roles"), Occurrence::Ambiguous);
        assert_eq!(claims.get("sub"), Occurrence::Missing);
    }
}
