//! How do judged bytes reach Pingora's reader? A connection that lets through only what the gate passes.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::protocols::{ALPN, Shutdown, Stream};
use rules::{Snapshot, SnapshotCell};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::byte_gate::{ByteGate, Refused};
use super::policy::Policies;
use super::refusal::Refusal;
use super::written::{Written, is_interim};
use crate::access_log::AccessLog;
use crate::connection::{Transport, Wait, is_a_transport};
use crate::metrics::ProxyCounters;

/// What comes back of a connection on which something was refused, to be answered.
pub(crate) struct Returned {
    pub(crate) stream: Stream,
    pub(crate) refused: Refused,
}

/// Where it comes back to.
pub(crate) type ReturnSlot = Arc<Mutex<Option<Returned>>>;

/// What is the same for all connections.
#[derive(Debug)]
pub(crate) struct Surroundings {
    cell: Arc<SnapshotCell>,
    policies: Policies,
    counters: Arc<ProxyCounters>,
    access_log: Option<AccessLog>,
}

impl Surroundings {
    pub(crate) fn new(
        cell: Arc<SnapshotCell>,
        counters: Arc<ProxyCounters>,
        access_log: Option<AccessLog>,
    ) -> Self {
        Self { policies: Policies::new(Arc::clone(&cell)), cell, counters, access_log }
    }

    /// Counts what was refused.
    pub(crate) fn count(&self, refusal: Refusal) {
        self.counters.count_refused(refusal);
    }

    /// The access log, if there is one, and the snapshot that serves.
    pub(super) fn log(&self) -> Option<(&AccessLog, Arc<Snapshot>)> {
        Some((self.access_log.as_ref()?, self.cell.load()))
    }
}

/// A client's connection behind the gate.
pub(crate) struct GatedStream {
    /// There until it is dropped.
    inner: Option<Transport>,
    gate: ByteGate,
    surroundings: Arc<Surroundings>,
    written: Written,
    /// When the head that is coming in must be complete.
    deadline: Option<Pin<Box<Sleep>>>,
    /// For the next head to begin.
    idle: Wait,
    /// What was refused when Pingora asked for it.
    told: Option<Refused>,
    slot: ReturnSlot,
    /// The answer's head that lines are added to, while it is being sent.
    completed: Option<Completed>,
}

/// A head with all that is added to it.
struct Completed {
    whole: Vec<u8>,
    sent: usize,
    /// How long it was without.
    length: usize,
}

impl GatedStream {
    pub(crate) fn new(inner: Transport, surroundings: Arc<Surroundings>, slot: ReturnSlot) -> Self {
        let gate = ByteGate::new(surroundings.policies.current());
        let written = Written::default();
        Self {
            inner: Some(inner),
            gate,
            surroundings,
            written,
            deadline: None,
            idle: Wait::default(),
            told: None,
            slot,
            completed: None,
        }
    }

    /// What TLS agreed on is HTTP/1 here, or nothing.
    const PROTOCOL: Option<ALPN> = None;

    const fn inner(&self) -> Option<&Transport> {
        self.inner.as_ref()
    }

    const fn inner_mut(&mut self) -> Option<&mut Transport> {
        self.inner.as_mut()
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        let inner = self.inner.as_mut().map(Transport::stream_mut);
        inner.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Pingora reads one byte while a request is being answered, only to hear whether the client is still there.
    ///
    /// What the client sends by then is the next request's, and waits.
    fn poll_presence(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gate.waits() {
            return Poll::Pending;
        }
        let mut byte = [0; 1];
        let mut probe = ReadBuf::new(&mut byte);
        ready!(Pin::new(self.stream()?).poll_read(cx, &mut probe))?;
        if probe.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
        // Whatever is wrong with it is told when the next request is read.
        match self.gate.push(probe.filled_mut()) {
            Ok(_) | Err(_) => Poll::Pending,
        }
    }

    fn poll_judged(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), End>> {
        loop {
            // As a rule nothing waits.
            if self.gate.waits() || self.gate.refused().is_some() {
                self.follow_policy();
                let judged = self.gate.pull(buf.remaining())?;
                if !judged.is_empty() {
                    buf.put_slice(judged);
                    self.is_over_in_time();
                    return Poll::Ready(Ok(()));
                }
                if self.gate.is_upgrade_asked() && self.gate.waits() {
                    return Poll::Pending;
                }
            }
            self.gate.rest();
            let before = buf.filled().len();
            let read = Pin::new(self.stream().map_err(End::Broken)?).poll_read(cx, buf);
            if read.is_pending() {
                return self.poll_late(cx);
            }
            ready!(read).map_err(End::Broken)?;
            let fresh = buf.filled_mut().get_mut(before..).unwrap_or_default();
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.gate.waits() {
                // A head that came in parts is handed over whole.
                self.gate.hold(fresh);
                buf.set_filled(before);
                continue;
            }
            self.follow_policy();
            let passed = self.gate.push(fresh);
            buf.set_filled(before + passed.unwrap_or(0));
            if passed? > 0 {
                self.is_over_in_time();
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn is_over_in_time(&mut self) {
        self.deadline = None;
        self.idle.end();
    }

    /// A head must begin in time, else the connection ends quietly, and be complete in time. Of bodies Pingora sees to it.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let times = self.gate.policy().limits.times;
        if self.gate.is_in_head() {
            let sleep = || Box::pin(tokio::time::sleep(times.head));
            ready!(self.deadline.get_or_insert_with(sleep).as_mut().poll(cx));
            return Poll::Ready(Err(End::Refused(Refusal::HeadTimeout)));
        }
        if !self.gate.is_at_start() {
            return Poll::Pending;
        }
        ready!(self.idle.poll(cx, times.idle));
        Poll::Ready(Ok(()))
    }

    /// A head is judged by one policy from its first byte to its last.
    fn follow_policy(&mut self) {
        if !self.gate.is_at_start() {
            return;
        }
        if let Some(current) = self.surroundings.policies.other_than(self.gate.policy()) {
            self.gate.set_policy(current);
        }
    }

    /// Sends a head that lines are added to. Until all of it is sent, none of the head is.
    fn poll_completed(&mut self, cx: &mut Context<'_>, head: &[u8]) -> Poll<io::Result<usize>> {
        let inner = self.inner.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        if self.completed.is_none() && is_head(head) {
            let mut whole = Vec::new();
            inner.lines().complete(head, &mut whole);
            self.completed = Some(Completed { whole, sent: 0, length: head.len() });
        }
        // An answer must not go out without them, and no other one with them.
        let completed = self.completed.as_mut().filter(|completed| completed.length == head.len());
        let completed = completed.ok_or(io::ErrorKind::InvalidData)?;
        while let left @ [_, ..] = completed.whole.get(completed.sent..).unwrap_or_default() {
            match ready!(Pin::new(inner.stream_mut()).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => completed.sent += taken,
            }
        }
        self.completed = None;
        Poll::Ready(Ok(head.len()))
    }

    /// Whether a write is of a head that lines are added to. Interim answers have none, though they may be written after the
    /// lines of the answer were: Pingora judges all heads that came together before it writes the first.
    fn adds_lines(&self, write: &[u8]) -> bool {
        let has_lines = || self.inner.as_ref().is_some_and(|inner| !inner.lines().is_empty());
        let is_interim = || self.written.is_midway() || is_interim(write);
        self.completed.is_some() || has_lines() && !is_interim()
    }

    /// Ends reading: quietly before a head has passed, with an error midway, so that the upstream's request is broken off.
    fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        self.gate.refuse(refusal);
        if self.told.is_none() {
            self.told = self.gate.refused();
            self.surroundings.count(refusal);
        }
        if self.told.is_some_and(|refused| refused.midway) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, refusal));
        }
        Ok(())
    }
}

/// Whether a write is an answer's head: Pingora writes one at once.
fn is_head(write: &[u8]) -> bool {
    write.starts_with(b"HTTP/1.") && write.ends_with(b"\r\n\r\n")
}

/// Why nothing more is read.
enum End {
    Refused(Refusal),
    Broken(io::Error),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 1 && this.gate.is_between() {
            return this.poll_presence(cx);
        }
        Poll::Ready(match ready!(this.poll_judged(cx, buf)) {
            Ok(()) => Ok(()),
            Err(End::Broken(error)) => Err(error),
            Err(End::Refused(refusal)) => this.refuse(refusal),
        })
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = if this.adds_lines(buf) {
            ready!(this.poll_completed(cx, buf))?
        } else {
            ready!(Pin::new(this.stream()?).poll_write(cx, buf))?
        };
        this.written.note(buf, buf.len(), taken, &mut this.gate);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let begins = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        if self.adds_lines(begins) {
            return self.poll_write(cx, begins);
        }
        let this = self.get_mut();
        let taken = ready!(Pin::new(this.stream()?).poll_write_vectored(cx, bufs))?;
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        this.written.note(begins, offered, taken, &mut this.gate);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.stream().is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream()?).poll_flush(cx)
    }

    /// What was refused must still be answered: then the connection stays open.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.told.is_some() {
            return Pin::new(this.stream()?).poll_flush(cx);
        }
        Pin::new(this.stream()?).poll_shutdown(cx)
    }
}

impl Drop for GatedStream {
    fn drop(&mut self) {
        let answered = self.completed.is_some() || self.written.is_answered(&self.gate);
        let open = self.told.filter(|refused| !(refused.midway && answered));
        if let (Some(refused), Some(stream)) = (open, self.inner.take()) {
            let returned = Returned { stream: stream.into_stream(), refused };
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(returned);
        }
    }
}

impl fmt::Debug for GatedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedStream").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for GatedStream {
    async fn shutdown(&mut self) {
        if let (None, Some(inner)) = (&self.told, &mut self.inner) {
            inner.stream_mut().shutdown().await;
        }
    }
}

is_a_transport!(GatedStream, inner, inner_mut);
