//! The contract of stores, on real servers: one alone, one that Sentinels watch over, and a cluster.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use config::{RedisAddress, RedisServers};
use redis::cmd;
use rules::Revision;

use super::Shared;
use super::server::{Server, settings};
use crate::audit::{Line, Verifier};
use crate::fleet;
use crate::ledger::fragile;
use crate::store::{
    Caution, Commit, CommitError, Movable, Sqlite, Store, StoreError, Whole, contract,
};

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the contract, each case under a prefix of its own.
fn keeps_the_contract(servers: &RedisServers) {
    let mut cases = 0;
    contract::run(&mut || {
        cases += 1;
        let settings =
            config::RedisSettings { prefix: format!("case-{cases}"), ..settings(servers.clone()) };
        ((), Box::new(Shared::new(&settings)))
    });
    assert!(cases > 5);
}

#[test]
fn one_server_keeps_the_contract_of_stores() {
    let server = Server::start(&[]);
    keeps_the_contract(&RedisServers::One(server.address()));
}

#[test]
fn a_cluster_keeps_the_contract_of_stores() {
    let nodes: Vec<Server> = (0..3)
        .map(|_| Server::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "60000"]))
        .collect();
    for (n, node) in nodes.iter().enumerate() {
        let mut connection = node.connection();
        let (first, last) = (n * 16_384 / 3, (n + 1) * 16_384 / 3 - 1);
        let slots = cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last).clone();
        slots.query::<()>(&mut connection).unwrap();
        for other in &nodes {
            let meet = cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(other.port).clone();
            meet.query::<()>(&mut connection).unwrap();
        }
    }
    for node in &nodes {
        eventually("the cluster is whole", || {
            let info: String =
                cmd("CLUSTER").arg("INFO").clone().query(&mut node.connection()).unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        });
    }
    let servers = RedisServers::Cluster(vec![nodes[1].address()]);
    keeps_the_contract(&servers);
    let cautions = Shared::new(&settings(servers)).cautions().unwrap();
    assert!(matches!(cautions.as_slice(), [Caution::Unsynced { .. }]), "{cautions:?}");
}

#[test]
fn the_server_that_sentinels_name_keeps_the_contract_and_its_successor_has_it_all() {
    let leader = Server::start(&[]);
    let follower = Server::start(&["--replicaof", "127.0.0.1", &leader.port.to_string()]);
    eventually("the follower follows", || {
        let info: String =
            cmd("INFO").arg("replication").clone().query(&mut follower.connection()).unwrap();
        info.contains("master_link_status:up")
    });
    let folder = tempfile::tempdir().unwrap();
    let sentinels: Vec<Server> = (0..3)
        .map(|n| {
            let file = folder.path().join(format!("sentinel-{n}.conf"));
            let text = format!(
                "sentinel monitor fleet 127.0.0.1 {} 2\nsentinel down-after-milliseconds fleet 60000\nsentinel failover-timeout fleet 3000\n",
                leader.port
            );
            std::fs::write(&file, text).unwrap();
            Server::start_sentinel(&file)
        })
        .collect();
    let addresses = sentinels.iter().map(Server::address).collect();
    let servers = RedisServers::Sentinel { sentinels: addresses, master: "fleet".into() };
    eventually("the Sentinels know one another", || {
        sentinels.iter().all(|sentinel| {
            let asked = cmd("SENTINEL").arg("sentinels").arg("fleet").clone();
            let others: Vec<redis::Value> = asked.query(&mut sentinel.connection()).unwrap();
            others.len() == 2
        })
    });
    keeps_the_contract(&servers);
    let store = Shared::new(&settings(servers));
    let cautions = store.cautions().unwrap();
    assert!(cautions.contains(&Caution::FewReplicas("0".to_owned())), "{cautions:?}");
    for revision in 1..=5 {
        contract::commit(&store, revision, &[]).unwrap();
    }
    eventually("all of it is copied", || {
        let mut head = cmd("HGET");
        head.arg("{turnout}:head").arg("revision");
        head.query::<Option<u64>>(&mut follower.connection()).unwrap() == Some(5)
    });
    // Until now a stalled machine must not make them look for another one.
    for sentinel in &sentinels {
        let set = ["SET", "fleet", "down-after-milliseconds", "500"];
        let set = cmd("SENTINEL").arg(&set).clone();
        set.query::<()>(&mut sentinel.connection()).unwrap();
    }
    drop(leader);
    // A commit whose answer was lost is there all the same.
    let sixth = || store.revisions(Revision(6), Revision(6)).is_ok_and(|found| found.len() == 1);
    eventually("the successor is found", || contract::commit(&store, 6, &[]).is_ok() || sixth());
    assert_eq!(store.revisions(Revision(1), Revision(9)).unwrap().len(), 6);
}

#[test]
fn of_nodes_with_the_lease_only_the_present_holder_gets_through() {
    let server = Server::start(&[]);
    let (a, b) = (Shared::new(&server.settings()), Shared::new(&server.settings()));
    let keep = Duration::from_secs(60);
    let first = a.lease("a", keep).unwrap().unwrap();
    assert_eq!(a.lease("a", keep).unwrap(), Some(first), "it goes on");
    assert_eq!(b.lease("b", keep).unwrap(), None);
    cmd("DEL").arg("{turnout}:lease").clone().query::<()>(&mut server.connection()).unwrap();
    let second = b.lease("b", keep).unwrap().unwrap();
    assert!(second > first);
    let entry = contract::entry(1, "late");
    let by = |fence| Commit::new(Revision(0), &entry, &[]).fenced(Some(fence));
    assert!(matches!(a.commit(&by(first)), Err(CommitError::Fenced)));
    b.commit(&by(second)).unwrap();
}

#[test]
fn of_processes_with_one_name_only_one_has_the_lease() {
    let (server, folder) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let [one, other] =
        [(); 2].map(|()| fragile::on(Box::new(Shared::new(&server.settings())), folder.path()));
    assert_eq!(fleet::name_of_node(&one), fleet::name_of_node(&other));
    let fence = fleet::lease(&one).unwrap().unwrap();
    assert_eq!(fleet::lease(&other).unwrap(), None);
    assert_eq!(fleet::lease(&one).unwrap(), Some(fence), "it goes on");
    let left: u64 = cmd("PTTL").arg("{turnout}:lease").query(&mut server.connection()).unwrap();
    assert!(left < 15_000, "the next one takes over soon");
}

#[test]
fn what_is_old_is_not_kept() {
    let server = Server::start(&[]);
    let few = config::RedisSettings { keep_revisions: 10, keep_audit: 100, ..server.settings() };
    let store = Shared::new(&few);
    for revision in 1..=1_000 {
        contract::commit(&store, revision, &[("a".into(), Some(revision.to_string()))]).unwrap();
    }
    let kept = store.revisions(Revision(1), Revision(2_000)).unwrap();
    assert_eq!((kept.len(), kept[0].revision), (10, Revision(991)));
    assert_eq!(store.load_at(Revision(991)).unwrap().unwrap().values["a"], "991");
    assert!(store.load_at(Revision(990)).unwrap().is_none());
    let lines = store.lines(1, 2_000).unwrap();
    assert!((100..=300).contains(&lines.len()), "{}", lines.len());
    let mut verifier = Verifier::default();
    lines.iter().for_each(|line: &Line| verifier.take(&line.exported()).unwrap());
    assert_eq!(verifier.end().unwrap().unwrap().1, store.audited().unwrap());
}

#[test]
fn a_user_with_few_rights_and_a_password_is_enough() {
    let server = Server::start(&[]);
    let user = [
        "SETUSER",
        "turnout",
        "on",
        ">secret",
        "resetkeys",
        "~{turnout}:*",
        "resetchannels",
        "&{turnout}:*",
        "-@all",
        "+@hash",
        "+@scripting",
        "+@stream",
        "+@sortedset",
        "+@string",
        "+@pubsub",
        "+@connection",
        "+@keyspace",
        "+time",
        "-flushall",
        "-flushdb",
    ];
    cmd("ACL").arg(&user).clone().query::<()>(&mut server.connection()).unwrap();
    let password = Some(config::document::secret::Secret::of(b"secret"));
    let login =
        config::RedisSettings { username: Some("turnout".into()), password, ..server.settings() };
    let store = Shared::new(&login);
    contract::commit(&store, 1, &[]).unwrap();
    store.lease("a", Duration::from_secs(1)).unwrap();
    let other = config::RedisSettings { prefix: "other".into(), ..login.clone() };
    assert!(contract::commit(&Shared::new(&other), 1, &[]).is_err(), "other keys are not its own");
    let wrong = config::document::secret::Secret::of(b"wrong");
    let error = Shared::new(&config::RedisSettings { password: Some(wrong), ..login }).load();
    assert!(!format!("{:?}", error.unwrap_err()).contains("wrong"));
}

#[test]
fn a_connection_that_broke_is_made_anew_and_nothing_is_stored_twice() {
    let server = Server::start(&[]);
    let store = Shared::new(&server.settings());
    for revision in 1..=20 {
        let kill = cmd("CLIENT").arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]).clone();
        kill.query::<()>(&mut server.connection()).unwrap();
        contract::commit(&store, revision, &[]).unwrap();
    }
    assert_eq!(store.audited().unwrap().seq, 20);
}

/// Stops a process without ending it (`STOP`), or lets it go on (`CONT`).
fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// A way to a server, which stops before the first commit gets to it.
fn stopped_by_a_commit(server: &Server) -> RedisAddress {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (to, process) = (server.port, server.id());
    std::thread::spawn(move || {
        for from in listener.incoming() {
            let (mut from, mut to) =
                (from.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            let (mut back, mut answers) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            std::thread::spawn(move || {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(length @ 1..) = from.read(&mut bytes) {
                    let sent = &bytes[..length];
                    if sent.windows(7).any(|word| word == b"PUBLISH") {
                        signal(process, "STOP");
                    }
                    to.write_all(sent).ok();
                }
            });
        }
    });
    RedisAddress { host: "127.0.0.1".into(), port }
}

#[test]
fn a_commit_that_was_given_up_never_takes_effect() {
    let server = Server::start(&[]);
    let way = settings(RedisServers::One(stopped_by_a_commit(&server)));
    let store = Shared::new(&way);
    let given_up = contract::commit(&store, 1, &[]);
    signal(server.id(), "CONT");
    assert!(matches!(given_up, Err(CommitError::Store(_))), "{given_up:?}");
    // It lay in the socket's buffer all the time; the script before it told the time.
    eventually("it is carried out", || {
        let told: String =
            cmd("INFO").arg("commandstats").clone().query(&mut server.connection()).unwrap();
        told.lines().any(|line| {
            let calls =
                line.strip_prefix("cmdstat_eval:calls=").and_then(|rest| rest.split(',').next());
            calls.is_some_and(|calls| calls.parse::<u32>().unwrap() >= 2)
        })
    });
    let directly = Shared::new(&server.settings());
    assert_eq!(directly.newest().unwrap().revision, Revision(0));
    assert!(directly.load().unwrap().is_none());
    contract::commit(&directly, 1, &[]).unwrap();
}

#[test]
fn news_is_heard_at_once() {
    let server = Server::start(&[]);
    let (listener, teller) = (Shared::new(&server.settings()), Shared::new(&server.settings()));
    let heard = listener.hints().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    eventually("it listens", || {
        let asked = cmd("PUBSUB").arg("NUMSUB").arg("{turnout}:told").clone();
        let (_, count): (String, u64) = asked.query(&mut server.connection()).unwrap();
        count == 1
    });
    contract::commit(&teller, 1, &[]).unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(10), heard.notified()).await.unwrap();
    });
}

/// A store with all that can be in one.
fn something(store: &dyn Store) {
    let set = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    contract::commit(store, 1, &[set("a", "1"), set("b", "1")]).unwrap();
    contract::commit(store, 2, &[set("a", "2"), ("b".into(), None)]).unwrap();
    store.record(&[contract::record(2).refused("late")]).unwrap();
    contract::commit(store, 3, &[]).unwrap();
    contract::commit(store, 4, &[set("c", "quotes \" and\nlines")]).unwrap();
    store.keep(&[set("rollout/sms", "{}")]).unwrap();
    let hour = Duration::from_secs(3_600);
    store.note("plan/1", "to be approved", hour).unwrap();
    store.note("node/1", "told anew all the time", hour).unwrap();
}

fn file(folder: &tempfile::TempDir, name: &str) -> Sqlite {
    Sqlite::open(&folder.path().join(name)).unwrap()
}

/// The same state at every revision, and a chain that goes on.
fn is_the_same(store: &dyn Movable, other: &dyn Movable) {
    let history = |of: &dyn Movable| Whole { epoch: None, ..of.whole().unwrap() };
    assert_eq!(history(store), history(other));
    for revision in 0..=5 {
        let at = |of: &dyn Movable| of.load_at(Revision(revision)).unwrap();
        assert_eq!(at(store), at(other), "r{revision}");
    }
    assert_eq!(store.audited().unwrap(), other.audited().unwrap());
}

#[test]
fn a_whole_state_moves_to_redis_and_back_and_goes_on_there() {
    let (server, folder) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let (old, shared) = (file(&folder, "old.db"), Shared::new(&server.settings()));
    something(&old);
    let whole = old.whole().unwrap();
    assert_eq!(whole.notes.len(), 1, "of notes, those that are worth it");
    shared.fill(&whole).unwrap();
    is_the_same(&shared, &old);
    assert!(matches!(shared.fill(&whole), Err(StoreError::NotEmpty(_))));
    contract::commit(&shared, 5, &[("a".into(), None)]).unwrap();

    let (back, another) = (
        file(&folder, "back.db"),
        config::RedisSettings { prefix: "another".into(), ..server.settings() },
    );
    back.fill(&shared.whole().unwrap()).unwrap();
    is_the_same(&back, &shared);
    assert!(matches!(back.fill(&whole), Err(StoreError::NotEmpty(_))));
    contract::commit(&back, 6, &[]).unwrap();
    let another = Shared::new(&another);
    another.fill(&shared.whole().unwrap()).unwrap();
    is_the_same(&another, &shared);
    assert_eq!(another.newest().unwrap(), shared.newest().unwrap(), "it is the same history");
    let mut left = cmd("KEYS");
    let left: Vec<String> = left.arg("*moving*").query(&mut server.connection()).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn of_a_long_history_redis_is_given_what_it_keeps() {
    let (server, folder) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let old = file(&folder, "old.db");
    for revision in 1..=30 {
        contract::commit(&old, revision, &[("a".into(), Some(revision.to_string()))]).unwrap();
    }
    let few = config::RedisSettings { keep_revisions: 10, keep_audit: 20, ..server.settings() };
    let shared = Shared::new(&few);
    shared.fill(&old.whole().unwrap()).unwrap();
    let whole = shared.whole().unwrap();
    assert_eq!((whole.steps.len(), whole.lines.len()), (10, 20));
    whole.check(&old.audited().unwrap()).unwrap();
    for revision in 21..=30 {
        let revision = Revision(revision);
        assert_eq!(shared.load_at(revision).unwrap(), old.load_at(revision).unwrap());
    }
    let back = file(&folder, "back.db");
    back.fill(&whole).unwrap();
    assert_eq!(back.load_at(Revision(21)).unwrap(), old.load_at(Revision(21)).unwrap());
    contract::commit(&back, 31, &[]).unwrap();
}

fn cautions(server: &Server) -> Vec<Caution> {
    Shared::new(&server.settings()).cautions().unwrap()
}

#[test]
fn a_server_that_may_lose_what_it_acknowledged_is_warned_of() {
    let safe = ["--appendonly", "yes", "--appendfsync", "always"];
    let leader = Server::start(&[]);
    let unsynced =
        Caution::Unsynced { appendonly: "no".to_owned(), appendfsync: "everysec".to_owned() };
    assert_eq!(cautions(&leader), [unsynced]);
    let alone = Server::start(&safe);
    assert_eq!(cautions(&alone), []);
    let follower = Server::start(&["--replicaof", "127.0.0.1", &alone.port.to_string()]);
    let few = Caution::FewReplicas("0".to_owned());
    let late = Caution::LateReplicas("10".to_owned());
    eventually("its replica is seen", || cautions(&alone) == [few.clone(), late.clone()]);
    let set = |name: &str, value: &str| {
        let set = cmd("CONFIG").arg("SET").arg(name).arg(value).clone();
        set.query::<()>(&mut alone.connection()).unwrap();
    };
    set("min-replicas-to-write", "1");
    assert_eq!(cautions(&alone), [late]);
    set("min-replicas-max-lag", "2");
    assert_eq!(cautions(&alone), []);
    assert_eq!(cautions(&follower), [], "it acknowledges nothing");
}

#[test]
fn what_may_not_be_asked_is_said_to_be_unknown() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let user = ["SETUSER", "turnout", "on", ">secret", "~*", "-@all", "+@connection", "+info"];
    cmd("ACL").arg(&user).clone().query::<()>(&mut server.connection()).unwrap();
    let password = Some(config::document::secret::Secret::of(b"secret"));
    let login =
        config::RedisSettings { username: Some("turnout".into()), password, ..server.settings() };
    let store = Shared::new(&login);
    let found = store.cautions().unwrap();
    let [Caution::Unknown(why)] = found.as_slice() else { panic!("{found:?}") };
    assert!(why.contains("config"), "{why}");
    cmd("ACL")
        .arg(&["SETUSER", "turnout", "+config|get"])
        .clone()
        .query::<()>(&mut server.connection())
        .unwrap();
    assert_eq!(store.cautions().unwrap(), []);
    drop(server);
    assert!(store.cautions().is_err(), "that is no answer");
}
