//! Who may say who asks? What nobody vouches for is removed before anything is decided.

use http::header::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use rules::lookalike::Names;

use crate::protected::{Decides, decides, is_lookalike};

/// Removes what a peer says that is not believed, and what only looks like a protected field, whoever says it.
/// `tenants` are the headers that tell tenants and cohorts.
pub(crate) fn remove_claims(head: &mut RequestHeader, trusted: bool, tenants: &Names) {
    for name in claims(&head.headers, trusted, tenants) {
        head.remove_header(&name);
    }
}

/// The names to remove; nothing is allocated where there are none.
fn claims(headers: &HeaderMap, trusted: bool, tenants: &Names) -> Vec<HeaderName> {
    let is_claim = |name: &&HeaderName| {
        let name = name.as_str().as_bytes();
        if trusted {
            is_lookalike(name) || tenants.resemble(name)
        } else {
            is_believed_only_of_some(name) || is_lookalike(name) || tenants.contain(name)
        }
    };
    headers.keys().filter(is_claim).cloned().collect()
}

fn is_believed_only_of_some(name: &[u8]) -> bool {
    matches!(decides(name), Some(Decides::Identity | Decides::Forwarding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn left(trusted: bool, names: &[&str]) -> Vec<String> {
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        for name in names {
            head.append_header((*name).to_owned(), HeaderValue::from_static("forged")).unwrap();
        }
        let tenants: Names = ["x-tenant-id", "x_shop"].into_iter().collect();
        remove_claims(&mut head, trusted, &tenants);
        assert!(head.case_header_iter().count() == head.headers.len());
        head.headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn strangers_say_nothing_of_themselves_in_any_spelling() {
        let claims = [
            "X-Forwarded-For",
            "x_forwarded_host",
            "Forwarded",
            "X.Real.IP",
            "x-original-url",
            "X_Rewrite_Url",
            "X-Consumer-Username",
            "x_consumer.id",
            "X-Credential-Identifier",
            "X-Authenticated-Scope",
            "X-Anonymous-Consumer",
            "X-Anonymous_Consumer",
            "X-Tenant-Id",
            "x_tenant_id",
            "X_Shop",
            "X-Shop",
            "X-Turnout-Arm",
            "Turnout-Debug",
            "Transfer_Encoding",
            "Content_Length",
        ];
        assert_eq!(left(false, &claims), [""; 0]);
        let others = ["accept", "via", "authorization", "cookie", "x-request-id", "x_custom"];
        assert_eq!(left(false, &others), others);
    }

    #[test]
    fn trusted_peers_say_what_they_like_under_its_own_name() {
        let names = ["x-forwarded-for", "x-consumer-id", "x-tenant-id", "x_shop", "x-turnout-arm"];
        assert_eq!(left(true, &names), names);
        assert_eq!(
            left(true, &["x_forwarded_for", "x_tenant_id", "x.shop", "x_consumer_id"]),
            [""; 0]
        );
    }
}
