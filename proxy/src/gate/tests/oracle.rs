//! A strict reader, written apart from the gate: it knows one way to write a request, and stops at anything else.
//!
//! It names nothing of the gate, so that `fuzz/targets/gate.rs` holds the gate to the same reader.

/// Makes sure that what passed is read alike by a strict reader and a lenient one.
pub(super) fn assert_canonical(passed: &[u8]) {
    let requests = match read_all(passed) {
        Ok(requests) => requests,
        Err(wrong) => panic!("{wrong}: {:?}", String::from_utf8_lossy(passed)),
    };
    let mut rest = passed;
    for mut request in requests {
        let other = read_by_httparse(rest).expect("a lenient reader reads it");
        let body = std::mem::take(&mut request.body);
        assert_eq!(request, other);
        let head = find(rest, b"\r\n\r\n").unwrap() + 4;
        let chunked = other.fields.iter().any(|(name, _)| name == "transfer-encoding");
        let length =
            if chunked { find(&rest[head..], b"0\r\n\r\n").unwrap() + 5 } else { body.len() };
        rest = &rest[head + length..];
    }
}

/// A request as a reader understands it.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.fields.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_slice()).collect()
    }
}

/// Reads request after request. What is left at the end is one that is not complete.
///
/// # Errors
/// Says what is wrong.
fn read_all(mut bytes: &[u8]) -> Result<Vec<Request>, String> {
    let mut requests = Vec::new();
    while let Some(end) = find(bytes, b"\r\n\r\n") {
        let (head, rest) = bytes.split_at(end + 4);
        let mut request = read_head(&head[..end])?;
        let Some((body, rest)) = read_body(&request, rest)? else { return Ok(requests) };
        request.body = body;
        requests.push(request);
        bytes = rest;
    }
    // The gate never passes a part of a head.
    if bytes.is_empty() { Ok(requests) } else { Err(format!("left: {bytes:?}")) }
}

/// The same head as another reader sees it.
fn read_by_httparse(bytes: &[u8]) -> Option<Request> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(bytes).ok().filter(httparse::Status::is_complete)?;
    let fields = request.headers.iter().map(|f| (f.name.to_lowercase(), f.value.to_vec()));
    Some(Request {
        method: request.method?.to_owned(),
        target: request.path?.to_owned(),
        fields: fields.collect(),
        body: Vec::new(),
    })
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

fn read_head(head: &[u8]) -> Result<Request, String> {
    let text: String = head.iter().map(|&byte| char::from(byte)).collect();
    if text.replace("\r\n", "").contains(|c: char| c.is_ascii_control() && c != '\t') {
        return Err(format!("control characters: {text:?}"));
    }
    let mut lines = text.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or("").split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = first[..] else {
        return Err(format!("request line: {first:?}"));
    };
    if !(target.starts_with('/') || target == "*" && method == "OPTIONS") {
        return Err(format!("target: {target:?}"));
    }
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("field: {line:?}"))?;
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            return Err(format!("name: {name:?}"));
        }
        let value = value.trim_matches([' ', '\t']).chars().map(|c| c as u8).collect();
        fields.push((name.to_lowercase(), value));
    }
    let request =
        Request { method: method.to_owned(), target: target.to_owned(), fields, body: Vec::new() };
    let hosts = request.values("host").len();
    if hosts > 1 || hosts == 0 && first[2] == "HTTP/1.1" {
        return Err(format!("hosts: {request:?}"));
    }
    for (name, _) in &request.fields {
        let folded = name.replace(['_', '.'], "-");
        if folded != *name
            && ["content-length", "transfer-encoding", "host", "x-tenant-id"].contains(&&*folded)
        {
            return Err(format!("look-alike: {name:?}"));
        }
    }
    Ok(request)
}

/// The body and what follows; none while it is not complete.
#[expect(clippy::type_complexity, reason = "read once, where it is taken apart")]
fn read_body<'b>(
    request: &Request,
    bytes: &'b [u8],
) -> Result<Option<(Vec<u8>, &'b [u8])>, String> {
    match (&request.values("content-length")[..], &request.values("transfer-encoding")[..]) {
        ([], []) => Ok(Some((Vec::new(), bytes))),
        ([length], []) => {
            let length = std::str::from_utf8(length)
                .ok()
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let length: usize = length.and_then(|text| text.parse().ok()).ok_or("length")?;
            Ok(bytes.split_at_checked(length).map(|(body, rest)| (body.to_vec(), rest)))
        }
        ([], [b"chunked"]) => read_chunks(bytes),
        framing => Err(format!("framing: {framing:?}")),
    }
}

#[expect(clippy::type_complexity, reason = "read once, where it is taken apart")]
fn read_chunks(mut bytes: &[u8]) -> Result<Option<(Vec<u8>, &[u8])>, String> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(bytes, b"\r\n") else {
            return if bytes.is_empty() { Ok(None) } else { Err(format!("size: {bytes:?}")) };
        };
        let digits = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("size: {digits:?}"));
        }
        let size = usize::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
        let rest = &bytes[end + 2..];
        if size == 0 {
            let rest = rest.strip_prefix(b"\r\n").ok_or("trailers pass")?;
            return Ok(Some((body, rest)));
        }
        if rest.len() < size + 2 {
            return Ok(None);
        }
        body.extend_from_slice(&rest[..size]);
        bytes = rest[size..].strip_prefix(b"\r\n").ok_or("end of chunk")?;
    }
}
