//! How does a request reach its target in one piece? A connection that waits for the body before it sends the head.
//!
//! Pingora flushes a request's head by itself and writes each piece of the body as it comes, so that a small POST leaves
//! as three segments, and wakes the target three times. Here a head that a body may follow is kept until the body has
//! come, or the answer has been asked for a few times without one. That takes some turns of the task and never a timer,
//! so that who streams, or waits for `100 Continue`, is not held up.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use memchr::memchr;
use pingora::protocols::{ALPN, Shutdown, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pool::Place;
use super::two_ends::TwoEnds;
use crate::connection::{Transport, Wait, is_a_transport};

/// More than this is not kept: what comes then is sent at once, together with what was.
const MOST_BYTES: usize = 16 * 1024;
/// More memory than this is given back once nothing is kept in it: connections may be idle for long.
const KEPT_BYTES: usize = 4 * 1024;
/// How often the answer may be asked for before the head is sent alone. Pingora asks for it beside each piece of the body.
const PATIENCE: u8 = 4;
/// How many pieces a write may have to go out together with what is kept.
const MOST_PIECES: usize = 8;

/// A connection to a target.
pub(super) struct Coalesced {
    /// There until it waits to be used again.
    inner: Option<Transport>,
    /// Where it waits then.
    place: Place,
    /// For the answer.
    wait: Wait,
    /// Written by Pingora, and from `sent` on not sent yet.
    kept: Vec<u8>,
    sent: usize,
    /// Whether Pingora has flushed the head that is kept.
    flushed: bool,
    /// How often the answer has been asked for while the head was kept.
    asked: u8,
    ends: TwoEnds,
    /// How much of the write under way is kept already.
    claimed: usize,
}

impl Coalesced {
    /// A connection that is new, or has been used before: with memory and a timer of its own.
    pub(super) fn new(inner: Transport, place: Place, kept: Vec<u8>, wait: Wait) -> Self {
        Self {
            inner: Some(inner),
            place,
            wait,
            kept,
            sent: 0,
            flushed: false,
            asked: 0,
            ends: TwoEnds::default(),
            claimed: 0,
        }
    }

    /// What is spoken is HTTP/1, whatever TLS agreed on.
    const PROTOCOL: Option<ALPN> = None;

    const fn inner(&self) -> Option<&Transport> {
        self.inner.as_ref()
    }

    const fn inner_mut(&mut self) -> Option<&mut Transport> {
        self.inner.as_mut()
    }

    fn transport(&self) -> io::Result<&Transport> {
        self.inner.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        let inner = self.inner.as_mut().map(|inner| Pin::new(inner.stream_mut()));
        inner.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    const fn keeps(&self) -> bool {
        self.sent < self.kept.len()
    }

    /// Keeps pieces that belong together, where they do not become too much.
    fn keep(&mut self, pieces: &[IoSlice<'_>], bytes: usize) -> bool {
        if self.kept.len().saturating_add(bytes) > MOST_BYTES {
            return false;
        }
        pieces.iter().for_each(|piece| self.kept.extend_from_slice(piece));
        true
    }

    /// Sends pieces behind what is kept; tells how much of them was taken.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while self.keeps() {
            let mut all = [IoSlice::new(&[]); MOST_PIECES];
            let first = IoSlice::new(self.kept.get(self.sent..).unwrap_or_default());
            let left = first.len();
            let each = std::iter::once(first).chain(pieces.iter().map(|piece| IoSlice::new(piece)));
            let mut count = 0;
            for (place, piece) in all.iter_mut().zip(each) {
                (*place, count) = (piece, count + 1);
            }
            let inner = self.inner.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            let stream = Pin::new(inner.stream_mut());
            let taken = ready!(stream.poll_write_vectored(cx, all.get(..count).unwrap_or(&all)))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if taken < left {
                self.sent += taken;
                continue;
            }
            self.give_back();
            if taken > left {
                return Poll::Ready(Ok(taken - left));
            }
        }
        match pieces {
            [] => Poll::Ready(Ok(0)),
            [only] => self.stream()?.poll_write(cx, only),
            pieces => self.stream()?.poll_write_vectored(cx, pieces),
        }
    }

    /// Sends what is kept of the write under way.
    fn poll_claimed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx, &[]))?;
        Poll::Ready(Ok(std::mem::take(&mut self.claimed)))
    }

    /// Whether the exchange is over, so that a read of one byte is Pingora's question whether the connection can be kept:
    /// after the answer it reads nothing else, and before it never so little.
    fn is_at_rest(&self) -> bool {
        let is_answered = self.inner.as_ref().is_some_and(|inner| inner.rider().is_answered());
        is_answered && !self.ends.are_awaited() && !self.keeps() && self.claimed == 0
    }

    /// Goes where it waits to be used again. To Pingora it is closed, and is not kept a second time.
    fn rest(&mut self) {
        self.wait.rest();
        let (kept, wait) = (std::mem::take(&mut self.kept), std::mem::take(&mut self.wait));
        if let Some(inner) = self.inner.take() {
            self.place.keep(inner, kept, wait);
        }
    }

    fn give_back(&mut self) {
        self.sent = 0;
        if self.kept.capacity() > KEPT_BYTES { self.kept = Vec::new() } else { self.kept.clear() }
    }

    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Who still sends does not wait for the answer yet.
        self.wait.end();
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        if self.claimed > bytes {
            // It is not the write that was begun.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if self.claimed > 0 {
            return self.poll_claimed(cx);
        }
        let has_lines = !self.transport()?.lines().is_empty();
        let may_begin = has_lines || !self.ends.are_awaited() && !self.keeps();
        let head = pieces.first().filter(|piece| may_begin && is_head(piece));
        if head.is_some() {
            (self.flushed, self.asked) = (false, 0);
            self.ends.expect();
        }
        if has_lines {
            // A request must not go out without them.
            let Some(head) = head.filter(|_| !self.keeps()) else {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            };
            let inner = self.inner.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            inner.lines().complete(head, &mut self.kept);
            if has_body(head) && self.kept.len() <= MOST_BYTES {
                return Poll::Ready(Ok(head.len()));
            }
            self.claimed = head.len();
            return self.poll_claimed(cx);
        }
        let waits = head.is_some_and(|head| has_body(head)) || self.keeps();
        if waits && self.keep(pieces, bytes) {
            return Poll::Ready(Ok(bytes));
        }
        self.poll_send(cx, pieces)
    }
}

/// Whether a write is a request's head, and not a piece of a body that goes on while the answer comes. Pingora writes a
/// head at once.
fn is_head(piece: &[u8]) -> bool {
    let first = memchr(b'\n', piece).and_then(|end| piece.get(..=end));
    first.is_some_and(|line| line.ends_with(b" HTTP/1.1\r\n")) && piece.ends_with(b"\r\n\r\n")
}

/// Whether a body may follow a head that begins like this.
fn has_body(head: &[u8]) -> bool {
    !head.starts_with(b"GET ") && !head.starts_with(b"HEAD ")
}

impl AsyncRead for Coalesced {
    /// Whoever waits for the answer has sent all that there is, or soon will.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 1 && this.is_at_rest() {
            this.rest();
            return Poll::Ready(Ok(()));
        }
        if this.keeps() {
            this.asked = this.asked.saturating_add(1);
            if this.asked <= PATIENCE {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // A target may answer before it takes any more.
            if let Poll::Ready(sent) = this.poll_send(cx, &[]) {
                sent?;
                if let Poll::Ready(flushed) = this.stream()?.poll_flush(cx) {
                    flushed?;
                }
            }
        }
        let before = buf.filled().len();
        let came = this.stream()?.poll_read(cx, buf);
        if came.is_pending() {
            ready!(this.wait.poll(cx, this.transport()?.rider().patience()));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        this.wait.end();
        ready!(came)?;
        let read = buf.filled().get(before..).unwrap_or_default();
        if this.ends.are_in(read) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "two lengths")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Coalesced {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.stream().is_write_vectored())
    }

    /// The first flush is that of the head, and the second one that of what the request ends with.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.keeps() {
            if !std::mem::replace(&mut this.flushed, true) {
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_send(cx, &[]))?;
        }
        this.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx, &[]))?;
        this.stream()?.poll_shutdown(cx)
    }
}

impl fmt::Debug for Coalesced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesced").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Coalesced {
    async fn shutdown(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.stream_mut().shutdown().await;
        }
    }
}

is_a_transport!(Coalesced, inner, inner_mut);

#[cfg(test)]
mod tests;
