//! Which fields does somebody's trust hang on? Nothing may look like them, and no client may have them removed.
//!
//! Besides signs and case, which [`rules::lookalike`] folds, runs of signs are taken for one: `Transfer__Encoding` and
//! `Transfer---Encoding` are `Transfer-Encoding` to somebody.

use super::policy::Policy;
use crate::protected::{Decides, decides};

/// As much of a name as is looked at. No name that is protected is longer.
const LONGEST: usize = 128;

/// Whether a name becomes a protected one for careless readers.
///
/// `name` has a sign in it, or hyphens side by side. A field that a route reads tenants from is no look-alike of itself.
pub(super) fn looks_protected(name: &[u8], policy: &Policy) -> bool {
    let configured = policy.identity.contain(name) && !policy.identity.resemble(name);
    !configured && squeezed(name, |name| decides(name).is_some() || policy.identity.contain(name))
}

/// Whether a field must not be removed, or come late, because a client says so.
pub(super) fn is_protected(name: &[u8], policy: &Policy) -> bool {
    squeezed(name, |name| {
        decides(name).is_some_and(|decided| decided != Decides::Connection)
            || policy.identity.contain(name)
    })
}

/// Whether a field belongs to one connection and frames or steers what is on it.
pub(super) fn is_of_a_connection(name: &[u8]) -> bool {
    squeezed(name, |name| decides(name) == Some(Decides::Connection))
}

/// Asks about a name in which runs of signs are one hyphen.
fn squeezed(name: &[u8], ask: impl FnOnce(&[u8]) -> bool) -> bool {
    let mut squeezed = [0; LONGEST];
    let (mut length, mut before) = (0, 0);
    for &byte in name {
        let byte = rules::lookalike::fold(byte);
        if (byte, before) == (b'-', b'-') {
            continue;
        }
        before = byte;
        let Some(place) = squeezed.get_mut(length) else { break };
        *place = byte;
        length += 1;
    }
    ask(squeezed.get(..length).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_case_do_not_hide_a_protected_name() {
        let identity = ["x-tenant-id", "x_shop"].into_iter().collect();
        let policy = Policy { identity, ..Policy::default() };
        for name in [
            "Transfer_Encoding",
            "content.length",
            "Transfer---Encoding",
            "Transfer___Encoding",
            "X_Tenant_Id",
            "x-tenant_ID",
            "X_Forwarded_For",
            "X_Consumer_Username",
            "X.Shop",
            "X__Tenant--Id",
            "Proxy~Connection",
        ] {
            assert!(looks_protected(name.as_bytes(), &policy), "{name}");
        }
        for name in ["X_Shop", "x_shop", "My_Header", "X_Tenant_Ids", "x.consumer", "cookie_2"] {
            assert!(!looks_protected(name.as_bytes(), &policy), "{name}");
        }
        assert!(is_protected(b"x-tenant-id", &policy) && !is_protected(b"te", &policy));
        assert!(is_of_a_connection(b"TE") && !is_of_a_connection(b"X-A"));
    }
}
