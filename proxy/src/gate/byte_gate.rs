//! Which of a client's bytes may pass, in which form? The state of one connection, apart from any socket.

use std::ops::Range;
use std::sync::Arc;

use super::chunks::{self, Trailers};
use super::head::{Framing, Head, shift};
use super::policy::Policy;
use super::refusal::Refusal;

/// The end of a chunked body, without trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// More memory than this is given back as soon as nothing waits in it.
const KEPT_BYTES: usize = 16 * 1024;

/// Judges the bytes of one connection, in place: what passes is never longer than what came.
///
/// A head, the line before a chunk and the end of a chunked body pass only once they are complete. What comes after the
/// end of a request waits until it is asked for, so that nobody sees two requests as one.
///
/// ```
/// use proxy::gate::{ByteGate, Policy, Refusal};
///
/// let mut gate = ByteGate::new(std::sync::Arc::new(Policy::default()));
/// let mut bytes = *b"GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\nHost: h\n\n";
/// let passed = gate.push(&mut bytes).unwrap();
/// assert_eq!(&bytes[..passed], b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
/// assert_eq!(gate.pull(usize::MAX), Err(Refusal::RequestLine));
/// ```
#[derive(Debug)]
pub struct ByteGate {
    policy: Arc<Policy>,
    phase: Phase,
    /// Heads that have passed.
    heads: u64,
    refused: Option<Refused>,
    /// Bytes that could not be handed over at once: first those of `judged`, then, from `raw` on, those that still wait.
    held: Vec<u8>,
    judged: Range<usize>,
    raw: usize,
}

/// What was refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Whether its head had passed already.
    pub midway: bool,
    /// Whether its answer has no body.
    pub for_head: bool,
}

#[derive(Debug)]
enum Phase {
    Head(Head),
    Body(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailers(Trailers),
    /// An upgrade was asked for; nobody knows yet how what follows is to be read.
    Asked,
    Upgraded,
}

/// What came of one look at bytes: so many were taken, and what passes of them stands at their front.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    passed: usize,
    used: usize,
}

impl ByteGate {
    /// A gate for a new connection.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            phase: Phase::Head(Head::default()),
            heads: 0,
            refused: None,
            held: Vec::new(),
            judged: 0..0,
            raw: 0,
        }
    }

    /// Takes in what was just read. What passes stands at the front of `bytes` afterwards; tells how many bytes that is.
    ///
    /// # Errors
    /// When nothing passes any more.
    pub fn push(&mut self, bytes: &mut [u8]) -> Result<usize, Refusal> {
        if self.refused.is_some() && self.judged.is_empty() {
            return self.unless_refused(0);
        }
        if self.waits() {
            self.hold(bytes);
            let ready = self.pull(bytes.len())?;
            let count = ready.len();
            for (place, byte) in bytes.iter_mut().zip(ready) {
                *place = *byte;
            }
            return Ok(count);
        }
        let taken = self.take(bytes);
        if let Some(rest) = bytes.get(taken.used..).filter(|rest| !rest.is_empty()) {
            self.held.clear();
            self.held.extend_from_slice(rest);
            (self.judged, self.raw) = (0..0, 0);
        }
        self.unless_refused(taken.passed)
    }

    /// Has more bytes wait behind those that do. [`ByteGate::pull`] tells whether they may pass.
    pub fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Hands over what may pass of the bytes that wait; nothing where more must come first.
    ///
    /// # Errors
    /// When nothing passes any more.
    pub fn pull(&mut self, at_most: usize) -> Result<&[u8], Refusal> {
        if self.judged.is_empty() {
            self.give_back();
            let mut held = std::mem::take(&mut self.held);
            let taken = held.get_mut(self.raw..).map(|raw| self.take(raw)).unwrap_or_default();
            self.held = held;
            self.judged = self.raw..self.raw + taken.passed;
            self.raw += taken.used;
        }
        let from = self.judged.start;
        let count = self.judged.len().min(at_most);
        self.unless_refused(count)?;
        self.judged.start += count;
        Ok(self.held.get(from..from + count).unwrap_or_default())
    }

    /// What was refused; nothing passes any more.
    #[must_use]
    pub const fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Lets nothing pass any more.
    pub fn refuse(&mut self, refusal: Refusal) {
        let (midway, for_head) = match &self.phase {
            Phase::Head(head) => (false, head.is_for_head()),
            _ => (true, false),
        };
        self.refused.get_or_insert(Refused { refusal, midway, for_head });
    }

    /// How many heads have passed.
    #[must_use]
    pub const fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether everything that has passed is whole: what comes next begins a request, or waits for an upgrade.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.judged.is_empty() && matches!(self.phase, Phase::Head(_) | Phase::Asked)
    }

    /// Whether bytes wait: the beginning of a request, or whole ones.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.judged.is_empty() || self.raw < self.held.len()
    }

    /// Whether a part of a head waits for the rest.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        self.waits() && matches!(self.phase, Phase::Head(_))
    }

    /// Whether the policy may be changed: no head is half judged.
    #[must_use]
    pub fn is_at_start(&self) -> bool {
        matches!(&self.phase, Phase::Head(head) if head.is_untouched())
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Judges by another policy from the next head on. Call it where [`ByteGate::is_at_start`].
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Whether an upgrade was asked for and not answered yet.
    #[must_use]
    pub const fn is_upgrade_asked(&self) -> bool {
        matches!(self.phase, Phase::Asked)
    }

    /// Tells how an upgrade that was asked for came out. Once it is agreed to, every byte passes.
    pub fn settle_upgrade(&mut self, agreed: bool) {
        if self.is_upgrade_asked() {
            self.phase = if agreed { Phase::Upgraded } else { Phase::Head(Head::default()) };
        }
    }

    fn unless_refused(&self, passed: usize) -> Result<usize, Refusal> {
        match self.refused {
            Some(refused) if passed == 0 => Err(refused.refusal),
            _ => Ok(passed),
        }
    }

    /// Gives memory back where nothing waits any more: the connection may be idle for long.
    pub(super) fn rest(&mut self) {
        if self.held.capacity() > KEPT_BYTES && !self.waits() {
            self.give_back();
        }
    }

    /// Drops what has been handed over from the bytes that wait.
    fn give_back(&mut self) {
        let left = self.held.len() - self.raw;
        if left == 0 && self.held.capacity() > KEPT_BYTES {
            self.held = Vec::new();
        } else if left == 0 {
            self.held.clear();
        } else if self.raw > KEPT_BYTES {
            self.held.drain(..self.raw);
        } else {
            return;
        }
        (self.judged, self.raw) = (0..0, 0);
    }

    /// Judges bytes up to the end of a request, or as far as they go.
    fn take(&mut self, bytes: &mut [u8]) -> Taken {
        let mut taken = Taken::default();
        while self.refused.is_none() && taken.used < bytes.len() {
            let before = taken.used;
            match self.step(bytes, &mut taken) {
                Err(refusal) => self.refuse(refusal),
                Ok(()) if taken.used == before || self.is_at_start() => break,
                Ok(()) => {}
            }
        }
        taken
    }

    fn step(&mut self, bytes: &mut [u8], taken: &mut Taken) -> Result<(), Refusal> {
        match &mut self.phase {
            Phase::Head(_) => self.head(bytes, taken),
            Phase::Body(left) => {
                *left -= pass(bytes, taken, *left);
                if *left == 0 {
                    self.phase = Phase::Head(Head::default());
                }
                Ok(())
            }
            Phase::ChunkLine => self.chunk_line(bytes, taken),
            Phase::Chunk(left) => {
                *left -= pass(bytes, taken, *left);
                if *left == 0 {
                    self.phase = Phase::ChunkEnd;
                }
                Ok(())
            }
            Phase::ChunkEnd => self.chunk_end(bytes, taken),
            Phase::Trailers(_) => self.trailers(bytes, taken),
            Phase::Asked => Ok(()),
            Phase::Upgraded => {
                pass(bytes, taken, u64::MAX);
                Ok(())
            }
        }
    }

    fn head(&mut self, bytes: &mut [u8], taken: &mut Taken) -> Result<(), Refusal> {
        let Phase::Head(head) = &mut self.phase else { return Ok(()) };
        let rest = bytes.get_mut(taken.used..).unwrap_or_default();
        let Some(length) = head.scan(rest, &self.policy)? else { return Ok(()) };
        let framing = head.framing(&self.policy)?;
        let rewritten = head.rewrite(rest, length);
        taken.passed += shift(bytes, taken.used..taken.used + rewritten, taken.passed);
        taken.used += length;
        self.heads += 1;
        self.phase = match framing {
            Framing::Nothing => Phase::Head(Head::default()),
            Framing::Length(length) => Phase::Body(length),
            Framing::Chunked => Phase::ChunkLine,
            Framing::Upgrade => Phase::Asked,
        };
        Ok(())
    }

    fn chunk_line(&mut self, bytes: &mut [u8], taken: &mut Taken) -> Result<(), Refusal> {
        let rest = bytes.get(taken.used..).unwrap_or_default();
        let Some(line) = chunks::read_line(rest, &self.policy)? else { return Ok(()) };
        if line.size == 0 {
            // The line stays where it is until the section after it is whole.
            self.phase = Phase::Trailers(Trailers::at(line.length));
            return self.trailers(bytes, taken);
        }
        let end = taken.used + line.length;
        taken.passed += shift(bytes, taken.used..taken.used + line.digits, taken.passed);
        taken.passed += shift(bytes, end - 2..end, taken.passed);
        taken.used = end;
        self.phase = Phase::Chunk(line.size);
        Ok(())
    }

    fn trailers(&mut self, bytes: &mut [u8], taken: &mut Taken) -> Result<(), Refusal> {
        let Phase::Trailers(trailers) = &mut self.phase else { return Ok(()) };
        let rest = bytes.get(taken.used..).unwrap_or_default();
        let Some(end) = trailers.scan(rest, &self.policy)? else { return Ok(()) };
        for (place, byte) in bytes.iter_mut().skip(taken.passed).zip(LAST_CHUNK) {
            *place = *byte;
        }
        taken.passed += LAST_CHUNK.len();
        taken.used += end;
        self.phase = Phase::Head(Head::default());
        Ok(())
    }

    fn chunk_end(&mut self, bytes: &mut [u8], taken: &mut Taken) -> Result<(), Refusal> {
        match bytes.get(taken.used..).unwrap_or_default() {
            [] | [b'\r'] => Ok(()),
            [b'\r', b'\n', ..] => {
                pass(bytes, taken, 2);
                self.phase = Phase::ChunkLine;
                Ok(())
            }
            _ => Err(Refusal::Chunk),
        }
    }
}

/// Lets bytes pass as they are; tells how many.
fn pass(bytes: &mut [u8], taken: &mut Taken, at_most: u64) -> u64 {
    let there = bytes.len() - taken.used;
    let count = usize::try_from(at_most).unwrap_or(usize::MAX).min(there);
    taken.passed += shift(bytes, taken.used..taken.used + count, taken.passed);
    taken.used += count;
    count as u64
}
