//! What names a host? A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.

use std::net::Ipv6Addr;

/// The longest name of a host (RFC 1035, section 3.1, and its trailing dot).
const LONGEST_NAME: usize = 254;
/// The longest label of a name.
const LONGEST_LABEL: usize = 63;

/// Whether an authority is a host and perhaps a port, and nothing else: no user, no empty label, no empty port.
pub(super) fn is_authority(authority: &[u8]) -> bool {
    let Ok(authority) = std::str::from_utf8(authority) else { return false };
    if let Some(literal) = authority.strip_prefix('[') {
        return literal.split_once(']').is_some_and(|(address, rest)| {
            address.parse::<Ipv6Addr>().is_ok() && (rest.is_empty() || is_port_part(rest))
        });
    }
    let name_ends = authority.find(':').unwrap_or(authority.len());
    let Some((name, rest)) = authority.split_at_checked(name_ends) else { return false };
    is_name(name) && (rest.is_empty() || is_port_part(rest))
}

fn is_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    name.len() <= LONGEST_NAME && !labels.is_empty() && labels.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    // Underscores are in names that containers are reached by.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= LONGEST_LABEL && label.bytes().all(fits)
}

fn is_port_part(part: &str) -> bool {
    let digits = part.strip_prefix(':').unwrap_or("");
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && digits.len() <= 5 && digits.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for host in [
            "h",
            "shop.example.org",
            "shop.example.org.",
            "a_b:80",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:8080",
        ] {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ".",
            "a..b",
            ".a",
            "a:",
            "a:80:80",
            "a:65536",
            "a:000080",
            "a:8x",
            "u@h",
            "a b",
            "a/b",
            "a,b",
            "[::1",
            "::1",
            "[::1]x",
            "[]",
            "[127.0.0.1]",
            "a%41",
            "é",
            "h=1",
        ] {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
        assert!(!is_authority("a".repeat(64).as_bytes()));
        assert!(!is_authority("a.".repeat(128).as_bytes()));
    }
}
