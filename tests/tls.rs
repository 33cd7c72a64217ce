//! Is TLS ended as the file says? Certificates by name and their renewal, clients' certificates, one host at a time, and
//! the same gate behind it.

use std::net::SocketAddr;

use crate::kit::{
    Authority, Certified, Memory, Origin, RawConnection, Setup, TlsClient, Turnout, all,
    eventually, eventually_some, get, origin, sample, shown,
};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}}\n";
const ONE: &str = "{certificates: [{cert: {file: a.pem}, key: {file: a.key}}]}";

/// A server with a certificate for `a.example`, whose authority is known.
struct Served {
    turnout: Turnout,
    api: Origin,
    authority: Authority,
    own: Certified,
}

async fn served(yaml: &str, tls: &str) -> Served {
    let (api, authority) = (origin("api").await, Authority::new("ca"));
    let own = authority.certifies(&["a.example"]);
    let setup = Setup::new(yaml).upstream("api", api.address()).with_tls(tls);
    own.write(setup.folder(), "a");
    authority.write(setup.folder(), "ca.pem");
    Served { turnout: setup.start().await, api, authority, own }
}

impl Served {
    fn client(&self) -> TlsClient {
        TlsClient::trusting(&self.authority)
    }

    fn at(&self) -> SocketAddr {
        self.turnout.tls()
    }

    async fn refused_connections(&self, reason: &str) -> f64 {
        let label = format!("reason=\"{reason}\"");
        let metrics = self.turnout.metrics().await;
        sample(&metrics, "turnout_refused_connections_total", &[&label]).unwrap()
    }
}

#[tokio::test]
async fn the_certificate_is_the_one_for_the_name_and_else_the_first() {
    let (api, authority) = (origin("api").await, Authority::new("ca"));
    let setup = Setup::new(A).upstream("api", api.address()).with_tls(
        "{certificates: [{cert: {file: a.pem}, key: {file: a.key}}, {cert: {file: b.pem}, key: {file: b.key}}]}",
    );
    let first = authority.certifies(&["a.example"]);
    let second = authority.certifies(&["b.example", "*.c.example"]);
    first.write(setup.folder(), "a");
    second.write(setup.folder(), "b");
    let turnout = setup.start().await;
    for (name, expected) in [
        (Some("a.example"), &first),
        (Some("b.example"), &second),
        (Some("B.Example"), &second),
        (Some("x.c.example"), &second),
        (Some("c.example"), &first),
        (Some("x.y.c.example"), &first),
        (Some("other.example"), &first),
        (None, &first),
    ] {
        let stream = TlsClient::looking().connect(turnout.tls(), name).await.unwrap();
        assert_eq!(shown(&stream), expected.der(), "{name:?}");
    }
    // Whoever verifies is content as well.
    let client = TlsClient::trusting(&authority);
    let mut connection = client.open(turnout.tls(), "x.c.example").await.unwrap();
    connection.send(get("/a")).await.unwrap().expect(200);
    assert!(client.open(turnout.tls(), "other.example").await.is_err());
}

#[tokio::test]
async fn both_versions_of_http_are_offered_unless_the_file_says_otherwise() {
    let served = served(A, ONE).await;
    for (offered, http2) in [(None, true), (Some("h2"), true), (Some("http/1.1"), false)] {
        let client = offered.map_or(served.client(), |only| served.client().speaking(only));
        let mut connection = client.open(served.at(), "a.example").await.unwrap();
        assert_eq!(connection.is_http2(), http2, "{offered:?}");
        let ask = if http2 { get("/a") } else { get("/a").host("a.example") };
        connection.send(ask).await.unwrap().expect(200);
        assert_eq!(all(&served.api.last(), "x-forwarded-proto"), "https");
        assert_eq!(all(&served.api.last(), "host"), "a.example");
    }
    assert!(served.client().speaking("h3").open(served.at(), "a.example").await.is_err());
    eventually("it is counted", async || served.refused_connections("handshake").await == 1.0)
        .await;
}

#[tokio::test]
async fn http2_is_not_offered_where_the_file_leaves_it_out() {
    let served =
        served(A, "{certificates: [{cert: {file: a.pem}, key: {file: a.key}}], http2: false}")
            .await;
    let mut connection = served.client().open(served.at(), "a.example").await.unwrap();
    assert!(!connection.is_http2());
    connection.send(get("/a").host("a.example")).await.unwrap().expect(200);
    assert!(served.client().speaking("h2").open(served.at(), "a.example").await.is_err());
}

/// What new connections are shown.
async fn shown_now(turnout: &Turnout) -> Vec<u8> {
    let stream = TlsClient::looking().connect(turnout.tls(), Some("a.example")).await.unwrap();
    shown(&stream).to_vec()
}

async fn last_reload(turnout: &Turnout) -> f64 {
    sample(&turnout.metrics().await, "turnout_config_last_reload_successful", &[]).unwrap()
}

#[tokio::test]
async fn new_certificates_serve_the_next_connection_and_end_none() {
    let served = served(A, ONE).await;
    let (turnout, folder) = (&served.turnout, served.turnout.setup().folder());
    let mut open = served.client().open(served.at(), "a.example").await.unwrap();
    open.send(get("/a")).await.unwrap().expect(200);
    let renewed = served.authority.certifies(&["a.example"]);
    renewed.write(folder, "a");
    let is_new = async || shown_now(turnout).await == *renewed.der();
    eventually("the new certificate is shown", is_new).await;
    open.send(get("/a")).await.unwrap().expect(200);
    assert_eq!(last_reload(turnout).await, 1.0);

    // Whoever writes it half keeps the former one in force.
    std::fs::write(folder.join("a.pem"), "-----BEGIN CERTIFICATE-----\nnot one").unwrap();
    let is_told = async || last_reload(turnout).await == 0.0;
    eventually("the broken file is told", is_told).await;
    let is_logged = async || turnout.output().contains("holds no certificate in PEM");
    eventually("the log names it", is_logged).await;
    assert_eq!(shown_now(turnout).await, *renewed.der());
    open.send(get("/a")).await.unwrap().expect(200);

    // A certificate that is not its key's is none either.
    served.own.write(folder, "b");
    std::fs::copy(folder.join("b.pem"), folder.join("a.pem")).unwrap();
    let is_logged = async || turnout.output().contains("is not the key of the certificate");
    eventually("the log tells of the key", is_logged).await;
    assert_eq!(shown_now(turnout).await, *renewed.der());
    assert_eq!(last_reload(turnout).await, 0.0);

    let mended = served.authority.certifies(&["a.example"]);
    mended.write(folder, "a");
    let is_new = async || shown_now(turnout).await == *mended.der();
    eventually("the mended one is shown", is_new).await;
    eventually("all is well again", async || last_reload(turnout).await == 1.0).await;
    open.send(get("/a")).await.unwrap().expect(200);
}

/// What a client gets that shows a certificate of somebody, or none.
async fn answered(served: &Served, client: &TlsClient) -> bool {
    // In TLS 1.3 the client is done before the server has looked.
    match client.open(served.at(), "a.example").await {
        Ok(mut connection) => {
            connection.send(get("/a")).await.is_ok_and(|answer| answer.status == 200)
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn clients_show_certificates_where_they_must_and_where_they_may() {
    for (required, nobody) in [("true", false), ("false", true)] {
        let tls = format!(
            "{{certificates: [{{cert: {{file: a.pem}}, key: {{file: a.key}}}}], clients: {{ca: {{file: ca.pem}}, required: {required}}}}}"
        );
        let served = served(A, &tls).await;
        let (known, other) = (served.authority.certifies(&["client"]), Authority::new("other"));
        let unknown = other.certifies(&["client"]);
        let showing = |own| TlsClient::showing(&served.authority, own);
        assert!(answered(&served, &showing(&known)).await, "{required}");
        assert!(!answered(&served, &showing(&unknown)).await, "{required}");
        assert_eq!(answered(&served, &served.client()).await, nobody, "{required}");
        let turned_away = if nobody { 1.0 } else { 2.0 };
        eventually("they are counted", async || {
            served.refused_connections("handshake").await == turned_away
        })
        .await;
        assert_eq!(served.api.count(), if nobody { 2 } else { 1 });
    }
}

const HOSTS: &str = "routes:\n  a: {hosts: [a.example, b.example], canonical: /a, stable: {upstream: api}}\n  \
                     c: {hosts: [c.example], canonical: /a, stable: {upstream: api}}\n";

#[tokio::test]
async fn a_connection_to_one_host_serves_another_only_where_both_lead_to_the_same_routes() {
    let served = served(HOSTS, ONE).await;
    let mut http1 =
        served.client().speaking("http/1.1").open(served.at(), "a.example").await.unwrap();
    let mut http2 = served.client().open(served.at(), "a.example").await.unwrap();
    for (host, status) in
        [("a.example", 200), ("b.example", 200), ("c.example", 421), ("A.EXAMPLE:443", 200)]
    {
        let answer = http1.send(get("/a").host(host)).await.unwrap().expect(status);
        if status == 421 {
            assert_eq!(answer.problem(), "misdirected");
        }
        let request = get("/a").of(&format!("https://{host}")).unwrap();
        let answer = http2.begin(request.map(http_body_util::BodyExt::boxed)).await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
    }
    assert_eq!(served.api.count(), 6);
    // Who names no host when TLS begins may ask for any.
    let client = TlsClient::looking().speaking("http/1.1");
    let stream = client.connect(served.at(), None).await.unwrap();
    let mut nameless = RawConnection::of(stream);
    nameless.write("GET /a HTTP/1.1\r\nHost: c.example\r\n\r\n").await;
    assert!(nameless.read_answer().await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn the_gate_stands_behind_tls_as_well() {
    let served = served(A, ONE).await;
    for (request, code) in [
        (
            "POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 44\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: a.example\r\nX-Smug: 1\r\n\r\n",
            "look_alike_field",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "bad_transfer_encoding",
        ),
        ("GET /a HTTP/1.1\nHost: a.example\n\n", "bad_request_line"),
    ] {
        let client = served.client().speaking("http/1.1");
        let stream = client.connect(served.at(), Some("a.example")).await.unwrap();
        let mut connection = RawConnection::of(stream);
        connection.write(request).await;
        let (head, body) = connection.read_answer().await;
        assert!(head.starts_with("http/1.1 400") && head.contains("connection: close"), "{head}");
        assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
        assert_eq!(connection.read_to_end().await, "");
    }
    assert_eq!(served.api.count(), 0);
}

#[tokio::test]
async fn who_is_silent_at_the_handshake_is_closed() {
    let served = served(&format!("timeouts: {{handshake: 300ms}}\n{A}"), ONE).await;
    let silent = RawConnection::open(served.at()).await;
    assert_eq!(silent.read_to_end().await, "");
    let mut half = RawConnection::open(served.at()).await;
    // The beginning of a record, and never its end.
    half.write([22, 3, 1, 0, 200, 1]).await;
    assert_eq!(half.read_to_end().await, "");
    let count = async || (served.refused_connections("handshake").await == 2.0).then_some(());
    eventually_some("both are counted", count).await;
    assert!(answered(&served, &served.client()).await, "others are served");
}

#[tokio::test]
async fn a_connection_that_is_open_outlives_a_drain_only_for_its_requests() {
    let served = served(A, ONE).await;
    let mut connection = served.client().open(served.at(), "a.example").await.unwrap();
    connection.send(get("/a")).await.unwrap().expect(200);
    served.turnout.signal("TERM");
    let mut turnout = served.turnout;
    assert!(turnout.ended().await.success());
    connection.closed().await;
}
