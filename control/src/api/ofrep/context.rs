//! Whom is a flag asked for? The tenant in a request's context, which is read within bounds. (INV-7)

use rules::TenantId;
use serde_json::Value;

use super::answer::Failure;

/// The longest body: the context with what is around it.
pub(super) const MOST_BYTES: usize = 16 << 10;
/// How deep a context may be.
const DEEPEST: usize = 8;

/// The member that names the tenant; where there is none, the targeting key does.
const TENANT: &str = "tenant";
const TARGETING_KEY: &str = "targetingKey";

/// The tenant that a request's body asks for, if it names one.
///
/// What else the context says is not looked at: a tenant's attributes are those that the configuration gives it, so that
/// a service is told what the proxy decides by, whatever the service knows of the tenant.
///
/// # Errors
/// When the body is no request of the protocol, or its context is out of bounds.
pub(super) fn tenant(body: &[u8]) -> Result<Option<TenantId>, Failure> {
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return Err(Failure::parse("the body is not JSON"));
    };
    let Some(asked) = asked.as_object() else {
        return Err(Failure::parse("the body is not a JSON object"));
    };
    let context = match asked.get("context") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(context)) => context,
        Some(_) => return Err(Failure::context("the context is not a JSON object")),
    };
    if context.values().any(|value| is_deeper(value, DEEPEST - 1)) {
        return Err(Failure::context("the context is over 8 levels deep"));
    }
    let id = match (context.get(TENANT), context.get(TARGETING_KEY)) {
        (Some(Value::String(id)), _) => id,
        (None | Some(Value::Null), Some(Value::String(id))) => id,
        (None | Some(Value::Null), None | Some(Value::Null)) => return Ok(None),
        (None | Some(Value::Null), Some(_)) => {
            return Err(Failure::context("the targetingKey is not a text"));
        }
        (Some(_), _) => return Err(Failure::context("the tenant is not a text")),
    };
    if id.is_empty() {
        return Ok(None);
    }
    let wrong = "the tenant, or else the targetingKey, is 1 to 128 of A-Z a-z 0-9 . _ : @ -";
    id.parse().map(Some).map_err(|_error| Failure::context(wrong))
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    let below = |inner: &Value| levels == 0 || is_deeper(inner, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(below),
        Value::Object(fields) => levels == 0 || fields.values().any(below),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_stands_before_the_targeting_key() {
        let found = |body: &str| tenant(body.as_bytes()).map(|id| id.map(|id| id.to_string()));
        for (body, id) in [
            (r#"{"context": {"targetingKey": "acme"}}"#, Some("acme")),
            (r#"{"context": {"targetingKey": "user 7", "tenant": "acme"}}"#, Some("acme")),
            (r#"{"context": {"targetingKey": "acme", "tenant": null}}"#, Some("acme")),
            (r#"{"context": {"targetingKey": ""}}"#, None),
            (r#"{"context": {"plan": "gold"}}"#, None),
            (r#"{"context": null}"#, None),
            ("{}", None),
        ] {
            assert_eq!(found(body).unwrap().as_deref(), id, "{body}");
        }
    }

    #[test]
    fn what_is_no_context_is_told_apart() {
        let nested = |levels: usize| {
            format!(r#"{{"context": {{"a": {}1{}}}}}"#, "[".repeat(levels), "]".repeat(levels))
        };
        assert!(tenant(nested(7).as_bytes()).is_ok());
        for (body, code) in [
            ("", "PARSE_ERROR"),
            ("[]", "PARSE_ERROR"),
            (r#"{"context": {}"#, "PARSE_ERROR"),
            (r#"{"context": []}"#, "INVALID_CONTEXT"),
            (r#"{"context": {"targetingKey": 7}}"#, "INVALID_CONTEXT"),
            (r#"{"context": {"targetingKey": "a b"}}"#, "INVALID_CONTEXT"),
            (r#"{"context": {"tenant": true, "targetingKey": "acme"}}"#, "INVALID_CONTEXT"),
            (&nested(8), "INVALID_CONTEXT"),
            (&nested(500), "PARSE_ERROR"),
        ] {
            assert_eq!(tenant(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
    }
}
