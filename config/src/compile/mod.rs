//! From a document and live state to what serves, with every error of meaning at once.
//!
//! `settings` (with `access`, `ofrep` and `store`) is for the process, `listeners`, `limits` and `issuers` are about clients,
//! `upstreams` (with `protection`), `tenants` (with `told`), `flags` and `routes` make the snapshot, and `shifts` puts the live
//! state in. A route's parts: `conditions`, `paths`, `baseline`, `tenancy`, `flag_gates`, `redirects`, `filters`, `policies`,
//! `compare`, `samples`; `clashes` looks at
//! all routes together. `rollouts` makes plans, with their `gates`, which may ask `externals` (`external_gates`); `patience`
//! looks at their deadlines. `certificates` is for both ends, `findings` collects what is wrong.

pub(crate) mod access;
mod baseline;
mod certificates;
mod clashes;
mod compare;
mod conditions;
mod external_gates;
mod externals;
mod filters;
mod findings;
mod flag_gates;
mod flags;
mod gates;
mod issuers;
mod limits;
mod listeners;
mod ofrep;
mod paths;
mod patience;
mod policies;
mod protection;
mod redirects;
mod rollouts;
mod routes;
mod samples;
mod settings;
mod shifts;
mod store;
mod tenancy;
mod tenants;
mod told;
mod upstreams;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipnet::IpNet;
use rules::cohort::{Cohort, CohortId, Told};
use rules::flag::FlagSet;
use rules::limits::ClientLimits;
use rules::matching::RouteTable;
use rules::route::RouteId;
use rules::shift::Shifts;
use rules::sli::{Asked, RolloutCounters};
use rules::tls::{ListenerTls, ServerTls};
use rules::token::Issuer;
use rules::{CohortName, Revision, RouteName, Snapshot, Upstream};

use crate::document::secret::Secret;
use crate::document::{Document, ServerTlsSpec};
use crate::live::{AskedStep, Live};
use crate::plan::Plan;
use crate::problem::{Problem, Problems, Severity};
pub use externals::{External, Notification};
use findings::Findings;
pub(crate) use findings::Pointer;
use flags::Flags;
pub use listeners::{Listener, Protocol};
pub(crate) use rollouts::plan;
use routes::Surroundings;
pub use settings::{Encrypted, Settings, ShadowLimits};
pub use store::{RedisAddress, RedisServers, RedisSettings, RedisTls};
use tenants::Roster;
use upstreams::Pool;

/// A revision, compiled.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The file as written.
    pub document: Arc<Document>,
    /// The live state beside it.
    pub live: Live,
    /// What serves requests.
    pub snapshot: Arc<Snapshot>,
    /// What the process as a whole needs to know.
    pub settings: Arc<Settings>,
    /// What ends TLS on the control API, where it is spoken there.
    pub control_tls: Option<Arc<ServerTls>>,
    /// The same on the status listener.
    pub status_tls: Option<Arc<ServerTls>>,
    /// The same on the listener for services.
    pub ofrep_tls: Option<Arc<ServerTls>>,
    /// The plans of rollouts, by name.
    pub plans: Arc<BTreeMap<String, Arc<Plan>>>,
    /// The key that samples of differences are encrypted with, where there is one.
    pub sample_key: Option<Arc<Secret>>,
    /// Other systems, by name.
    pub externals: Arc<BTreeMap<String, Arc<External>>>,
    /// Who is told of what rollouts do.
    pub notifications: Arc<[Notification]>,
    /// What does perhaps not do what was meant.
    pub warnings: Vec<Problem>,
    /// What the document alone amounts to.
    frame: Arc<Frame>,
}

/// What a document amounts to before any live state, so that a shift does not look at the document again.
#[derive(Debug)]
struct Frame {
    settings: Arc<Settings>,
    table: Arc<RouteTable>,
    cohorts: Arc<[Cohort]>,
    told: Arc<[Told]>,
    roster: Roster,
    flags: Flags,
    pools: Vec<Pool>,
    plans: Arc<BTreeMap<String, Arc<Plan>>>,
    issuers: Arc<[Issuer]>,
    sample_key: Option<Arc<Secret>>,
    externals: Arc<BTreeMap<String, Arc<External>>>,
    notifications: Arc<[Notification]>,
    trusted_proxies: Arc<[IpNet]>,
    limits: ClientLimits,
    tls: Arc<[ListenerTls]>,
    control_tls: Option<Arc<ServerTls>>,
    status_tls: Option<Arc<ServerTls>>,
    ofrep_tls: Option<Arc<ServerTls>>,
}

/// Compiles a document and its live state.
///
/// The cost is in proportion to what changed since `previous`: under the same document (the same `Arc`) the table,
/// cohorts and counters are shared, as are the shifts of every route, the locks, the attributes and the targets whose `Arc` in `live` is
/// the same. Under a changed document counters go on by route name, and what is known of targets by upstream and
/// address. Live entries of routes and cohorts that the document does not have are ignored.
///
/// # Errors
/// Everything that is wrong with the meaning, at once, with warnings among it.
pub fn compile(
    document: &Arc<Document>,
    live: &Live,
    revision: Revision,
    previous: Option<&Compiled>,
    now_unix: i64,
) -> Result<Compiled, Problems> {
    let mut findings = Findings::new(&document.origin);
    let same = previous.filter(|previous| Arc::ptr_eq(&previous.document, document));
    let frame = match same {
        Some(previous) => Some(Arc::clone(&previous.frame)),
        None => frame(document, previous, now_unix, &mut findings).map(Arc::new),
    };
    let sound = frame.as_ref().filter(|_| !findings.are_errors());
    let snapshot = sound.map(|frame| {
        let mut with = With { document, frame, live, previous, findings: &mut findings };
        Snapshot {
            revision,
            table: Arc::clone(&frame.table),
            shifts: with.shifts(),
            rollouts: with.rollouts(),
            upstreams: with.upstreams(revision),
            cohorts: Arc::clone(&frame.cohorts),
            told: Arc::clone(&frame.told),
            tenants: with.tenants(),
            flags: with.flags(),
            issuers: Arc::clone(&frame.issuers),
            trusted_proxies: Arc::clone(&frame.trusted_proxies),
            limits: frame.limits,
            tls: Arc::clone(&frame.tls),
        }
    });
    let mut found = findings.into_problems();
    crate::read::locate(&document.origin.text, &mut found);
    found.sort_by_key(|problem| (problem.line, problem.column));
    let refused = found.iter().any(|problem| problem.severity == Severity::Error);
    match (frame, snapshot) {
        (Some(frame), Some(snapshot)) if !refused => Ok(Compiled {
            document: Arc::clone(document),
            live: live.clone(),
            snapshot: Arc::new(snapshot),
            settings: Arc::clone(&frame.settings),
            control_tls: frame.control_tls.clone(),
            status_tls: frame.status_tls.clone(),
            ofrep_tls: frame.ofrep_tls.clone(),
            plans: Arc::clone(&frame.plans),
            sample_key: frame.sample_key.clone(),
            externals: Arc::clone(&frame.externals),
            notifications: Arc::clone(&frame.notifications),
            warnings: same.map_or(found, |previous| previous.warnings.clone()),
            frame,
        }),
        _ => Err(Problems::new(&document.origin.name, found)),
    }
}

/// The Redis that a document's state is kept in, if it is; known before anything else is compiled.
#[must_use]
pub fn redis_settings(document: &Document) -> Option<RedisSettings> {
    store::redis(document, &mut Findings::new(&document.origin))
}

/// What is wrong with the meaning of a document, places left open.
pub(crate) fn check(document: &Document, now_unix: i64) -> Vec<Problem> {
    let mut findings = Findings::new(&document.origin);
    // Only the findings are wanted.
    drop(frame(document, None, now_unix, &mut findings));
    findings.into_problems()
}

fn frame(
    document: &Document,
    previous: Option<&Compiled>,
    now_unix: i64,
    findings: &mut Findings<'_>,
) -> Option<Frame> {
    let settings = settings::settings(document, findings);
    let trusted_proxies = settings::trusted_proxies(document, findings).into();
    let roster = tenants::roster(document, findings);
    let known_flags = previous.map(|previous| &previous.frame.flags);
    let flags = flags::flags(document, known_flags, findings);
    let limits = limits::limits(document, findings);
    let tls = listeners::tls(document, now_unix, findings);
    let mut server_tls = |key, tls: Option<&ServerTlsSpec>| {
        listeners::server_tls(tls, now_unix, &Pointer::root().key(key), findings)
    };
    let control_tls = server_tls("control", document.control.tls.as_ref());
    let status_tls = server_tls("status", document.status.tls.as_ref());
    let of_services = document.ofrep.as_ref().and_then(|ofrep| ofrep.tls.as_ref());
    let ofrep_tls = server_tls("ofrep", of_services);
    let issuers = issuers::issuers(document, findings).into();
    let pools = upstreams::pools(document, now_unix, findings);
    let before = previous.map_or(&[][..], |previous| previous.snapshot.table.routes());
    let around = Surroundings::new(document, &roster.cohorts, before, now_unix);
    let routes = routes::routes(&around, findings);
    let externals = externals::externals(document, findings);
    let notifications = externals::notifications(document, findings);
    let plans = rollouts::plans(document, now_unix, findings);
    let sample_key = samples::key(document, findings);
    Some(Frame {
        settings: Arc::new(settings?),
        table: Arc::new(RouteTable::new(routes).with_cohorts(&roster.told)),
        cohorts: roster.cohorts.as_slice().into(),
        told: roster.told.as_slice().into(),
        roster,
        flags,
        pools,
        plans: Arc::new(plans),
        issuers,
        sample_key: sample_key.map(Arc::new),
        externals: Arc::new(externals),
        notifications: notifications.into(),
        trusted_proxies,
        limits,
        tls,
        control_tls,
        status_tls,
        ofrep_tls,
    })
}

/// A frame with its live state and what came before, from which unchanged parts are shared.
struct With<'a, 'o> {
    document: &'a Document,
    frame: &'a Frame,
    live: &'a Live,
    previous: Option<&'a Compiled>,
    findings: &'a mut Findings<'o>,
}

impl With<'_, '_> {
    fn shifts(&mut self) -> Box<[Arc<Shifts>]> {
        let cohorts = &self.frame.cohorts;
        // Shifts name cohorts by their place, so they can be shared only where the places are the same.
        let previous = self.previous.filter(|previous| previous.snapshot.cohorts == *cohorts);
        let same_table =
            previous.filter(|previous| Arc::ptr_eq(&previous.snapshot.table, &self.frame.table));
        let by_name: HashMap<&str, &Arc<Shifts>> = match (previous, same_table) {
            (Some(previous), None) => {
                let names =
                    previous.snapshot.table.routes().iter().map(|route| route.name.as_str());
                names.zip(&previous.snapshot.shifts).collect()
            }
            _ => HashMap::new(),
        };
        let none = shifts::none();
        let mut all = Vec::with_capacity(self.frame.table.routes().len());
        for (place, route) in self.frame.table.routes().iter().enumerate() {
            let Some(live) = self.live.routes.get(&route.name) else {
                all.push(Arc::clone(&none));
                continue;
            };
            let before = match same_table {
                Some(previous) => previous.snapshot.shifts.get(place),
                None => by_name.get(route.name.as_str()).copied(),
            };
            let is_same = previous
                .and_then(|previous| previous.live.routes.get(&route.name))
                .is_some_and(|known| Arc::ptr_eq(known, live));
            all.push(match before.filter(|_| is_same) {
                Some(shifts) if same_table.is_some() || route.has_candidate() => Arc::clone(shifts),
                _ => Arc::new(shifts::shifts(route, live, cohorts, self.findings)),
            });
        }
        all.into()
    }

    /// What rollouts under way need counted, which goes on by the names of route and tenant.
    fn rollouts(&self) -> HashMap<RouteId, Arc<RolloutCounters>> {
        if self.live.counting.is_empty() {
            return HashMap::new();
        }
        let before: HashMap<&RouteName, &RolloutCounters> =
            self.previous.map_or_else(HashMap::new, |previous| {
                let Snapshot { table, rollouts, .. } = &*previous.snapshot;
                let named = rollouts.iter();
                named.filter_map(|(id, known)| Some((&table.route(*id)?.name, &**known))).collect()
            });
        let routes = (0..).map(RouteId).zip(self.frame.table.routes());
        let counted = routes.filter_map(|(id, route)| {
            let counting = self.live.counting.get(&route.name)?;
            let before = before.get(&route.name).copied();
            let asked = counting.asked.iter().filter_map(|one| self.asked(one));
            Some((id, Arc::new(RolloutCounters::new(before, &counting.tenants, asked))))
        });
        counted.collect()
    }

    fn asked(&self, one: &AskedStep) -> Option<Asked> {
        let named = |name: &CohortName| {
            let mut places = (0..).map(CohortId).zip(&*self.frame.cohorts);
            places.find(|(_, cohort)| cohort.name == *name).map(|(id, _)| id)
        };
        let step = one.step.as_str().into();
        match &one.cohort {
            None => Some(Asked { step, cohort: None }),
            Some(name) => Some(Asked { step, cohort: Some(named(name)?) }),
        }
    }

    fn upstreams(&mut self, revision: Revision) -> Box<[Arc<Upstream>]> {
        let same_frame =
            self.previous.filter(|previous| std::ptr::eq(&*previous.frame, self.frame));
        if let Some(previous) =
            same_frame.filter(|previous| Arc::ptr_eq(&previous.live.targets, &self.live.targets))
        {
            return previous.snapshot.upstreams.clone();
        }
        let before: HashMap<&str, &Arc<Upstream>> =
            self.previous.map_or_else(HashMap::new, |previous| {
                previous
                    .snapshot
                    .upstreams
                    .iter()
                    .map(|upstream| (upstream.name.as_str(), upstream))
                    .collect()
            });
        let mut all = Vec::with_capacity(self.frame.pools.len());
        for pool in &self.frame.pools {
            let at = Pointer::root().key("upstreams").key(pool.name.as_str()).key("targets");
            let set = self.live.targets.get(&pool.name);
            let set = set.map(|specs| upstreams::targets(specs, &at, self.findings));
            let targets = set.as_ref().unwrap_or(&pool.targets);
            let previous = before.get(pool.name.as_str()).copied();
            all.push(upstreams::upstream(pool, targets, revision, previous));
        }
        all.into()
    }

    fn tenants(&self) -> Arc<rules::tenant::Tenants> {
        let same_frame =
            self.previous.filter(|previous| std::ptr::eq(&*previous.frame, self.frame));
        let unchanged = same_frame.filter(|previous| {
            Arc::ptr_eq(&previous.live.locks, &self.live.locks)
                && Arc::ptr_eq(&previous.live.attributes, &self.live.attributes)
        });
        match unchanged {
            Some(previous) => Arc::clone(&previous.snapshot.tenants),
            None => Arc::new(tenants::known(self.document, &self.frame.roster, self.live)),
        }
    }

    fn flags(&self) -> FlagSet {
        let same_frame =
            self.previous.filter(|previous| std::ptr::eq(&*previous.frame, self.frame));
        match same_frame {
            Some(previous) if Arc::ptr_eq(&previous.live.flags, &self.live.flags) => {
                previous.snapshot.flags.clone()
            }
            Some(previous) => {
                let before = (&previous.snapshot.flags, &*previous.live.flags);
                self.frame.flags.set(&self.live.flags, &self.frame.cohorts, Some(before))
            }
            None => self.frame.flags.set(&self.live.flags, &self.frame.cohorts, None),
        }
    }
}
