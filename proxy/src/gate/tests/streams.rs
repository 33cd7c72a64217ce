//! Does a gated connection behave as Pingora expects? On a connection in memory, with a clock that stands still.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pingora::protocols::Shutdown;
use rules::{Snapshot, SnapshotCell};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};

use super::super::answer;
use super::super::stream::{GatedStream, ReturnSlot, Surroundings};
use super::super::{Refusal, Refused};
use crate::connection::Rider;
use crate::connection::Transport;
use crate::field::Field;
use crate::metrics::ProxyCounters;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
const MOMENT: Duration = Duration::from_millis(10);

struct Pair {
    client: DuplexStream,
    server: GatedStream,
    slot: ReturnSlot,
    surroundings: Arc<Surroundings>,
}

fn pair() -> Pair {
    pair_with_room(64 * 1024).0
}

/// A connection that takes so much at a time, and what is added to answers on it.
fn pair_with_room(bytes: usize) -> (Pair, Arc<Rider>) {
    let (client, inner) = tokio::io::duplex(bytes);
    let cell = Arc::new(SnapshotCell::new(Arc::new(Snapshot::default())));
    let surroundings = Arc::new(Surroundings::new(cell, Arc::new(ProxyCounters::default()), None));
    let slot = ReturnSlot::default();
    let inner = Transport::new(Box::new(inner));
    let rider = Arc::clone(inner.rider());
    let server = GatedStream::new(inner, Arc::clone(&surroundings), Arc::clone(&slot));
    (Pair { client, server, slot, surroundings }, rider)
}

impl Pair {
    /// Reads as Pingora reads a head or a body.
    async fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut buffer = vec![0; 4_096];
        let count = self.server.read(&mut buffer).await?;
        buffer.truncate(count);
        Ok(buffer)
    }

    /// Whether the client is still there, as Pingora asks while it answers; none where nobody can tell.
    async fn is_gone(&mut self) -> Option<bool> {
        let mut probe = [0; 1];
        let read = timeout(MOMENT, self.server.read(&mut probe)).await.ok()?;
        Some(read.unwrap() == 0)
    }

    fn refused(self) -> Option<Refused> {
        let Self { server, slot, .. } = self;
        drop(server);
        let returned = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        returned.map(|returned| returned.refused)
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_handed_over_one_by_one() {
    let mut pair = pair();
    pair.client.write_all(&[GET, POST, b"hi", GET].concat()).await.unwrap();
    assert_eq!(pair.read().await.unwrap(), GET);
    assert_eq!(pair.is_gone().await, None, "the next request is not told as presence");
    assert_eq!(pair.read().await.unwrap(), [POST, b"hi"].concat());
    assert_eq!(pair.read().await.unwrap(), GET);
    drop(std::mem::replace(&mut pair.client, tokio::io::duplex(1).0));
    assert_eq!(pair.is_gone().await, Some(true));
    assert_eq!(pair.refused(), None);
}

#[tokio::test(start_paused = true)]
async fn a_byte_of_the_next_request_that_comes_early_is_not_lost() {
    let mut pair = pair();
    pair.client.write_all(GET).await.unwrap();
    pair.read().await.unwrap();
    pair.client.write_all(b"G").await.unwrap();
    assert_eq!(pair.is_gone().await, None);
    assert_eq!(pair.is_gone().await, None);
    pair.client.write_all(&GET[1..]).await.unwrap();
    assert_eq!(pair.read().await.unwrap(), GET);
}

#[tokio::test(start_paused = true)]
async fn a_bad_head_ends_the_connection_quietly_and_is_answered_afterwards() {
    let mut pair = pair();
    pair.client.write_all(b"HEAD / HTTP/1.1\r\nHost : h\r\n\r\n").await.unwrap();
    assert_eq!(pair.read().await.unwrap(), b"");
    Shutdown::shutdown(&mut pair.server).await;
    let Pair { mut client, server, slot, surroundings } = pair;
    drop(server);
    let returned = slot.lock().unwrap().take().unwrap();
    let expected = Refused { refusal: Refusal::Field, midway: false, for_head: true };
    assert_eq!(returned.refused, expected);
    let told = tokio::spawn(async move { answer::refuse(returned, &surroundings).await });
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("\r\n\r\n"));
    told.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bad_chunk_breaks_the_body_off() {
    let mut pair = pair();
    pair.client.write_all(&[CHUNKED, b"2\r\nhi\r\n2\nhi"].concat()).await.unwrap();
    assert_eq!(pair.read().await.unwrap(), [CHUNKED, b"2\r\nhi\r\n"].concat());
    assert_eq!(pair.read().await.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    pair.server.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    let refused = pair.refused().unwrap();
    assert!(refused.midway && refused.refusal == Refusal::Chunk);
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_already_is_not_answered_twice() {
    let mut pair = pair();
    pair.client.write_all(&[CHUNKED, b"2\r\nhi\r\n2\nhi"].concat()).await.unwrap();
    pair.read().await.unwrap();
    pair.server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    assert!(pair.read().await.is_err());
    assert_eq!(pair.refused(), None);
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds_from_its_first_byte() {
    let mut pair = pair();
    pair.client.write_all(GET).await.unwrap();
    pair.read().await.unwrap();
    // Nothing presses while nothing has come.
    assert!(timeout(Duration::from_secs(50), pair.read()).await.is_err());
    pair.client.write_all(b"GET / HT").await.unwrap();
    let began = Instant::now();
    assert!(timeout(Duration::from_secs(6), pair.read()).await.is_err());
    pair.client.write_all(b"TP/1.1\r\nHost: ").await.unwrap();
    assert_eq!(pair.read().await.unwrap(), b"");
    let took = began.elapsed();
    assert!((10_000..10_010).contains(&took.as_millis()), "{took:?}");
    assert_eq!(pair.refused().unwrap().refusal, Refusal::HeadTimeout);
}

#[tokio::test(start_paused = true)]
async fn each_head_has_its_own_time() {
    let mut pair = pair();
    for _ in 0..3 {
        pair.client.write_all(&GET[..10]).await.unwrap();
        assert!(timeout(Duration::from_secs(9), pair.read()).await.is_err());
        pair.client.write_all(&GET[10..]).await.unwrap();
        assert_eq!(pair.read().await.unwrap(), GET);
    }
    assert_eq!(pair.refused(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_added_goes_out_behind_the_next_answers_head_whatever_room_there_is() {
    const NAME: Field = Field::new("x-name", "X-Name");
    const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    for room in [1, 7, 40, 64 * 1024] {
        let (Pair { mut client, mut server, .. }, rider) = pair_with_room(room);
        rider.lines.writer().add(&NAME, "value").unwrap();
        let written = tokio::spawn(async move {
            for part in [HINTS, ANSWER, b"hi", ANSWER, b"HTTP/1.1 \r\n\r\n"] {
                server.write_all(part).await.unwrap();
            }
            Shutdown::shutdown(&mut server).await;
        });
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.unwrap();
        let own = &ANSWER[..ANSWER.len() - 2];
        let all = [HINTS, own, b"X-Name: value\r\n\r\nhi", ANSWER, b"HTTP/1.1 \r\n\r\n"].concat();
        assert_eq!(answers, all, "{room}");
        written.await.unwrap();
    }
    let (mut pair, rider) = pair_with_room(64);
    rider.lines.writer().add(&NAME, "value").unwrap();
    assert!(pair.server.write_all(b"hi").await.is_err(), "nothing goes out without them");
}
