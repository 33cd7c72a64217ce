//! What does a command make of the desired state? Pure: the same state and command always give the same next state.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{Live, TargetSpec, TokenSpec, starting_live};
use jiff::Timestamp;
use rules::{FlagName, TokenName, UpstreamName};

use super::{Steady, flags, rollouts, summary, tenants, traffic};
use crate::command::{Command, Configuration};
use crate::rollout::{Phase, Place, Rollout};

/// What is wanted: the configuration, and the live state that commands made.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The configuration as written.
    pub configuration: Configuration,
    /// Shifts, locks, flags and targets.
    pub live: Live,
    /// Rollouts, those that are over included: by place.
    pub rollouts: Arc<BTreeMap<Place, Arc<Rollout>>>,
    /// The flags of which everybody has the same, and since when.
    pub steady: Arc<BTreeMap<FlagName, Steady>>,
    /// The configuration file's text, where somebody put another configuration in its place: it is not taken again until
    /// it changes, so that a restart does not undo what was restored in an emergency.
    pub passed_over: Option<Arc<str>>,
}

/// What came of a command that was not refused.
#[derive(Debug, Clone)]
pub enum Applied {
    /// Everything is already as asked for. Says how it is.
    Unchanged(String),
    /// There is a next state.
    Changed(Next),
}

/// The next state.
#[derive(Debug, Clone)]
pub struct Next {
    /// The state.
    pub desired: Desired,
    /// What changed, for people: `sms: canary 5% -> 25%`.
    pub summary: String,
    /// What whoever asked should know beside.
    pub notes: Vec<String>,
}

/// Why a command makes no sense in the present state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("there is no {kind} {name:?}")]
    Unknown {
        /// `route`, `cohort`, `flag`, `variant` or `upstream`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The name that was perhaps meant.
        hint: Option<String>,
    },
    /// The route has nowhere to send traffic but stable.
    #[error("route {route:?} has no candidate: add one to the configuration first")]
    NoCandidate {
        /// The route.
        route: String,
    },
    /// A rollout moves the very traffic.
    #[error("rollout {place} moves this traffic: pause it, or roll it back")]
    RolloutRuns {
        /// Whose rollout.
        place: String,
    },
    /// A rollout cannot do that now.
    #[error("{place}: {reason}")]
    Rollout {
        /// Whose rollout.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The flag is archived.
    #[error("flag {flag:?} is archived: nobody gets a value of it")]
    ArchivedFlag {
        /// The flag.
        flag: String,
    },
    /// Flags are of tenants.
    #[error(
        "cohort {cohort:?} is one of requests, which a header tells: flags are set for tenants and their cohorts"
    )]
    CohortOfRequests {
        /// The cohort.
        cohort: String,
    },
    /// One tenant has a variant or has it not.
    #[error("a tenant has a variant or has it not: give 100% or 0%")]
    ShareOfTenant,
    /// The default of a route follows nothing.
    #[error("a route has nothing to inherit from: give a share, or name a tenant or cohort")]
    NothingAbove,
}

impl Refusal {
    /// Why, for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { kind, .. } => match kind.as_bytes() {
                b"route" => "unknown_route",
                b"cohort" => "unknown_cohort",
                b"flag" => "unknown_flag",
                b"variant" => "unknown_variant",
                b"rollout" => "unknown_rollout",
                b"signature" => "unknown_signature",
                _ => "unknown_upstream",
            },
            Self::RolloutRuns { .. } => "rollout_runs",
            Self::Rollout { .. } => "rollout_refused",
            Self::NoCandidate { .. } => "no_candidate",
            Self::ArchivedFlag { .. } => "archived_flag",
            Self::CohortOfRequests { .. } => "cohort_of_requests",
            Self::ShareOfTenant => "bad_share",
            Self::NothingAbove => "share_required",
        }
    }
}

impl Desired {
    /// The first state under a configuration: every route at its `start:`.
    #[must_use]
    pub fn first(configuration: Configuration) -> Self {
        Self::under(configuration, &Live::default())
    }

    /// The state under a configuration, with what is still there of an earlier live state.
    #[must_use]
    pub fn under(configuration: Configuration, earlier: &Live) -> Self {
        let live = starting_live(&configuration.document, earlier);
        let (rollouts, steady) = (Arc::default(), Arc::default());
        Self { configuration, live, rollouts, steady, passed_over: None }
    }

    /// The same with these rollouts, as far as their routes are still there.
    #[must_use]
    pub fn with_rollouts(self, rollouts: &Arc<BTreeMap<Place, Arc<Rollout>>>) -> Self {
        let known = |place: &Place| self.live.routes.contains_key(&place.route);
        let rollouts = if rollouts.keys().all(known) {
            Arc::clone(rollouts)
        } else {
            let kept = rollouts.iter().filter(|(place, _)| known(place));
            Arc::new(kept.map(|(place, one)| (place.clone(), Arc::clone(one))).collect())
        };
        Self { rollouts, ..self }
    }

    /// Notes when what has just been accepted was, where rollouts need to know it.
    #[must_use]
    pub fn stamped(mut self, now: Timestamp) -> Self {
        let lacks = |one: &Arc<Rollout>| {
            if one.phase.is_over() { one.ended_unix_ms } else { one.since_unix_ms }.is_none()
        };
        if self.rollouts.values().any(lacks) {
            let rollouts = Arc::make_mut(&mut self.rollouts);
            rollouts.values_mut().filter(|one| lacks(one)).for_each(|one| {
                Arc::make_mut(one).stamp(now);
            });
        }
        self
    }

    /// The text that the configuration file had when it was last taken or passed over.
    #[must_use]
    pub fn file_text(&self) -> &Arc<str> {
        self.passed_over.as_ref().unwrap_or(&self.configuration.text)
    }

    /// This state in the place of an earlier one, with the file as it was known there.
    fn in_place_of(self, earlier: &Self) -> Self {
        let file = earlier.file_text();
        let passed_over = (self.configuration.text != *file).then(|| Arc::clone(file));
        Self { passed_over, ..self }
    }
}

/// Makes the next desired state.
///
/// # Errors
/// When the command names what is not there, or asks for what the route cannot do.
pub fn apply(desired: &Desired, command: &Command) -> Result<Applied, Refusal> {
    match command {
        Command::Apply(configuration) => Ok(apply_configuration(desired, configuration)),
        Command::Shift { route, scope, share } => traffic::shift(desired, route, scope, *share),
        Command::Shadow { route, scope, copies, share } => {
            traffic::shadow(desired, route, scope, *copies, *share)
        }
        Command::Rollback { route, scope, keep_shadow } => {
            traffic::rollback(desired, route, scope, *keep_shadow)
        }
        Command::Rollout { place, change } => rollouts::change(desired, place, change),
        Command::Targets { upstream, targets } => replace_targets(desired, upstream, targets),
        Command::Lock { tenant, lock } => Ok(tenants::set_lock(desired, tenant, *lock)),
        Command::Attributes(changes) => Ok(tenants::set_attributes(desired, changes)),
        Command::Flag { flag, change } => flags::change(desired, flag, change),
        Command::Together(commands) => together(desired, commands),
        Command::Token { name, token } => Ok(set_token(desired, name, token.as_ref())),
        Command::Restore { revision, desired: older } => {
            let mut older = Desired::clone(older);
            // A token that was revoked stays revoked.
            older.live.tokens = Arc::clone(&desired.live.tokens);
            older.steady = Arc::clone(&desired.steady);
            if says_the_same(desired, &older) {
                return Ok(Applied::Unchanged(format!("everything is as it was at {revision}")));
            }
            let older = older.with_rollouts(&paused(&desired.rollouts));
            let restored = older.in_place_of(desired);
            Ok(changed(restored, format!("restored {revision}")))
        }
    }
}

/// What was restored is no step of theirs: rollouts stay what they are now, and wait for people.
fn paused(rollouts: &Arc<BTreeMap<Place, Arc<Rollout>>>) -> Arc<BTreeMap<Place, Arc<Rollout>>> {
    let mut paused = Arc::clone(rollouts);
    for rollout in Arc::make_mut(&mut paused).values_mut().filter(|one| !one.phase.is_over()) {
        Arc::make_mut(rollout).phase = Phase::Paused;
    }
    paused
}

/// Several commands, one after the other; where one is refused, all are.
fn together(desired: &Desired, commands: &[Command]) -> Result<Applied, Refusal> {
    let mut state: Option<Desired> = None;
    let (mut summaries, mut notes) = (Vec::new(), Vec::new());
    for command in commands {
        match apply(state.as_ref().unwrap_or(desired), command)? {
            Applied::Unchanged(how) => summaries.push(how),
            Applied::Changed(next) => {
                state = Some(next.desired);
                summaries.push(next.summary);
                notes.extend(next.notes);
            }
        }
    }
    let summary = summaries.join("; ");
    Ok(match state {
        None => Applied::Unchanged(summary),
        Some(desired) => Applied::Changed(Next { desired, summary, notes }),
    })
}

pub(super) fn changed(desired: Desired, summary: String) -> Applied {
    Applied::Changed(Next { desired, summary, notes: Vec::new() })
}

fn says_the_same(a: &Desired, b: &Desired) -> bool {
    is_same(&a.configuration, &b.configuration) && a.live == b.live
}

fn is_same(a: &Configuration, b: &Configuration) -> bool {
    // The document, too: a variable or a file that the text refers to may have another value now.
    a.text == b.text && a.document == b.document
}

fn apply_configuration(desired: &Desired, configuration: &Configuration) -> Applied {
    let present = &desired.configuration;
    if is_same(present, configuration) {
        return Applied::Unchanged("configuration: no change".to_owned());
    }
    let (before, after) = (&present.document.upstreams, &configuration.document.upstreams);
    let said_anew = |name: &UpstreamName| {
        let targets = after.get(name.as_str()).map(|upstream| &upstream.targets);
        targets != before.get(name.as_str()).map(|upstream| &upstream.targets)
    };
    let mut live = desired.live.clone();
    let dropped: Vec<UpstreamName> =
        live.targets.keys().filter(|name| said_anew(name)).cloned().collect();
    if !dropped.is_empty() {
        Arc::make_mut(&mut live.targets).retain(|name, _| !said_anew(name));
    }
    let notes = dropped.iter().map(|name| {
        format!("upstream {name}: the configuration's targets changed, so those set by a command no longer stand in for them")
    });
    let next = Desired::under(configuration.clone(), &live).with_rollouts(&desired.rollouts);
    let next = Desired { steady: Arc::clone(&desired.steady), ..next };
    Applied::Changed(Next {
        desired: if configuration.from_file { next } else { next.in_place_of(desired) },
        summary: summary::of_configuration(&present.document, &configuration.document),
        notes: notes.collect(),
    })
}

fn replace_targets(
    desired: &Desired,
    upstream: &UpstreamName,
    targets: &[TargetSpec],
) -> Result<Applied, Refusal> {
    let upstreams = &desired.configuration.document.upstreams;
    let written = upstreams
        .get(upstream.as_str())
        .ok_or_else(|| unknown("upstream", upstream.as_str(), upstreams.keys()))?;
    let present = desired.live.targets.get(upstream);
    let before = present.unwrap_or(&written.targets);
    if before == targets {
        let targets = summary::of_targets(targets);
        return Ok(Applied::Unchanged(format!("upstream {upstream}: {targets}")));
    }
    let mut next = desired.clone();
    let overrides: &mut BTreeMap<_, _> = Arc::make_mut(&mut next.live.targets);
    if written.targets == targets {
        overrides.remove(upstream);
    } else {
        overrides.insert(upstream.clone(), targets.to_vec());
    }
    let (before, after) = (summary::of_targets(before), summary::of_targets(targets));
    Ok(changed(next, format!("upstream {upstream}: {before} -> {after}")))
}

fn set_token(desired: &Desired, name: &TokenName, token: Option<&TokenSpec>) -> Applied {
    let present = desired.live.tokens.get(name);
    if present == token {
        let is = if token.is_some() { "it is there already" } else { "there is none" };
        return Applied::Unchanged(format!("token {name}: {is}"));
    }
    let mut next = desired.clone();
    let tokens = Arc::make_mut(&mut next.live.tokens);
    let told = match (present, token) {
        (None, Some(_)) => "made",
        (Some(_), Some(_)) => "replaced",
        (_, None) => "revoked",
    };
    match token {
        Some(token) => tokens.insert(name.clone(), token.clone()),
        None => tokens.remove(name),
    };
    changed(next, format!("token {name}: {told}"))
}

pub(super) fn unknown<'k>(
    kind: &'static str,
    name: &str,
    known: impl IntoIterator<Item = &'k String>,
) -> Refusal {
    let hint = config::closest(name, known.into_iter().map(String::as_str));
    Refusal::Unknown { kind, name: name.to_owned(), hint: hint.map(str::to_owned) }
}
