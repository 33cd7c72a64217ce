//! What is given up when there is too much to do? Copies, then comparisons, then new connections, then requests; and
//! everything is back afterwards.

use tokio::task::JoinSet;

use crate::kit::{
    Answer, Connection, Gate, Memory, Origin, RawConnection, Reply, Setup, Turnout, With,
    eventually, get, sample, scripted,
};

/// Of twenty requests at once, over fifteen cost copies, over seventeen comparisons, over nineteen new connections.
const YAML: &str = "limits: {requests: 20}\nroutes:\n  \
                    held: {canonical: /held, stable: {upstream: slow}}\n  \
                    a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: new}, start: {shadow: 100%}}\n";

/// A server, and how many requests it is kept busy with.
struct Busy {
    turnout: Turnout,
    slow: Origin,
    new: Origin,
    _api: Origin,
    leave: Gate,
    compare: Gate,
    /// The connection over which it is kept busy.
    busy: Connection,
    held: JoinSet<Answer>,
    /// How many were held so far.
    ever: u64,
    /// One that was there before.
    known: Connection,
}

impl Busy {
    async fn start() -> Self {
        let (leave, compare) = (Gate::closed(), Gate::closed());
        compare.open();
        let slow = scripted("slow", {
            let leave = leave.clone();
            move |_| Reply::text("at last").held_by(&leave)
        });
        let new = scripted("new", {
            let compare = compare.clone();
            move |_| Reply::text("ok").with("x-origin", "any").held_by(&compare)
        });
        let (slow, new) = (slow.await, new.await);
        let api = scripted("api", |_| Reply::text("ok").with("x-origin", "any")).await;
        let setup = Setup::new(YAML)
            .upstream("slow", slow.address())
            .upstream("new", new.address())
            .upstream("api", api.address());
        let turnout = setup.with_h2c().start().await;
        let busy = Connection::h2c(turnout.h2c()).await;
        let mut known = Connection::h2c(turnout.h2c()).await;
        known.send(get("/nowhere")).await.unwrap().expect(404);
        let held = JoinSet::new();
        Self { turnout, slow, new, _api: api, leave, compare, busy, held, ever: 0, known }
    }

    /// Keeps it busy with so many requests in all.
    async fn hold(&mut self, count: usize) {
        while self.held.len() < count {
            let mut client = self.busy.another();
            self.ever += 1;
            self.held.spawn(async move { client.send(get("/held")).await.unwrap().expect(200) });
        }
        self.slow.was_asked(self.ever).await;
        eventually("nothing else is served", async || self.active().await == count).await;
    }

    async fn active(&self) -> usize {
        let active = sample(&self.turnout.metrics().await, "http_server_active_requests", &[]);
        active.unwrap().to_string().parse().unwrap()
    }

    async fn shed(&self, work: &str) -> f64 {
        let label = format!("work=\"{work}\"");
        sample(&self.turnout.metrics().await, "turnout_shed_total", &[&label]).unwrap()
    }

    async fn ask(&mut self) -> Answer {
        self.known.send(get("/a")).await.unwrap()
    }

    async fn is_let_in(&self) -> bool {
        let mut client = RawConnection::open(self.turnout.proxy()).await;
        client.try_write("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap_or_default();
        client.status().await.is_some()
    }

    async fn parity(&self, what: &str) -> serde_json::Value {
        self.turnout.route("a").await["parity"][what].clone()
    }
}

#[tokio::test]
async fn what_is_needed_least_is_given_up_first() {
    let mut busy = Busy::start().await;
    busy.hold(14).await;
    busy.ask().await.expect(200);
    busy.new.was_asked(1).await;
    eventually("it is compared", async || busy.parity("matched").await == 1).await;
    assert_eq!(busy.shed("copies").await, 0.0);

    busy.hold(15).await;
    busy.ask().await.expect(200);
    assert_eq!(busy.shed("copies").await, 1.0);
    assert_eq!(busy.parity("not_comparable").await["shed"], 1);
    assert_eq!(busy.new.count(), 1, "no copy came");

    // A copy that was sent before comes back when there is too much to do for comparing it.
    busy.compare.close();
    busy.let_go().await;
    busy.ask().await.expect(200);
    busy.new.was_asked(2).await;
    busy.hold(18).await;
    assert_eq!(busy.shed("comparisons").await, 0.0);
    busy.compare.open();
    let shed = async || busy.shed("comparisons").await == 1.0;
    eventually("it is not compared", shed).await;
    assert_eq!(busy.parity("matched").await, 1);

    busy.hold(19).await;
    assert!(busy.is_let_in().await);
    busy.hold(20).await;
    assert!(!busy.is_let_in().await);
    assert_eq!(busy.shed("connections").await, 1.0);
    let metrics = busy.turnout.metrics().await;
    let turned = sample(&metrics, "turnout_refused_connections_total", &["reason=\"overload\""]);
    assert_eq!(turned, Some(1.0));

    let refused = busy.ask().await.expect(503);
    assert_eq!(
        (refused.problem().as_str(), refused.header("retry-after")),
        ("overloaded", Some("5"))
    );
    assert_eq!(busy.shed("requests").await, 1.0);

    busy.let_go().await;
    assert!(busy.is_let_in().await);
    busy.ask().await.expect(200);
    busy.new.was_asked(3).await;
    eventually("it is compared again", async || busy.parity("matched").await == 2).await;
    for work in ["comparisons", "connections", "requests"] {
        assert_eq!(busy.shed(work).await, 1.0, "{work}");
    }
}

impl Busy {
    /// Lets all requests go, each with its answer.
    async fn let_go(&mut self) {
        self.leave.open();
        while let Some(answer) = self.held.join_next().await {
            assert_eq!(answer.unwrap().text(), "at last");
        }
        self.leave.close();
        eventually("nothing is in flight", async || self.active().await == 0).await;
    }
}

#[tokio::test]
async fn a_full_server_tells_clients_of_http1_as_well() {
    let (leave, limits) = (Gate::closed(), "limits: {requests: 1}\n");
    let slow = scripted("slow", {
        let leave = leave.clone();
        move |_| Reply::text("at last").held_by(&leave)
    })
    .await;
    let yaml = format!("{limits}routes:\n  a: {{canonical: /a, stable: {{upstream: slow}}}}\n");
    let turnout = Setup::new(&yaml).upstream("slow", slow.address()).with_h2c().start().await;
    let ask = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    // One after the other, since a new connection is turned away while the other is busy.
    let [mut first, mut second] = [used(&turnout).await, used(&turnout).await];
    first.write(ask).await;
    slow.was_asked(1).await;
    second.write(ask).await;
    let (head, body) = second.read_answer().await;
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: 5"), "{head}");
    assert!(body.contains("\"code\":\"overloaded\""), "{body}");
    leave.open();
    assert_eq!(first.status().await, Some(200));
    second.write(ask).await;
    assert_eq!(second.status().await, Some(200), "the connection was kept");
}

/// A connection over which something has been answered.
async fn used(turnout: &Turnout) -> RawConnection {
    let mut client = RawConnection::open(turnout.proxy()).await;
    client.write("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.status().await, Some(404));
    eventually("it is over", async || {
        sample(&turnout.metrics().await, "http_server_active_requests", &[]) == Some(0.0)
    })
    .await;
    client
}
