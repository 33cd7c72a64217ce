//! What is posted of rollouts? What happened, for machines or in one line; never anything of anybody's request.

use config::Plan;
use config::document::external::FormatSpec;
use config::plan::{Hook, Moment};
use rules::RouteName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::news::News;
use super::signature::delivery;
use crate::command::Scope;
use crate::rollout::{Place, Rollout};

/// A message, as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// What it is known by, in each attempt.
    pub(crate) delivery: String,
    /// What it says.
    pub(crate) body: String,
    /// What it is about: an event of a rollout, `notify` or `confirm`.
    pub(crate) event: String,
    /// Whose rollout.
    pub(crate) rollout: String,
}

impl Message {
    /// Asks whether a rollout may go on from its step.
    pub(crate) fn confirmation(
        place: &Place,
        rollout: &Rollout,
        plan: &Plan,
        (moment, hook): (Moment, &Hook),
    ) -> Self {
        let step = match moment {
            Moment::After => rollout.step,
            Moment::Before => rollout.step.saturating_add(1),
        };
        let begun = rollout.begun.to_string();
        let asked = place_of_hook(hook);
        let delivery = delivery(&[
            "confirm",
            moment.as_str(),
            &asked,
            &place.to_string(),
            &rollout.generation.to_string(),
            &rollout.step.to_string(),
            &begun,
        ]);
        let mut body = about(place, rollout, plan, step);
        put(&mut body, "event", json!("confirm"));
        put(&mut body, "when", json!(moment.as_str()));
        put(&mut body, "delivery", json!(delivery));
        let (body, rollout) = (body.to_string(), place.to_string());
        Self { delivery, body, event: "confirm".to_owned(), rollout }
    }

    /// Tells of what happened, to one that is told.
    pub(super) fn news(news: &News, to: &str, format: FormatSpec) -> Self {
        let of = [to, &news.revision.0.to_string(), &news.place.to_string(), news.event.as_str()];
        let delivery = delivery(&of);
        let body = match format {
            FormatSpec::Webhook => {
                let mut body = whole(news, news.rollout.step);
                put(&mut body, "event", json!(news.event.as_str()));
                put(&mut body, "delivery", json!(delivery));
                body
            }
            FormatSpec::Slack => json!({"text": line(news)}),
        };
        let (body, rollout) = (body.to_string(), news.place.to_string());
        Self { delivery, body, event: news.event.as_str().to_owned(), rollout }
    }

    /// Tells that a step ended or begins.
    pub(super) fn step(news: &News, step: usize, (moment, hook): (Moment, &Hook)) -> Self {
        let asked = place_of_hook(hook);
        let delivery = delivery(&[
            "notify",
            moment.as_str(),
            &asked,
            &news.place.to_string(),
            &news.revision.0.to_string(),
            &step.to_string(),
        ]);
        let mut body = whole(news, step);
        put(&mut body, "event", json!("notify"));
        put(&mut body, "when", json!(moment.as_str()));
        put(&mut body, "delivery", json!(delivery));
        let (body, rollout) = (body.to_string(), news.place.to_string());
        Self { delivery, body, event: "notify".to_owned(), rollout }
    }
}

fn place_of_hook(hook: &Hook) -> String {
    format!("{} {}", hook.external, hook.path.as_deref().unwrap_or_default())
}

fn whole(news: &News, step: usize) -> Value {
    let plan = news.rollout.plan();
    let mut body = match &plan {
        Some(plan) => about(&news.place, &news.rollout, plan, step),
        None => json!({"route": news.place.route.as_str(), "plan": news.rollout.plan}),
    };
    put(&mut body, "phase", json!(news.rollout.phase.as_str()));
    put(&mut body, "at", json!(news.at.to_string()));
    put(&mut body, "revision", json!(news.revision.0));
    put(&mut body, "actor", json!(news.actor));
    put(&mut body, "why", json!(news.why));
    put(&mut body, "summary", json!(news.summary));
    body
}

fn about(place: &Place, rollout: &Rollout, plan: &Plan, step: usize) -> Value {
    let (cohort, tenant) = match &place.scope {
        Scope::Route => (None, None),
        Scope::Cohort(name) => (Some(name.as_str()), None),
        Scope::Tenant(id) => (None, Some(id.as_str())),
    };
    json!({
        "route": RouteName::as_str(&place.route),
        "cohort": cohort,
        "tenant": tenant,
        "plan": rollout.plan,
        "generation": rollout.generation,
        "step": step.saturating_add(1),
        "steps": plan.steps.len(),
        "does": plan.steps.get(step).map(ToString::to_string),
    })
}

fn put(body: &mut Value, key: &str, value: Value) {
    if let Some(map) = body.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

/// `sms: rollout, step 2 of 4: canary 5% (by ann: parity was fine)`, with what Slack would take for its own taken out.
fn line(news: &News) -> String {
    let why = if news.why.is_empty() { String::new() } else { format!(": {}", news.why) };
    let text = format!("{} (by {}{why})", news.summary, news.actor);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
