//! What is asked of another system, and what does its answer say?

use config::plan::{Expected, Question};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::asking::Answer;
use super::silence::Silence;

/// What a query string keeps as it is (RFC 3986, unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path and the query that a question is asked with.
pub(super) fn asked(question: &Question) -> (Option<String>, Option<String>) {
    match question {
        Question::Prometheus(query) => {
            let query = format!("query={}", utf8_percent_encode(query, UNRESERVED));
            (Some("/api/v1/query".to_owned()), Some(query))
        }
        Question::Json { path, .. } => (path.clone(), None),
    }
}

/// Whether an answer's value is what is expected.
pub(super) fn answered(question: &Question, expected: &Expected, body: &[u8]) -> Answer {
    let answer = json(body)?;
    let value = match question {
        Question::Prometheus(_) => Value::from(prometheus(&answer)?),
        Question::Json { pointer, .. } => {
            answer.pointer(pointer).cloned().ok_or(Silence::NoValue)?
        }
    };
    let number = || value.as_f64().ok_or(Silence::Kind("a number"));
    match expected {
        Expected::Within { min, max } => {
            let number = number()?;
            let met = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
            Ok((met, Some(number)))
        }
        Expected::Number(wanted) => {
            let number = number()?;
            Ok((number.total_cmp(wanted).is_eq() || number == *wanted, Some(number)))
        }
        Expected::Text(wanted) => {
            let text = value.as_str().ok_or(Silence::Kind("a text"))?;
            Ok((text == wanted, None))
        }
        Expected::Bool(wanted) => {
            let is = value.as_bool().ok_or(Silence::Kind("`true` or `false`"))?;
            Ok((is == *wanted, None))
        }
    }
}

/// The answer, of which no error tells anything.
fn json(body: &[u8]) -> Result<Value, Silence> {
    serde_json::from_slice(body).ok().ok_or(Silence::Form)
}

/// The one number of an instant query's answer, as Prometheus's HTTP API gives it: a scalar, or a vector of one.
fn prometheus(answer: &Value) -> Result<f64, Silence> {
    let found =
        answer.get("data").filter(|_| answer["status"] == "success").ok_or(Silence::Form)?;
    let result = found["result"].as_array().ok_or(Silence::Form)?;
    let pair = match found["resultType"].as_str() {
        Some("scalar") => result,
        Some("vector") => match result.as_slice() {
            [] => return Err(Silence::NoValue),
            [one] => one["value"].as_array().ok_or(Silence::Form)?,
            many => return Err(Silence::ManyValues(many.len())),
        },
        _ => return Err(Silence::Form),
    };
    let text = pair.get(1).and_then(Value::as_str).ok_or(Silence::Form)?;
    let number: f64 = text.parse().ok().ok_or(Silence::Kind("a number"))?;
    // JSON has no other numbers; nothing can be said by one that is not finite.
    if number.is_finite() { Ok(number) } else { Err(Silence::Kind("a finite number")) }
}

/// Whether an answer says that it may go on: `{"go": true}`.
pub(super) fn goes(body: &[u8]) -> Result<bool, Silence> {
    let answer = json(body)?;
    answer.get("go").and_then(Value::as_bool).ok_or(Silence::NoValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag() -> Question {
        Question::Prometheus("max(lag{job=\"db\"})".to_owned())
    }

    #[test]
    fn queries_are_written_as_urls_want_them() {
        let (path, query) = asked(&lag());
        assert_eq!(path.unwrap(), "/api/v1/query");
        assert_eq!(query.unwrap(), "query=max%28lag%7Bjob%3D%22db%22%7D%29");
    }

    #[test]
    fn prometheus_gives_one_number_or_nothing() {
        let of = |kind: &str, result: &str| {
            format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
        };
        let one = r#"[{"metric":{},"value":[1700000000.1,"4.5"]}]"#;
        let two = r#"[{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"2"]}]"#;
        let rows = [
            (of("vector", one), Ok((true, Some(4.5)))),
            (of("scalar", r#"[1,"6"]"#), Ok((false, Some(6.0)))),
            (of("scalar", r#"[1,"5"]"#), Ok((true, Some(5.0)))),
            (of("vector", "[]"), Err(Silence::NoValue)),
            (of("vector", two), Err(Silence::ManyValues(2))),
            (of("matrix", "[]"), Err(Silence::Form)),
            (of("scalar", r#"[1,"NaN"]"#), Err(Silence::Kind("a finite number"))),
            (of("scalar", r#"[1,"+Inf"]"#), Err(Silence::Kind("a finite number"))),
            (
                r#"{"status":"error","errorType":"bad_data","error":"x"}"#.to_owned(),
                Err(Silence::Form),
            ),
            ("<html>".to_owned(), Err(Silence::Form)),
        ];
        let expected = Expected::Within { min: None, max: Some(5.0) };
        for (body, found) in rows {
            assert_eq!(answered(&lag(), &expected, body.as_bytes()), found, "{body}");
        }
    }

    #[test]
    fn json_is_held_against_what_is_expected() {
        let body = br#"{"records": {"difference": 0, "old": 12}, "state": "done", "same": true, "a/b": [7]}"#;
        let within = |min, max| Expected::Within { min, max };
        let rows = [
            ("/records/difference", Expected::Number(0.0), Ok((true, Some(0.0)))),
            ("/records/old", Expected::Number(0.0), Ok((false, Some(12.0)))),
            ("/records/old", within(Some(12.0), Some(12.0)), Ok((true, Some(12.0)))),
            ("/records/old", within(Some(13.0), None), Ok((false, Some(12.0)))),
            ("/a~1b/0", within(None, Some(6.0)), Ok((false, Some(7.0)))),
            ("/state", Expected::Text("done".to_owned()), Ok((true, None))),
            ("/state", Expected::Text("copying".to_owned()), Ok((false, None))),
            ("/same", Expected::Bool(true), Ok((true, None))),
            ("/same", within(None, Some(1.0)), Err(Silence::Kind("a number"))),
            ("/records/new", Expected::Number(0.0), Err(Silence::NoValue)),
        ];
        for (pointer, expected, found) in rows {
            let question = Question::Json { path: None, pointer: pointer.to_owned() };
            assert_eq!(answered(&question, &expected, body), found, "{pointer}");
        }
    }

    #[test]
    fn only_a_go_is_one() {
        for (body, found) in [
            (r#"{"go": true}"#, Ok(true)),
            (r#"{"go": false, "why": "not today"}"#, Ok(false)),
            (r#"{"go": "true"}"#, Err(Silence::NoValue)),
            ("{}", Err(Silence::NoValue)),
            ("true", Err(Silence::NoValue)),
            ("ok", Err(Silence::Form)),
        ] {
            assert_eq!(goes(body.as_bytes()), found, "{body}");
        }
    }
}
