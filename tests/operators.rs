//! Who operates over TLS? Certificates of the control API and of those who use it, what each of them may do, and the command
//! line.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::kit::{
    Answer, Authority, Certified, Connection, Origin, Ran, RawConnection, Setup, Somebody,
    TlsClient, Turnout, ask, eventually, get, origin, sample, shown, turnout, within,
};

const SMS: &str = "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}}\n  other: {canonical: /v1/other, stable: {upstream: old}, candidate: {upstream: new}}\n";
const OWN: &str = "certificates: [{cert: {file: server.pem}, key: {file: server.key}}]";
const SUBJECTS: &str = "subjects: {\
    ann: {certificate: {email: ann@example.org}, scopes: [read, shift, rollback], routes: [sms]}, \
    bob: {certificate: {uri: \"spiffe://example.org/bob\"}, scopes: [read, approve]}, \
    joe: {certificate: {common_name: joe}, scopes: [admin]}}";
const ANN: Somebody<'_> = Somebody::Email("ann@example.org");
const BOB: Somebody<'_> = Somebody::Uri("spiffe://example.org/bob");
const JOE: Somebody<'_> = Somebody::CommonName("joe");

/// A server whose control API speaks TLS, with who vouches for it and for its operators.
struct Served {
    turnout: Turnout,
    authority: Authority,
    operators: Authority,
    _origins: [Origin; 2],
}

/// What must be written before it starts.
async fn prepared(control: &str) -> (Setup, Authority, Authority, [Origin; 2]) {
    let (old, new) = (origin("old").await, origin("new").await);
    let (authority, operators) = (Authority::new("servers"), Authority::new("operators"));
    let setup = Setup::new(SMS)
        .upstream("old", old.address())
        .upstream("new", new.address())
        .controlled(control);
    authority.certifies(&["localhost", "127.0.0.1"]).write(setup.folder(), "server");
    authority.write(setup.folder(), "ca.pem");
    operators.write(setup.folder(), "operators.pem");
    (setup, authority, operators, [old, new])
}

async fn served(required: bool, more: &str) -> Served {
    let clients = format!("clients: {{ca: {{file: operators.pem}}, required: {required}}}");
    let control = format!(", tls: {{{OWN}, {clients}}}, {SUBJECTS}{more}");
    let (setup, authority, operators, origins) = prepared(&control).await;
    Served { turnout: setup.start().await, authority, operators, _origins: origins }
}

impl Served {
    fn at(&self) -> SocketAddr {
        self.turnout.control()
    }

    fn somebody(&self, name: Somebody<'_>) -> TlsClient {
        self.showing(&self.operators.certifies_somebody(name, false))
    }

    fn showing(&self, own: &Certified) -> TlsClient {
        TlsClient::showing(&self.authority, own).speaking("http/1.1")
    }

    fn nobody(&self) -> TlsClient {
        TlsClient::trusting(&self.authority).speaking("http/1.1")
    }

    async fn opened(&self, client: &TlsClient) -> Connection {
        client.open(self.at(), "localhost").await.unwrap()
    }

    /// What is answered to somebody; nothing where TLS does not come about.
    async fn tried(
        &self,
        client: &TlsClient,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Option<Answer> {
        let mut connection = client.open(self.at(), "localhost").await.ok()?;
        let request = ask(method, path).host("localhost");
        connection.send(if method == "GET" { request } else { request.json(body) }).await.ok()
    }

    async fn answered(&self, client: &TlsClient, method: &str, path: &str, body: &Value) -> Answer {
        self.tried(client, method, path, body).await.unwrap()
    }

    /// Runs a command of the command line against it, with files of its folder.
    async fn cli(&self, arguments: &[&str], files: &[(&str, &str)]) -> Ran {
        let folder = self.turnout.setup().folder();
        let server = format!("https://localhost:{}", self.at().port());
        let mut all: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        if !arguments.contains(&"--nodes") && arguments[0] != "healthcheck" {
            all.extend(["--server".to_owned(), server]);
        }
        for (option, file) in files {
            all.extend([(*option).to_owned(), folder.join(file).display().to_string()]);
        }
        turnout(&all.iter().map(String::as_str).collect::<Vec<_>>()).await
    }
}

fn shift(share: &str) -> Value {
    json!({"share": share, "why": "test"})
}

const SHIFT: &str = "/v1/routes/sms/shift";

#[tokio::test]
async fn an_operator_is_known_by_a_certificate_and_may_do_what_its_name_may() {
    let served = served(false, "").await;
    let ann = served.somebody(ANN);
    served.answered(&ann, "POST", SHIFT, &shift("5%")).await.expect(200);
    let elsewhere = served.answered(&ann, "POST", "/v1/routes/other/shift", &shift("5%")).await;
    assert_eq!(elsewhere.expect(403).problem(), "out_of_limits");
    let tokens = served.answered(&ann, "GET", "/v1/tokens", &Value::Null).await;
    assert_eq!(tokens.expect(403).problem(), "scope_missing");
    let bob = served.somebody(BOB);
    let refused = served.answered(&bob, "POST", SHIFT, &shift("6%")).await.expect(403);
    assert!(refused.text().contains("certificate \\\"bob\\\" is not good for this"), "{refused:?}");
    served.answered(&served.somebody(JOE), "GET", "/v1/tokens", &Value::Null).await.expect(200);
    let lines = served.answered(&bob, "GET", "/v1/audit", &Value::Null).await.expect(200).json();
    let of =
        |place: usize| (&lines[place]["actor"], &lines[place]["auth"], &lines[place]["outcome"]);
    let certificate = json!("certificate");
    assert_eq!(of(0), (&json!("bob"), &certificate, &json!("refused")), "{lines}");
    assert_eq!(of(2), (&json!("ann"), &certificate, &json!("accepted")), "{lines}");
}

#[tokio::test]
async fn nobody_else_comes_in() {
    let served = served(false, "").await;
    let status = async |client: &TlsClient| {
        let answer = served.tried(client, "GET", "/v1/status", &Value::Null).await?;
        Some((answer.status.as_u16(), answer.problem()))
    };
    let refused = |code: &str| Some((401, code.to_owned()));
    assert_eq!(status(&served.nobody()).await, refused("token_required"));
    // Named in another way, spelt in another way, and somebody else.
    for name in [
        Somebody::CommonName("ann@example.org"),
        Somebody::Email("Ann@example.org"),
        Somebody::Uri("joe"),
    ] {
        assert_eq!(status(&served.somebody(name)).await, refused("unknown_subject"), "{name:?}");
    }
    let another = Authority::new("operators");
    assert_eq!(status(&served.showing(&another.certifies_somebody(ANN, false))).await, None);
    assert_eq!(
        status(&served.showing(&served.operators.certifies_somebody(ANN, true))).await,
        None
    );
    eventually("what never became a connection is counted", async || {
        let metrics = served.turnout.metrics().await;
        sample(&metrics, "turnout_control_refused_total", &["what=\"handshake\""]) == Some(2.0)
    })
    .await;
    let metrics = served.turnout.metrics().await;
    let unknown = sample(&metrics, "turnout_control_auth_failures_total", &["reason=\"unknown\""]);
    assert_eq!(unknown, Some(3.0));
    // Who speaks no TLS is told so.
    let mut clear = RawConnection::open(served.at()).await;
    clear.write("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(clear.read_answer().await.1.contains("tls_required"));
    // Who guesses is slowed down, and somebody who is known is not.
    let mut told = Vec::new();
    for _ in 0..15 {
        told.push(status(&served.somebody(Somebody::Uri("guess"))).await.unwrap().0);
    }
    assert_eq!(told.last(), Some(&429), "{told:?}");
    served.answered(&served.somebody(ANN), "GET", "/v1/status", &Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_token_that_is_sent_must_be_good_and_counts_before_the_certificate() {
    let made = turnout(&["token", "hash"]).await.expect(0).stdout;
    let (token, hash) = made.trim().split_once('\n').unwrap();
    let tokens = format!(", tokens: {{ops: {{hash: \"{hash}\", scopes: [read]}}}}");
    let served = served(false, &tokens).await;
    let by = async |client: &TlsClient, token: &str| {
        let bearer = format!("Bearer {token}");
        let request = ask("POST", SHIFT).host("localhost").header("authorization", &bearer);
        served.opened(client).await.send(request.json(&shift("5%"))).await.unwrap()
    };
    let ann = served.somebody(ANN);
    assert_eq!(by(&ann, "turnout_wrong").await.expect(401).problem(), "unknown_token");
    let denied = by(&ann, token).await.expect(403);
    assert!(denied.text().contains("token \\\"ops\\\""), "{denied:?}");
    served.answered(&ann, "POST", SHIFT, &shift("5%")).await.expect(200);
}

#[tokio::test]
async fn four_eyes_are_those_of_two_certificates() {
    let made = turnout(&["token", "hash"]).await.expect(0).stdout;
    let (token, hash) = made.trim().split_once('\n').unwrap();
    let more = format!(", approvals: 1, tokens: {{ann: {{hash: \"{hash}\", scopes: [approve]}}}}");
    let served = served(true, &more).await;
    let (ann, bob) = (served.somebody(ANN), served.somebody(BOB));
    let waits = served.answered(&ann, "POST", SHIFT, &shift("5%")).await.expect(403);
    assert_eq!(waits.problem(), "approval_required");
    let approve = format!("/v1/plans/{}/approve", waits.json()["plan"].as_str().unwrap());
    let why = json!({"why": "looks right"});
    // The token of the same name is the same person's.
    let request = ask("POST", &approve).host("localhost");
    let request = request.header("authorization", &format!("Bearer {token}")).json(&why);
    let own = served.opened(&ann).await.send(request).await.unwrap();
    assert_eq!(own.expect(403).problem(), "own_plan");
    served.answered(&bob, "POST", &approve, &why).await.expect(200);
    served.answered(&ann, "POST", SHIFT, &shift("5%")).await.expect(200);
}

#[tokio::test]
async fn certificates_are_renewed_without_ending_a_connection_and_who_is_not_vouched_for_any_more_is_out()
 {
    let served = served(false, "").await;
    let folder = served.turnout.setup().folder();
    let mut open = served.opened(&served.somebody(ANN)).await;
    let status = || get("/v1/status").host("localhost");
    open.send(status()).await.unwrap().expect(200);
    let renewed = served.authority.certifies(&["localhost"]);
    renewed.write(folder, "server");
    eventually("the new certificate is shown", async || {
        let stream = TlsClient::looking().connect(served.at(), None).await.unwrap();
        shown(&stream) == renewed.der()
    })
    .await;
    open.send(status()).await.unwrap().expect(200);
    // What cannot be used leaves the former one in force.
    std::fs::write(folder.join("server.pem"), "not one").unwrap();
    eventually("the log names it", async || {
        served.turnout.output().contains("holds no certificate in PEM")
    })
    .await;
    let stream = TlsClient::looking().connect(served.at(), None).await.unwrap();
    assert_eq!(shown(&stream), renewed.der());
    renewed.write(folder, "server");
    let others = Authority::new("others");
    others.write(folder, "operators.pem");
    let outdated = within(std::time::Duration::from_secs(20), async || {
        let answer = open.send(status()).await.unwrap();
        (answer.status == 401).then(|| answer.problem())
    })
    .await;
    assert_eq!(outdated.as_deref(), Some("outdated_certificate"));
    let next = served.showing(&others.certifies_somebody(ANN, false));
    served.answered(&next, "GET", "/v1/status", &Value::Null).await.expect(200);
    assert!(served.tried(&served.somebody(ANN), "GET", "/v1/status", &Value::Null).await.is_none());
}

const CA: (&str, &str) = ("--ca", "ca.pem");

#[tokio::test]
async fn the_command_line_speaks_tls_and_says_what_it_has_against_a_server() {
    let served = served(true, "").await;
    let folder = served.turnout.setup().folder();
    served.operators.certifies_somebody(ANN, false).write(folder, "ann");
    served.operators.certifies_somebody(JOE, false).write(folder, "joe");
    served.operators.certifies_somebody(ANN, true).write(folder, "over");
    Authority::new("another").write(folder, "another.pem");
    let with = |name: &'static str, key: &'static str| [CA, ("--cert", name), ("--key", key)];
    let ann = with("ann.pem", "ann.key");
    served.cli(&["shift", "sms", "5%", "--why", "test"], &ann).await.expect(0);
    let status = ["status"];
    let untrusted = served.cli(&status, &[]).await.expect(69);
    assert!(untrusted.stderr.contains("name its authority with --ca"), "{untrusted:?}");
    served.cli(&status, &[("--ca", "another.pem")]).await.expect(69);
    let bare = served.cli(&status, &[CA]).await.expect(77);
    assert!(bare.stderr.contains("show one with --cert and --key"), "{bare:?}");
    let over = served.cli(&status, &with("over.pem", "over.key")).await.expect(77);
    assert!(over.stderr.contains("the time of the certificate is over"), "{over:?}");
    served.cli(&status, &[CA, ("--cert", "ann.pem")]).await.expect(64);
    served.cli(&status, &with("no-such.pem", "ann.key")).await.expect(1);
    let denied = served.cli(&["token", "list"], &ann).await.expect(77);
    assert!(denied.stderr.contains("scope_missing"), "{denied:?}");
    let clear = served.turnout.cli(&status).await;
    assert!(clear.stderr.contains("tls_required"), "{clear:?}");

    let node = format!("https://localhost:{}", served.at().port());
    let rollback = ["rollback", "sms", "--why", "errors", "--nodes", &node];
    served.cli(&rollback, &ann).await.expect(0);
    // Without a scheme nothing goes out in the clear that was to be encrypted.
    let node = format!("localhost:{}", served.at().port());
    served.cli(&["rollback", "sms", "--why", "errors", "--nodes", &node], &ann).await.expect(0);
    let follow = ["events", "--follow", "--timeout", "2s", "-o", "json"];
    let commanded = async {
        served.cli(&["shift", "sms", "7%", "--why", "seen by who follows"], &ann).await.expect(0);
    };
    let (followed, ()) = tokio::join!(served.cli(&follow, &ann), commanded);
    assert!(followed.expect(124).stdout.contains("revision"));
    let ready = ["healthcheck", "--url", &format!("https://localhost:{}", served.at().port())];
    served.cli(&ready, &ann).await.expect(0);
    served.cli(&ready, &[CA]).await.expect(77);
}

#[tokio::test]
async fn another_process_takes_over_behind_tls() {
    let served = served(true, "").await;
    let folder = served.turnout.setup().folder();
    served.operators.certifies_somebody(ANN, false).write(folder, "ann");
    let ann = [CA, ("--cert", "ann.pem"), ("--key", "ann.key")];
    let _next = served.turnout.upgrade().await;
    served.cli(&["shift", "sms", "5%", "--why", "test"], &ann).await.expect(0);
}

#[tokio::test]
async fn probes_and_scrapers_speak_tls_where_the_file_says_so() {
    let control = format!(", tls: {{{OWN}}}");
    let (setup, _authority, _operators, _origins) = prepared(&control).await;
    let setup = setup.probed(&format!(", tls: {{{OWN}}}"));
    setup.write();
    let turnout = setup.spawn();
    let ca = setup.folder().join("ca.pem").display().to_string();
    for port in [turnout.status().port(), turnout.control().port()] {
        let url = format!("https://localhost:{port}");
        eventually("it is ready", async || {
            crate::kit::turnout(&["healthcheck", "--url", &url, "--ca", &ca]).await.code == 0
        })
        .await;
    }
    // Whether TLS is spoken at all is settled at the start.
    setup.probed("").write();
    eventually("the log says so", async || {
        turnout.output().contains("status.tls changed: that takes effect when")
    })
    .await;
    let url = format!("https://localhost:{}", turnout.status().port());
    crate::kit::turnout(&["healthcheck", "--url", &url, "--ca", &ca]).await.expect(0);
}
