//! What names a host? A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.

use std::net::Ipv6Addr;

/// The longest name of a host (RFC 1035, section 3.1, and its trailing dot).
const LONGEST_NAME: usize = 254;
/// The longest label of a name.
const LONGEST_LABEL: usize = 63;
/// The most digits of a port.
const LONGEST_PORT: usize = 5;

/// Whether an authority is a host and perhaps a port, and nothing else: no user, no empty label, no empty port.
pub(super) fn is_authority(authority: &[u8]) -> bool {
    if let Some(literal) = authority.strip_prefix(b"[") {
        return is_literal(literal);
    }
    match authority
        .iter()
        .position(|&byte| byte == b':')
        .and_then(|at| authority.split_at_checked(at))
    {
        Some((name, port)) => is_name(name) && is_port_part(port),
        None => is_name(authority),
    }
}

/// Whether an IPv6 address and its closing bracket come, and perhaps a port.
fn is_literal(literal: &[u8]) -> bool {
    std::str::from_utf8(literal).ok().and_then(|literal| literal.split_once(']')).is_some_and(
        |(address, rest)| {
            let is_end = rest.is_empty() || is_port_part(rest.as_bytes());
            is_end && address.parse::<Ipv6Addr>().is_ok()
        },
    )
}

/// Looks at each byte once: every request has such a name.
fn is_name(name: &[u8]) -> bool {
    let labels = name.strip_suffix(b".").unwrap_or(name);
    let mut length = 0;
    for &byte in labels {
        // Underscores are in names that containers are reached by.
        length = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => length + 1,
            b'.' if length > 0 => 0,
            _ => return false,
        };
        if length > LONGEST_LABEL {
            return false;
        }
    }
    name.len() <= LONGEST_NAME && length > 0
}

fn is_port_part(part: &[u8]) -> bool {
    let digits = part.strip_prefix(b":").unwrap_or_default();
    if !(1..=LONGEST_PORT).contains(&digits.len()) {
        return false;
    }
    let number = digits.iter().try_fold(0_u32, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    });
    number.is_some_and(|number| u16::try_from(number).is_ok())
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
