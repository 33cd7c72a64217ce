//! Does each wrong frame end what it belongs to, and only that? The groups of cases that conformance tests have.

use super::code::{COMPRESSION, FLOW_CONTROL, FRAME_SIZE, PROTOCOL, REFUSED_STREAM, STREAM_CLOSED};
use super::{asking, begun, request, served};
use crate::kit::{Connection, End, FrameConnection, Turnout, block, frame, get, kind};

/// What must come of frames: one of these ends, and nothing else.
type Ends = &'static [End];

const ANSWERED: Ends = &[End::Answered];
/// Errors of a connection may end it without a word, and the more general code may be told. (RFC 9113, section 5.4.1)
const IS_PROTOCOL: Ends = &[End::GoAway(PROTOCOL), End::Closed];
const IS_SIZE: Ends = &[End::GoAway(FRAME_SIZE), End::GoAway(PROTOCOL), End::Closed];
/// An error of a stream may be taken for one of the connection. (RFC 9113, section 5.4.2)
const STREAM_PROTOCOL: Ends = &[End::Reset(PROTOCOL), End::GoAway(PROTOCOL), End::Closed];
const CLOSED: Ends = &[
    End::Reset(STREAM_CLOSED),
    End::GoAway(STREAM_CLOSED),
    End::GoAway(PROTOCOL),
    End::Reset(PROTOCOL),
    End::Closed,
];

/// Each case on a connection of its own, and what becomes of its stream 1.
async fn hold(turnout: &Turnout, cases: Vec<(&str, Vec<u8>, Ends)>) {
    for (what, bytes, ends) in cases {
        let mut client = FrameConnection::open(turnout.h2c()).await;
        client.write(&bytes).await.unwrap();
        let end = client.end_of(1).await;
        assert!(ends.contains(&end), "{what}: {end:?} and not one of {ends:?}");
    }
    let mut good = Connection::h2c(turnout.h2c()).await;
    good.send(get("/a")).await.unwrap().expect(200);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn frames_of_wrong_shape_end_what_they_belong_to() {
    let (turnout, _api) = served().await;
    let padded = |pad: u8, payload: Vec<u8>| [vec![pad], payload].concat();
    let cases = vec![
        ("a request", request(1), ANSWERED),
        ("an unknown frame before it", [frame(99, 0, 0, [0; 8]), request(1)].concat(), ANSWERED),
        ("unknown flags", [frame(kind::PING, 0xfe, 0, [0; 8]), request(1)].concat(), ANSWERED),
        (
            "an unknown setting",
            [frame(kind::SETTINGS, 0, 0, [0, 0x99, 0, 0, 0, 1]), request(1)].concat(),
            ANSWERED,
        ),
        (
            "padding",
            frame(
                kind::HEADERS,
                kind::WHOLE | kind::PADDED,
                1,
                [padded(3, asking("/a", &[])), vec![0; 3]].concat(),
            ),
            ANSWERED,
        ),
        (
            "too much padding of a head",
            frame(kind::HEADERS, kind::WHOLE | kind::PADDED, 1, padded(255, vec![0x82])),
            IS_PROTOCOL,
        ),
        (
            "too much padding of a body",
            [
                begun(1),
                frame(kind::DATA, kind::END_STREAM | kind::PADDED, 1, padded(9, vec![0; 4])),
            ]
            .concat(),
            IS_PROTOCOL,
        ),
        ("a body on the connection", frame(kind::DATA, kind::END_STREAM, 0, [0; 4]), IS_PROTOCOL),
        (
            "a head on the connection",
            frame(kind::HEADERS, kind::WHOLE, 0, asking("/a", &[])),
            IS_PROTOCOL,
        ),
        ("a head on an even stream", request(2), IS_PROTOCOL),
        (
            "a stream before an earlier one",
            [request(5), request(3)].concat(),
            &[End::GoAway(PROTOCOL), End::GoAway(STREAM_CLOSED), End::Closed],
        ),
        (
            "a body that is too large",
            [begun(1), frame(kind::DATA, 0, 1, vec![0; 16_385])].concat(),
            IS_SIZE,
        ),
        (
            "a head that is too large",
            frame(kind::HEADERS, kind::WHOLE, 1, vec![0x82; 16_385]),
            IS_SIZE,
        ),
        ("a ping on a stream", frame(kind::PING, 0, 1, [0; 8]), IS_PROTOCOL),
        ("a short ping", frame(kind::PING, 0, 0, [0; 6]), IS_SIZE),
        ("settings on a stream", frame(kind::SETTINGS, 0, 1, []), IS_PROTOCOL),
        ("settings in part", frame(kind::SETTINGS, 0, 0, [0; 5]), IS_SIZE),
        (
            "settings that acknowledge and say more",
            frame(kind::SETTINGS, kind::ACK, 0, [0; 6]),
            IS_SIZE,
        ),
        (
            "a window that is too large",
            frame(kind::SETTINGS, 0, 0, [0, 4, 0xff, 0xff, 0xff, 0xff]),
            &[End::GoAway(FLOW_CONTROL), End::GoAway(PROTOCOL), End::Closed],
        ),
        ("frames that are too small", frame(kind::SETTINGS, 0, 0, [0, 5, 0, 0, 0, 1]), IS_PROTOCOL),
        (
            "push that is neither on nor off",
            frame(kind::SETTINGS, 0, 0, [0, 2, 0, 0, 0, 2]),
            IS_PROTOCOL,
        ),
        ("a goaway on a stream", frame(kind::GOAWAY, 0, 1, [0; 8]), IS_PROTOCOL),
        ("a reset of the connection", frame(kind::RST_STREAM, 0, 0, [0; 4]), IS_PROTOCOL),
        ("a reset of nothing", frame(kind::RST_STREAM, 0, 1, [0; 4]), IS_PROTOCOL),
        ("a short reset", [request(1), frame(kind::RST_STREAM, 0, 1, [0; 3])].concat(), IS_SIZE),
        ("a priority on the connection", frame(kind::PRIORITY, 0, 0, [0; 5]), IS_PROTOCOL),
        ("a short priority", [begun(1), frame(kind::PRIORITY, 0, 1, [0; 4])].concat(), IS_SIZE),
        ("no more window", frame(kind::WINDOW_UPDATE, 0, 0, [0; 4]), IS_PROTOCOL),
        (
            "no more window of a stream",
            [begun(1), frame(kind::WINDOW_UPDATE, 0, 1, [0; 4])].concat(),
            STREAM_PROTOCOL,
        ),
        ("a short window", frame(kind::WINDOW_UPDATE, 0, 0, [0; 3]), IS_SIZE),
        (
            "a window without bounds",
            frame(kind::WINDOW_UPDATE, 0, 0, [0x7f, 0xff, 0xff, 0xff]).repeat(2),
            &[End::GoAway(FLOW_CONTROL), End::Closed],
        ),
        (
            "a promise of a client",
            frame(kind::PUSH_PROMISE, kind::END_HEADERS, 1, [0, 0, 0, 2]),
            IS_PROTOCOL,
        ),
    ];
    hold(&turnout, cases).await;
}

#[tokio::test]
async fn frames_in_the_wrong_place_end_what_they_belong_to() {
    let (turnout, _api) = served().await;
    let open_head = frame(kind::HEADERS, kind::END_STREAM, 1, asking("/a", &[]));
    let after_end =
        |then: Vec<u8>| [begun(1), frame(kind::DATA, kind::END_STREAM, 1, []), then].concat();
    let with_priority = |on: u32| {
        let payload = [on.to_be_bytes().to_vec(), vec![1], asking("/a", &[])].concat();
        frame(kind::HEADERS, kind::WHOLE | kind::PRIORITIZED, 1, payload)
    };
    let cases = vec![
        ("a body of nothing", frame(kind::DATA, 0, 1, [0; 4]), IS_PROTOCOL),
        ("a window of nothing", frame(kind::WINDOW_UPDATE, 0, 1, [0, 0, 0, 9]), IS_PROTOCOL),
        (
            "a continuation of nothing",
            frame(kind::CONTINUATION, kind::END_HEADERS, 1, [0x82]),
            IS_PROTOCOL,
        ),
        (
            "a continuation after the head",
            [begun(1), frame(kind::CONTINUATION, kind::END_HEADERS, 1, [0x82])].concat(),
            IS_PROTOCOL,
        ),
        (
            "a ping within a head",
            [open_head.clone(), frame(kind::PING, 0, 0, [0; 8])].concat(),
            IS_PROTOCOL,
        ),
        (
            "a priority within a head",
            [open_head.clone(), frame(kind::PRIORITY, 0, 1, [0; 5])].concat(),
            IS_PROTOCOL,
        ),
        (
            "an unknown frame within a head",
            [open_head.clone(), frame(99, 0, 1, [0; 4])].concat(),
            IS_PROTOCOL,
        ),
        ("another head within a head", [open_head.clone(), request(3)].concat(), IS_PROTOCOL),
        (
            "a continuation of another stream",
            [open_head, frame(kind::CONTINUATION, kind::END_HEADERS, 3, [0x82])].concat(),
            IS_PROTOCOL,
        ),
        (
            "a head without its end that goes on to a body",
            [
                frame(kind::HEADERS, 0, 1, asking("/a", &[])),
                frame(kind::DATA, kind::END_STREAM, 1, []),
            ]
            .concat(),
            IS_PROTOCOL,
        ),
        ("a stream that depends on itself", with_priority(1), STREAM_PROTOCOL),
        ("a stream that depends on another", with_priority(0), ANSWERED),
    ];
    hold(&turnout, cases).await;
    // What comes after the end may cross the answer on the way.
    for then in [frame(kind::DATA, 0, 1, [0; 4]), request(1)] {
        let mut client = FrameConnection::open(turnout.h2c()).await;
        client.write(&after_end(then)).await.unwrap();
        let end = client.end_of(1).await;
        assert!(end == End::Answered || CLOSED.contains(&end), "{end:?}");
    }
    // A ping is answered with its own words, an answer to one is not.
    let mut client = FrameConnection::open(turnout.h2c()).await;
    let pings =
        [frame(kind::PING, kind::ACK, 0, *b"of yours"), frame(kind::PING, 0, 0, *b"of mine!")];
    client.write(&pings.concat()).await.unwrap();
    loop {
        let next = client.next().await.unwrap();
        if next.kind == kind::PING {
            assert_eq!((next.flags, &*next.payload), (kind::ACK, &b"of mine!"[..]));
            break;
        }
    }
}

#[tokio::test]
async fn heads_that_cannot_be_read_end_what_they_belong_to() {
    const COMPRESSED: Ends = &[End::GoAway(COMPRESSION), End::GoAway(PROTOCOL), End::Closed];
    let (turnout, api) = served().await;
    let raw = |block: &[u8]| frame(kind::HEADERS, kind::WHOLE, 1, block);
    let of = |fields: &[(&str, &str)]| raw(&block(fields));
    let get = |more: &[(&str, &str)]| raw(&asking("/a", more));
    let (method, scheme) = ((":method", "GET"), (":scheme", "http"));
    let (authority, path) = ((":authority", "h"), (":path", "/a"));
    let cases = vec![
        ("an index of nothing", raw(&[0xff, 0x80, 0x01]), COMPRESSED),
        ("an index of zero", raw(&[0x80]), COMPRESSED),
        ("a number without end", raw(&[&[0x7f][..], &[0xff; 12]].concat()), COMPRESSED),
        ("a text longer than its frame", raw(&[0x00, 0x7f, 0xff]), COMPRESSED),
        (
            "a table that is too large",
            raw(&[&[0x3f, 0xff, 0xff, 0xff, 0x07][..], &asking("/a", &[])].concat()),
            COMPRESSED,
        ),
        (
            "bad Huffman padding",
            raw(&[0x00, 0x81, 0x00, 0x81, 0x00]),
            &[End::GoAway(COMPRESSION), End::Reset(PROTOCOL), End::GoAway(PROTOCOL), End::Closed],
        ),
        ("a name in upper case", get(&[("X-Upper", "a")]), STREAM_PROTOCOL),
        ("a name with a blank", get(&[("x y", "a")]), STREAM_PROTOCOL),
        ("a value with a line feed", get(&[("x", "a\nb: c")]), STREAM_PROTOCOL),
        ("a value with a zero byte", get(&[("x", "a\0b")]), STREAM_PROTOCOL),
        ("an unknown pseudo-field", get(&[(":unknown", "a")]), STREAM_PROTOCOL),
        ("a pseudo-field of answers", get(&[(":status", "200")]), STREAM_PROTOCOL),
        (
            "a pseudo-field after others",
            of(&[method, scheme, authority, ("a", "b"), path]),
            STREAM_PROTOCOL,
        ),
        ("a pseudo-field twice", of(&[method, method, scheme, authority, path]), STREAM_PROTOCOL),
        ("no method", of(&[scheme, authority, path]), STREAM_PROTOCOL),
        ("no scheme", of(&[method, authority, path]), STREAM_PROTOCOL),
        ("no path", of(&[method, scheme, authority]), STREAM_PROTOCOL),
        ("an empty path", of(&[method, scheme, authority, (":path", "")]), STREAM_PROTOCOL),
        ("a connection's field", get(&[("connection", "close")]), STREAM_PROTOCOL),
        ("a coding of HTTP/1", get(&[("transfer-encoding", "chunked")]), STREAM_PROTOCOL),
        ("another TE", get(&[("te", "trailers, deflate")]), STREAM_PROTOCOL),
    ];
    hold(&turnout, cases).await;
    let whole = api.requests().into_iter().filter(|asked| asked.method == "GET");
    assert_eq!(whole.count(), 1, "only the last one, which was good");
}

#[tokio::test]
async fn no_client_gets_more_streams_than_it_may() {
    let (turnout, _api) = served().await;
    let mut client = FrameConnection::open(turnout.h2c()).await;
    let many: Vec<u8> = (0..102).flat_map(|n| begun(2 * n + 1)).collect();
    client.write(&many).await.unwrap();
    let end = client.end_of(203).await;
    assert!(matches!(end, End::Reset(REFUSED_STREAM | PROTOCOL)), "{end:?}");
}
