//! How is an upstream written? Targets, TLS, health checks, time-outs; what keeps it from harm is in `protection`.

use std::time::Duration;

use rules::upstream::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listener::CertificateSpec;
use super::protection::{BreakerSpec, PassiveSpec, RetrySpec};
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
    /// When a target that fails requests is left out.
    #[serde(default)]
    pub passive: PassiveSpec,
    /// How many connections may be in use; what exceeds that is answered with 503. A request in flight is one in HTTP/1,
    /// and 128 requests share one in HTTP/2.
    #[serde(default = "UpstreamSpec::max_connections")]
    pub max_connections: u32,
    /// How many requests may wait for a connection to be made; what exceeds that is answered with 503.
    #[serde(default = "UpstreamSpec::max_pending")]
    pub max_pending: u32,
    /// When the upstream is not asked at all for a while.
    #[serde(default)]
    pub breaker: BreakerSpec,
    /// How many requests are tried again, on another target.
    #[serde(default)]
    pub retry: RetrySpec,
}

impl UpstreamSpec {
    fn max_connections() -> u32 {
        Limits::default().max_connections
    }

    fn max_pending() -> u32 {
        Limits::default().max_pending
    }
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
    /// What Turnout itself shows to targets that ask for a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<CertificateSpec>,
    /// Whether the certificate is not verified at all.
    pub insecure_skip_verify: bool,
}

/// How targets are checked from time to time: by GET of a path, or by a connection alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthSpec {
    /// The path to ask for; well when the answer is 2xx or 3xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Instead of a path: well when a connection stands.
    #[serde(default)]
    pub tcp: bool,
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
    /// So many answers, one right after the other, make one good check of a target that is new or was sick: they warm it
    /// up before it serves.
    #[serde(default = "HealthSpec::warm")]
    pub warm: u32,
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

    const fn warm() -> u32 {
        1
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
