//! What should the user of an alias know? Since when it is deprecated, until when it is served, and where to go.

use http::header::{HeaderValue, LINK};
use jiff::Timestamp;
use pingora::http::ResponseHeader;
use pingora::prelude::Result;
use rules::route::Alias;

use crate::exchange::Exchange;

/// Writes `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` on an answer to an alias, whoever gave it.
pub(crate) fn announce(
    response: &mut ResponseHeader,
    exchange: &Exchange,
    client_path: &str,
) -> Result<()> {
    let family = exchange.place().and_then(|(route, id)| route.family(id));
    let alias = family.and_then(|family| Some((family, family.alias.as_ref()?)));
    let Some((family, Alias { deprecated_unix, sunset_unix })) = alias else { return Ok(()) };
    response.insert_header("deprecation", format!("@{deprecated_unix}"))?;
    if let Some(date) = sunset_unix.and_then(http_date) {
        response.insert_header("sunset", date)?;
    }
    let successor = family.to_canonical.apply(exchange.path(client_path));
    let link = format!("<{successor}>; rel=\"successor-version\"");
    if let Ok(link) = HeaderValue::try_from(link) {
        response.append_header(LINK, link)?;
    }
    Ok(())
}

/// A moment as HTTP writes it (RFC 9110 section 5.6.7).
fn http_date(unix: i64) -> Option<String> {
    let moment = Timestamp::from_second(unix).ok()?;
    Some(moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_does() {
        assert_eq!(http_date(784_111_777).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
