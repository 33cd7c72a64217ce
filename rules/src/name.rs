//! What may things be called? Names from the configuration, and tenant ids from requests.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {what}: {rule}")]
pub struct NameError {
    what: &'static str,
    rule: &'static str,
    found: Box<str>,
}

const NAME_RULE: &str =
    "use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or a digit, for example `sms-v2`";
const TENANT_RULE: &str = "use 1 to 128 of A-Z a-z 0-9 . _ : @ -, for example `clinic-17`";

fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether `text` may be a tenant's id: 1-128 characters of `[A-Za-z0-9._:@-]`.
///
/// ```
/// assert!(rules::is_tenant_id("clinic-17"));
/// assert!(!rules::is_tenant_id("clinic 17"));
/// ```
#[must_use]
pub fn is_tenant_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'@' | b'-'))
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $check(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(NameError { what: $what, rule: $rule, found: text.into() })
                }
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name!(
    /// A route's name: it owns one shift, labels the metrics and seeds the buckets.
    RouteName, "a route name", NAME_RULE, is_name
);
name!(
    /// The name of an upstream, a pool of targets.
    UpstreamName, "an upstream name", NAME_RULE, is_name
);
name!(
    /// The name of an issuer of tokens.
    IssuerName, "an issuer name", NAME_RULE, is_name
);
name!(
    /// The name of a cohort, a named set of tenants.
    CohortName, "a cohort name", NAME_RULE, is_name
);
name!(
    /// The name of a token for the control API, by which its holder is known.
    TokenName, "a token name", NAME_RULE, is_name
);
name!(
    /// The name of a flag: its key for the services that ask, and the seed of its buckets.
    FlagName, "a flag name", NAME_RULE, is_name
);
name!(
    /// The id of a tenant, the customer a request belongs to.
    TenantId, "a tenant id", TENANT_RULE, is_tenant_id
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_the_error_says_what_is_right() {
        for good in ["sms", "sms-v2", "S.1_b", "0"] {
            assert_eq!(good.parse::<RouteName>().unwrap().as_str(), good);
        }
        for bad in ["", "-sms", "a b", "a/b", "é", &"x".repeat(65)] {
            let error = bad.parse::<RouteName>().unwrap_err().to_string();
            assert!(error.contains("is not a route name: use 1 to 64"), "{error}");
        }
    }

    #[test]
    fn tenant_ids_take_what_kong_consumers_look_like() {
        for good in ["t", "user@example.org", "AF:clinic_1", &"x".repeat(128)] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "ü", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }
}
