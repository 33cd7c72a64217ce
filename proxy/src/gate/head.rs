//! Where does a head end, and may it pass? Line by line as bytes come, and as a whole at its end.

use std::ops::Range;

use memchr::memchr;
use rules::route::UnusualBodies;

use super::fields::Fields;
use super::policy::Policy;
use super::refusal::Refusal;
use super::request_line::{self, Method, RequestLine};

/// A head that is being read. Places are counted from its first byte.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the line begins that is not complete yet.
    line: usize,
    /// Up to where no line end was found.
    scanned: usize,
    request: Option<RequestLine>,
    request_at: usize,
    fields_at: usize,
    fields: Fields,
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Nothing,
    Length(u64),
    Chunked,
    /// Whatever comes, once the upgrade was agreed to.
    Upgrade,
}

impl Head {
    /// Goes on to the end of what has come, which begins with the head. Tells the head's length once it is complete.
    pub(super) fn scan(&mut self, bytes: &[u8], policy: &Policy) -> Result<Option<usize>, Refusal> {
        loop {
            let rest = bytes.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr(b'\n', rest) else {
                self.scanned = bytes.len();
                self.judge_beginning(bytes.get(self.line..).unwrap_or_default(), policy)?;
                return Ok(None);
            };
            self.scanned += at + 1;
            let from = std::mem::replace(&mut self.line, self.scanned);
            let line = bytes.get(from..self.scanned).unwrap_or_default();
            if self.request.is_none() {
                self.judge_first(line, from, policy)?;
                continue;
            }
            if self.scanned - self.fields_at > policy.limits.head.field_bytes {
                return Err(Refusal::FieldsTooLarge);
            }
            if line == b"\r\n" {
                self.judge_whole(bytes)?;
                return Ok(Some(self.scanned));
            }
            self.fields.judge(line, from, policy)?;
        }
    }

    /// Whether nothing of it has come.
    pub(super) const fn is_untouched(&self) -> bool {
        self.scanned == 0
    }

    /// Whether it asks for no body in the answer.
    pub(super) fn is_for_head(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.method == Method::Head)
    }

    fn judge_beginning(&self, bytes: &[u8], policy: &Policy) -> Result<(), Refusal> {
        if self.request.is_none() {
            return request_line::judge_beginning(bytes, policy);
        }
        let too_large = self.scanned - self.fields_at >= policy.limits.head.field_bytes;
        if too_large { Err(Refusal::FieldsTooLarge) } else { Ok(()) }
    }

    fn judge_first(&mut self, line: &[u8], from: usize, policy: &Policy) -> Result<(), Refusal> {
        // One empty line before a request is let go: some old clients end a body with it. (RFC 9112, section 2.2)
        if line == b"\r\n" && from == 0 {
            self.request_at = self.line;
            return Ok(());
        }
        self.request = Some(request_line::judge(line, policy)?);
        self.fields_at = self.line;
        Ok(())
    }

    fn judge_whole(&self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(request) = &self.request else { return Err(Refusal::RequestLine) };
        let host = self.fields.host.clone().and_then(|host| bytes.get(host));
        if host.is_none() && !request.old {
            return Err(Refusal::Host);
        }
        if self.fields.chunked.is_some() && (self.fields.length.is_some() || request.old) {
            return Err(Refusal::TransferEncoding);
        }
        let Some(origin) = &request.origin else { return Ok(()) };
        let authority = bytes.get(self.moved(&origin.authority));
        let same = authority
            .zip(host)
            .is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host));
        if same { Ok(()) } else { Err(Refusal::Target) }
    }

    fn moved(&self, in_line: &Range<usize>) -> Range<usize> {
        self.request_at + in_line.start..self.request_at + in_line.end
    }

    /// What follows it.
    pub(super) fn framing(&self, policy: &Policy) -> Result<Framing, Refusal> {
        let framing = match (&self.fields.chunked, self.fields.length) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) if length > 0 => Framing::Length(length),
            (None, Some(_) | None) if self.is_upgrade() => Framing::Upgrade,
            (None, Some(_) | None) => Framing::Nothing,
        };
        let unusual = self.request.as_ref().is_some_and(|request| {
            matches!(request.method, Method::Get | Method::Head | Method::Delete)
        });
        let has_body = matches!(framing, Framing::Length(_) | Framing::Chunked);
        if has_body && unusual && policy.unusual_bodies == UnusualBodies::Refuse {
            return Err(Refusal::Body);
        }
        Ok(framing)
    }

    /// Whether a WebSocket is asked for, as RFC 6455 has it (section 4.1). Other upgrades are not passed on.
    fn is_upgrade(&self) -> bool {
        let get = self
            .request
            .as_ref()
            .is_some_and(|request| request.method == Method::Get && !request.old);
        get && self.fields.websocket && self.fields.connection_upgrade
    }

    /// Makes a head of this length, with which `bytes` begin, the one that passes. Tells its length, which never grows.
    ///
    /// An empty line before it, an Upgrade that is not passed on, and the origin in a target are cut out.
    pub(super) fn rewrite(&self, bytes: &mut [u8], length: usize) -> usize {
        if let Some(chunked) = self.fields.chunked.clone().and_then(|at| bytes.get_mut(at)) {
            chunked.make_ascii_lowercase();
        }
        let upgrade = self.fields.upgrade.clone().filter(|_| !self.is_upgrade_kept());
        let origin = self.request.as_ref().and_then(|request| request.origin.as_ref());
        let cuts = [
            (self.request_at > 0).then_some((0..self.request_at, None)),
            origin.map(|origin| (self.moved(&origin.whole), origin.instead)),
            upgrade.map(|line| (line, None)),
        ];
        let (mut kept, mut from) = (0, 0);
        for (cut, instead) in cuts.into_iter().flatten() {
            kept += shift(bytes, from..cut.start, kept);
            if let Some((place, byte)) = bytes.get_mut(kept).zip(instead) {
                *place = byte;
                kept += 1;
            }
            from = cut.end;
        }
        kept + shift(bytes, from..length, kept)
    }

    fn is_upgrade_kept(&self) -> bool {
        let bodyless = self.fields.chunked.is_none() && self.fields.length.unwrap_or(0) == 0;
        bodyless && self.is_upgrade()
    }
}

/// Moves bytes towards the front; tells how many.
pub(super) fn shift(bytes: &mut [u8], from: Range<usize>, to: usize) -> usize {
    let count = from.len();
    if from.start != to && from.start <= from.end && from.end <= bytes.len() && to <= from.start {
        bytes.copy_within(from, to);
    }
    count
}
