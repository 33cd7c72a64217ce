//! Which server leads, and how is it asked? A connection each for what writes and what reads, made anew when one breaks.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use config::{RedisAddress, RedisServers, RedisSettings};
use redis::cluster::ClusterClientBuilder;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, ConnectionLike, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind,
    TlsCertificates, TlsMode, cmd,
};

/// How long connecting may take, and how long an answer.
const CONNECT: Duration = Duration::from_millis(800);
const ANSWER: Duration = Duration::from_millis(1_500);

/// A connection to whatever kind of server.
pub(super) type Connection = Box<dyn ConnectionLike + Send>;

/// The way to the server that leads.
pub(super) struct Link {
    settings: RedisSettings,
    connection: Mutex<Option<Connection>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("servers", &self.settings.servers).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(settings: RedisSettings) -> Self {
        Self { settings, connection: Mutex::default() }
    }

    /// Asks, on a connection that is made where there is none. One that broke, or is to a server that leads no more, is
    /// made anew, once: whatever is asked must bear to be asked twice.
    pub(super) fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> RedisResult<T> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let was_there = held.is_some();
        let first = self.try_to_ask(&mut held, command);
        match first {
            Err(error) if was_there && is_worth_another(&error) => {
                self.try_to_ask(&mut held, command)
            }
            asked => asked,
        }
    }

    /// Asks for what is done by a deadline or never. `clock` tells the server's time, `by` makes the question with the deadline,
    /// in microseconds of that clock. Whoever hears of a failure may rely on it that nothing is done any more.
    ///
    /// The time is asked each time, so that neither clocks that differ nor ones that drift matter; and what does not tell the
    /// time is not sent anything.
    pub(super) fn ask_in_time<T: FromRedisValue>(
        &self,
        clock: &redis::Cmd,
        by: impl Fn(u64) -> redis::Cmd,
    ) -> RedisResult<T> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let (was_there, mut over) = (held.is_some(), None);
        let mut ask = || {
            let (seconds, micros): (u64, u64) = self.try_to_ask(&mut held, clock)?;
            let heard = Instant::now();
            over = heard.checked_add(ANSWER);
            let now = seconds.saturating_mul(1_000_000).saturating_add(micros);
            let patience = u64::try_from(ANSWER.as_micros()).unwrap_or(u64::MAX);
            self.try_to_ask(&mut held, &by(now.saturating_add(patience)))
        };
        let mut asked = ask();
        if was_there && asked.as_ref().is_err_and(is_worth_another) {
            asked = ask();
        }
        // A connection may break sooner than that, with the question delivered.
        if let (Err(error), Some(over)) = (&asked, over)
            && is_worth_another(error)
        {
            drop(held);
            std::thread::sleep(over.saturating_duration_since(Instant::now()));
        }
        asked
    }

    fn try_to_ask<T: FromRedisValue>(
        &self,
        held: &mut Option<Connection>,
        command: &redis::Cmd,
    ) -> RedisResult<T> {
        let connection = match held {
            Some(connection) => connection,
            None => held.insert(self.connect()?),
        };
        let answered = command.query(&mut **connection);
        if answered.as_ref().is_err_and(is_worth_another) {
            *held = None;
        }
        answered
    }

    fn connect(&self) -> RedisResult<Connection> {
        if let RedisServers::Cluster(nodes) = &self.settings.servers {
            return self.connect_to_cluster(nodes);
        }
        let connection = self.client()?.get_connection_with_timeout(CONNECT)?;
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(Box::new(connection))
    }

    /// A client of the server that leads; of a cluster, of any of its nodes, which is enough to hear what is told.
    pub(super) fn client(&self) -> RedisResult<Client> {
        match &self.settings.servers {
            RedisServers::One(address) => self.client_of(address),
            RedisServers::Sentinel { sentinels, master } => {
                self.client_of(&self.leader(sentinels, master)?)
            }
            RedisServers::Cluster(nodes) => first_of(nodes, |node| {
                let client = self.client_of(node)?;
                client.get_connection_with_timeout(CONNECT).map(|_connected| client)
            }),
        }
    }

    /// A connection to each server whose settings matter: the one that leads; of a cluster, all that are named and there.
    pub(super) fn each(&self) -> RedisResult<Vec<redis::Connection>> {
        let connect = |client: Client| {
            let connection = client.get_connection_with_timeout(CONNECT)?;
            connection.set_read_timeout(Some(ANSWER))?;
            Ok::<_, RedisError>(connection)
        };
        let first = connect(self.client()?)?;
        let RedisServers::Cluster(nodes) = &self.settings.servers else { return Ok(vec![first]) };
        let there = nodes.iter().map(|node| self.client_of(node).and_then(connect));
        Ok(there.filter_map(Result::ok).collect())
    }

    fn client_of(&self, address: &RedisAddress) -> RedisResult<Client> {
        let info = self.info(address)?;
        match self.certificates() {
            None => Client::open(info),
            Some(certificates) => Client::build_with_tls(info, certificates),
        }
    }

    /// The server that leads, as the first Sentinel says that knows. (redis.io/docs: Sentinel clients)
    fn leader(&self, sentinels: &[RedisAddress], master: &str) -> RedisResult<RedisAddress> {
        first_of(sentinels, |sentinel| {
            let client = Client::open(address(sentinel, false).into_connection_info()?)?;
            let mut connection = client.get_connection_with_timeout(CONNECT)?;
            connection.set_read_timeout(Some(ANSWER))?;
            let asked = cmd("SENTINEL").arg("get-master-addr-by-name").arg(master).clone();
            let known: Option<(String, u16)> = asked.query(&mut connection)?;
            let unknown = (ErrorKind::Client, "this Sentinel knows no servers of that name");
            let (host, port) = known.ok_or_else(|| RedisError::from(unknown))?;
            Ok(RedisAddress { host, port })
        })
    }

    fn connect_to_cluster(&self, nodes: &[RedisAddress]) -> RedisResult<Connection> {
        let infos = nodes.iter().map(|node| self.info(node)).collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClientBuilder::new(infos)
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .retries(2);
        if let Some(certificates) = self.certificates() {
            builder = builder.tls(TlsMode::Secure).certs(certificates);
        }
        let connection = builder.build()?.get_connection()?;
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(Box::new(connection))
    }

    fn info(&self, server: &RedisAddress) -> RedisResult<ConnectionInfo> {
        let RedisSettings { username, password, tls, .. } = &self.settings;
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(username) = username {
            login = login.set_username(username);
        }
        if let Some(password) = password {
            login = login.set_password(String::from_utf8_lossy(password.reveal()));
        }
        let info = address(server, tls.is_some()).into_connection_info()?;
        Ok(info.set_redis_settings(login))
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let tls = self.settings.tls.as_ref()?;
        let root_cert = tls.ca.as_ref().map(|ca| ca.reveal().to_vec());
        Some(TlsCertificates { client_tls: None, root_cert })
    }
}

fn address(server: &RedisAddress, tls: bool) -> ConnectionAddr {
    let RedisAddress { host, port } = server.clone();
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

/// What the first of several servers gives; the last one's error where none does.
fn first_of<T>(
    servers: &[RedisAddress],
    ask: impl Fn(&RedisAddress) -> RedisResult<T>,
) -> RedisResult<T> {
    let nobody = (ErrorKind::InvalidClientConfig, "there is no server to ask");
    let mut failed = RedisError::from(nobody);
    for server in servers {
        match ask(server) {
            Ok(answer) => return Ok(answer),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Whether another connection may help: this one broke, or the server leads no more.
fn is_worth_another(error: &RedisError) -> bool {
    let leads_no_more = [
        ServerErrorKind::ReadOnly,
        ServerErrorKind::MasterDown,
        ServerErrorKind::ClusterDown,
        ServerErrorKind::Moved,
    ];
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || leads_no_more.into_iter().any(|kind| error.kind() == ErrorKind::Server(kind))
}
