//! Which token does a request bring? `Authorization: Bearer`, once (RFC 6750 section 2.1).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use rules::token::{LONGEST_TOKEN, TokenProblem};

const SCHEME: &str = "bearer";

/// The token; none where the request has no credentials, or other ones.
///
/// # Errors
/// When there is more than one field, the token is too long to be one, or it is not parted from the scheme as it should
/// be: other readers may find one there all the same. (INV-11)
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, TokenProblem> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(TokenProblem::Malformed);
    }
    let text = field.to_str().map_err(|_unreadable| TokenProblem::Malformed)?;
    let scheme = text.trim_start().split([' ', '\t']).next();
    if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME)) {
        return Ok(None);
    }
    let token = text.get(SCHEME.len()..).filter(|rest| rest.starts_with(' '));
    let token = token.unwrap_or_default().trim_start_matches(' ');
    let is_token = !token.is_empty() && !token.contains([' ', '\t']);
    if !is_token || token.len() > LONGEST_TOKEN {
        return Err(TokenProblem::Malformed);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_token_stands_in_one_field() {
        let longest = "x".repeat(LONGEST_TOKEN);
        for (fields, found) in [
            (vec![], Ok(None)),
            (vec!["Basic YTpi".to_owned()], Ok(None)),
            (vec!["Bearer".to_owned()], Err(TokenProblem::Malformed)),
            (vec!["Bearer\ta.b.c".to_owned()], Err(TokenProblem::Malformed)),
            (vec!["Bearer a.b.c d".to_owned()], Err(TokenProblem::Malformed)),
            (vec!["Bearers a.b.c".to_owned()], Ok(None)),
            (vec!["Bearer a.b.c".to_owned()], Ok(Some("a.b.c"))),
            (vec!["bEARER   a.b.c".to_owned()], Ok(Some("a.b.c"))),
            (vec!["Bearer a".to_owned(), "Bearer a".to_owned()], Err(TokenProblem::Malformed)),
            (vec!["Bearer a".to_owned(), "Basic b".to_owned()], Err(TokenProblem::Malformed)),
            (vec![format!("Bearer {longest}")], Ok(Some(longest.as_str()))),
            (vec![format!("Bearer {longest}x")], Err(TokenProblem::Malformed)),
        ] {
            let mut headers = HeaderMap::new();
            for field in &fields {
                headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
            }
            assert_eq!(bearer(&headers), found, "{fields:?}");
        }
    }
}
