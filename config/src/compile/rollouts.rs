//! How does a rollout become a plan? Its steps in one row, with everything that could never work told now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rules::{CohortName, RouteName, Share};

use super::baseline;
use super::external_gates::hooks;
use super::findings::{Findings, Pointer};
use super::gates::gates;
use super::patience::lint;
use crate::closest::did_you_mean;
use crate::document::Document;
use crate::document::rollout::{ApprovalSpec, HookSpec, RolloutSpec, StepSpec};
use crate::plan::{Action, Approval, Calendar, Freeze, Gates, Hook, Plan, Step, Window};
use crate::units::Time;

/// More steps than this are a slip: each makes every test harder to pass.
const MOST_STEPS: usize = 200;
/// Nobody waits for more clean days than a year has.
const MOST_DAYS: u32 = 366;

/// The plans, by name, without those that are wrong.
pub(super) fn plans(
    document: &Document,
    now_unix: i64,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Arc<Plan>> {
    let at = Pointer::root().key("rollouts");
    let mut plans = BTreeMap::new();
    for (name, spec) in &document.rollouts {
        let at = at.key(name);
        if name.parse::<RouteName>().is_err() {
            findings.error(&at, "bad_name", NAME_RULE);
        }
        let known = Some(document);
        if let Some(plan) = (Reading { known, findings: &mut *findings }).plan(spec, &at) {
            lint(&plan, &at, now_unix, findings);
            plans.insert(name.clone(), Arc::new(plan));
        }
    }
    uses(document, &plans, findings);
    plans
}

const NAME_RULE: &str =
    "a rollout's name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or a digit";

/// The plan of a rollout that was found right before, cohorts included; none where it is not.
pub(crate) fn plan(spec: &RolloutSpec) -> Option<Plan> {
    let origin = crate::document::Origin::default();
    let mut findings = Findings::new(&origin);
    let plan = Reading { known: None, findings: &mut findings }.plan(spec, &Pointer::root());
    plan.filter(|_| !findings.are_errors())
}

/// What routes say of rollouts.
fn uses(document: &Document, plans: &BTreeMap<String, Arc<Plan>>, findings: &mut Findings<'_>) {
    for (name, route) in &document.routes {
        let Some(rollout) = &route.rollout else { continue };
        let at = Pointer::root().key("routes").key(name).key("rollout");
        if !document.rollouts.contains_key(rollout) {
            if !findings.lost(&Pointer::root().key("rollouts").key(rollout)) {
                let message = format!("there is no rollout `{rollout}`");
                let hint = did_you_mean(rollout, document.rollouts.keys().map(String::as_str));
                findings.error_with_hint(&at, "unknown_rollout", message, hint);
            }
            continue;
        }
        let parent = Pointer::root().key("routes").key(name);
        if route.candidate.is_none() && !findings.lost(&parent.key("candidate")) {
            let message = "the route is to be rolled out, but has no candidate";
            let hint = "write `candidate: {upstream: ..}`, or leave `rollout` out".to_owned();
            findings.error_with_hint(&at, "rollout_without_candidate", message, hint);
        }
        if let Some((spec, plan)) = route.baseline.as_ref().zip(plans.get(rollout)) {
            baseline::lint(spec, plan, &parent.key("baseline"), findings);
        }
        let asks = plans.get(rollout).is_some_and(|plan| plan.asks_for_tenants());
        if asks && route.tenant.is_none() && !findings.lost(&parent.key("tenant")) {
            let message =
                format!("rollout `{rollout}` asks for `min_tenants`, and the route looks for none");
            let hint = "write `tenant: {header: X-Tenant-Id}`, or leave `min_tenants` out";
            findings.error_with_hint(&at, "tenants_not_looked_for", message, hint.to_owned());
        }
    }
}

/// A plan under construction.
struct Reading<'r, 'o> {
    /// Where cohorts are looked up; nowhere for a plan that was found right before.
    known: Option<&'r Document>,
    findings: &'r mut Findings<'o>,
}

impl Reading<'_, '_> {
    fn plan(&mut self, spec: &RolloutSpec, at: &Pointer) -> Option<Plan> {
        let steps_at = at.key("steps");
        if spec.steps.is_empty() && !self.findings.lost_below(&steps_at) {
            let hint =
                "write `steps: [{shadow: 100%, for: 1d}, {canary: 5%, for: 1d}, {live: true}]`";
            let message = "a rollout needs at least one step";
            self.findings.error_with_hint(&steps_at, "no_steps", message, hint.to_owned());
        }
        let defaults = StepDefaults {
            spec,
            gates: gates(&spec.gates, &at.key("gates"), self.known, self.findings),
            before: hooks(&spec.before, &at.key("before"), self.known, self.findings),
            after: hooks(&spec.after, &at.key("after"), self.known, self.findings),
        };
        let mut steps = Vec::new();
        for (place, step) in spec.steps.iter().enumerate() {
            self.step(&defaults, step, &steps_at.item(place), &mut steps);
        }
        self.begins_unasked(spec, &steps_at);
        if steps.len() > MOST_STEPS {
            let message = format!("{} steps are too many: at most {MOST_STEPS}", steps.len());
            self.findings.error(&steps_at, "too_many", message);
            return None;
        }
        let calendar = self.calendar(spec, at);
        let plan = Plan { steps, calendar, cool_down: spec.cool_down.0 };
        self.goes_forward(&plan, &steps_at);
        (!plan.steps.is_empty()).then_some(plan)
    }

    fn calendar(&mut self, spec: &RolloutSpec, at: &Pointer) -> Calendar {
        let mut calendar = Calendar::default();
        for (place, text) in spec.only.iter().enumerate() {
            let at = at.key("only").item(place);
            calendar.only.extend(self.findings.parsed(&at, "bad_window", text.parse::<Window>()));
        }
        for (place, freeze) in spec.freezes.iter().enumerate() {
            let at = at.key("freezes").item(place);
            let parsed = Freeze::parse(&freeze.from, &freeze.until, &freeze.zone);
            let Some(parsed) = self.findings.parsed(&at, "bad_freeze", parsed) else { continue };
            if parsed.until <= parsed.from {
                let message = "the freeze ends before it begins";
                self.findings.error(&at, "bad_freeze", message);
            }
            calendar.freezes.push(parsed);
        }
        calendar
    }

    fn step(
        &mut self,
        defaults: &StepDefaults<'_>,
        spec: &StepSpec,
        at: &Pointer,
        steps: &mut Vec<Step>,
    ) {
        let plan = defaults.spec;
        if let Some(cohorts) = &spec.cohorts {
            return self.cohorts(defaults, (spec, cohorts), at, steps);
        }
        if !spec.steps.is_empty() {
            let hint = "write `cohorts: [..]` beside it".to_owned();
            let message = "inner steps belong to cohorts";
            self.findings.error_with_hint(&at.key("steps"), "steps_without_cohorts", message, hint);
        }
        let Some(action) = self.action(spec, at) else { return };
        let (known, findings) = (self.known, &mut *self.findings);
        let gates = spec.gates.as_ref();
        let gates = gates.map(|gates| self::gates(gates, &at.key("gates"), known, findings));
        let mut own = |specs: &Option<Vec<HookSpec>>, key| {
            specs.as_ref().map(|specs| hooks(specs, &at.key(key), known, self.findings))
        };
        let (before, after) = (own(&spec.before, "before"), own(&spec.after, "after"));
        let (bake, deadline) =
            (spec.bake.map_or(Duration::ZERO, |time| time.0), spec.deadline.or(plan.deadline));
        if let Some(deadline) = deadline.filter(|deadline| deadline.0 <= bake) {
            let at = if spec.deadline.is_some() { at.key("deadline") } else { at.key("for") };
            let message = format!(
                "the deadline of {deadline} comes before the step has lasted {}",
                Time(bake)
            );
            self.findings.error(&at, "deadline_too_short", message);
        }
        steps.push(Step {
            action,
            cohort: None,
            bake,
            gates: gates.unwrap_or_else(|| defaults.gates.clone()),
            before: before.unwrap_or_else(|| defaults.before.clone()),
            after: after.unwrap_or_else(|| defaults.after.clone()),
            deadline: deadline.map(|deadline| deadline.0),
            at_deadline: spec.at_deadline.unwrap_or(plan.at_deadline),
            on_fail: spec.on_fail.unwrap_or(plan.on_fail),
        });
    }

    fn cohorts(
        &mut self,
        defaults: &StepDefaults<'_>,
        (spec, cohorts): (&StepSpec, &[String]),
        at: &Pointer,
        steps: &mut Vec<Step>,
    ) {
        let alone = StepSpec {
            cohorts: spec.cohorts.clone(),
            steps: spec.steps.clone(),
            ..StepSpec::default()
        };
        if *spec != alone {
            let hint = "write everything else into the inner steps".to_owned();
            let message = "a step with `cohorts` has nothing but `cohorts` and `steps`";
            self.findings.error_with_hint(at, "cohorts_and_more", message, hint);
        }
        let mut inner = Vec::new();
        for (place, step) in spec.steps.iter().enumerate() {
            let at = at.key("steps").item(place);
            if step.cohorts.is_some() {
                let message = "cohorts do not stand within cohorts";
                self.findings.error(&at.key("cohorts"), "nested_cohorts", message);
                continue;
            }
            self.step(defaults, step, &at, &mut inner);
        }
        if cohorts.is_empty() || spec.steps.is_empty() {
            let hint = "write `{cohorts: [africa, europe], steps: [{canary: 50%, for: 1d}, {live: true}]}`";
            let message = "there is nothing to do";
            self.findings.error_with_hint(at, "no_steps", message, hint.to_owned());
        }
        for (place, name) in cohorts.iter().enumerate() {
            let at = at.key("cohorts").item(place);
            let Some(cohort) = self.cohort(name, &at) else { continue };
            let of_cohort = inner.iter().cloned();
            steps.extend(of_cohort.map(|step| Step { cohort: Some(cohort.clone()), ..step }));
        }
    }

    /// Nobody can be waited for before the first step: whoever starts the rollout begins it.
    fn begins_unasked(&mut self, spec: &RolloutSpec, at: &Pointer) {
        let Some(first) = spec.steps.first() else { return };
        let (inner, at) = match first.steps.first() {
            Some(inner) if first.cohorts.is_some() => (inner, at.item(0).key("steps").item(0)),
            _ => (first, at.item(0)),
        };
        // The first of a cohort's steps is begun once for each, so that there may be something to wait for.
        let once = first.cohorts.as_ref().is_none_or(|cohorts| cohorts.len() < 2);
        let waits = inner.before.iter().flatten().any(|hook| hook.confirm.is_some());
        if waits && once {
            let message =
                "nobody is asked before the first step: it begins when the rollout is started";
            let hint = "write it into `after`, or into `before` of a later step".to_owned();
            self.findings.error_with_hint(&at.key("before"), "first_step", message, hint);
        }
    }

    fn cohort(&mut self, name: &str, at: &Pointer) -> Option<CohortName> {
        if let Some(document) = self.known
            && !document.cohorts.contains_key(name)
        {
            if !self.findings.lost(&Pointer::root().key("cohorts").key(name)) {
                let message = format!("there is no cohort `{name}`");
                let hint = did_you_mean(name, document.cohorts.keys().map(String::as_str));
                self.findings.error_with_hint(at, "unknown_cohort", message, hint);
            }
            return None;
        }
        self.findings.parsed(at, "bad_name", name.parse())
    }

    /// The one thing that a step does.
    fn action(&mut self, spec: &StepSpec, at: &Pointer) -> Option<Action> {
        let said = [
            spec.shadow.map(|share| Said::Shadow(share.0)),
            spec.canary.map(|share| Said::Canary(share.0)),
            spec.live.map(Said::Live),
            spec.approval.as_ref().map(Said::Approval),
            spec.wait.as_deref().map(Said::Wait),
        ];
        let mut said = said.into_iter().flatten();
        match (said.next(), said.next()) {
            (Some(one), None) => self.said(one, at),
            (first, _) => {
                if first.is_some() || !self.findings.lost_below(at) {
                    let what = if first.is_some() { "several things" } else { "nothing" };
                    let message = format!("the step does {what}");
                    let hint =
                        "write one of `shadow`, `canary`, `live`, `approval`, `wait` and `cohorts`"
                            .to_owned();
                    self.findings.error_with_hint(at, "not_one_action", message, hint);
                }
                None
            }
        }
    }

    fn said(&mut self, said: Said<'_>, at: &Pointer) -> Option<Action> {
        match said {
            Said::Shadow(share) | Said::Canary(share) if share.is_none() => {
                let key = if matches!(said, Said::Shadow(_)) { "shadow" } else { "canary" };
                let hint =
                    "write a share such as `5%`; `turnout rollback` is the way back".to_owned();
                let message = "a step with nothing on the candidate leads nowhere";
                self.findings.error_with_hint(&at.key(key), "zero", message, hint);
                None
            }
            Said::Shadow(share) => Some(Action::Shadow(share)),
            Said::Canary(share) => Some(Action::Canary(share)),
            Said::Live(true) => Some(Action::Canary(Share::ALL)),
            Said::Live(false) => {
                let message = "`live: false` is no step";
                let hint = "write `live: true`, or leave it out".to_owned();
                self.findings.error_with_hint(&at.key("live"), "not_one_action", message, hint);
                None
            }
            Said::Approval(spec) => self.approval(spec, &at.key("approval")),
            Said::Wait(text) => self.wait(text, &at.key("wait")),
        }
    }

    fn approval(&mut self, spec: &ApprovalSpec, at: &Pointer) -> Option<Action> {
        let needed = usize::try_from(spec.needed).unwrap_or(usize::MAX);
        if needed == 0 {
            let message = "at least 1 person has to approve";
            self.findings.error(&at.key("needed"), "zero", message);
        }
        let mut people = spec.from.clone();
        people.sort();
        people.dedup();
        if people.len() < spec.from.len() {
            let message = "somebody is named twice";
            self.findings.error(&at.key("from"), "duplicate_name", message);
        }
        if !people.is_empty() && needed > people.len() {
            let message = format!("{needed} people are needed, and {} may approve", people.len());
            self.findings.error(&at.key("needed"), "too_few_people", message);
        }
        Some(Action::Approval(Approval {
            from: spec.from.clone(),
            needed,
            four_eyes: spec.four_eyes,
        }))
    }

    fn wait(&mut self, text: &str, at: &Pointer) -> Option<Action> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let days = match words.as_slice() {
            [days, "clean", "days" | "day"] => days.parse().ok(),
            _ => None,
        };
        let days = days.filter(|days| (1..=MOST_DAYS).contains(days));
        if days.is_none() {
            let message = format!("{text:?} is nothing to wait for");
            let hint = format!("write `7 clean days`; 1 to {MOST_DAYS} of them");
            self.findings.error_with_hint(at, "bad_wait", message, hint);
        }
        days.map(Action::CleanDays)
    }

    /// Shares of the same traffic only grow.
    fn goes_forward(&mut self, plan: &Plan, at: &Pointer) {
        for (place, step) in plan.steps.iter().enumerate() {
            let (Action::Canary(share), Some(before)) = (&step.action, place.checked_sub(1)) else {
                continue;
            };
            let same = plan.steps.get(before).is_some_and(|before| before.cohort == step.cohort);
            let before = plan.shares(before).canary.filter(|before| same && before >= share);
            if let Some(before) = before {
                let message = format!("step `{step}` does not go beyond the {before} before it");
                let hint = "write growing shares; `turnout rollback` is the way back".to_owned();
                self.findings.error_with_hint(at, "goes_back", message, hint);
            }
        }
    }
}

/// What holds for every step that says nothing else.
struct StepDefaults<'s> {
    spec: &'s RolloutSpec,
    gates: Gates,
    before: Vec<Hook>,
    after: Vec<Hook>,
}

/// What a step says that it does.
#[derive(Clone, Copy)]
enum Said<'s> {
    Shadow(Share),
    Canary(Share),
    Live(bool),
    Approval(&'s ApprovalSpec),
    Wait(&'s str),
}
