//! How does an upstream look?

use std::sync::Arc;

use rules::Upstream;
use rules::upstream::Target;
use serde::Serialize;
use utoipa::ToSchema;

use crate::ledger::Present;

/// A pool of targets as it serves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpstreamView {
    /// Its name.
    name: String,
    /// Its targets.
    targets: Vec<TargetView>,
    /// Whether a command's targets stand in for the configuration's.
    overridden: bool,
}

/// One address of an upstream.
#[derive(Debug, Serialize, ToSchema)]
struct TargetView {
    /// `host:port`.
    address: String,
    /// How many of the upstream's requests it gets, relative to the others.
    weight: u16,
    /// Whether health checks find it well.
    healthy: bool,
    /// What its name stands for now.
    resolved: Vec<String>,
}

impl UpstreamView {
    pub(crate) fn all(present: &Present) -> Vec<Self> {
        let overrides = &present.desired.live.targets;
        let view = |upstream: &Arc<Upstream>| Self {
            name: upstream.name.to_string(),
            targets: upstream.targets.iter().map(target).collect(),
            overridden: overrides.contains_key(&upstream.name),
        };
        present.compiled.snapshot.upstreams.iter().map(view).collect()
    }
}

fn target(target: &Target) -> TargetView {
    TargetView {
        address: target.address.to_string(),
        weight: target.weight,
        healthy: target.state.is_healthy(),
        resolved: target.state.addresses().iter().map(ToString::to_string).collect(),
    }
}
