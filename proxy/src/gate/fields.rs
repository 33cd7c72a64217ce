//! What do the fields of a head say of its framing? Each line is judged alone, what they say together at the end.

use std::ops::Range;

use super::classes::{Name, is_field_value, is_token, split_name, trim};
use super::host::is_authority;
use super::policy::Policy;
use super::protected::{is_protected, looks_protected};
use super::refusal::Refusal;
use crate::framing::plain_number;

/// What the fields have said so far. Places are counted from the head's first byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    count: usize,
    pub(super) host: Option<Range<usize>>,
    pub(super) length: Option<u64>,
    /// Where `chunked` stands.
    pub(super) chunked: Option<Range<usize>>,
    expects: bool,
    /// The whole line of the Upgrade field.
    pub(super) upgrade: Option<Range<usize>>,
    pub(super) websocket: bool,
    pub(super) connection_upgrade: bool,
}

/// A field line, taken apart.
pub(super) struct Field<'l> {
    pub(super) name: &'l [u8],
    /// Without the blanks around it.
    pub(super) value: &'l [u8],
    value_at: usize,
}

/// Takes a line apart, its end included, and refuses what is not exactly a field.
pub(super) fn read<'l>(line: &'l [u8], policy: &Policy) -> Result<Field<'l>, Refusal> {
    let text = line.strip_suffix(b"\r\n").ok_or(Refusal::Field)?;
    let (name, read) = split_name(text);
    let raw = text.get(name.len()..).and_then(|rest| rest.strip_prefix(b":"));
    let raw = raw.filter(|raw| is_field_value(raw)).ok_or(Refusal::Field)?;
    match read {
        Name::Bad => return Err(Refusal::Field),
        Name::Odd if looks_protected(name, policy) => return Err(Refusal::LookAlike),
        Name::Odd | Name::Plain => {}
    }
    let leading = raw.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    Ok(Field { name, value: trim(raw), value_at: name.len() + 1 + leading })
}

impl Fields {
    /// Takes in one more line, which begins at `at`.
    pub(super) fn judge(&mut self, line: &[u8], at: usize, policy: &Policy) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > policy.limits.head.fields {
            return Err(Refusal::FieldsTooLarge);
        }
        let field = read(line, policy)?;
        let value_from = at + field.value_at;
        let value_at = value_from..value_from + field.value.len();
        let is = |known: &str| field.name.eq_ignore_ascii_case(known.as_bytes());
        match field.name.len() {
            4 if is("host") => self.host(field.value, value_at),
            6 if is("expect") => self.expect(field.value),
            7 if is("upgrade") => self.upgrade(field.value, at..at + line.len()),
            10 if is("connection") => self.connection(field.value, policy),
            14 if is("content-length") => self.content_length(field.value),
            17 if is("transfer-encoding") => self.transfer_encoding(field.value, value_at),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8], at: Range<usize>) -> Result<(), Refusal> {
        let first = self.host.replace(at).is_none();
        if first && is_authority(value) { Ok(()) } else { Err(Refusal::Host) }
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let first = !std::mem::replace(&mut self.expects, true);
        let known = value.eq_ignore_ascii_case(b"100-continue");
        if first && known { Ok(()) } else { Err(Refusal::Expectation) }
    }

    fn upgrade(&mut self, value: &[u8], line: Range<usize>) -> Result<(), Refusal> {
        self.websocket = value.eq_ignore_ascii_case(b"websocket");
        if self.upgrade.replace(line).is_none() { Ok(()) } else { Err(Refusal::Upgrade) }
    }

    fn connection(&mut self, value: &[u8], policy: &Policy) -> Result<(), Refusal> {
        if value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close") {
            return Ok(());
        }
        for option in value.split(|&byte| byte == b',').map(trim) {
            let refused = !option.is_empty() && !is_token(option) || is_protected(option, policy);
            if refused {
                return Err(Refusal::Connection);
            }
            self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length = plain_number(value).ok_or(Refusal::ContentLength)?;
        let first = self.length.replace(length).is_none();
        if first { Ok(()) } else { Err(Refusal::ContentLength) }
    }

    fn transfer_encoding(&mut self, value: &[u8], at: Range<usize>) -> Result<(), Refusal> {
        let first = self.chunked.replace(at).is_none();
        let known = value.eq_ignore_ascii_case(b"chunked");
        if first && known { Ok(()) } else { Err(Refusal::TransferEncoding) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(lines: &[&str]) -> Result<Fields, Refusal> {
        let policy =
            Policy { identity: ["x-tenant-id"].into_iter().collect(), ..Policy::default() };
        let mut fields = Fields::default();
        let mut at = 0;
        for line in lines {
            fields.judge(line.as_bytes(), at, &policy)?;
            at += line.len();
        }
        Ok(fields)
    }

    #[test]
    fn what_is_not_exactly_a_field_is_refused() {
        for (lines, refusal) in [
            (&["A: b\n"][..], Refusal::Field),
            (&["A : b\r\n"], Refusal::Field),
            (&[" A: b\r\n"], Refusal::Field),
            (&["A: b\r\n", "\tc\r\n"], Refusal::Field),
            (&[": b\r\n"], Refusal::Field),
            (&["A\r\n"], Refusal::Field),
            (&["A: b\0c\r\n"], Refusal::Field),
            (&["A: b\x7f\r\n"], Refusal::Field),
            (&["A: b\rc\r\n"], Refusal::Field),
            (&["A(: b\r\n"], Refusal::Field),
            (&["Transfer_Encoding: chunked\r\n"], Refusal::LookAlike),
            (&["X_Tenant_Id: a\r\n"], Refusal::LookAlike),
            (&["Host: a\r\n", "host: a\r\n"], Refusal::Host),
            (&["Host: \r\n"], Refusal::Host),
            (&["Host: u@h\r\n"], Refusal::Host),
            (&["Content-Length: 5\r\n", "Content-Length: 5\r\n"], Refusal::ContentLength),
            (&["Content-Length: 5, 5\r\n"], Refusal::ContentLength),
            (&["Content-Length: +5\r\n"], Refusal::ContentLength),
            (&["Content-Length: 05\r\n"], Refusal::ContentLength),
            (&["Content-Length: \r\n"], Refusal::ContentLength),
            (&["Content-Length: 1234567890123456\r\n"], Refusal::ContentLength),
            (&["Transfer-Encoding: gzip, chunked\r\n"], Refusal::TransferEncoding),
            (&["Transfer-Encoding: \"chunked\"\r\n"], Refusal::TransferEncoding),
            (&["Transfer-Encoding: chunked;a\r\n"], Refusal::TransferEncoding),
            (
                &["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n"],
                Refusal::TransferEncoding,
            ),
            (&["Expect: 100-continue, x\r\n"], Refusal::Expectation),
            (&["Expect: 100-continue\r\n", "Expect: 100-continue\r\n"], Refusal::Expectation),
            (&["Connection: close, X-Tenant-ID\r\n"], Refusal::Connection),
            (&["Connection: content_length\r\n"], Refusal::Connection),
            (&["Connection: a b\r\n"], Refusal::Connection),
            (&["Upgrade: websocket\r\n", "Upgrade: h2c\r\n"], Refusal::Upgrade),
        ] {
            assert_eq!(judge(lines), Err(refusal), "{lines:?}");
        }
    }

    #[test]
    fn fields_say_where_the_body_ends() {
        let fields = judge(&[
            "Host:h:80\r\n",
            "x_custom.name!: \u{e9}\t;\r\n",
            "X-TENANT-ID: a\r\n",
            "Connection: keep-alive,, Upgrade\r\n",
            "UPGRADE: WebSocket\r\n",
            "Expect: 100-Continue\r\n",
            "Empty:\r\n",
            "Content-Length:\t999999999999999 \r\n",
        ]);
        let fields = fields.unwrap();
        assert_eq!((fields.host, fields.length), (Some(5..9), Some(999_999_999_999_999)));
        assert!(fields.websocket && fields.connection_upgrade);
        let fields = judge(&["Transfer-Encoding:  CHUNKED\t\r\n"]).unwrap();
        assert_eq!(fields.chunked, Some(20..27));
    }

    #[test]
    fn a_hundred_fields_and_no_more() {
        assert!(judge(&["A: b\r\n"; 100]).is_ok());
        assert_eq!(judge(&["A: b\r\n"; 101]), Err(Refusal::FieldsTooLarge));
    }
}
