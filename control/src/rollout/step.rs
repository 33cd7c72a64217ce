//! What is the next move? Pure: where a rollout stands, what was seen and the clock always give the same answer.

use std::borrow::Cow;
use std::time::Duration;

use config::Plan;
use config::document::rollout::{AtDeadlineSpec, OnFailSpec};
use config::plan::{Action, Approval, Step};
use jiff::Timestamp;
use rules::Arm;
use rules::gate::absolute::absolute;
use rules::gate::burn::fast_burn;
use rules::gate::sli::{sample, tenants};
use rules::gate::{ExternalRules, Finding, Grounds, Rule, Tallies, Tally, Verdict};

use super::progress::{BREAK_MS, DayLook};
use super::readings::Heard;
use super::{Phase, Progress, Readings, Rollout};

/// What a look came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What the step has seen with it.
    pub progress: Progress,
    /// The arm that the candidate is compared with; findings call what it did stable's.
    pub control: Arm,
    /// What every gate says.
    pub findings: Vec<Named>,
    /// What the step still waits for.
    pub waits: Vec<Wait>,
    /// Whether everything is there but what others have to confirm.
    pub ready: bool,
    /// What is to be done, if anything.
    pub next: Option<Move>,
}

/// A gate's finding, with its name as the plan writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// `error_rate`, `p95`, `p99`, `parity`, `fast_burn`, `min_requests`, `min_tenants`, an external gate's own, or `confirm/` and who is
    /// asked to.
    pub gate: Cow<'static, str>,
    /// What it says.
    pub finding: Finding,
    /// What people should know of it beside.
    pub note: Option<Cow<'static, str>>,
}

impl Named {
    /// A finding of a gate that is named here.
    #[must_use]
    pub const fn of(gate: &'static str, finding: Finding) -> Self {
        Self { gate: Cow::Borrowed(gate), finding, note: None }
    }
}

/// What is to be done. Each is a command that people could give as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Go one step further: everything that was asked for is there.
    Promote,
    /// Stay here until people decide.
    Pause(Because),
    /// Back to stable.
    Rollback(Because),
}

/// Why a rollout does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// A gate fails.
    Failed,
    /// The step's time is up.
    Late,
}

/// What a step still waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// Its shortest time.
    Time {
        /// When that is over, in milliseconds since 1970.
        until_unix_ms: i64,
    },
    /// A gate.
    Gate {
        /// Its name.
        gate: Cow<'static, str>,
        /// By which of its rules.
        rule: Rule,
        /// How many further requests it needs, where that can be said.
        needs: Option<u64>,
        /// What people should know of it beside.
        note: Option<Cow<'static, str>>,
    },
    /// A window, or a freeze's end.
    Closed {
        /// The first moment at which it may go on; none where there is none for years.
        until_unix_ms: Option<i64>,
    },
    /// People.
    Approvals {
        /// How many more.
        needed: usize,
    },
    /// Clean days.
    Days {
        /// Those that there were.
        clean: u32,
        /// Those that there must be.
        needed: u32,
    },
    /// Requests: an arm had none for a minute, or a node says nothing.
    Requests,
}

/// Looks at a rollout that is under way.
#[must_use]
pub fn step(
    rollout: &Rollout,
    plan: &Plan,
    kept: Option<Progress>,
    readings: &Readings,
    now: Timestamp,
) -> Option<Seen> {
    let step = plan.steps.get(rollout.step).filter(|_| !rollout.phase.is_over())?;
    let mut progress = Progress::of(rollout, &step.gates, kept);
    progress.take(&step.gates, readings);
    let traffic = Traffic::of(plan, rollout.step);
    let look = Look { rollout, plan, step, readings, traffic, now: now.as_millisecond() };
    look.note(&mut progress);
    let mut findings = look.findings(&progress);
    let failed = gravest(&findings) == Verdict::Fail;
    look.count_day(&mut progress, failed);
    let mut waits = look.waits(&progress, &findings);
    let ready = waits.is_empty() && !failed && rollout.phase == Phase::Running;
    for confirmation in look.confirmations(ready) {
        waits.extend((confirmation.finding.verdict != Verdict::Pass).then(|| wait(&confirmation)));
        findings.push(confirmation);
    }
    let next = look.next(failed, &waits);
    Some(Seen { progress, control: readings.control, findings, waits, ready, next })
}

fn gravest(findings: &[Named]) -> Verdict {
    rules::gate::verdict::gravest(findings.iter().map(|named| &named.finding))
}

/// What should go where, by the plan.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    candidate: bool,
    stable: bool,
    copies: bool,
}

impl Traffic {
    fn of(plan: &Plan, place: usize) -> Self {
        let shares = plan.shares(place);
        let (canary, shadow) =
            (shares.canary.unwrap_or_default(), shares.shadow.unwrap_or_default());
        let stable = !canary.is_all();
        Self { candidate: !canary.is_none(), stable, copies: stable && !shadow.is_none() }
    }
}

struct Look<'l> {
    rollout: &'l Rollout,
    plan: &'l Plan,
    step: &'l Step,
    readings: &'l Readings,
    traffic: Traffic,
    now: i64,
}

impl Look<'_> {
    /// Whether everything had requests that should have.
    fn has_data(&self) -> bool {
        let Tallies { candidate, stable } = self.readings.errors;
        let (wanted, got) = if self.traffic.candidate {
            (self.traffic.stable, candidate.total > 0)
        } else {
            (false, !self.traffic.copies || self.readings.exchanges.total > 0)
        };
        got && (!wanted || stable.total > 0) && !self.readings.incomplete
    }

    fn note(&self, progress: &mut Progress) {
        if self.has_data() {
            progress.data_unix_ms = Some(self.now);
        }
    }

    fn count_day(&self, progress: &mut Progress, failed: bool) {
        let before = progress.looked_unix_ms.unwrap_or(self.now);
        let watched_ms = self.now.saturating_sub(before);
        let watched_ms =
            if watched_ms <= BREAK_MS && !self.readings.incomplete { watched_ms } else { 0 };
        let requests = self.readings.errors.candidate.total;
        let look = DayLook { requests, watched_ms, failed };
        progress.days.take(self.now, look, self.step.gates.smallest);
        progress.looked_unix_ms = Some(self.now);
    }

    fn findings(&self, progress: &Progress) -> Vec<Named> {
        let mut found = Vec::new();
        let mut add = |gate, finding| found.push(Named::of(gate, finding));
        let gates = &self.step.gates;
        for node in &self.readings.half_minute {
            let finding = fast_burn(*node);
            if finding.verdict == Verdict::Fail {
                add("fast_burn", finding);
            }
        }
        if self.traffic.candidate {
            let tests = 1 + gates.latencies.len();
            let anew =
                self.plan.resets().saturating_add(usize::try_from(self.rollout.begun).unwrap_or(0));
            let compared = self.traffic.stable;
            let test = progress.errors.test(&gates.errors);
            let dispersion = progress.errors.dispersion();
            for finding in test.findings(&gates.errors, (tests, anew), dispersion, compared) {
                add("error_rate", finding);
            }
            for (counted, gate) in progress.latencies.iter().zip(&gates.latencies) {
                let test = counted.test(&gate.rules);
                let dispersion = counted.dispersion();
                for finding in test.findings(&gate.rules, (tests, anew), dispersion, compared) {
                    add(gate.name(), finding);
                }
            }
        }
        if let Some(limit) = gates.parity.filter(|_| self.traffic.copies) {
            let counted = || exchanges(progress.compared(), limit, gates.smallest);
            add("parity", self.readings.parity.map_or_else(counted, |parity| parity.finding()));
        }
        let seen = if self.traffic.candidate {
            progress.errors.seen()
        } else {
            Tallies { candidate: progress.compared(), stable: Tally::default() }
        };
        if self.traffic.candidate || self.traffic.copies {
            add("min_requests", sample(seen, gates.smallest));
        }
        if let Some(least) = gates.tenants.filter(|_| self.traffic.candidate) {
            let seen = progress.tenants_seen();
            let note = Some(format!("seen {seen} of {least} tenants").into());
            let finding = tenants(seen, least);
            found.push(Named { note, ..Named::of("min_tenants", finding) });
        }
        for (place, gate) in gates.externals.iter().enumerate() {
            let heard = self.readings.externals.get(place).and_then(Option::as_ref);
            found.push(named(gate.name.clone(), &gate.rules, heard));
        }
        found
    }

    /// What those say who have to confirm that it goes on. They are asked once everything else is there.
    fn confirmations(&self, ready: bool) -> Vec<Named> {
        let hooks = self.plan.confirmed_by(self.rollout.step).into_iter().enumerate();
        hooks
            .map(|(place, (_, hook))| {
                let heard = self.readings.confirmations.get(place).and_then(Option::as_ref);
                let name = format!("confirm/{}", hook.external);
                let mut named = named(name, &CONFIRMATION, heard.filter(|_| ready));
                if !ready {
                    named.note = Some("asked once everything else is there".into());
                }
                named
            })
            .collect()
    }

    /// What has to come before the next step. While people or days are waited for, gates only guard: they were passed by
    /// the steps before.
    fn waits(&self, progress: &Progress, findings: &[Named]) -> Vec<Wait> {
        let mut waits = Vec::new();
        let bake = i64::try_from(self.step.bake.as_millis()).unwrap_or(i64::MAX);
        let until_unix_ms = self.rollout.since_unix_ms.unwrap_or(self.now).saturating_add(bake);
        if self.now < until_unix_ms {
            waits.push(Wait::Time { until_unix_ms });
        }
        match &self.step.action {
            Action::Approval(approval) => waits.extend(self.approvals(approval)),
            Action::CleanDays(needed) if progress.days.clean < *needed => {
                waits.push(Wait::Days { clean: progress.days.clean, needed: *needed });
            }
            Action::CleanDays(_) => {}
            Action::Shadow(_) | Action::Canary(_) => {
                waits.extend(
                    findings.iter().filter(|one| one.finding.verdict != Verdict::Pass).map(wait),
                );
                let data = progress.data_unix_ms;
                if data.is_none_or(|data| self.now.saturating_sub(data) > BREAK_MS) {
                    waits.push(Wait::Requests);
                }
            }
        }
        if self.readings.incomplete && !waits.contains(&Wait::Requests) {
            waits.push(Wait::Requests);
        }
        waits.extend(self.closed());
        waits
    }

    fn approvals(&self, approval: &Approval) -> Option<Wait> {
        let needed = approval.needed.saturating_sub(self.rollout.approved_by.len());
        (needed > 0).then_some(Wait::Approvals { needed })
    }

    fn closed(&self) -> Option<Wait> {
        let now = Timestamp::from_millisecond(self.now).ok()?;
        if self.plan.calendar.is_open(now) {
            return None;
        }
        let until = self.plan.calendar.next_open(now);
        Some(Wait::Closed { until_unix_ms: until.map(Timestamp::as_millisecond) })
    }

    fn next(&self, failed: bool, waits: &[Wait]) -> Option<Move> {
        let paused = self.rollout.phase == Phase::Paused;
        if failed {
            return match self.step.on_fail {
                OnFailSpec::Rollback => Some(Move::Rollback(Because::Failed)),
                OnFailSpec::Hold => (!paused).then_some(Move::Pause(Because::Failed)),
            };
        }
        if paused {
            return None;
        }
        // Who wants it to go to its end does not wait for gates, but for windows.
        let promoting = self.rollout.phase == Phase::Promoting;
        if waits.iter().all(|wait| promoting && !matches!(wait, Wait::Closed { .. })) {
            return Some(Move::Promote);
        }
        let deadline = self.rollout.deadline_unix_ms?;
        (self.now >= deadline).then_some(match self.step.at_deadline {
            AtDeadlineSpec::Pause => Move::Pause(Because::Late),
            AtDeadlineSpec::Rollback => Move::Rollback(Because::Late),
        })
    }
}

fn wait(one: &Named) -> Wait {
    let Named { gate, finding, note } = one.clone();
    Wait::Gate { gate, rule: finding.rule, needs: finding.needs, note }
}

/// A confirmation that is missing is waited for, whatever the reason.
const CONFIRMATION: ExternalRules = ExternalRules {
    limit: None,
    stale_after: Duration::from_secs(30),
    unmet: Verdict::Hold,
    no_answer: Verdict::Hold,
};

fn named(gate: String, rules: &ExternalRules, heard: Option<&Heard>) -> Named {
    let finding = rules.finding(heard.map(|heard| heard.external));
    let note = match heard {
        None => Some("not answered yet".into()),
        Some(heard) => heard.note.clone(),
    };
    let note =
        if finding.grounds == Grounds::Stale { Some("its answer is too old".into()) } else { note };
    Named { gate: gate.into(), finding, note }
}

/// The verdict on compared exchanges, by counts alone.
fn exchanges(seen: Tally, limit: f64, smallest: u64) -> Finding {
    let seen = Tallies { candidate: seen, stable: Tally::default() };
    Finding { rule: Rule::Parity, ..absolute(seen, limit, smallest, 1.0) }
}
