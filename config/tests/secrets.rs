//! Secrets get where they belong, and nowhere else.

use crate::kit::{compiled, folder, read};

const TEXT: &str = "
samples: {key: {env: SAMPLE_KEY}}
upstreams: {api: {targets: [{address: '127.0.0.1:1'}]}}
routes:
  a:
    canonical: /
    stable: {upstream: api}
    request_headers:
      set:
        Authorization: {env: TOKEN}
        X-File: {file: token}
        X-Plain: a ${NUMBER} $${NUMBER} ${NOTHING:-b} ${EMPTY:-c}
";

#[test]
fn secrets_reach_the_header_and_are_never_printed() {
    let text =
        TEXT.replace("file: token", &format!("file: {}", folder().join("good/token").display()));
    let compiled = compiled(&text);
    let edits = &compiled.snapshot.table.routes()[0].request_headers;
    let values: Vec<&[u8]> = edits.set.iter().map(|(_, value)| value.as_bytes()).collect();
    assert_eq!(
        values,
        [&b"Bearer very-secret"[..], b"from-file-very-secret", b"a 3 ${NUMBER} b c"]
    );
    let key = compiled.sample_key.as_ref().map(|key| key.reveal().len());
    assert_eq!(key, Some(36));
    let printed =
        format!("{:?}\n{:?}\n{:?}", compiled, compiled.document, compiled.document.origin);
    assert!(!printed.contains("very-secret"), "{printed}");
    let json = serde_json::to_string(&*compiled.document).unwrap();
    assert!(!json.contains("very-secret") && json.contains(r#"{"env":"TOKEN"}"#), "{json}");
}

#[test]
fn another_secret_makes_another_document() {
    let text = TEXT.replace("        X-File: {file: token}\n", "");
    let one = read("turnout.yaml", &text).unwrap();
    let env =
        |name: &str| if name == "TOKEN" { Some("new".to_owned()) } else { crate::kit::env(name) };
    let source = config::Source { text: &text, name: "turnout.yaml", base: &folder(), env: &env };
    assert_ne!(config::read(&source).unwrap(), one);
    assert_eq!(read("turnout.yaml", &text).unwrap(), one);
}
