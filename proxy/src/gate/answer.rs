//! How does a client hear that it was refused? One whole answer, and then the end of the connection.

use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::stream::{Returned, Surroundings};
use crate::access_log::Unread;
use crate::connection::peer;
use crate::problem::Problem;

/// How long the answer may take to be written.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long, and for how many bytes, the client is heard out: what it still sends would have the kernel take the answer
/// back before it is read. (RFC 9112, section 9.6)
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// Answers, notes it in the access log, and closes. A client that is gone by now is no error.
pub(crate) async fn refuse(returned: Returned, surroundings: &Surroundings) {
    let Returned { mut stream, refused } = returned;
    let problem = Problem::refused(refused.refusal);
    let id = uuid::Uuid::now_v7().simple().to_string();
    let body = problem.body(&id);
    let sent = if refused.for_head { "" } else { &*body };
    // What turned bad midway has a line of its own already: its head was read.
    if let Some((log, snapshot)) = surroundings.log().filter(|_| !refused.midway) {
        log.write_unread(&Unread {
            status: problem.status(),
            code: refused.refusal.code(),
            request_id: &id,
            client: peer(&stream).filter(|peer| !snapshot.trusts(*peer)),
            revision: snapshot.revision,
            response_bytes: sent.len(),
        });
    }
    let answer = head(problem.status(), &id, body.len()) + sent;
    let written = timeout(WRITE_WITHIN, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        stream.shutdown().await
    });
    if let Ok(Ok(())) = written.await {
        // Whether it went on sending or not, it was told.
        timeout(LINGER, hear_out(stream)).await.unwrap_or_default();
    }
}

async fn hear_out(mut stream: Stream) {
    let (mut unread, mut heard) = ([0; 1_024], 0);
    while let Ok(more @ 1..) = stream.read(&mut unread).await {
        heard += more;
        if heard > LINGER_BYTES {
            return;
        }
    }
}

fn head(status: u16, id: &str, length: usize) -> String {
    let reason =
        http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/problem+json\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n",
        reason.unwrap_or_default(),
    )
}
