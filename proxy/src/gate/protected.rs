//! Which fields does somebody's trust hang on? Nothing may look like them, and no client may have them removed.

use super::policy::Policy;

/// Fields that end here, or that belong to one connection; a client may name them in `Connection`.
const OF_A_CONNECTION: [&str; 7] =
    ["connection", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"];

/// Fields that say where a message ends, who asks, or where it came from.
const BY_NAME: [&str; 14] = [
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "proxy-authorization",
    "transfer-encoding",
    "turnout-debug",
    "via",
    "x-anonymous-consumer",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Families of fields that say who asks, or where a message came from.
const BY_PREFIX: [&str; 5] =
    ["x-authenticated-", "x-consumer-", "x-credential-", "x-forwarded-", "x-turnout-"];

/// Whether a name becomes a protected one for readers that do not tell hyphens from other signs, as CGI does.
///
/// `name` has such a sign in it. A field that a route reads tenants from is no look-alike of itself.
pub(super) fn looks_protected(name: &[u8], policy: &Policy) -> bool {
    let configured = policy.identity.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    !configured
        && (is_protected(name, policy) || OF_A_CONNECTION.iter().any(|known| reads_as(name, known)))
}

/// Whether a field must not be removed, or come late, because a client says so.
pub(super) fn is_protected(name: &[u8], policy: &Policy) -> bool {
    BY_NAME.iter().any(|known| reads_as(name, known))
        || BY_PREFIX.iter().any(|prefix| begins_as(name, prefix))
        || policy.identity.iter().any(|known| reads_as(name, known))
}

/// Whether a field belongs to one connection and frames or steers what is on it.
pub(super) fn is_of_a_connection(name: &[u8]) -> bool {
    OF_A_CONNECTION.iter().any(|known| reads_as(name, known))
}

fn reads_as(name: &[u8], known: &str) -> bool {
    name.len() == known.len() && begins_as(name, known)
}

fn begins_as(name: &[u8], prefix: &str) -> bool {
    name.len() >= prefix.len()
        && name.iter().zip(prefix.as_bytes()).all(|(&ours, &theirs)| fold(ours) == fold(theirs))
}

const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_case_do_not_hide_a_protected_name() {
        let policy = Policy {
            identity: ["x-tenant-id".into(), "x_shop".into()].into(),
            ..Policy::default()
        };
        for name in [
            "Transfer_Encoding",
            "content.length",
            "X_Tenant_Id",
            "x-tenant_ID",
            "X_Forwarded_For",
            "X_Consumer_Username",
            "X.Shop",
            "Proxy~Connection",
        ] {
            assert!(looks_protected(name.as_bytes(), &policy), "{name}");
        }
        for name in ["X_Shop", "x_shop", "My_Header", "X_Tenant_Ids", "x.consumer", "cookie_2"] {
            assert!(!looks_protected(name.as_bytes(), &policy), "{name}");
        }
    }
}
