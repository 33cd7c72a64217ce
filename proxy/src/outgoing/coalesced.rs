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

use memchr::memchr;
use pingora::protocols::{ALPN, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::two_ends::TwoEnds;
use crate::connection::{Transport, is_a_transport};

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
    inner: Transport,
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
    pub(super) fn new(stream: Stream) -> Self {
        let inner = Transport::new(stream);
        let ends = TwoEnds::default();
        Self { inner, kept: Vec::new(), sent: 0, flushed: false, asked: 0, ends, claimed: 0 }
    }

    /// What is spoken is HTTP/1, whatever TLS agreed on.
    const PROTOCOL: Option<ALPN> = None;

    fn stream(&mut self) -> Pin<&mut Stream> {
        Pin::new(self.inner.stream_mut())
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
            let stream = Pin::new(self.inner.stream_mut());
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
            [only] => self.stream().poll_write(cx, only),
            pieces => self.stream().poll_write_vectored(cx, pieces),
        }
    }

    /// Sends what is kept of the write under way.
    fn poll_claimed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx, &[]))?;
        Poll::Ready(Ok(std::mem::take(&mut self.claimed)))
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
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        if self.claimed > bytes {
            // It is not the write that was begun.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if self.claimed > 0 {
            return self.poll_claimed(cx);
        }
        let has_lines = !self.inner.lines().is_empty();
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
            self.inner.lines().complete(head, &mut self.kept);
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
        if this.keeps() {
            this.asked = this.asked.saturating_add(1);
            if this.asked <= PATIENCE {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // A target may answer before it takes any more.
            if let Poll::Ready(sent) = this.poll_send(cx, &[]) {
                sent?;
                if let Poll::Ready(flushed) = this.stream().poll_flush(cx) {
                    flushed?;
                }
            }
        }
        let before = buf.filled().len();
        ready!(this.stream().poll_read(cx, buf))?;
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
        self.inner.stream().is_write_vectored()
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
        this.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx, &[]))?;
        this.stream().poll_shutdown(cx)
    }
}

impl fmt::Debug for Coalesced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesced").field("inner", &self.inner).finish_non_exhaustive()
    }
}

is_a_transport!(Coalesced);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read, Write as _};
    use std::net::{TcpListener, TcpStream};

    use pingora::protocols::l4::stream::Stream as Socket;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::Builder;

    use super::*;
    use crate::field::Field;

    const HEAD: &[u8] = b"POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n";

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    /// A connection and its other end, which never waits.
    async fn pair() -> (Coalesced, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (target, _) = listener.accept().unwrap();
        // As Pingora does.
        ours.set_nodelay(true).unwrap();
        target.set_nonblocking(true).unwrap();
        (Coalesced::new(Box::new(Socket::from(ours))), target)
    }

    async fn write(stream: &mut Coalesced, bytes: &[u8]) {
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
    }

    /// What has been sent since the last look: loopback delivers before a write returns.
    fn sent(mut target: &TcpStream) -> Vec<u8> {
        let (mut all, mut bytes) = (Vec::new(), vec![0; MOST_BYTES]);
        while let Ok(read @ 1..) = target.read(&mut bytes) {
            all.extend_from_slice(&bytes[..read]);
        }
        all
    }

    /// Asks for an answer that has not come, so many times.
    async fn ask(stream: &mut Coalesced, times: u8) {
        for _ in 0..times {
            poll_fn(|cx| {
                let mut place = [0; 8];
                let asked = Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut place));
                assert!(asked.is_pending());
                Poll::Ready(())
            })
            .await;
        }
    }

    async fn answer(stream: &mut Coalesced, mut target: &TcpStream) {
        target.write_all(ANSWER).unwrap();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), ANSWER.len());
    }

    #[tokio::test]
    async fn a_head_leaves_together_with_its_body() {
        let (mut stream, target) = pair().await;
        for _ in 0..2 {
            write(&mut stream, HEAD).await;
            ask(&mut stream, PATIENCE).await;
            stream.write_all(b"bo").await.unwrap();
            assert_eq!(sent(&target), b"");
            write(&mut stream, b"dy").await;
            assert_eq!(sent(&target), [HEAD, b"body"].concat());
            answer(&mut stream, &target).await;
        }
    }

    #[tokio::test]
    async fn an_answer_that_comes_before_the_body_does_not_hide_the_next_request() {
        let (mut stream, target) = pair().await;
        write(&mut stream, HEAD).await;
        ask(&mut stream, PATIENCE + 1).await;
        answer(&mut stream, &target).await;
        write(&mut stream, b"body").await;
        assert_eq!(sent(&target), [HEAD, b"body"].concat());
        write(&mut stream, HEAD).await;
        assert_eq!(sent(&target), b"", "it waits for its body");
        assert!(stream.ends.are_awaited());
    }

    #[tokio::test]
    async fn a_head_whose_body_does_not_come_is_not_kept() {
        let (mut stream, target) = pair().await;
        write(&mut stream, HEAD).await;
        ask(&mut stream, PATIENCE).await;
        assert_eq!(sent(&target), b"");
        ask(&mut stream, 1).await;
        assert_eq!(sent(&target), HEAD);
        stream.write_all(b"bo").await.unwrap();
        assert_eq!(sent(&target), b"bo", "what comes piece by piece is sent piece by piece");
    }

    #[tokio::test]
    async fn the_end_of_a_request_without_a_body_sends_it() {
        let (mut stream, target) = pair().await;
        write(&mut stream, HEAD).await;
        stream.flush().await.unwrap();
        assert_eq!(sent(&target), HEAD);
    }

    #[tokio::test]
    async fn a_request_that_never_has_a_body_is_sent_at_once() {
        let (mut stream, target) = pair().await;
        write(&mut stream, b"GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(sent(&target), b"GET / HTTP/1.1\r\n\r\n");
    }

    #[tokio::test]
    async fn what_is_added_goes_out_behind_the_next_head_alone() {
        const NAME: Field = Field::new("x-name", "X-Name");
        let (mut stream, target) = pair().await;
        for head in [HEAD, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"] {
            stream.inner.lines().writer().add(&NAME, "value").unwrap();
            let whole = [&head[..head.len() - 2], b"X-Name: value\r\n\r\n"].concat();
            write(&mut stream, head).await;
            assert_eq!(sent(&target), if has_body(head) { b"" } else { &whole[..] });
            if has_body(head) {
                write(&mut stream, b"body").await;
                assert_eq!(sent(&target), [&whole[..], b"body"].concat());
            }
            answer(&mut stream, &target).await;
            write(&mut stream, head).await;
            ask(&mut stream, PATIENCE + 1).await;
            assert_eq!(sent(&target), head);
            answer(&mut stream, &target).await;
        }
        stream.inner.lines().writer().add(&NAME, "value").unwrap();
        assert!(stream.write_all(b"no head").await.is_err(), "nothing goes out without them");
        assert_eq!(sent(&target), b"");
    }

    #[tokio::test]
    async fn a_head_that_is_larger_than_the_room_there_is_goes_out_with_what_is_added() {
        const NAME: Field = Field::new("x-name", "X-Name");
        let (mut stream, target) = pair().await;
        for method in ["GET", "POST"] {
            let start = format!("{method} / HTTP/1.1\r\nA: {}\r\n", "a".repeat(8 * 1024 * 1024));
            stream.inner.lines().writer().add(&NAME, "value").unwrap();
            let head = [start.as_bytes(), b"\r\n"].concat();
            let mut all = Vec::new();
            // More than a socket takes: what is left is sent as the target takes it.
            let writing = async { write(&mut stream, &head).await };
            let reading = async {
                while all.len() < head.len() + b"X-Name: value\r\n".len() {
                    all.extend(sent(&target));
                    tokio::task::yield_now().await;
                }
            };
            tokio::join!(writing, reading);
            assert!(all == [start.as_bytes(), b"X-Name: value\r\n\r\n"].concat(), "{method}");
            assert!(stream.kept.capacity() <= KEPT_BYTES);
            answer(&mut stream, &target).await;
        }
    }

    #[tokio::test]
    async fn a_large_body_is_not_kept() {
        let (mut stream, target) = pair().await;
        write(&mut stream, HEAD).await;
        stream.write_all(&[b'x'; MOST_BYTES]).await.unwrap();
        let all = sent(&target);
        assert_eq!((all.len(), &all[..HEAD.len()]), (HEAD.len() + MOST_BYTES, HEAD));
        assert!(stream.kept.is_empty() && stream.kept.capacity() <= KEPT_BYTES);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(Vec<u8>),
        Flush,
        Ask,
        Answer,
    }

    fn step() -> impl Strategy<Value = Step> {
        let piece = (0_usize..20_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
        prop_oneof![
            piece.prop_map(Step::Write),
            Just(Step::Write(HEAD.to_vec())),
            Just(Step::Flush),
            Just(Step::Ask),
            Just(Step::Answer),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However pieces, flushes and answers come, the target gets what was written, in its order.
        #[test]
        fn nothing_is_lost_or_changes_places(steps in prop::collection::vec(step(), 0..12)) {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let (written, sent) = runtime.block_on(async {
                let (mut stream, target) = pair().await;
                let (mut written, mut got) = (Vec::new(), Vec::new());
                for step in steps {
                    match step {
                        Step::Write(piece) => {
                            stream.write_all(&piece).await.unwrap();
                            written.extend(piece);
                        }
                        Step::Flush => stream.flush().await.unwrap(),
                        Step::Ask => ask(&mut stream, 1).await,
                        Step::Answer => answer(&mut stream, &target).await,
                    }
                    got.extend(sent(&target));
                }
                ask(&mut stream, PATIENCE + 1).await;
                got.extend(sent(&target));
                (written, got)
            });
            prop_assert_eq!(sent.len(), written.len());
            prop_assert!(sent == written);
        }
    }
}
