//! Does an answer say twice where it ends? Told by its bytes, for Pingora forgets its Content-Length where there is a
//! Transfer-Encoding beside it, as whoever passes it on must (RFC 9112, section 6.3). Here it is refused. (INV-11)

use memchr::memchr;

/// How much of a line is looked at: the status, or a name that counts.
const MOST_BYTES: usize = 64;

/// What has been seen of the answers on a connection.
#[derive(Debug, Default)]
pub(super) struct TwoEnds {
    place: Place,
    /// How the line begins that is not complete yet.
    line: Vec<u8>,
    /// Whether the head is one before the answer.
    interim: bool,
    has_length: bool,
    has_coding: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Body,
    Status,
    Field,
}

impl TwoEnds {
    /// A request has been written: what is read next is a head.
    pub(super) fn expect(&mut self) {
        self.line.clear();
        self.place = Place::Status;
        (self.interim, self.has_length, self.has_coding) = (false, false, false);
    }

    /// Whether a head is awaited, or has not come whole.
    pub(super) const fn are_awaited(&self) -> bool {
        !matches!(self.place, Place::Body)
    }

    /// Whether what was read completes a head that says it twice.
    pub(super) fn are_in(&mut self, mut read: &[u8]) -> bool {
        while self.place != Place::Body && !read.is_empty() {
            let end = memchr(b'\n', read);
            let (line, rest) = read.split_at(end.unwrap_or(read.len()));
            if self.line.is_empty() && end.is_some() {
                self.look_at(line);
            } else {
                let room = MOST_BYTES.saturating_sub(self.line.len());
                self.line.extend_from_slice(line.get(..room).unwrap_or(line));
                if end.is_some() {
                    let line = std::mem::take(&mut self.line);
                    self.look_at(&line);
                }
            }
            if self.place == Place::Body && self.has_length && self.has_coding {
                return true;
            }
            read = rest.get(1..).unwrap_or_default();
        }
        false
    }

    fn look_at(&mut self, line: &[u8]) {
        // Pingora takes a name that blanks follow for the field all the same.
        let is = |name: &[u8]| {
            line.split_at_checked(name.len()).is_some_and(|(begin, rest)| {
                let rest = rest.trim_ascii_start();
                begin.eq_ignore_ascii_case(name) && matches!(rest, [] | [b':', ..])
            })
        };
        if self.place == Place::Status {
            // Its parser skips empty lines before a status.
            if matches!(line, [] | [b'\r']) {
                return;
            }
            self.place = Place::Field;
            // After `HTTP/1.1 ` comes the status.
            self.interim = line.get(9) == Some(&b'1') && line.get(9..12) != Some(b"101");
        } else if matches!(line, [] | [b'\r']) {
            if self.interim && !(self.has_length && self.has_coding) {
                self.expect();
            } else {
                self.place = Place::Body;
            }
        } else {
            self.has_length |= is(b"content-length");
            self.has_coding |= is(b"transfer-encoding");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: a\r\nCONTENT-LENGTH: 3\r\n\r\n";

    fn seen(answer: &str, piece: usize) -> bool {
        let mut ends = TwoEnds::default();
        ends.expect();
        answer.as_bytes().chunks(piece).any(|piece| ends.are_in(piece))
    }

    #[test]
    fn an_answer_ends_once_in_whatever_pieces_it_comes() {
        let body =
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nTransfer-Encoding: chunked\r\n\r\n";
        let names =
            "HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\nA: Transfer-Encoding: chunked\r\n\r\n";
        let early = format!("HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\n{body}");
        let behind = format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{BOTH}");
        let lines = BOTH.replace("\r\n", "\n");
        for (answer, refused) in [
            (BOTH, true),
            (&lines, true),
            (&behind, true),
            (&BOTH.replace("200 OK", "100 Continue"), true),
            (&BOTH.replace(':', " \t:"), true),
            (&format!("\r\n\n{behind}"), true),
            (body, false),
            (names, false),
            (&early, false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false),
        ] {
            for piece in [1, 2, 7, 30, 4_096] {
                assert_eq!(seen(answer, piece), refused, "{piece}: {answer}");
            }
        }
    }

    #[test]
    fn each_request_is_answered_anew() {
        let mut ends = TwoEnds::default();
        assert!(!ends.are_in(BOTH.as_bytes()), "nothing was asked");
        ends.expect();
        assert!(!ends.are_in(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"));
        ends.expect();
        assert!(!ends.are_in(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
        ends.expect();
        assert!(ends.are_in(BOTH.as_bytes()));
    }
}
