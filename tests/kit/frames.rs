//! Who speaks HTTP/2 frame by frame, right or wrong? (RFC 9113)

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The kinds of frames, and their flags.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;

    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITIZED: u8 = 0x20;
    /// A whole request without a body.
    pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a GOAWAY or a RST_STREAM.
    fn code(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block in as many frames as it takes.
pub(crate) fn head(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = block.chunks(16_384).collect();
    let mut bytes = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let kind = if n == 0 { kind::HEADERS } else { kind::CONTINUATION };
        let first = if n == 0 { flags & !kind::END_HEADERS } else { 0 };
        let last = if n + 1 == parts.len() { flags & kind::END_HEADERS } else { 0 };
        bytes.extend(frame(kind, first | last, stream, part));
    }
    bytes
}

/// A header block of these fields as they are, neither indexed nor coded. (RFC 7541, section 6.2.2)
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A length in seven bits, or more where it does not fit. (RFC 7541, section 5.1)
fn push_length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// How an exchange of frames ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection, with GOAWAY and this code.
    GoAway(u32),
    /// The connection, without a word.
    Closed,
    /// A stream, by this code.
    Reset(u32),
    /// A stream, by an answer.
    Answered,
}

/// A connection on which a test writes frames.
pub(crate) struct FrameConnection {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

impl FrameConnection {
    /// One that has begun as it should: preface and settings are exchanged.
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self::open_with(to, &[]).await
    }

    /// The same with settings of its own, as they are on the wire.
    pub(crate) async fn open_with(to: SocketAddr, settings: &[u8]) -> Self {
        let mut connection = Self::bare(to).await;
        let begin = [PREFACE, &frame(kind::SETTINGS, 0, 0, settings)].concat();
        connection.write(&begin).await.unwrap();
        let first = connection.next().await.expect("no settings came");
        assert_eq!((first.kind, first.flags), (kind::SETTINGS, 0));
        connection.write(&frame(kind::SETTINGS, kind::ACK, 0, [])).await.unwrap();
        connection
    }

    /// One on which nothing has been said.
    pub(crate) async fn bare(to: SocketAddr) -> Self {
        Self::of(TcpStream::connect(to).await.unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let (read, write) = stream.into_split();
        Self { read, write }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write.write_all(bytes).await
    }

    /// The next frame; none when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let next = tokio::time::timeout(ANSWER_WITHIN, next(&mut self.read)).await;
        next.expect("neither a frame nor an end comes")
    }

    /// What becomes of a stream, or of the connection first.
    pub(crate) async fn end_of(&mut self, stream: u32) -> End {
        self.end_and_body_of(stream).await.0
    }

    /// The same, with what came of a body.
    pub(crate) async fn end_and_body_of(&mut self, stream: u32) -> (End, String) {
        let mut body = Vec::new();
        let end = loop {
            let Some(frame) = self.next().await else { break End::Closed };
            match frame.kind {
                kind::GOAWAY => break End::GoAway(frame.code()),
                kind::RST_STREAM if frame.stream == stream => break End::Reset(frame.code()),
                kind::HEADERS | kind::DATA if frame.stream == stream => {
                    if frame.kind == kind::DATA {
                        body.extend(&frame.payload);
                    }
                    if frame.flags & kind::END_STREAM != 0 {
                        break End::Answered;
                    }
                }
                _ => {}
            }
        };
        (end, String::from_utf8_lossy(&body).into_owned())
    }

    /// How the connection ends while these bytes are written: nothing is waited for, as somebody who floods does.
    pub(crate) async fn flood(self, bytes: Vec<u8>) -> End {
        let Self { mut read, mut write } = self;
        let writing = tokio::spawn(async move {
            // It may be closed before all of it is written; if not, it stays open.
            write.write_all(&bytes).await.unwrap_or_default();
            std::future::pending::<()>().await;
        });
        let mut end = End::Closed;
        let reading = async {
            while let Some(frame) = next(&mut read).await {
                if frame.kind == kind::GOAWAY {
                    end = End::GoAway(frame.code());
                }
            }
        };
        tokio::time::timeout(ANSWER_WITHIN, reading).await.expect("the flood goes on");
        writing.abort();
        end
    }
}

async fn next(read: &mut OwnedReadHalf) -> Option<Frame> {
    let mut header = [0; 9];
    read.read_exact(&mut header).await.ok()?;
    let [high, middle, low, kind, flags, stream @ ..] = header;
    let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap();
    let mut payload = vec![0; length];
    read.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
}
