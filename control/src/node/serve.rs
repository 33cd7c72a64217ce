//! How is a listener kept from being used up? So many connections, so long for a head, and no longer than need be. (INV-7)

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::tls::Tls;
use crate::access::Shown;
use crate::api::Peer;
use crate::meters::{Meters, Refused};
use crate::phase::{Phase, over, stopped};

/// How long answers may still take when a connection is to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// The pause after a connection could not be accepted, which is so for a while when file descriptors run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a listener's clients may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many connections there may be; further ones are closed at once, and counted.
    pub(super) connections: usize,
    /// How long a request's head may take, and how long a connection may be idle.
    pub(super) head: Duration,
    /// How long a connection may last; without a bound where events are told.
    pub(super) lifetime: Option<Duration>,
}

impl Bounds {
    /// Of the control API, on loopback.
    pub(super) const CONTROL: Self =
        Self { connections: 256, head: Duration::from_secs(10), lifetime: None };
    /// Of the status listener, which is open to the network: whoever reads slowly is cut off.
    pub(super) const STATUS: Self =
        Self { lifetime: Some(Duration::from_secs(60)), ..Self::CONTROL };
    /// Of services that ask for flags: there may be many, and who listens for changes stays.
    pub(super) const SERVICES: Self = Self { connections: 1_024, ..Self::CONTROL };
}

/// Where clients come in.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    /// Set where they speak TLS.
    pub(super) tls: Option<Tls>,
}

/// Serves until another process does or this one stops, and answers have had their time.
pub(super) async fn serve(
    door: Door,
    router: Router,
    phase: watch::Receiver<Phase>,
    bounds: Bounds,
    meters: Arc<Meters>,
) {
    let Door { listener, tls } = door;
    let tls = tls.map(Arc::new);
    let router = router.layer(map_response_with_state(phase.clone(), farewell));
    let mut connections = JoinSet::new();
    let mut ended = pin!(over(phase.clone()));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut ended => break,
        };
        match accepted {
            Ok(_) if connections.len() >= bounds.connections => meters.refused(Refused::Connection),
            Ok((stream, peer)) => {
                stream.set_nodelay(true).ok();
                let (tls, meters) = (tls.clone(), Arc::clone(&meters));
                let (router, phase) = (router.clone(), phase.clone());
                connections.spawn(async move {
                    let peer = peer.ip().to_canonical();
                    let Some(tls) = tls else {
                        return connection(stream, (peer, None), router, phase, bounds).await;
                    };
                    match tls.accept(stream).await {
                        Ok((stream, shown)) => {
                            connection(stream, (peer, shown), router, phase, bounds).await;
                        }
                        Err(error) => {
                            meters.refused(Refused::Handshake);
                            tracing::debug!(%error, "TLS did not come about");
                        }
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A kept connection ends with its next answer when another process serves: whoever asks again reaches that one.
async fn farewell(State(phase): State<watch::Receiver<Phase>>, mut response: Response) -> Response {
    if *phase.borrow() == Phase::HandedOver {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    (peer, shown): (IpAddr, Option<Shown>),
    router: Router,
    phase: watch::Receiver<Phase>,
    bounds: Bounds,
) {
    let router = TowerToHyperService::new(router);
    let shown = shown.map(Arc::new);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        if let Some(shown) = &shown {
            request.extensions_mut().insert(Arc::clone(shown));
        }
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let too_long = async {
        match bounds.lifetime {
            Some(lifetime) => sleep(lifetime).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(phase) => None,
        () = too_long => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::mpsc;

    use axum::routing::get;
    use jiff::Timestamp;
    use rules::Revision;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::api::{self, Site};
    use crate::desk::Desk;
    use crate::ledger::fragile::{Setup, seal, setup};
    use crate::store::Store;

    struct Served {
        address: SocketAddr,
        meters: Arc<Meters>,
        _phase: watch::Sender<Phase>,
    }

    async fn served(connections: usize) -> Served {
        let endless = || async { std::future::pending::<()>().await };
        let router =
            Router::new().route("/endless", get(endless)).route("/", get(|| async { "ok" }));
        serving(router, Bounds { connections, ..Bounds::STATUS }).await
    }

    async fn serving(router: Router, bounds: Bounds) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (phase, phases) = watch::channel(Phase::Serving);
        let meters = Arc::new(Meters::default());
        let door = Door { listener, tls: None };
        tokio::spawn(serve(door, router, phases, bounds, Arc::clone(&meters)));
        Served { address, meters, _phase: phase }
    }

    async fn answer(stream: &mut TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_ends_its_head_is_cut_off() {
        let served = served(8).await;
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        answer(&mut stream, "GET / HTTP/1.1\r\nHost: ").await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stays_too_long_is_cut_off() {
        let served = served(8).await;
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        assert_eq!(answer(&mut stream, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_counted() {
        let served = served(1).await;
        let mut first = TcpStream::connect(served.address).await.unwrap();
        first.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut second = TcpStream::connect(served.address).await.unwrap();
        assert_eq!(answer(&mut second, request).await, "");
        assert_eq!(served.meters.refusals(Refused::Connection), 1);
        drop(first);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let mut third = TcpStream::connect(served.address).await.unwrap();
            if answer(&mut third, request).await.ends_with("ok") {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "the first one's place is never free");
        }
    }
    /// What was asked for with a key is done whole, and whoever asks again hears of it.
    #[tokio::test]
    async fn a_command_goes_on_when_its_client_goes_away_in_the_middle() {
        let Setup { ledger, store, _folder } = setup();
        let desk = Arc::new(Desk::new(ledger, seal(), Timestamp::UNIX_EPOCH));
        let (_phase, phase) = watch::channel(Phase::Serving);
        let site = Site::new(Arc::clone(&desk), phase, Vec::new());
        let served = serving(api::control(Arc::new(site)), Bounds::CONTROL).await;
        let body = r#"{"share": "25%", "why": "w"}"#;
        let request = format!(
            "POST /v1/routes/sms/shift HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Idempotency-Key: gone\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (go_on, gate) = mpsc::channel();
        *store.gate.lock().unwrap() = Some(gate);
        let mut client = TcpStream::connect(served.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        while store.gate.lock().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "it is known that nobody listens");
        assert_eq!(desk.ledger().present().revision(), Revision(1));
        go_on.send(()).unwrap();
        let mut client = TcpStream::connect(served.address).await.unwrap();
        let answer = answer(&mut client, &request).await;
        assert!(answer.contains("idempotent-replayed: true\r\n"), "{answer}");
        assert!(answer.contains(r#""revision":2,"changed":true"#), "{answer}");
        // It is heard of once it is stored, a moment before it serves here.
        while desk.ledger().present().revision() < Revision(2) {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.newest().unwrap().revision, Revision(2), "it is done once");
    }
}
