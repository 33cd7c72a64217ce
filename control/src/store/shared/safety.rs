//! How safe is an acknowledged command? As safe as the settings of the servers make it, which they are asked for.

use std::collections::BTreeMap;

use config::RedisServers;
use redis::{Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind, cmd};

use super::link::Link;
use crate::store::Caution;

/// What those servers that lead should be set to otherwise; of a cluster, those that are named in the configuration.
pub(super) fn cautions(link: &Link, servers: &RedisServers) -> RedisResult<Vec<Caution>> {
    let watched = matches!(servers, RedisServers::Sentinel { .. });
    let mut found = Vec::new();
    for mut server in link.each()? {
        match of(&mut server, watched) {
            Ok(cautions) => found.extend(cautions),
            Err(error) if is_refused(&error) => found.push(Caution::Unknown(refusal(&error))),
            Err(error) => return Err(error),
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// What one server should be set to otherwise. One that follows is none of those that acknowledge anything.
fn of(server: &mut Connection, watched: bool) -> RedisResult<Vec<Caution>> {
    let told: String = cmd("INFO").arg("replication").query(server)?;
    let facts: BTreeMap<&str, &str> =
        told.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    if facts.get("role").is_some_and(|role| *role != "master") {
        return Ok(Vec::new());
    }
    let followed = facts.get("connected_slaves").is_some_and(|count| *count != "0");
    let mut found = Vec::new();
    if watched || followed {
        let (replicas, lag) =
            (setting(server, "min-replicas-to-write")?, setting(server, "min-replicas-max-lag")?);
        if replicas.parse().is_ok_and(|replicas: u64| replicas == 0) {
            found.push(Caution::FewReplicas(replicas));
        }
        if lag.parse().is_ok_and(|lag: u64| lag == 0 || lag > 2) {
            found.push(Caution::LateReplicas(lag));
        }
    }
    let (appendonly, appendfsync) =
        (setting(server, "appendonly")?, setting(server, "appendfsync")?);
    if appendonly == "no" || appendfsync != "always" {
        found.push(Caution::Unsynced { appendonly, appendfsync });
    }
    Ok(found)
}

fn setting(server: &mut Connection, name: &str) -> RedisResult<String> {
    let mut told: BTreeMap<String, String> = cmd("CONFIG").arg("GET").arg(name).query(server)?;
    let unknown = || RedisError::from((ErrorKind::Client, "it has no such setting"));
    told.remove(name).ok_or_else(unknown)
}

/// Whether the server answered, but does not tell: the user may not ask, or there is no such command or setting.
fn is_refused(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError)
            | ErrorKind::Extension
            | ErrorKind::Client
    )
}

fn refusal(error: &RedisError) -> String {
    error.detail().map_or_else(|| error.to_string(), str::to_owned)
}
