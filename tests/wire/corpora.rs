//! What do others hold to be good and bad requests? Three public corpora, as the bytes that they mean.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A request, and what its corpus says of it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad,
    /// Neither, or a matter of options that are not ours.
    Open,
}

fn folder(corpus: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/wire").join(corpus)
}

fn files(corpus: &str, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder(corpus)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no .{extension} in {corpus}");
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

#[derive(Deserialize)]
struct Described {
    name: String,
    #[serde(default)]
    uri: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    headers: Option<Vec<DescribedField>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct DescribedField {
    name: String,
    value: serde_json::Value,
}

#[derive(Deserialize)]
struct Expected {
    tier: String,
}

/// Heads with a verdict on how dangerous they are. Each gets a Host and the body that it announces.
pub(super) fn desync() -> Vec<Case> {
    let cases = files("desync", "yaml").into_iter().flat_map(|(file, text)| {
        let described: Vec<Described> = serde_saphyr::from_str(&text).unwrap();
        described.into_iter().enumerate().map(move |(n, case)| desync_case(&file, n, &case))
    });
    cases.collect()
}

fn desync_case(file: &str, n: usize, case: &Described) -> Case {
    let mut head = format!("{} {}", case.method, case.uri);
    if !case.version.is_empty() {
        head += &format!(" {}", case.version);
    }
    head += "\r\n";
    let fields = case.headers.as_deref().unwrap_or_default();
    if !fields.iter().any(|field| field.name.eq_ignore_ascii_case("host")) {
        head += "Host: h\r\n";
    }
    let mut body = Vec::new();
    for field in fields {
        let value = field.value.as_str().map_or_else(|| field.value.to_string(), str::to_owned);
        head += &format!("{}: {value}\r\n", field.name);
        match (field.name.trim().to_lowercase().as_str(), value.trim().parse::<usize>()) {
            ("content-length", Ok(length)) => body = vec![b'x'; length.min(5_000_000)],
            ("transfer-encoding", _) => body = b"0\r\n\r\n".to_vec(),
            _ => {}
        }
    }
    head += "\r\n";
    let mut bytes = as_bytes(&head);
    bytes.extend_from_slice(&body);
    let verdict = match case.expected.tier.as_str() {
        "Compliant" => Verdict::Good,
        "Severe" | "Ambiguous" => Verdict::Bad,
        _ => Verdict::Open,
    };
    Case { name: format!("{file} {n} {}", case.name), bytes, verdict }
}

/// Escapes below 0x100 mean bytes, everything else is text.
fn as_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(c.to_string().as_bytes()),
        }
    }
    bytes
}

/// The requests of a parser's tests, with what it makes of them.
pub(super) fn llhttp() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, text) in files("llhttp", "md") {
        for (n, part) in text.split("<!-- meta=").skip(1).enumerate() {
            let between =
                |from: &str| part.split_once(from).and_then(|(_, rest)| rest.split_once("\n```"));
            let Some((request, _)) = between("```http\n") else { continue };
            let log = between("```log\n").map_or("", |(log, _)| log);
            let meta = part.split_once("-->").map_or("", |(meta, _)| meta);
            let plain =
                ["\"request\"", "\"request-finish\""].iter().any(|kind| meta.contains(kind));
            let verdict = match (
                plain && !(meta.contains("pause") || meta.contains("skipBody")),
                outcome(log),
            ) {
                (false, _) => Verdict::Open,
                (true, verdict) => verdict,
            };
            let bytes =
                with_host(&as_bytes(&unescape(&request.replace("\\\n", "").replace('\n', "\r\n"))));
            cases.push(Case { name: format!("{file} {n}"), bytes, verdict });
        }
    }
    cases
}

fn outcome(log: &str) -> Verdict {
    if log.contains("reason=\"Pause on CONNECT/Upgrade\"") {
        Verdict::Open
    } else if log.contains("error code=") {
        Verdict::Bad
    } else if log.contains("message complete") {
        Verdict::Good
    } else {
        Verdict::Open
    }
}

/// The requests of an origin server's tests, with what it makes of them.
pub(super) fn gunicorn() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, verdict) in [("valid", Verdict::Good), ("invalid", Verdict::Bad)] {
        for (file, text) in files(&format!("gunicorn/{kind}"), "http") {
            let bytes = with_host(&as_bytes(&unescape(&text.replace('\n', ""))));
            cases.push(Case { name: format!("{kind} {file}"), bytes, verdict });
        }
    }
    cases
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out += before;
        let (meant, length) = match escape.as_bytes() {
            [_, b'r', ..] => ('\r', 2),
            [_, b'n', ..] => ('\n', 2),
            [_, b't', ..] => ('\t', 2),
            [_, b'f', ..] => ('\x0c', 2),
            [_, b'0', ..] => ('\0', 2),
            [_, b'x', ..] => match escape.get(2..4).map(|digits| u8::from_str_radix(digits, 16)) {
                Some(Ok(byte)) => (char::from(byte), 4),
                _ => ('\\', 1),
            },
            _ => ('\\', 1),
        };
        out.push(meant);
        rest = escape.get(length..).unwrap_or_default();
    }
    out + rest
}

/// Both corpora leave out the Host, which would hide what else they are about: requests of HTTP/1.1 without one get one.
fn with_host(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        let (head, after) = rest.split_at(end.unwrap_or(rest.len()));
        let text = String::from_utf8_lossy(head).to_lowercase();
        let line = head.windows(2).position(|window| window == b"\r\n").map_or(0, |at| at + 2);
        let begins = text.split("\r\n").next().is_some_and(|line| line.ends_with(" http/1.1"));
        if begins && !text.contains("\nhost") {
            out.extend_from_slice(&head[..line]);
            out.extend_from_slice(b"Host: h\r\n");
            out.extend_from_slice(&head[line..]);
        } else {
            out.extend_from_slice(head);
        }
        if end.is_none() {
            return out;
        }
        rest = after;
    }
}
