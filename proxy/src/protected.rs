//! Which header fields decide something for those behind the proxy? The one list of names that nobody may smuggle in.
//!
//! Names are looked up as careless readers see them: case and signs folded ([`rules::lookalike`]). The headers that
//! routes take tenants from, and those that tell cohorts, come beside this list:
//! [`rules::matching::RouteTable::identity_headers`].

use rules::lookalike::{begins, compare, fold, is_odd};

/// What a field decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decides {
    /// What becomes of this one connection (RFC 9110 section 7.6.1): it ends here, and may be named in `Connection`.
    Connection,
    /// Where the message ends and whom it is for.
    Framing,
    /// Who asks: what gateways say of consumers they know, and what this proxy is told.
    Identity,
    /// Who may ask.
    Credential,
    /// Where the request came from, and what it was asked for there.
    Forwarding,
    /// Through whom it came; everybody on the way adds to it.
    Way,
}

/// Whole names, sorted.
const NAMES: [(&str, Decides); 23] = [
    ("apikey", Decides::Credential),
    ("authorization", Decides::Credential),
    ("connection", Decides::Connection),
    ("content-length", Decides::Framing),
    ("cookie", Decides::Credential),
    ("expect", Decides::Framing),
    ("forwarded", Decides::Forwarding),
    ("host", Decides::Framing),
    ("http2-settings", Decides::Connection),
    ("keep-alive", Decides::Connection),
    ("proxy-authorization", Decides::Credential),
    ("proxy-connection", Decides::Connection),
    ("te", Decides::Connection),
    ("trailer", Decides::Connection),
    ("transfer-encoding", Decides::Framing),
    ("turnout-debug", Decides::Identity),
    ("upgrade", Decides::Connection),
    ("via", Decides::Way),
    ("x-anonymous-consumer", Decides::Identity),
    ("x-api-key", Decides::Credential),
    ("x-original-url", Decides::Forwarding),
    ("x-real-ip", Decides::Forwarding),
    ("x-rewrite-url", Decides::Forwarding),
];
/// How the names of whole families begin.
const FAMILIES: [(&str, Decides); 5] = [
    ("x-authenticated-", Decides::Identity),
    ("x-consumer-", Decides::Identity),
    ("x-credential-", Decides::Identity),
    ("x-forwarded-", Decides::Forwarding),
    ("x-turnout-", Decides::Identity),
];

/// What a field of this name decides, whatever its spelling; none for most.
pub(crate) fn decides(name: &[u8]) -> Option<Decides> {
    // Most names of a request are told apart by their first letter.
    match fold(*name.first()?) {
        b'a' | b'c' | b'e' | b'f' | b'h' | b'k' | b'p' | b't'..=b'v' => whole(name),
        b'x' => whole(name).or_else(|| {
            FAMILIES.iter().find(|(family, _)| begins(name, family)).map(|(_, decides)| *decides)
        }),
        _ => None,
    }
}

fn whole(name: &[u8]) -> Option<Decides> {
    let place = NAMES.binary_search_by(|(known, _)| compare(name, known).reverse()).ok()?;
    NAMES.get(place).map(|(_, decides)| *decides)
}

/// Whether a name is none that anybody protects, but is taken for one by who folds signs.
pub(crate) fn is_lookalike(name: &[u8]) -> bool {
    is_odd(name) && decides(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling() {
        assert!(NAMES.is_sorted_by_key(|(name, _)| *name));
        let families = FAMILIES.map(|(family, decided)| (format!("{family}of-any-kind"), decided));
        let names = NAMES.map(|(name, decided)| (name.to_owned(), decided));
        for (name, decided) in names.into_iter().chain(families) {
            for (spelling, odd) in [
                (name.clone(), false),
                (name.to_uppercase(), false),
                (name.replace('-', "_"), name.contains('-')),
                (name.replacen('-', ".", 1), name.contains('-')),
            ] {
                assert_eq!(decides(spelling.as_bytes()), Some(decided), "{spelling}");
                assert_eq!(is_lookalike(spelling.as_bytes()), odd, "{spelling}");
            }
        }
        for name in
            ["x-forwarded", "x-consumer", "accept", "content-type", "traceparent", "", "x_y"]
        {
            assert_eq!(decides(name.as_bytes()), None, "{name}");
        }
    }
}
