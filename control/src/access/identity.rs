//! Whom does a request come from, and what may they do?

use std::fmt;

use config::{AccessScope, SubjectSpec, TokenSpec};
use rules::{RouteName, TenantId};

use crate::command::{Command, FlagChange, RolloutChange, Scope};
use crate::rollout::Place;

/// Whom a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody had to say; everything is allowed. Only on loopback, or where the configuration says so.
    Anybody,
    /// Somebody who is known by a token or a certificate.
    Holder {
        /// Their name.
        name: String,
        /// How that is known.
        by: Proof,
        /// What they may do.
        rights: Rights,
    },
}

/// How it is known who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By a token.
    Token,
    /// By a certificate that TLS has verified.
    Certificate,
}

impl Proof {
    /// The name, as the audit writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What somebody may do, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What.
    pub scopes: Vec<AccessScope>,
    /// On these routes only, for what changes something.
    pub routes: Option<Vec<String>>,
    /// For these tenants only, for what changes something.
    pub tenants: Option<Vec<String>>,
}

impl From<&TokenSpec> for Rights {
    fn from(token: &TokenSpec) -> Self {
        let TokenSpec { scopes, routes, tenants, .. } = token.clone();
        Self { scopes, routes, tenants }
    }
}

impl From<&SubjectSpec> for Rights {
    fn from(subject: &SubjectSpec) -> Self {
        let SubjectSpec { scopes, routes, tenants, .. } = subject.clone();
        Self { scopes, routes, tenants }
    }
}

/// What somebody may not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// What they are known by is not good for that.
    #[error("{by} {name:?} is not good for this: it takes the scope `{}`", scope.as_str())]
    Scope {
        /// How they are known.
        by: Proof,
        /// Their name.
        name: String,
        /// What it would take.
        scope: AccessScope,
    },
    /// It is good for that elsewhere only.
    #[error("{by} {name:?} is limited to some {kind}, and this is not one of them")]
    Limit {
        /// How they are known.
        by: Proof,
        /// Their name.
        name: String,
        /// `routes` or `tenants`.
        kind: &'static str,
    },
}

impl Denied {
    /// Why, for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scope { .. } => "scope_missing",
            Self::Limit { .. } => "out_of_limits",
        }
    }
}

impl Identity {
    /// Whether they may do what takes this scope.
    ///
    /// # Errors
    /// When they may not.
    pub fn may(&self, scope: AccessScope) -> Result<(), Denied> {
        match self {
            Self::Holder { name, by, rights } if !has(rights, scope) => {
                Err(Denied::Scope { by: *by, name: name.clone(), scope })
            }
            Self::Anybody | Self::Holder { .. } => Ok(()),
        }
    }

    /// Whether they may see the samples of a route's differences.
    ///
    /// # Errors
    /// When they may not, here or at all.
    pub fn may_see_samples(&self, route: &RouteName) -> Result<(), Denied> {
        self.may(AccessScope::Samples)?;
        let Self::Holder { name, by, rights } = self else { return Ok(()) };
        let is_within = |limit: &Vec<String>| limit.iter().any(|one| one == route.as_str());
        // Whose answers they are is not known: whoever is limited to some tenants must not see them.
        let kind = match rights {
            Rights { tenants: Some(_), .. } => "tenants",
            Rights { routes: Some(routes), .. } if !is_within(routes) => "routes",
            Rights { .. } => return Ok(()),
        };
        Err(Denied::Limit { by: *by, name: name.clone(), kind })
    }

    /// Whether they may have a command carried out.
    ///
    /// # Errors
    /// When they may not, here or at all.
    pub fn may_command(&self, command: &Command) -> Result<(), Denied> {
        if let Command::Together(commands) = command {
            return commands.iter().try_for_each(|each| self.may_command(each));
        }
        self.may(scope_of(command))?;
        let (route, tenant) = place_of(command);
        // A lock is of a tenant on all routes: whoever is limited to some must not set it.
        self.reaches(route, tenant)
    }

    /// Whether what is about this one route and this one tenant, or about no single one, is within their limits.
    ///
    /// # Errors
    /// When it is not.
    pub fn reaches(&self, route: Option<&str>, tenant: Option<&str>) -> Result<(), Denied> {
        let Self::Holder { name, by, rights } = self else { return Ok(()) };
        let is_within = |limit: &Option<Vec<String>>, place: Option<&str>| {
            limit.as_ref().is_none_or(|limit| {
                place.is_some_and(|place| limit.iter().any(|allowed| allowed == place))
            })
        };
        let outside = |kind| Err(Denied::Limit { by: *by, name: name.clone(), kind });
        if !is_within(&rights.routes, route) {
            outside("routes")
        } else if !is_within(&rights.tenants, tenant) {
            outside("tenants")
        } else {
            Ok(())
        }
    }
}

fn has(rights: &Rights, scope: AccessScope) -> bool {
    rights.scopes.contains(&scope) || rights.scopes.contains(&AccessScope::Admin)
}

const fn scope_of(command: &Command) -> AccessScope {
    match command {
        Command::Rollout { change: RolloutChange::Approve { .. }, .. } => AccessScope::Approve,
        Command::Shift { .. }
        | Command::Shadow { .. }
        | Command::Rollout { .. }
        | Command::Flag { .. }
        | Command::Attributes(_)
        | Command::Lock { .. } => AccessScope::Shift,
        Command::Rollback { .. } => AccessScope::Rollback,
        Command::Apply(_) | Command::Targets { .. } | Command::Restore { .. } => AccessScope::Apply,
        // Each of several commands takes its own; as a whole they are nobody's but the administrator's.
        Command::Token { .. } | Command::Together(_) => AccessScope::Admin,
    }
}

/// The one route and the one tenant that a command is about, where it is about one.
fn place_of(command: &Command) -> (Option<&str>, Option<&str>) {
    match command {
        Command::Shift { route, scope, .. }
        | Command::Shadow { route, scope, .. }
        | Command::Rollback { route, scope, .. }
        | Command::Rollout { place: Place { route, scope }, .. } => {
            (Some(route.as_str()), tenant_of(scope))
        }
        Command::Flag { change: FlagChange::Serve { scope, .. }, .. }
        | Command::Flag { change: FlagChange::Inherit(scope), .. } => (None, tenant_of(scope)),
        Command::Lock { tenant, .. } => (None, Some(tenant.as_str())),
        Command::Attributes(tenants) if tenants.len() == 1 => {
            (None, tenants.keys().next().map(TenantId::as_str))
        }
        Command::Apply(_)
        | Command::Targets { .. }
        | Command::Restore { .. }
        | Command::Flag { .. }
        | Command::Attributes(_)
        | Command::Together(_)
        | Command::Token { .. } => (None, None),
    }
}

fn tenant_of(scope: &Scope) -> Option<&str> {
    match scope {
        Scope::Tenant(tenant) => Some(tenant.as_str()),
        Scope::Route | Scope::Cohort(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::fragile::{rollback, shift};

    fn holder(scopes: &[AccessScope], routes: Option<&str>, tenants: Option<&str>) -> Identity {
        let list = |limit: Option<&str>| limit.map(|one| vec![one.to_owned()]);
        let (routes, tenants) = (list(routes), list(tenants));
        let rights = Rights { scopes: scopes.to_vec(), routes, tenants };
        Identity::Holder { name: "ops".into(), by: Proof::Token, rights }
    }

    #[test]
    fn a_token_is_good_for_its_scopes_and_nothing_else() {
        let on_call = holder(&[AccessScope::Rollback], None, None);
        assert!(on_call.may_command(&rollback()).is_ok());
        let denied = on_call.may_command(&shift("5%")).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "token \"ops\" is not good for this: it takes the scope `shift`"
        );
        assert!(on_call.may(AccessScope::Read).is_err());
        let admin = holder(&[AccessScope::Admin], None, None);
        for scope in AccessScope::ALL {
            assert!(admin.may(scope).is_ok() && Identity::Anybody.may(scope).is_ok());
        }
    }

    #[test]
    fn samples_take_a_scope_of_their_own_and_keep_to_the_limits() {
        let route = "sms".parse().unwrap();
        let seen = |identity: Identity| identity.may_see_samples(&route).is_ok();
        let all_but = AccessScope::ALL
            .into_iter()
            .filter(|scope| !matches!(scope, AccessScope::Samples | AccessScope::Admin));
        assert!(!seen(holder(&all_but.collect::<Vec<_>>(), None, None)));
        let samples = [AccessScope::Samples];
        assert!(seen(holder(&samples, None, None)) && seen(Identity::Anybody));
        assert!(seen(holder(&[AccessScope::Admin], None, None)));
        assert!(seen(holder(&samples, Some("sms"), None)));
        assert!(!seen(holder(&samples, Some("billing"), None)));
        assert!(!seen(holder(&samples, None, Some("acme"))), "anybody's answers");
    }

    #[test]
    fn a_limited_token_reaches_no_further() {
        let scopes = [AccessScope::Shift, AccessScope::Rollback, AccessScope::Apply];
        let here = holder(&scopes, Some("sms"), None);
        assert!(here.may_command(&shift("5%")).is_ok());
        let elsewhere = holder(&scopes, Some("billing"), None);
        assert!(elsewhere.may_command(&shift("5%")).is_err());
        let one = holder(&scopes, None, Some("acme"));
        assert!(one.may_command(&shift("5%")).is_err(), "everybody's traffic");
        let of = |tenant: &str| Command::Shift {
            route: "sms".parse().unwrap(),
            scope: Scope::Tenant(tenant.parse().unwrap()),
            share: None,
        };
        assert!(one.may_command(&of("acme")).is_ok() && one.may_command(&of("b2")).is_err());
        let lock = Command::Lock { tenant: "acme".parse().unwrap(), lock: None };
        assert!(one.may_command(&lock).is_ok() && here.may_command(&lock).is_err());
        let targets = Command::Targets { upstream: "new".parse().unwrap(), targets: Vec::new() };
        assert!(here.may_command(&targets).is_err(), "an upstream is of all routes");
        let change = FlagChange::Inherit(Scope::Tenant("acme".parse().unwrap()));
        let flag = Command::Flag { flag: "new-ui".parse().unwrap(), change };
        assert!(one.may_command(&flag).is_ok());
        assert!(here.may_command(&flag).is_err(), "a flag is of all routes");
        let both = Command::Together(vec![of("acme"), flag.clone()]);
        assert!(one.may_command(&both).is_ok());
        assert!(one.may_command(&Command::Together(vec![of("b2"), flag])).is_err());
    }
}
