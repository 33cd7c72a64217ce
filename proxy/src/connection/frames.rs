//! Does a client use HTTP/2 for requests, or to keep the server busy? Watches the frames as they come in, apart from any
//! socket.

use std::time::{Duration, Instant};

const HEADER_BYTES: usize = 9;
/// So many frames that ask for nothing may come at once, and so many more each second.
const ALLOWANCE: u32 = 1_000;
const EACH_SECOND: u32 = 200;
/// So many bytes of bodies, either way, make one more of them plausible: windows are opened for them.
const BYTES_FOR_ONE: u64 = 1_024;

/// The kinds of frames that matter here (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Watches what one client sends after its preface.
///
/// The frames themselves are judged by who reads them; here is counted what each of them alone is allowed to do: a ping, a
/// setting, a priority, a window, a stream taken back, an empty piece of a body. Any of them without end is a way to keep a
/// server busy for nothing.
#[derive(Debug)]
pub(super) struct Frames {
    place: Place,
    /// Whether a header block has begun and not ended.
    in_headers: bool,
    left: u32,
    refilled: Instant,
    /// Bytes of bodies that have not made anything plausible yet.
    credit: u64,
}

#[derive(Debug)]
enum Place {
    Header { bytes: [u8; HEADER_BYTES], count: usize },
    Payload { left: u32, kind: u8, idle: bool },
}

impl Place {
    const fn next_frame() -> Self {
        Self::Header { bytes: [0; HEADER_BYTES], count: 0 }
    }
}

/// A client has sent too much that asks for nothing. What came up to the end of that frame may still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flood {
    pub(super) after: usize,
}

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            place: Place::next_frame(),
            in_headers: false,
            left: ALLOWANCE,
            refilled: now,
            credit: 0,
        }
    }

    /// Whether the client has begun something that it should end soon: a head, or the header of a frame.
    pub(super) fn is_in_head(&self) -> bool {
        match &self.place {
            Place::Header { count, .. } => *count > 0 || self.in_headers,
            Place::Payload { kind, .. } => *kind != DATA,
        }
    }

    /// Whether everything that was begun is at its end.
    pub(super) fn is_between(&self) -> bool {
        matches!(&self.place, Place::Header { count: 0, .. })
    }

    /// Takes note of bytes that were sent to the client.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_add(bytes as u64);
    }

    /// Takes in what was just read.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) -> Result<(), Flood> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (taken, idle_frame_ended) = self.step(rest);
            at += taken;
            if idle_frame_ended && !self.allows_one_more(now) {
                return Err(Flood { after: at });
            }
        }
        Ok(())
    }

    /// Takes some of the bytes; tells how many, and whether a frame ended that asks for nothing.
    fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        match &mut self.place {
            Place::Header { bytes: header, count } => {
                let taken = bytes.len().min(HEADER_BYTES - *count);
                for (place, byte) in header.iter_mut().skip(*count).zip(bytes) {
                    *place = *byte;
                }
                *count += taken;
                let whole = (*count == HEADER_BYTES).then_some(*header);
                (taken, whole.is_some_and(|header| self.begin(header)))
            }
            Place::Payload { left, kind, idle } => {
                let there = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let taken = there.min(*left);
                *left -= taken;
                if *kind == DATA {
                    self.credit = self.credit.saturating_add(taken.into());
                }
                let ended = *left == 0 && *idle;
                if *left == 0 {
                    self.place = Place::next_frame();
                }
                (usize::try_from(taken).unwrap_or(bytes.len()), ended)
            }
        }
    }

    /// Begins the frame of a header; tells whether it is over already and asks for nothing.
    fn begin(&mut self, header: [u8; HEADER_BYTES]) -> bool {
        let [high, middle, low, kind, flags, ..] = header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        match kind {
            HEADERS | CONTINUATION => self.in_headers = flags & END_HEADERS == 0,
            _ => {}
        }
        let idle = match kind {
            HEADERS => false,
            DATA => length == 0 && flags & END_STREAM == 0,
            _ => true,
        };
        self.place = if length == 0 {
            Place::next_frame()
        } else {
            Place::Payload { left: length, kind, idle }
        };
        idle && length == 0
    }

    fn allows_one_more(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            self.refill(now);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled).min(Duration::from_secs(60));
        let by_time = passed.as_millis() * u128::from(EACH_SECOND) / 1_000;
        let by_bytes = self.credit / BYTES_FOR_ONE;
        self.credit %= BYTES_FOR_ONE;
        self.refilled = now;
        let more = u32::try_from(by_time).unwrap_or(u32::MAX);
        let more = more.saturating_add(u32::try_from(by_bytes).unwrap_or(u32::MAX));
        self.left = more.min(ALLOWANCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length.get(1..).unwrap().to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    fn begun(now: Instant) -> Frames {
        let frames = Frames::new(now);
        assert!(!frames.is_in_head() && frames.is_between());
        frames
    }

    #[test]
    fn pings_without_end_are_a_flood_however_they_come_in() {
        let now = Instant::now();
        let pings = frame(6, 0, &[0; 8]).repeat(1_500);
        let after = 17 * 1_001;
        assert_eq!(begun(now).read(&pings, now), Err(Flood { after }));
        let mut frames = begun(now);
        let by_byte = pings.chunks(1).position(|byte| frames.read(byte, now).is_err());
        assert_eq!(by_byte, Some(after - 1));
    }

    #[test]
    fn frames_over_time_and_windows_for_bodies_are_none() {
        let start = Instant::now();
        let mut frames = begun(start);
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            assert!(frames.read(&frame(6, 0, &[0; 8]).repeat(200), now).is_ok(), "{second}");
        }
        let mut frames = begun(start);
        for _ in 0..20_000 {
            frames.sent(2_048);
            assert!(frames.read(&frame(8, 0, &[0; 4]), start).is_ok());
        }
        let body = [frame(DATA, 0, &[0; 16_384]), frame(DATA, END_STREAM, &[])].concat();
        assert!(begun(start).read(&body.repeat(5_000), start).is_ok());
    }

    #[test]
    fn every_kind_that_asks_for_nothing_is_counted() {
        let now = Instant::now();
        for (kind, payload) in [
            (DATA, &[][..]),
            (2, &[0; 5]),
            (3, &[0; 4]),
            (4, &[]),
            (6, &[0; 8]),
            (8, &[0; 4]),
            (CONTINUATION, &[]),
            (77, &[]),
        ] {
            let flood = frame(kind, 0, payload).repeat(1_001);
            assert!(begun(now).read(&flood, now).is_err(), "{kind}");
        }
        let requests = frame(HEADERS, END_HEADERS | END_STREAM, &[0x82]).repeat(5_000);
        assert!(begun(now).read(&requests, now).is_ok());
    }

    #[test]
    fn a_head_is_open_until_its_last_part_has_come() {
        let now = Instant::now();
        let mut frames = begun(now);
        let mut read = |bytes: &[u8]| {
            frames.read(bytes, now).unwrap();
            frames.is_in_head()
        };
        let headers = frame(HEADERS, 0, &[0x82; 3]);
        assert!(read(&headers[..5]) && read(&headers[5..11]) && read(&headers[11..]));
        assert!(!read(&frame(CONTINUATION, END_HEADERS, &[0x84])));
        let body = frame(DATA, 0, &[0; 10]);
        assert!(read(&body[..9].to_vec()[..4]) && !read(&body[4..12]) && !read(&body[12..]));
    }
}
