//! Which commands wait for others to approve? Each approval is for one plan: what exactly would change, and what of.
//!
//! A plan's hash is that of the command, of who asks, and of every key with its value before and after. It is another one
//! as soon as anything of that is another, so that nothing can be slipped in between an approval and the deed.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Declined, Ledger, Order, Present};
use crate::audit::{Outcome, Record, Via};
use crate::command::Command;
use crate::desired::{Desired, Next, difference, keys};
use crate::digest::sha256;
use crate::store::StoreError;

/// How long a plan and its approvals are kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
/// How much of a difference is kept with a plan.
const MAX_DIFF_BYTES: usize = 64 << 10;

/// What somebody wants to do, and others have to approve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its hash.
    pub plan: String,
    /// Since when it waits (RFC 3339).
    pub at: String,
    /// Who wants to do it.
    pub actor: String,
    /// Why.
    pub why: String,
    /// Which command it is.
    pub command: String,
    /// With which arguments.
    pub arguments: Value,
    /// What it would change, for people.
    pub summary: String,
    /// What it would change, as a unified diff.
    pub diff: String,
    /// Who has approved it.
    #[serde(default)]
    pub approved_by: Vec<String>,
}

/// Who approves, and why.
#[derive(Debug, Clone)]
pub struct Approver {
    /// Who.
    pub actor: String,
    /// How that is known.
    pub via: Via,
    /// Why.
    pub why: String,
}

/// Why a plan is not approved.
#[derive(Debug, thiserror::Error)]
pub enum NotApproved {
    /// There is no such plan, or not any more.
    #[error(
        "there is no plan {plan:?}: it was carried out, is over a day old, or is another one by now"
    )]
    Unknown {
        /// What was asked for.
        plan: String,
    },
    /// Nobody approves what they want themselves.
    #[error("the plan is of {actor:?}: somebody else has to approve it")]
    Own {
        /// Its author.
        actor: String,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ledger {
    /// Whether a command may go on; else what others have to approve.
    pub(super) fn approved(
        &self,
        order: &Order,
        present: &Present,
        next: &Next,
        now: Timestamp,
    ) -> Result<Option<String>, Declined> {
        let needed = present.desired.configuration.document.control.approvals;
        if needed == 0 || order.via == Via::PROCESS || never_waits(&order.command) {
            return Ok(None);
        }
        let plan = plan(order, &present.desired, next, now);
        let have = self.approvers(&plan.plan)?.len();
        if have >= usize::from(needed) {
            return Ok(Some(plan.plan));
        }
        let hash = plan.plan.clone();
        let text = serde_json::to_string(&plan).unwrap_or_default();
        self.store.note(&format!("plan/{hash}"), &text, KEPT_FOR)?;
        Err(Declined::NeedsApproval { plan: hash, have, needed })
    }

    /// Forgets a plan that was carried out: an approval is good for one deed.
    pub(super) fn forget_plan(&self, hash: &str) -> Result<(), StoreError> {
        for approver in self.approvers(hash)? {
            self.store.renote(&format!("approval/{hash}/{approver}"), None, KEPT_FOR)?;
        }
        self.store.renote(&format!("plan/{hash}"), None, KEPT_FOR)
    }

    /// What waits for the approval of others.
    ///
    /// # Errors
    /// When the store cannot be reached or read.
    pub fn plans(&self) -> Result<Vec<Plan>, StoreError> {
        let notes = self.store.notes("plan/")?;
        let plans = notes.iter().filter_map(|(_, text)| serde_json::from_str::<Plan>(text).ok());
        plans.map(|plan| Ok(Plan { approved_by: self.approvers(&plan.plan)?, ..plan })).collect()
    }

    /// Approves a plan, and says how many have done so.
    ///
    /// # Errors
    /// When there is no such plan, when it is the approver's own, or the store fails.
    pub fn approve(&self, hash: &str, approver: &Approver) -> Result<usize, NotApproved> {
        let plans = self.plans()?;
        let unknown = || NotApproved::Unknown { plan: hash.to_owned() };
        let plan = plans.into_iter().find(|plan| plan.plan == hash).ok_or_else(unknown)?;
        if plan.actor == approver.actor {
            return Err(NotApproved::Own { actor: plan.actor });
        }
        let key = format!("approval/{hash}/{}", approver.actor);
        self.store.note(&key, &approver.why, KEPT_FOR)?;
        let Approver { actor, via, why } = approver;
        let present = self.present().revision();
        let record = Record::new(Timestamp::now(), actor, via, "approve", present);
        self.record(Record {
            arguments: json!({"plan": hash}),
            why: why.clone(),
            outcome: Outcome::Accepted,
            summary: format!("approved for {}: {}", plan.actor, plan.summary),
            ..record
        });
        Ok(self.approvers(hash)?.len())
    }

    fn approvers(&self, hash: &str) -> Result<Vec<String>, StoreError> {
        let prefix = format!("approval/{hash}/");
        let notes = self.store.notes(&prefix)?;
        Ok(notes
            .iter()
            .filter_map(|(key, _)| Some(key.strip_prefix(&prefix)?.to_owned()))
            .collect())
    }
}

/// What brings traffic to safety never waits. (INV-10)
const fn never_waits(command: &Command) -> bool {
    matches!(command, Command::Rollback { .. } | Command::Lock { lock: Some(_), .. })
}

fn plan(order: &Order, before: &Desired, next: &Next, now: Timestamp) -> Plan {
    let Next { desired: after, summary, .. } = next;
    let Order { command, actor, why, .. } = order;
    let timeless = |changes: Vec<_>| -> Vec<(String, Option<String>)> {
        changes.into_iter().filter(|(key, _)| key != keys::ACCEPTED).collect()
    };
    let was = timeless(keys::changes(Some(after), before));
    let will_be = timeless(keys::changes(Some(before), after));
    let (name, arguments) = (command.name(), command.arguments());
    let hashed = json!([name, arguments, actor, was, will_be]).to_string();
    let mut diff = difference::between(before, after);
    diff.truncate(diff.floor_char_boundary(MAX_DIFF_BYTES));
    Plan {
        plan: sha256(hashed.as_bytes()),
        at: now.to_string(),
        actor: actor.clone(),
        why: why.clone(),
        command: name.to_owned(),
        arguments,
        summary: summary.clone(),
        diff,
        approved_by: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ledger::fragile::{Setup, YAML, order, rollback, setup, shift};

    const TWO: &str = "control: {address: '127.0.0.1:7081', approvals: 1, tokens: {a: {hash: 'sha256:HASH', scopes: [admin]}}}";

    fn by(actor: &str, command: Command) -> Order {
        let via = Via { auth: "token", address: None, claimed: None };
        Order { actor: actor.into(), via, ..order(command, None) }
    }

    fn with_four_eyes() -> Setup {
        let setup = setup();
        let text = format!("{}\n{YAML}", TWO.replace("HASH", &"0".repeat(64)));
        let configuration = setup.ledger.configuration(text.as_str().into(), Timestamp::UNIX_EPOCH);
        let apply = order(Command::Apply(configuration.unwrap()), None);
        setup.ledger.execute(&apply, Timestamp::UNIX_EPOCH).unwrap();
        setup
    }

    fn waits(ledger: &Arc<Ledger>, order: &Order) -> String {
        match ledger.execute(order, Timestamp::now()) {
            Err(Declined::NeedsApproval { plan, .. }) => plan,
            other => panic!("{other:?}"),
        }
    }

    fn approve(ledger: &Ledger, plan: &str, actor: &str) -> Result<usize, NotApproved> {
        let via = Via { auth: "token", address: None, claimed: None };
        ledger.approve(plan, &Approver { actor: actor.into(), via, why: "looks right".into() })
    }

    #[test]
    fn what_moves_traffic_waits_for_somebody_else() {
        let Setup { ledger, _folder, .. } = with_four_eyes();
        let wanted = by("ann", shift("5%"));
        let plan = waits(&ledger, &wanted);
        assert_eq!(waits(&ledger, &wanted), plan, "the same plan");
        assert!(matches!(approve(&ledger, &plan, "ann"), Err(NotApproved::Own { .. })));
        assert!(matches!(approve(&ledger, "00", "bob"), Err(NotApproved::Unknown { .. })));
        assert_eq!(approve(&ledger, &plan, "bob").unwrap(), 1);
        assert_eq!(approve(&ledger, &plan, "bob").unwrap(), 1, "once is enough");
        let waiting = ledger.plans().unwrap();
        assert_eq!((waiting.len(), &waiting[0].approved_by), (1, &vec!["bob".to_owned()]));
        assert!(waiting[0].diff.contains("+shift/sms {\"share\":\"5%\""), "{waiting:?}");
        assert!(waits(&ledger, &by("ann", shift("6%"))) != plan, "another share is another plan");
        assert!(waits(&ledger, &by("eve", shift("5%"))) != plan, "so is another author");
        assert!(ledger.execute(&wanted, Timestamp::now()).unwrap().changed);
        ledger.execute(&by("ann", rollback()), Timestamp::now()).unwrap();
        waits(&ledger, &wanted);
        assert!(ledger.execute(&wanted, Timestamp::now()).is_err(), "an approval is used up");
    }

    #[test]
    fn an_approval_ends_when_what_it_was_for_is_another_thing() {
        let Setup { ledger, _folder, .. } = with_four_eyes();
        let wanted = by("ann", shift("50%"));
        let plan = waits(&ledger, &wanted);
        approve(&ledger, &plan, "bob").unwrap();
        // Meanwhile the route is somewhere else.
        let meanwhile = Order::by_process(shift("10%"), "turnout", "meanwhile");
        ledger.execute(&meanwhile, Timestamp::now()).unwrap();
        assert_ne!(waits(&ledger, &wanted), plan);
    }
}
