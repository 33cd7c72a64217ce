//! How is HTTP/2 begun, and how does a client that only keeps it busy come to its end? By the watch over its frames, and
//! with a GOAWAY.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pingora::protocols::{ALPN, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, timeout};

use super::frames::Frames;
use super::transport::{Transport, is_a_transport};
use crate::gate::{Refusal, Refused, Returned, Surroundings};

/// What a client sends before its first frame. (RFC 9113, section 3.4)
const PREFACE_BYTES: usize = 24;
const PREFACE: &[u8; PREFACE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A piece of a body that belongs to no stream: whoever reads it says GOAWAY and ends the connection (RFC 9113,
/// section 6.1). It is handed over where the client's own next frame would stand.
const OUT_OF_PLACE: [u8; 9] = [0; 9];

/// A client's connection in HTTP/2, watched.
#[derive(Debug)]
pub(super) struct WatchedStream {
    inner: Transport,
    frames: Frames,
    surroundings: Arc<Surroundings>,
    /// How long a head may take.
    head: Duration,
    /// When the head that is coming in must be complete.
    deadline: Option<Pin<Box<Sleep>>>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So much of the preface, which has been read, has been handed over.
    Begun(usize),
    /// What the client sends is handed over.
    Open,
    /// So much of [`OUT_OF_PLACE`] has been handed over instead.
    Ending(usize),
}

impl WatchedStream {
    /// What every one of them speaks, whether TLS agreed on it or the listener says so.
    const PROTOCOL: Option<ALPN> = Some(ALPN::H2);

    pub(super) fn new(inner: Transport, head: Duration, surroundings: Arc<Surroundings>) -> Self {
        let frames = Frames::new(Instant::now());
        Self { inner, frames, surroundings, head, deadline: None, state: State::Begun(0) }
    }

    /// Waits for what every client says first: who reads frames would call it an error when somebody only looks whether
    /// anybody listens.
    ///
    /// # Errors
    /// Where something else comes, which is to be answered, or nothing.
    pub(super) async fn begun(mut self) -> Result<Self, Option<Returned>> {
        let refusal = match timeout(self.head, read_preface(self.inner.stream_mut())).await {
            Ok(Ok(true)) => return Ok(self),
            Ok(Ok(false)) => Refusal::Version,
            Ok(Err(_gone)) => return Err(None),
            Err(_late) => Refusal::HeadTimeout,
        };
        self.surroundings.count(refusal);
        let refused = Refused { refusal, midway: false, for_head: false };
        Err(Some(Returned { stream: self.inner.into_stream(), refused }))
    }

    fn end(&mut self, refusal: Refusal) {
        self.surroundings.count(refusal);
        self.state = State::Ending(0);
    }

    fn poll_open(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(self.inner.stream_mut()).poll_read(cx, buf)?;
        if read.is_pending() {
            if !self.frames.is_in_head() {
                return Poll::Pending;
            }
            ready!(self.poll_deadline(cx));
            self.end(Refusal::HeadTimeout);
            if self.frames.is_between() {
                return self.poll_ending(buf);
            }
            // In the midst of a frame nothing can be said that would be understood.
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if let Err(flood) = self.frames.read(fresh, Instant::now()) {
            buf.set_filled(before + flood.after);
            self.end(Refusal::Flood);
        } else if !self.frames.is_in_head() {
            self.deadline = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_begun(&mut self, given: usize, buf: &mut ReadBuf<'_>) {
        let rest = PREFACE.get(given..).unwrap_or_default();
        let count = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..count).unwrap_or_default());
        self.state = if count == rest.len() { State::Open } else { State::Begun(given + count) };
    }

    fn poll_ending(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let State::Ending(given) = &mut self.state else { return Poll::Pending };
        let rest = OUT_OF_PLACE.get(*given..).unwrap_or_default();
        let count = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..count).unwrap_or_default());
        *given += count;
        Poll::Ready(Ok(()))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let head = self.head;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(head)));
        deadline.as_mut().poll(cx)
    }
}

/// Whether a client begins as it should. Reads no further than to the first byte that is another.
async fn read_preface(stream: &mut Stream) -> io::Result<bool> {
    let (mut preface, mut count) = ([0; PREFACE_BYTES], 0);
    while count < PREFACE_BYTES {
        let room = preface.get_mut(count..).unwrap_or_default();
        let more = stream.read(room).await?;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        count += more;
        if preface.get(..count) != PREFACE.get(..count) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.state {
            State::Begun(given) => {
                this.poll_begun(given, buf);
                Poll::Ready(Ok(()))
            }
            State::Open => this.poll_open(cx, buf),
            State::Ending(_) => this.poll_ending(buf),
        }
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = ready!(Pin::new(this.inner.stream_mut()).poll_write(cx, buf))?;
        this.frames.sent(taken);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = ready!(Pin::new(this.inner.stream_mut()).poll_write_vectored(cx, bufs))?;
        this.frames.sent(taken);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.stream().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().inner.stream_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().inner.stream_mut()).poll_shutdown(cx)
    }
}

is_a_transport!(WatchedStream);
