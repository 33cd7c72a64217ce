//! Does the server stay small and whole while a client floods it? Frames, streams, heads and answers without end.

use loadtest::load::{Answer, Call, Load, Plan};

use super::code::{CALM, NO_ERROR, PROTOCOL};
use super::{YAML, asking, begun, request, served};
use crate::kit::{
    Connection, End, FrameConnection, RawConnection, Setup, Turnout, block, eventually, frame, get,
    head, kind, sample,
};

/// What a server may hold more after an attack than before it: 250 answers that nobody takes are the most, of 700 KiB each.
const MEMORY: u64 = 192 << 20;

/// Attacks while others are served, and holds the server to its bounds.
async fn attacked(turnout: &Turnout, what: &str, attack: impl AsyncFnOnce()) {
    let before = turnout.memory();
    let load = {
        let bad = |answer: &Answer| assert!(answer.is_ok(), "{:?}", answer.status);
        Load::start(Plan::connections(turnout.proxy(), 2), |_| Call::get("/a"), bad).unwrap()
    };
    let mut beside = Connection::h2c(turnout.h2c()).await;
    beside.send(get("/a")).await.unwrap().expect(200);
    attack().await;
    beside.send(get("/a")).await.unwrap().expect(200);
    let figures = load.stop().await;
    assert_eq!((figures.failed, figures.ok > 0), (0, true), "{what}: {figures:?}");
    let grown = turnout.memory().saturating_sub(before);
    println!("{what}: {} KiB more, {} requests beside it", grown / 1024, figures.ok);
    assert!(grown < MEMORY, "{what}: {grown} bytes more");
}

async fn floods(turnout: &Turnout) -> f64 {
    let metrics = turnout.metrics().await;
    sample(&metrics, "turnout_refused_requests_total", &["reason=\"frame_flood\""]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_end_the_connection_and_are_counted() {
    let (turnout, _api) = served().await;
    let ping = frame(kind::PING, 0, 0, [7; 8]);
    let settings = frame(kind::SETTINGS, 0, 0, []);
    let empty = frame(kind::DATA, 0, 1, []);
    let priority = frame(kind::PRIORITY, 0, 3, [0, 0, 0, 0, 15]);
    let unknown = frame(77, 0, 0, [0; 64]);
    let window = frame(kind::WINDOW_UPDATE, 0, 0, 1_u32.to_be_bytes());
    for (what, one) in [
        ("pings", ping),
        ("settings", settings),
        ("priorities", priority),
        ("unknown frames", unknown),
        ("windows", window),
    ] {
        let counted = floods(&turnout).await;
        attacked(&turnout, what, async || {
            for _ in 0..5 {
                let client = FrameConnection::open(turnout.h2c()).await;
                let end = client.flood(one.repeat(50_000)).await;
                assert!(matches!(end, End::GoAway(PROTOCOL) | End::Closed), "{what}: {end:?}");
            }
        })
        .await;
        assert_eq!(floods(&turnout).await, counted + 5.0, "{what}");
    }
    // Those of bodies are ended by whoever notices first, the watch or the reader itself.
    attacked(&turnout, "empty bodies", async || {
        for _ in 0..5 {
            let client = FrameConnection::open(turnout.h2c()).await;
            let end = client.flood([begun(1), empty.repeat(50_000)].concat()).await;
            assert!(matches!(end, End::GoAway(PROTOCOL | CALM) | End::Closed), "{end:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_taken_back_without_end_end_the_connection() {
    let (turnout, api) = served().await;
    let rapid: Vec<u8> = (0..20_000)
        .flat_map(|n| {
            let stream = 2 * n + 1;
            [request(stream), frame(kind::RST_STREAM, 0, stream, 8_u32.to_be_bytes())].concat()
        })
        .collect();
    attacked(&turnout, "rapid resets", async || {
        for _ in 0..5 {
            let client = FrameConnection::open(turnout.h2c()).await;
            let end = client.flood(rapid.clone()).await;
            assert!(matches!(end, End::GoAway(PROTOCOL | CALM) | End::Closed), "{end:?}");
        }
    })
    .await;
    println!("{} requests reached the service", api.count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_end_are_cut() {
    let (turnout, _api) = served().await;
    let part = frame(kind::CONTINUATION, 0, 1, block(&[("x-more", &"y".repeat(8_000))]));
    let empty = frame(kind::CONTINUATION, 0, 1, []);
    let first = frame(kind::HEADERS, kind::END_STREAM, 1, asking("/a", &[]));
    // A field of 4,000 bytes that is named once and then pointed at, a byte each time.
    let mut bomb = asking("/a", &[]);
    bomb.extend([0x40, 1, b'a', 127, 0xa1, 30]);
    bomb.extend(vec![b'z'; 4_000]);
    bomb.extend(vec![0xbe; 12_000]);
    for (what, bytes) in [
        ("continuations", [first.clone(), part.repeat(2_000)].concat()),
        ("empty continuations", [first, empty.repeat(100_000)].concat()),
    ] {
        attacked(&turnout, what, async || {
            for _ in 0..5 {
                let end = FrameConnection::open(turnout.h2c()).await.flood(bytes.clone()).await;
                assert!(matches!(end, End::GoAway(_) | End::Closed), "{what}: {end:?}");
            }
        })
        .await;
    }
    attacked(&turnout, "a header list that swells", async || {
        for n in 0..20 {
            let mut client = FrameConnection::open(turnout.h2c()).await;
            client.write(&head(1, kind::WHOLE, &bomb)).await.unwrap();
            let (end, told) = client.end_and_body_of(1).await;
            assert!(end != End::Answered || told.is_empty(), "{n}: {end:?} {told}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_are_not_heaped_up() {
    let (turnout, _api) = served().await;
    attacked(&turnout, "closed windows", async || {
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = FrameConnection::open_with(turnout.h2c(), &[0, 4, 0, 0, 0, 0]).await;
            for n in 0..50 {
                let bytes = head(2 * n + 1, kind::WHOLE, &asking("/a?large", &[]));
                client.write(&bytes).await.unwrap();
            }
            clients.push(client);
        }
        for client in &mut clients {
            assert!(!matches!(client.end_of(1).await, End::Answered));
        }
    })
    .await;
    let none =
        async || sample(&turnout.metrics().await, "http_server_active_requests", &[]) == Some(0.0);
    eventually("all of them are given up", none).await;
}

#[tokio::test]
async fn who_says_nothing_or_half_of_it_is_closed() {
    let (turnout, api) = served().await;
    let halves: [&[u8]; 4] = [b"", b"PRI * HTTP/2.0\r\n\r\n", b"GET / HTTP/1.1\r\n", &[0; 30]];
    for said in halves {
        let mut client = RawConnection::open(turnout.h2c()).await;
        client.try_write(said).await.unwrap();
        client.read_until_closed().await;
    }
    // In the midst of a head, of a frame's header, and of its payload.
    let whole = request(1);
    let open_head = frame(kind::HEADERS, kind::END_STREAM, 1, asking("/a", &[]));
    for said in [&open_head, &whole[..5].to_vec(), &whole[..20].to_vec()] {
        let mut client = FrameConnection::open(turnout.h2c()).await;
        client.write(said).await.unwrap();
        assert!(matches!(client.end_of(1).await, End::GoAway(_) | End::Closed));
    }
    // Nothing at all after the settings: the connection is idle.
    let idle = YAML.replace("write: 2s", "idle: 1s");
    let turnout = Setup::new(&idle).upstream("api", api.address()).with_h2c().start().await;
    let mut client = FrameConnection::open(turnout.h2c()).await;
    assert!(matches!(client.end_of(1).await, End::GoAway(NO_ERROR) | End::Closed));
    assert_eq!(api.count(), 0);
}
