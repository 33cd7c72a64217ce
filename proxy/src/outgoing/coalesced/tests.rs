//! Does a head leave with its body and all that is added to it, whatever comes in between? Over real sockets.

use std::future::poll_fn;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::l4::stream::Stream as Socket;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

use super::*;
use crate::field::Field;
use crate::outgoing::pool::Pool;

const HEAD: &[u8] = b"POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// For longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// A connection that has begun an exchange.
fn begun(inner: Transport, pool: &Arc<Pool>) -> Coalesced {
    inner.rider().begin(LONG);
    Coalesced::new(inner, place(pool), Vec::new(), Wait::default())
}

fn place(pool: &Arc<Pool>) -> Place {
    Place { pool: Arc::clone(pool), key: 7, address: None, longest: Some(LONG) }
}

/// A connection and its other end, which never waits.
async fn pair() -> (Coalesced, TcpStream) {
    pair_of(&Pool::new(1)).await
}

async fn pair_of(pool: &Arc<Pool>) -> (Coalesced, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (target, _) = listener.accept().unwrap();
    // As Pingora does.
    ours.set_nodelay(true).unwrap();
    target.set_nonblocking(true).unwrap();
    (begun(Transport::new(Box::new(Socket::from(ours))), pool), target)
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
        stream.transport().unwrap().lines().writer().add(&NAME, "value").unwrap();
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
    stream.transport().unwrap().lines().writer().add(&NAME, "value").unwrap();
    assert!(stream.write_all(b"no head").await.is_err(), "nothing goes out without them");
    assert_eq!(sent(&target), b"");
}

#[tokio::test]
async fn a_head_that_is_larger_than_the_room_there_is_goes_out_with_what_is_added() {
    const NAME: Field = Field::new("x-name", "X-Name");
    let (mut stream, target) = pair().await;
    for method in ["GET", "POST"] {
        let start = format!("{method} / HTTP/1.1\r\nA: {}\r\n", "a".repeat(8 * 1024 * 1024));
        stream.transport().unwrap().lines().writer().add(&NAME, "value").unwrap();
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

/// Asks as Pingora does whether a connection can be kept; tells what was read.
async fn is_kept(stream: &mut Coalesced) -> Poll<usize> {
    let mut byte = [0; 1];
    poll_fn(|cx| {
        let mut place = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut *stream).poll_read(cx, &mut place);
        Poll::Ready(read.map(|read| read.map(|()| place.filled().len()).unwrap()))
    })
    .await
}

#[tokio::test]
async fn a_connection_waits_to_be_used_again_once_it_has_answered() {
    let pool = Pool::new(1);
    let (mut stream, target) = pair_of(&pool).await;
    assert!(place(&pool).take().is_none());
    for used in [false, true] {
        write(&mut stream, b"GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(is_kept(&mut stream).await, Poll::Pending, "no answer has come");
        answer(&mut stream, &target).await;
        assert_eq!(is_kept(&mut stream).await, Poll::Pending, "nobody has seen the answer's end");
        (&target).write_all(b"a").unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 1, "it still reads");
        stream.transport().unwrap().rider().note_answered();
        assert_eq!(is_kept(&mut stream).await, Poll::Ready(0), "to Pingora it is closed");
        drop(stream);
        let waiting = place(&pool).take().unwrap();
        assert!(place(&pool).take().is_none(), "{used}");
        waiting.inner.rider().begin(LONG);
        assert!(waiting.inner.rider().is_reused());
        stream = Coalesced::new(waiting.inner, place(&pool), waiting.kept, waiting.wait);
    }
}

#[tokio::test]
async fn a_connection_with_something_left_to_send_is_not_kept() {
    let (mut stream, target) = pair().await;
    write(&mut stream, HEAD).await;
    ask(&mut stream, PATIENCE + 1).await;
    answer(&mut stream, &target).await;
    write(&mut stream, HEAD).await;
    stream.transport().unwrap().rider().note_answered();
    assert_eq!(is_kept(&mut stream).await, Poll::Pending);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_as_long_as_the_exchange_says() {
    let (mut stream, _target) = pair().await;
    for seconds in [30, 5] {
        let begun = tokio::time::Instant::now();
        stream.transport().unwrap().rider().begin(Duration::from_secs(seconds));
        write(&mut stream, b"GET / HTTP/1.1\r\n\r\n").await;
        let error = stream.read(&mut [0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    // As long as the request is being sent, nobody waits for its answer.
    stream.transport().unwrap().rider().begin(Duration::from_secs(5));
    for _ in 0..3 {
        ask(&mut stream, 1).await;
        tokio::time::advance(Duration::from_secs(4)).await;
        stream.write_all(b"more").await.unwrap();
    }
    ask(&mut stream, 1).await;
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
