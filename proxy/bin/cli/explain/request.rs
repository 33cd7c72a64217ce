//! What request is meant? As described on the command line.

use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::token::{Claims, Token};
use rules::{Facts, Snapshot};

/// Where a request's id may stand, as the proxy looks for it.
const ID_HEADERS: [&str; 4] =
    ["x-kong-request-id", "kong-request-id", "x-request-id", "x-correlation-id"];

/// The request.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The method
    #[arg(short = 'X', long, default_value = "GET", value_parser = method)]
    pub(super) method: Method,
    /// The host that the client asks for, perhaps with a port
    #[arg(long, default_value = "localhost")]
    pub(super) host: String,
    /// The path, perhaps with a query: /v1/sms?limit=10
    #[arg(long, default_value = "/")]
    pub(super) path: Target,
    /// A header, `name=value` or `name: value`; again for more
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE")]
    headers: Vec<Field>,
    /// A claim of the request's token, as if it were verified; again for more
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<SaidClaim>,
    /// The client's address; believed what it says of itself where it is one of `trusted_proxies`
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    client: IpAddr,
    /// The request comes through one of `trusted_proxies`, whatever the client's address
    #[arg(long)]
    trusted: bool,
    /// The request's id, which decides where nothing else makes it sticky
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// The request, with what must be kept for [`Facts`] to borrow from.
pub(crate) struct Described<'a> {
    args: &'a RequestArgs,
    headers: HeaderMap,
    claims: Option<Claims>,
    request_id: String,
    now_unix: i64,
}

impl RequestArgs {
    /// The request at this time.
    pub(super) fn describe(&self, now_unix: i64) -> Described<'_> {
        let mut headers = HeaderMap::new();
        for field in &self.headers {
            headers.append(field.name.clone(), field.value.clone());
        }
        let said = ID_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
        let request_id = self.request_id.as_deref().or(said).unwrap_or("explain").to_owned();
        let claims = self.claims.iter().map(|said| (said.name.clone(), Some(said.value.clone())));
        let claims = (!self.claims.is_empty()).then(|| Claims::new(claims));
        Described { args: self, headers, claims, request_id, now_unix }
    }
}

impl Described<'_> {
    /// The facts of the request under a snapshot.
    pub(super) fn facts(&self, snapshot: &Snapshot) -> Facts<'_> {
        Facts {
            method: &self.args.method,
            host: &self.args.host,
            path: &self.args.path.path,
            query: &self.args.path.query,
            headers: &self.headers,
            client: self.args.client,
            trusted: self.args.trusted || snapshot.trusts(self.args.client),
            token: self.claims.as_ref().map_or(Token::Missing, Token::Verified),
            request_id: &self.request_id,
            now_unix: self.now_unix,
        }
    }
}

/// A path, in the normal form that requests are given, and its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    path: String,
    query: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let fits = path.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !fits {
            return Err("write a path as it is sent, for example /v1/sms?limit=10".to_owned());
        }
        let path = rules::normal::normal(path)
            .map_err(|cause| format!("requests for it are answered with 400 bad_path: {cause}"))?;
        Ok(Self { path: path.into_owned(), query: query.to_owned() })
    }
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: HeaderName,
    value: HeaderValue,
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write name=value, for example X-Tenant-Id=acme".to_owned();
        let (name, value) = text.split_once(['=', ':']).ok_or_else(wrong)?;
        let name = name.trim().parse().map_err(|_invalid| wrong())?;
        let value = value.trim().parse().map_err(|_invalid| wrong())?;
        Ok(Self { name, value })
    }
}

/// One claim of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SaidClaim {
    name: Box<str>,
    value: Box<str>,
}

impl FromStr for SaidClaim {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) =
            text.split_once('=').ok_or("write name=value, for example tenant=acme")?;
        Ok(Self { name: name.into(), value: value.into() })
    }
}

fn method(text: &str) -> Result<Method, String> {
    let upper = text.to_ascii_uppercase();
    upper.parse().map_err(|_invalid| "write a method such as GET or POST".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_in_both_ways() {
        let field = |text: &str| text.parse::<Field>().unwrap();
        assert_eq!(field("X-Tenant-Id=acme"), field("x-tenant-id: acme"));
        assert_eq!(field("Authorization: Basic YQ==").value, "Basic YQ==");
        assert!("acme".parse::<Field>().is_err() && "a b=c".parse::<Field>().is_err());
    }

    #[test]
    fn a_path_brings_its_query() {
        let target: Target = "/v1/sms?a=1&b=?".parse().unwrap();
        assert_eq!((&*target.path, &*target.query), ("/v1/sms", "a=1&b=?"));
        let spelled: Target = "/v1/./%73ms?%61".parse().unwrap();
        assert_eq!((&*spelled.path, &*spelled.query), ("/v1/sms", "%61"));
        for refused in ["v1", "/a b", "/a//b", "/a/..;/b", "/a%00"] {
            assert!(refused.parse::<Target>().is_err(), "{refused}");
        }
        assert_eq!(method("post"), Ok(Method::POST));
    }
}
