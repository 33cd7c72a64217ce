//! How is an upstream written? Targets, TLS, health checks, time-outs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;
use crate::live::TargetSpec;
use crate::units::Time;

/// A named pool of targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSpec {
    /// Its addresses.
    pub targets: Vec<TargetSpec>,
    /// Set where the targets speak TLS; `{}` is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// Whether targets are spoken to in HTTP/2.
    #[serde(default)]
    pub http2: bool,
    /// How targets are checked, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSpec>,
    /// How long each part of an exchange may take.
    #[serde(default)]
    pub timeouts: UpstreamTimeoutsSpec,
}

/// How connections to an upstream are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSpec {
    /// The name to ask for and to verify; a target's own host name where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Certificates to trust instead of the system's, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretRef>,
    /// Whether the certificate is not verified at all.
    pub insecure_skip_verify: bool,
}

/// How targets are checked from time to time: GET of a path, well when 2xx or 3xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthSpec {
    /// The path to ask for.
    pub path: String,
    /// The pause between two checks.
    #[serde(default = "HealthSpec::interval")]
    pub interval: Time,
    /// How long an answer may take.
    #[serde(default = "HealthSpec::timeout")]
    pub timeout: Time,
    /// So many good answers in a row make a target healthy again.
    #[serde(default = "HealthSpec::healthy_after")]
    pub healthy_after: u32,
    /// So many bad answers in a row make a target unhealthy.
    #[serde(default = "HealthSpec::unhealthy_after")]
    pub unhealthy_after: u32,
}

impl HealthSpec {
    const fn interval() -> Time {
        Time(Duration::from_secs(5))
    }

    const fn timeout() -> Time {
        Time(Duration::from_secs(2))
    }

    const fn healthy_after() -> u32 {
        2
    }

    const fn unhealthy_after() -> u32 {
        3
    }
}

/// How long each part of an exchange with an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTimeoutsSpec {
    /// Until a connection stands, TLS included.
    pub connect: Time,
    /// Between two reads of the answer.
    pub read: Time,
    /// For one write of the request.
    pub write: Time,
    /// How long an unused connection is kept.
    pub idle: Time,
}

impl Default for UpstreamTimeoutsSpec {
    fn default() -> Self {
        let seconds = |seconds| Time(Duration::from_secs(seconds));
        Self { connect: seconds(1), read: seconds(60), write: seconds(30), idle: seconds(30) }
    }
}
