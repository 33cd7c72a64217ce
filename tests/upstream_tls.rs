//! Are services spoken to over TLS as the file says? Verified, with a certificate where they ask for one, by requests,
//! copies and checks alike.

use http::Version;

use crate::kit::{Authority, Certified, Setup, TlsOrigin, Turnout, eventually, sample};

const A: &str = "routes:\n  a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: new}, start: {shadow: 100%}}\n";
const OWN: &str = ", client: {cert: {file: own.pem}, key: {file: own.key}}";

/// Two services that let in only whom an authority vouches for.
struct Services {
    clients: Authority,
    api: TlsOrigin,
    new: TlsOrigin,
    authority: Authority,
}

async fn services() -> Services {
    let (authority, clients) = (Authority::new("ca"), Authority::new("clients"));
    let own = authority.certifies(&["api.internal"]);
    let api = TlsOrigin::start(&own, Some(&clients)).await;
    let new = TlsOrigin::start(&own, Some(&clients)).await;
    Services { clients, api, new, authority }
}

impl Services {
    /// A server before both, with more about their TLS and themselves.
    async fn before(&self, own: &Certified, tls: &str, more: &str) -> Turnout {
        let upstream = |origin: &TlsOrigin| {
            format!(
                "{{targets: [{{address: \"{}\"}}], tls: {{server_name: api.internal, ca: {{file: ca.pem}}{tls}}}{more}}}",
                origin.address()
            )
        };
        let setup = Setup::new(A)
            .upstream_as("api", &upstream(&self.api))
            .upstream_as("new", &upstream(&self.new));
        self.authority.write(setup.folder(), "ca.pem");
        own.write(setup.folder(), "own");
        setup.start().await
    }
}

async fn healthy(turnout: &Turnout) -> f64 {
    sample(&turnout.metrics().await, "turnout_target_up", &[]).unwrap()
}

#[tokio::test]
async fn requests_copies_and_checks_show_the_certificate_that_services_ask_for() {
    for (http2, version) in [("", Version::HTTP_11), (", http2: true", Version::HTTP_2)] {
        let services = services().await;
        let own = services.clients.certifies(&["turnout"]);
        let health = ", health: {path: /health, interval: 50ms, unhealthy_after: 1}";
        let turnout = services.before(&own, OWN, &format!("{health}{http2}")).await;
        let answer = turnout.get("/a").await.expect(200);
        assert_eq!(answer.text(), "over TLS");
        let came = async |origin: &TlsOrigin, path: &str| {
            eventually(path, async || origin.asked().iter().any(|asked| asked.path == path)).await;
        };
        for origin in [&services.api, &services.new] {
            came(origin, "/a").await;
            came(origin, "/health").await;
            for asked in origin.asked() {
                assert!(asked.certified, "{asked:?}");
                assert_eq!(asked.version, version, "{asked:?}");
                assert_eq!(asked.server_name.as_deref(), Some("api.internal"), "{asked:?}");
            }
        }
        let copy = services.new.asked().into_iter().find(|asked| asked.path == "/a").unwrap();
        assert!(copy.headers.contains_key("x-turnout-shadow"), "{copy:?}");
        assert_eq!(healthy(&turnout).await, 2.0);
    }
}

#[tokio::test]
async fn without_that_certificate_nobody_is_served() {
    let services = services().await;
    let unknown = Authority::new("other").certifies(&["turnout"]);
    let health = ", health: {path: /health, interval: 50ms, unhealthy_after: 1}";
    for tls in ["", OWN] {
        let turnout = services.before(&unknown, tls, health).await;
        turnout.get("/a").await.expect(502);
        eventually("checks fail as well", async || healthy(&turnout).await == 0.0).await;
    }
    assert!(services.api.asked().is_empty() && services.new.asked().is_empty());
}

#[tokio::test]
async fn a_service_that_nobody_known_vouches_for_is_not_spoken_to() {
    let services = services().await;
    let own = services.clients.certifies(&["turnout"]);
    let strangers = Services { authority: Authority::new("other"), ..services };
    let turnout = strangers.before(&own, OWN, "").await;
    let answer = turnout.get("/a").await.expect(502);
    assert_eq!(answer.problem(), "upstream_unreachable");
    assert!(strangers.api.asked().is_empty() && strangers.new.asked().is_empty());
}

#[tokio::test]
async fn a_service_under_another_name_is_not_spoken_to() {
    let (authority, clients) = (Authority::new("ca"), Authority::new("clients"));
    let other = authority.certifies(&["other.internal"]);
    let api = TlsOrigin::start(&other, None).await;
    let new = TlsOrigin::start(&other, None).await;
    let own = clients.certifies(&["turnout"]);
    let services = Services { clients, api, new, authority };
    services.before(&own, "", "").await.get("/a").await.expect(502);
    assert!(services.api.asked().is_empty());
}

#[tokio::test]
async fn who_opts_out_of_verification_is_served_and_warned() {
    let services = services().await;
    let own = services.clients.certifies(&["turnout"]);
    let strangers = Services { authority: Authority::new("other"), ..services };
    let opted_out = format!("{OWN}, insecure_skip_verify: true");
    let turnout =
        strangers.before(&own, &opted_out, ", health: {path: /health, interval: 50ms}").await;
    turnout.get("/a").await.expect(200);
    eventually("it is checked", async || healthy(&turnout).await == 2.0).await;
    let warned = async || turnout.output().text().contains("insecure_skip_verify");
    eventually("the log warns", warned).await;
}

#[tokio::test]
async fn a_new_certificate_of_our_own_is_shown_to_services() {
    let services = services().await;
    let unknown = Authority::new("other").certifies(&["turnout"]);
    let turnout = services.before(&unknown, OWN, "").await;
    turnout.get("/a").await.expect(502);
    services.clients.certifies(&["turnout"]).write(turnout.setup().folder(), "own");
    eventually("it is taken", async || turnout.revision().await == 2).await;
    turnout.get("/a").await.expect(200);
    assert!(services.api.asked().iter().all(|asked| asked.certified));
}
