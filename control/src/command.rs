//! What can be asked for? Every change to the desired state is one of these, whoever asks: people, files, the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{AttributeChanges, Document, LockSpec, TargetSpec, TokenSpec};
use rules::{CohortName, FlagName, Revision, RouteName, Share, TenantId, TokenName, UpstreamName};
use serde_json::{Value, json};

use crate::desired::Desired;
use crate::rollout::Place;

/// One requested change to the desired state.
#[derive(Debug, Clone)]
pub enum Command {
    /// Take this configuration. Live shifts stay as they are.
    Apply(Configuration),
    /// Put a share of a route's traffic on the candidate.
    Shift {
        /// The route.
        route: RouteName,
        /// Whose traffic.
        scope: Scope,
        /// The share; none removes the shift of a cohort or tenant, which then follows what stands above it.
        share: Option<Share>,
    },
    /// Copy a share of a route's requests to the other arm.
    Shadow {
        /// The route.
        route: RouteName,
        /// Whose requests.
        scope: Scope,
        /// Which way copies go.
        copies: Copies,
        /// The share.
        share: Share,
    },
    /// Put all traffic back on stable.
    Rollback {
        /// The route.
        route: RouteName,
        /// Whose traffic.
        scope: Scope,
        /// Whether requests are still copied to the candidate.
        keep_shadow: bool,
    },
    /// Start, move or hold a rollout. A rollback ends it.
    Rollout {
        /// Whose rollout.
        place: Place,
        /// What about it.
        change: RolloutChange,
    },
    /// Let other targets stand in for those of the configuration.
    Targets {
        /// The upstream.
        upstream: UpstreamName,
        /// Its targets from now on.
        targets: Vec<TargetSpec>,
    },
    /// Lock a tenant, or unlock it.
    Lock {
        /// The tenant.
        tenant: TenantId,
        /// The lock; none unlocks.
        lock: Option<LockSpec>,
    },
    /// Change attributes of tenants, and with them the cohorts that they belong to.
    Attributes(BTreeMap<TenantId, AttributeChanges>),
    /// Change what tenants have of a flag.
    Flag {
        /// The flag.
        flag: FlagName,
        /// The change.
        change: FlagChange,
    },
    /// Carry out several commands as one revision, or none of them.
    Together(Vec<Command>),
    /// Make a token for the control API, or revoke it.
    Token {
        /// Its name.
        name: TokenName,
        /// What it is good for; none revokes it.
        token: Option<TokenSpec>,
    },
    /// Make the state of an older revision the present one again.
    Restore {
        /// The older revision.
        revision: Revision,
        /// Its state.
        desired: Box<Desired>,
    },
}

/// A configuration as an operator wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The text, with `${VAR}` as written.
    pub text: Arc<str>,
    /// What it says.
    pub document: Arc<Document>,
    /// When it was accepted, in seconds since 1970. A date in it that was in the future then stays accepted.
    pub accepted_unix: i64,
    /// Whether it is what the configuration file says; else somebody gave it.
    pub from_file: bool,
}

/// Whose traffic a command is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everybody's who has no shift of their own.
    Route,
    /// A cohort's.
    Cohort(CohortName),
    /// One tenant's.
    Tenant(TenantId),
}

/// What a command does with a rollout.
#[derive(Debug, Clone, PartialEq)]
pub enum RolloutChange {
    /// Begin with the first step.
    Start {
        /// The plan; that of the route where none is named.
        plan: Option<String>,
        /// Who starts it.
        by: String,
        /// When, in milliseconds since 1970: not sooner than the cool-down after it was aborted.
        at_unix_ms: i64,
    },
    /// Stay at this step until people decide.
    Pause {
        /// The step that the asker looked at, see [`crate::rollout::Rollout::stretch`]; none where that does not matter.
        expected: Option<(u64, usize, u32)>,
        /// What it rests on, where a gate asked for it.
        evidence: Value,
    },
    /// Go on at this step, which begins anew.
    Resume,
    /// Go one step further.
    Promote {
        /// The step that the asker looked at; none where that does not matter.
        expected: Option<(u64, usize, u32)>,
        /// When, in milliseconds since 1970: not while a window or a freeze closes it.
        at_unix_ms: i64,
        /// What it rests on, where gates were asked.
        evidence: Value,
    },
    /// Go on to the end, whatever gates still wait for.
    PromoteToEnd,
    /// Say that it may go on.
    Approve {
        /// Who says so.
        by: String,
    },
}

/// What becomes of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagChange {
    /// A share of tenants has a variant; all of one tenant, or none of it.
    Serve {
        /// Whose value.
        scope: Scope,
        /// The variant; the one that is served already where none is named.
        variant: Option<String>,
        /// The share of tenants that have it.
        share: Share,
    },
    /// What a cohort or tenant had of its own ends.
    Inherit(Scope),
    /// The flag is on again, as it was set before.
    On,
    /// Everybody has the off variant, until the flag is on again.
    Off,
}

/// Which way copies of requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// From stable to the candidate.
    ToCandidate,
    /// From the candidate back to stable.
    ToStable,
}

impl Command {
    /// The command's name, as the API and the list of revisions write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Shift { .. } => "shift",
            Self::Shadow { .. } => "shadow",
            Self::Rollback { .. } => "rollback",
            Self::Rollout { change, .. } => change.name(),
            Self::Targets { .. } => "targets",
            Self::Lock { lock: Some(_), .. } => "lock",
            Self::Lock { lock: None, .. } => "unlock",
            Self::Attributes(_) => "attributes",
            Self::Flag { change: FlagChange::Off, .. } => "flag off",
            Self::Flag { change: FlagChange::On, .. } => "flag on",
            Self::Flag { change: FlagChange::Serve { .. } | FlagChange::Inherit(_), .. } => "flag",
            Self::Together(commands) => match commands.first() {
                Some(first) => first.name(),
                None => "nothing",
            },
            Self::Token { token: Some(_), .. } => "token",
            Self::Token { token: None, .. } => "revoke",
            Self::Restore { .. } => "restore",
        }
    }

    /// The command's arguments, for the list of revisions. Never a configuration's text.
    #[must_use]
    pub fn arguments(&self) -> Value {
        match self {
            Self::Apply(_) => json!({}),
            Self::Shift { route, scope, share } => {
                let share = share.map(|share| share.to_string());
                scoped(scope, json!({"route": route.as_str(), "share": share}))
            }
            Self::Shadow { route, scope, copies, share } => {
                let reverse = *copies == Copies::ToStable;
                let share = share.to_string();
                let arguments =
                    json!({"route": route.as_str(), "share": share, "reverse": reverse});
                scoped(scope, arguments)
            }
            Self::Rollback { route, scope, keep_shadow } => {
                scoped(scope, json!({"route": route.as_str(), "keep_shadow": keep_shadow}))
            }
            Self::Rollout { place, change } => {
                let mut arguments = change.arguments();
                if let Some(map) = arguments.as_object_mut() {
                    map.insert("route".to_owned(), json!(place.route.as_str()));
                }
                scoped(&place.scope, arguments)
            }
            Self::Targets { upstream, targets } => {
                json!({"upstream": upstream.as_str(), "targets": targets})
            }
            Self::Lock { tenant, lock } => json!({"tenant": tenant.as_str(), "mode": lock}),
            Self::Attributes(tenants) => {
                let mut tenants = tenants.iter().map(|(id, changes)| (id.as_str(), changes));
                match (tenants.next(), tenants.len()) {
                    (Some((id, changes)), 0) => json!({"tenant": id, "attributes": changes}),
                    // A list of thousands is in the revision's difference, if anybody wants to see it.
                    (first, rest) => json!({"tenants": rest + usize::from(first.is_some())}),
                }
            }
            Self::Flag { flag, change } => change.arguments(flag),
            Self::Together(commands) => {
                let each = commands.iter().map(
                    |command| json!({"command": command.name(), "arguments": command.arguments()}),
                );
                json!({"together": each.collect::<Vec<_>>()})
            }
            Self::Token { name, token: None } => json!({"name": name.as_str()}),
            Self::Token { name, token: Some(token) } => json!({
                "name": name.as_str(),
                "scopes": token.scopes,
                "routes": token.routes,
                "tenants": token.tenants,
                "expires": token.expires,
            }),
            Self::Restore { revision, .. } => json!({"revision": revision.0}),
        }
    }
}

impl RolloutChange {
    /// The change's name, as the list of revisions writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "rollout_start",
            Self::Pause { .. } => "rollout_pause",
            Self::Resume => "rollout_resume",
            Self::Promote { .. } | Self::PromoteToEnd => "rollout_promote",
            Self::Approve { .. } => "rollout_approve",
        }
    }

    fn arguments(&self) -> Value {
        match self {
            Self::Start { plan, .. } => json!({"plan": plan}),
            Self::Resume => json!({}),
            Self::PromoteToEnd => json!({"to_end": true}),
            Self::Approve { by } => json!({"by": by}),
            Self::Pause { expected, evidence } | Self::Promote { expected, evidence, .. } => {
                let mut arguments = json!({});
                if let (Some((generation, step, _)), Some(map)) =
                    (expected, arguments.as_object_mut())
                {
                    map.insert("generation".to_owned(), json!(generation));
                    map.insert("step".to_owned(), json!(step));
                }
                add_evidence(&mut arguments, evidence);
                arguments
            }
        }
    }
}

impl FlagChange {
    fn arguments(&self, flag: &FlagName) -> Value {
        let flag = flag.as_str();
        match self {
            Self::Serve { scope, variant, share } => {
                let share = share.to_string();
                scoped(scope, json!({"flag": flag, "variant": variant, "share": share}))
            }
            Self::Inherit(scope) => scoped(scope, json!({"flag": flag, "share": null})),
            Self::On | Self::Off => json!({"flag": flag}),
        }
    }
}

fn add_evidence(arguments: &mut Value, evidence: &Value) {
    if let Some(map) = arguments.as_object_mut().filter(|_| !evidence.is_null()) {
        map.insert("evidence".to_owned(), evidence.clone());
    }
}

fn scoped(scope: &Scope, mut arguments: Value) -> Value {
    if let Some(map) = arguments.as_object_mut() {
        match scope {
            Scope::Route => None,
            Scope::Cohort(name) => map.insert("cohort".to_owned(), json!(name.as_str())),
            Scope::Tenant(id) => map.insert("tenant".to_owned(), json!(id.as_str())),
        };
    }
    arguments
}
