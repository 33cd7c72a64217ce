//! Which header names are the same to somebody? Many servers fold case and signs away: `X_Tenant.ID` is `X-Tenant-Id`.

use std::cmp::Ordering;

/// Compares a header's name, as those servers read it, with one that is folded already: in lower case, with hyphens.
///
/// ```
/// use rules::lookalike::compare;
/// assert!(compare(b"X_Tenant.ID", "x-tenant-id").is_eq());
/// assert!(compare(b"X-Tenant", "x-tenant-id").is_lt());
/// ```
#[must_use]
pub fn compare(name: &[u8], folded: &str) -> Ordering {
    name.iter().copied().map(fold).cmp(folded.bytes())
}

/// Whether a name, as those servers read it, begins like this.
#[must_use]
pub fn begins(name: &[u8], folded: &str) -> bool {
    let head = name.get(..folded.len());
    head.is_some_and(|head| head.iter().copied().map(fold).eq(folded.bytes()))
}

/// Whether a name holds a sign that those servers take for a hyphen.
#[must_use]
pub fn is_odd(name: &[u8]) -> bool {
    name.iter().any(|byte| *byte != b'-' && !byte.is_ascii_alphanumeric())
}

/// One byte of a name, as those servers read it.
#[must_use]
pub const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Names, found by whatever looks like them. Looking allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    folded: Box<[Box<str>]>,
    /// Those that have a sign of their own where others have a hyphen, in lower case.
    odd: Box<[Box<str>]>,
}

impl Names {
    /// Whether a name is one of these, or looks like one.
    #[must_use]
    pub fn contain(&self, name: &[u8]) -> bool {
        self.folded.binary_search_by(|known| compare(name, known).reverse()).is_ok()
    }

    /// Whether a name looks like one of these without being it.
    #[must_use]
    pub fn resemble(&self, name: &[u8]) -> bool {
        let mut own = self.odd.iter().map(|own| own.as_bytes());
        is_odd(name) && self.contain(name) && !own.any(|own| own.eq_ignore_ascii_case(name))
    }
}

impl<'n> FromIterator<&'n str> for Names {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let (mut all, mut odd) = (Vec::new(), Vec::new());
        for name in names {
            all.push(name.bytes().map(fold).map(char::from).collect());
            if is_odd(name.as_bytes()) {
                odd.push(name.to_ascii_lowercase().into());
            }
        }
        Self { folded: distinct(all), odd: distinct(odd) }
    }
}

fn distinct(mut names: Vec<Box<str>>) -> Box<[Box<str>]> {
    names.sort_unstable();
    names.dedup();
    names.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling() {
        let names: Names = ["X-Tenant-Id", "account", "x_shop", "zone.id"].into_iter().collect();
        for (name, resembles) in [
            ("x-tenant-id", false),
            ("X_TENANT_ID", true),
            ("x.tenant-Id", true),
            ("x~tenant-Id", true),
            ("Account", false),
            ("X_Shop", false),
            ("x-shop", false),
            ("x.shop", true),
            ("ZONE.ID", false),
            ("zone_id", true),
        ] {
            assert!(names.contain(name.as_bytes()), "{name}");
            assert_eq!(names.resemble(name.as_bytes()), resembles, "{name}");
        }
        for name in ["", "x-tenant", "x-tenant-id-2", "accounts", "xtenantid", "x_x"] {
            assert!(!names.contain(name.as_bytes()) && !names.resemble(name.as_bytes()), "{name}");
        }
        assert!(!Names::default().contain(b"x"));
        assert!(begins(b"X_Consumer.Id", "x-consumer-") && !begins(b"x-consumer", "x-consumer-"));
    }
}
