//! How is a copy sent, and its answer read?

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rules::Upstream;
use rules::exchange::NotComparable;
use rules::upstream::Picked;

use super::body::{AnswerBody, KeptBody};
use super::capture::is_event_stream;
use super::destinations::{Destination, HttpClient};
use super::ledger::Claim;
use super::request::{Head, head_bytes};
use super::ticket::Ticket;
use crate::clock::now_ms;

/// The other arm's whole answer.
#[derive(Debug)]
pub(super) struct ShadowAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: AnswerBody,
    /// The fields after the body, and the claim that pays for them.
    pub(super) trailers: Option<(HeaderMap, Claim)>,
    _head_claim: Claim,
}

/// Sends a copy to a target of the upstream, in turn, and reads its answer. Redirects are answers.
pub(super) async fn send(
    destination: &Destination,
    upstream: &Upstream,
    head: Head,
    body: KeptBody,
    ticket: &Ticket,
) -> Result<ShadowAnswer, NotComparable> {
    let picked = upstream.pick(now_ms(), None).ok_or(NotComparable::ShadowConnect)?;
    let Picked { target, address, .. } = picked;
    let client =
        destination.client(ticket.place.lane, upstream, (target, address)).map_err(|error| {
            tracing::warn!(upstream = %upstream.name, %error, "no shadow connection can be made");
            NotComparable::ShadowConnect
        })?;
    let body = body.into_whole();
    let bytes = body.bytes.clone();
    match client {
        HttpClient::Http1(client) => {
            let (answer, lease) = client.send(request(None, head, bytes)?).await?;
            drop(body);
            let answer = read(answer, ticket).await?;
            lease.end();
            Ok(answer)
        }
        HttpClient::Http2(client) => {
            let request = request(Some((upstream, address)), head, bytes)?;
            let answer = client.request(request).await.map_err(|error| {
                if error.is_connect() {
                    NotComparable::ShadowConnect
                } else {
                    NotComparable::ShadowTruncated
                }
            })?;
            drop(body);
            read(answer, ticket).await
        }
    }
}

/// HTTP/1 names the host in a header, and its connection knows the address; HTTP/2 has them in the URI alone, where `whom` is
/// asked so.
fn request(
    whom: Option<(&Upstream, SocketAddr)>,
    head: Head,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, NotComparable> {
    let Head { method, path_and_query, mut headers, .. } = head;
    let path = path_and_query.parse::<PathAndQuery>().ok();
    let (uri, version) = match whom {
        None => (path.map(Uri::from), Version::HTTP_11),
        Some((upstream, address)) => {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            let by_host = |host: HeaderValue| Authority::try_from(host.as_bytes()).ok();
            let by_address = || address.to_string().parse::<Authority>().ok();
            let authority = headers.remove(HOST).and_then(by_host).or_else(by_address);
            let scheme = if upstream.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
            let uri = path.zip(authority).and_then(|(path, host)| {
                Uri::builder().scheme(scheme).authority(host).path_and_query(path).build().ok()
            });
            (uri, Version::HTTP_2)
        }
    };
    // A path that is none cannot have come from a request that was served; it is treated like a target that is none.
    let mut request = Request::new(Full::new(body));
    *request.uri_mut() = uri.ok_or(NotComparable::ShadowConnect)?;
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    *request.version_mut() = version;
    Ok(request)
}

async fn read(answer: Response<Incoming>, ticket: &Ticket) -> Result<ShadowAnswer, NotComparable> {
    let (head, mut incoming) = answer.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(NotComparable::Upgrade);
    }
    if is_event_stream(&head.headers) {
        return Err(NotComparable::Stream);
    }
    let _head_claim = ticket.ledger.claim(head_bytes(&head.headers)).ok_or(NotComparable::Shed)?;
    let mut body = AnswerBody::new(&ticket.ledger, ticket.route.shadow.max_body_bytes);
    let mut trailers = None;
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else { return Err(NotComparable::ShadowTruncated) };
        match frame.into_data() {
            Ok(chunk) => body.push(&chunk)?,
            Err(frame) => {
                if let Ok(fields) = frame.into_trailers() {
                    let claim = ticket.ledger.claim(head_bytes(&fields));
                    trailers = Some((fields, claim.ok_or(NotComparable::Shed)?));
                }
            }
        }
    }
    Ok(ShadowAnswer { status: head.status, headers: head.headers, body, trailers, _head_claim })
}
