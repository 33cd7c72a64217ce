//! Where is a target? A host name or address, with a port.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A host name or address, with a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: Box<str>,
    port: u16,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: write `host:port`, for example `10.0.0.11:3000` or `[::1]:3000`")]
pub struct AddressError(String);

impl Address {
    /// The host name, or the address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether a text is how this address is written, in whatever case.
    #[must_use]
    pub fn is_written(&self, text: &str) -> bool {
        let Some((host, port)) = text.rsplit_once(':') else { return false };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        bare.is_some() == self.host.contains(':')
            && bare.unwrap_or(host).eq_ignore_ascii_case(&self.host)
            && !port.starts_with(['0', '+'])
            && port.parse() == Ok(self.port)
    }

    /// The socket address, where the host is an address and needs no look-up.
    #[must_use]
    pub fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string().into(), port: address.port() });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let all_numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let is_host = host.len() <= 253 && !all_numeric && host.split('.').all(is_label);
        let port = port.parse().ok().filter(|port| *port != 0);
        match port {
            Some(port) if is_host => Ok(Self { host: host.to_ascii_lowercase().into(), port }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for good in ["10.0.0.1:80", "[::1]:3000", "sms.internal:8080", "localhost:1"] {
            let address = good.parse::<Address>().unwrap();
            assert_eq!(address.to_string(), good);
            assert!(address.is_written(&good.to_ascii_uppercase()));
            let (host, port) = good.rsplit_once(':').unwrap();
            let bare = host.trim_matches(['[', ']']);
            let others = [format!("{good}0"), format!("{host}:0{port}"), format!("{host}:+{port}")];
            let is_other = |other: &String| !address.is_written(other);
            assert!(others.iter().all(is_other) && !address.is_written(host), "{good}");
            let written =
                if bare == host { format!("[{host}]:{port}") } else { format!("{bare}:{port}") };
            assert!(!address.is_written(&written), "{written}");
        }
        for bad in [
            "",
            "host",
            "host:",
            "host:0",
            "host:70000",
            "::1:80",
            "a b:80",
            "10.0.0:80",
            "http://a:80",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
