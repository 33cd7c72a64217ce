//! How is the server asked? A small HTTP client for the control API.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::args::ServerArgs;
use super::ask::Ask;
use super::exit::Failure;
use super::problem::Problem;
use super::tls;

/// Long enough for a large configuration on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before the process that has taken over is asked.
const ASK_AGAIN: Duration = Duration::from_millis(100);
const HTTPS: &str = "https://";
const WRONG_PORT: &str = "is it the control address, and not the traffic or status port?";

/// A server's control API.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    actor: Option<HeaderValue>,
    token: Option<HeaderValue>,
    patience: Duration,
}

impl Client {
    /// A client of the server that the command line names. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none, or a file cannot be used.
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let server = base(&args.server, args.tls.is_asked_for())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::of("cannot start", error))?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(args.tls.config(server.starts_with(HTTPS))?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        let token = token(args.token_file.as_deref())?;
        Ok(Self { runtime, pool, server, actor: actor(), token, patience: PATIENCE })
    }

    /// The same, but it gives up sooner.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or answers something else than JSON.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(&Ask::get(path))
    }

    /// The answer, as JSON.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or answers something else than JSON.
    pub(crate) fn send(&self, ask: &Ask) -> Result<Value, Failure> {
        let (status, body) = self.ask(ask)?;
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| self.not_turnout(&error))
    }

    /// The answer, as text.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(crate) fn text(&self, path: &str) -> Result<String, Failure> {
        let (status, body) = self.ask(&Ask::get(path))?;
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The status and body of the answer, whatever it is. While another process takes over, it is asked again.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(crate) fn ask(&self, ask: &Ask) -> Result<(StatusCode, Bytes), Failure> {
        let until = Instant::now() + self.patience;
        loop {
            let (status, body) = self.ask_once(ask)?;
            let again = status == StatusCode::SERVICE_UNAVAILABLE
                && Problem::read(status, &body).code == "handed_over";
            if !again || Instant::now() > until {
                return Ok((status, body));
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }

    fn ask_once(&self, ask: &Ask) -> Result<(StatusCode, Bytes), Failure> {
        let exchange = async {
            let answer = self.open(ask).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await;
            Ok((status, body.map_err(|error| self.unreachable(&error))?.to_bytes()))
        };
        self.runtime.block_on(async {
            tokio::time::timeout(self.patience, exchange).await.unwrap_or_else(|_elapsed| {
                Err(Failure::Unreachable {
                    server: self.server.clone(),
                    cause: format!("nothing said within {:?}", self.patience),
                })
            })
        })
    }

    /// Hands over the answer piece by piece, until it ends or `deadline` passes.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, or when `take` fails.
    pub(crate) fn stream(
        &self,
        ask: &Ask,
        deadline: Option<Instant>,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Ended, Failure> {
        let reading = async {
            let answer = self.open(ask).await?;
            let status = answer.status();
            let mut body = answer.into_body();
            if !status.is_success() {
                let body = body.collect().await.map_err(|error| self.unreachable(&error))?;
                return Err(self.refused(status, &body.to_bytes()));
            }
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { break };
                if let Some(piece) = frame.data_ref() {
                    take(piece)?;
                }
            }
            Ok(Ended::ByServer)
        };
        self.runtime.block_on(async {
            match deadline {
                None => reading.await,
                Some(at) => tokio::time::timeout_at(at.into(), reading)
                    .await
                    .unwrap_or(Ok(Ended::ByDeadline)),
            }
        })
    }

    async fn open(&self, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        let mut request = ask.request(&self.server, self.actor.as_ref())?;
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        self.pool.request(request).await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &(dyn Error + 'static)) -> Failure {
        if let Some(failure) = tls::failure(&self.server, error) {
            return failure;
        }
        Failure::Unreachable { server: self.server.clone(), cause: root_cause(error) }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let mut problem = Problem::read(status, body);
        // What the status and the traffic port say to a path of the control API.
        if matches!(&*problem.code, "not_found" | "no_route") {
            problem.hint = Some(format!("{}: {WRONG_PORT}", self.server));
        }
        Failure::Refused(Box::new(problem))
    }

    fn not_turnout(&self, error: &serde_json::Error) -> Failure {
        Failure::Failed(format!(
            "{} does not answer as Turnout's control API does ({error})\n  {WRONG_PORT}",
            self.server
        ))
    }
}

/// Why a stream came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The server ended it, or the connection broke.
    ByServer,
    /// The time was over.
    ByDeadline,
}

/// The server's address without a slash at its end.
fn base(server: &str, over_tls: bool) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Failure::Usage(format!(
            "{server:?} is not a server's address: {why}; write for example http://127.0.0.1:7081"
        ))
    };
    let server = server.trim();
    let scheme = match (server.contains("://"), over_tls) {
        (true, _) => "",
        (false, true) => HTTPS,
        (false, false) => "http://",
    };
    let full = format!("{scheme}{server}");
    let uri: Uri = full.parse().map_err(|_invalid| wrong("it cannot be read"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => {
            Ok(full.trim_end_matches('/').to_owned())
        }
        _ => Err(wrong("it names no host")),
    }
}

/// Who acts, as the revisions will say.
fn actor() -> Option<HeaderValue> {
    ["TURNOUT_ACTOR", "USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .and_then(|name| HeaderValue::from_bytes(name.as_bytes()).ok())
}

/// The token to come in with, from the environment or a file; never from the command line, which others can see.
fn token(file: Option<&Path>) -> Result<Option<HeaderValue>, Failure> {
    let text = match (std::env::var("TURNOUT_TOKEN"), file) {
        (Ok(token), _) if !token.trim().is_empty() => token,
        (_, Some(file)) => {
            std::fs::read_to_string(file).map_err(|error| Failure::of(file.display(), error))?
        }
        _ => return Ok(None),
    };
    let bearer = HeaderValue::try_from(format!("Bearer {}", text.trim()));
    let mut bearer = bearer.map_err(|_invalid| {
        Failure::Usage("the token has characters in it that no token has".to_owned())
    })?;
    bearer.set_sensitive(true);
    Ok(Some(bearer))
}

/// The innermost cause says what the network said; those around it only say that there is one.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tls::TlsArgs;
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (written, read) in [
            ("http://127.0.0.1:7081", "http://127.0.0.1:7081"),
            ("http://127.0.0.1:7081/", "http://127.0.0.1:7081"),
            ("https://turnout.internal:7081/", "https://turnout.internal:7081"),
            ("localhost:7081", "http://localhost:7081"),
            (" http://[::1]:7081 ", "http://[::1]:7081"),
        ] {
            assert_eq!(base(written, false).unwrap(), read, "{written}");
        }
        // What was to go over TLS goes over nothing else.
        assert_eq!(base("localhost:7081", true).unwrap(), "https://localhost:7081");
        for wrong in ["", "ftp://a", "http://", "https://", "a b"] {
            let failure = base(wrong, false).unwrap_err();
            assert!(matches!(&failure, Failure::Usage(_)), "{wrong}: {failure}");
        }
    }

    #[test]
    fn nobody_there_is_told_from_a_refusal() {
        // Nothing can listen on port 0.
        let server = ServerArgs {
            server: "http://127.0.0.1:0".to_owned(),
            token_file: None,
            tls: TlsArgs::default(),
        };
        let failure = Client::new(&server).unwrap().get("/v1/status").unwrap_err();
        assert!(matches!(&failure, Failure::Unreachable { .. }), "{failure}");
        assert!(failure.to_string().contains("turnout serve"), "{failure}");
    }

    /// Answers one request with `answer`, and tells what was asked.
    fn answering(answer: &'static str) -> (Client, std::thread::JoinHandle<String>) {
        answering_each(vec![answer])
    }

    /// Answers one request after the other, each on a connection of its own, and tells what was asked last.
    fn answering_each(answers: Vec<&'static str>) -> (Client, std::thread::JoinHandle<String>) {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let server = ServerArgs { server, token_file: None, tls: TlsArgs::default() };
        let answer = move |answer: &str| {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut asked, mut piece) = (String::new(), [0; 4096]);
            while !is_whole(&asked) {
                let length = stream.read(&mut piece).unwrap();
                asked.push_str(std::str::from_utf8(&piece[..length]).unwrap());
            }
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        };
        let asked = std::thread::spawn(move || {
            answers.into_iter().fold(String::new(), |_, next| answer(next))
        });
        (Client::new(&server).unwrap(), asked)
    }

    fn is_whole(request: &str) -> bool {
        let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.map_or(0, |length| length.parse().unwrap())
    }

    #[test]
    fn a_refusal_is_a_failure_of_its_own() {
        let (client, asked) = answering(
            "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 58\r\n\r\n{\"code\":\"revision_conflict\",\"detail\":\"it is r43 by now\"}\r\n",
        );
        let body = serde_json::json!({"share": "5%"});
        let ask = Ask::json(http::Method::POST, "/v1/routes/sms/shift", &body).on(Some(42));
        let failure = client.send(&ask).unwrap_err();
        assert_eq!(failure.exit(), super::super::exit::Exit::Conflict);
        assert_eq!(failure.to_string(), "it is r43 by now (revision_conflict)");
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("POST /v1/routes/sms/shift HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("if-match: \"r42\"\r\n"), "{asked}");
        assert!(asked.ends_with("{\"share\":\"5%\"}"), "{asked}");
    }

    #[test]
    fn whoever_has_handed_over_is_asked_again() {
        let (client, asked) = answering_each(vec![
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 22\r\n\r\n{\"code\":\"handed_over\"}",
            "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"revision\":7}",
        ]);
        let body = serde_json::json!({"share": "5%"});
        let ask = Ask::json(http::Method::POST, "/v1/routes/sms/shift", &body);
        assert_eq!(client.send(&ask).unwrap()["revision"], 7);
        assert!(asked.join().unwrap().ends_with("{\"share\":\"5%\"}"));
    }

    #[test]
    fn another_kind_of_server_is_noticed() {
        let (client, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>");
        let failure = client.get("/v1/status").unwrap_err().to_string();
        assert!(failure.contains("is it the control address"), "{failure}");
        asked.join().unwrap();
    }
}
