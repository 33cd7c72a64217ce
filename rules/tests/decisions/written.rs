//! How are the parts of a route written in a table? Paths, values, arms, what is sticky.

use http::Method;
use rules::matching::{PathMatch, ValueMatch};
use rules::route::{ArmDefinition, Sticky, UpstreamId};

pub(crate) fn path_match(text: &str) -> PathMatch {
    match (text.strip_prefix('='), text.strip_prefix('~')) {
        (Some(exact), _) => PathMatch::Exact(exact.parse().unwrap()),
        (_, Some(regex)) => PathMatch::regex(regex).unwrap(),
        (None, None) => PathMatch::Prefix(text.parse().unwrap()),
    }
}

pub(crate) fn value_match(text: &str) -> ValueMatch {
    match text.strip_prefix('~') {
        Some(regex) => ValueMatch::regex(regex).unwrap(),
        None if text == "*" => ValueMatch::Present,
        None => ValueMatch::Exact(text.into()),
    }
}

pub(crate) fn methods(names: &[String]) -> Box<[Method]> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub(crate) fn arm(text: &str, upstreams: &mut Vec<String>) -> ArmDefinition {
    let (name, path) = text.split_once(' ').map_or((text, None), |(name, path)| (name, Some(path)));
    let place = upstreams.iter().position(|known| known == name).unwrap_or_else(|| {
        upstreams.push(name.to_owned());
        upstreams.len() - 1
    });
    ArmDefinition {
        upstream: UpstreamId(u32::try_from(place).unwrap()),
        path: path.map(|path| path.parse().unwrap()),
    }
}

pub(crate) fn sticky(text: &str) -> Option<Sticky> {
    Some(match text.split_once(' ').unwrap_or((text, "")) {
        ("", _) => return None,
        ("tenant", _) => Sticky::Tenant,
        ("client_address", _) => Sticky::ClientAddress,
        ("consumer", _) => Sticky::Consumer,
        ("request", _) => Sticky::Request,
        ("header", name) => Sticky::Header(name.parse().unwrap()),
        ("cookie", name) => Sticky::Cookie(name.into()),
        ("claim", name) => Sticky::Claim(name.into()),
        (other, _) => panic!("{other}"),
    })
}
