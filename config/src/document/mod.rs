//! The file as written.
//!
//! [`Document`] is the whole; [`access`] says who may command, [`store`] where the state is; [`upstream`] (with its
//! [`protection`]), [`route`] (with its rules to [`compare`] by) and [`rollout`] are its large parts, [`listener`] and
//! [`limits`] are about clients, [`issuer`] about their tokens, [`flag`] is what tenants have beside routes, [`ofrep`] where services ask for it, [`forms`] holds
//! what can be written in more than one way, [`samples`] says what is kept of answers all the same, and [`secret`] what must
//! never be printed. Maps keep the order in which they are written.

pub mod access;
pub mod compare;
pub mod external;
pub mod flag;
pub mod forms;
pub mod issuer;
pub mod limits;
pub mod listener;
pub mod ofrep;
pub mod protection;
pub mod rollout;
pub mod route;
pub mod samples;
pub mod secret;
pub mod store;
pub mod upstream;

mod origin;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Time};
pub use access::{AccessScope, CertifiedName, ControlSpec, SubjectSpec, TokenSpec};
pub use external::{ExternalSpec, NotificationSpec};
pub use flag::FlagSpec;
pub use issuer::IssuerSpec;
use limits::{ClientTimeoutsSpec, LimitsSpec};
pub use listener::{ListenerSpec, ServerTlsSpec, StatusSpec};
pub use ofrep::OfrepSpec;
pub use origin::Origin;
pub(crate) use origin::is_lost;
pub use rollout::RolloutSpec;
pub use route::RouteSpec;
pub use samples::SamplesSpec;
pub use store::{RedisSpec, RedisTlsSpec, StoreSpec};
pub use upstream::UpstreamSpec;

/// The configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Turnout configuration")]
pub struct Document {
    /// The version of this format: 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Where clients are served.
    #[serde(default = "default_listeners")]
    pub listeners: Vec<ListenerSpec>,
    /// Where the control API is served, and who may use it.
    #[serde(default = "default_control")]
    pub control: ControlSpec,
    /// Whether the control API may listen beyond loopback although nobody has to say who they are. It warns each hour.
    #[serde(default)]
    pub insecure_control: bool,
    /// Where health and metrics are served.
    #[serde(default = "default_status")]
    pub status: StatusSpec,
    /// Where services ask for flags, beside the control API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ofrep: Option<OfrepSpec>,
    /// Where the state is kept.
    #[serde(default)]
    pub store: StoreSpec,
    /// The networks of peers whose identity and forwarding headers are believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// How much clients may take.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// How long clients may take.
    #[serde(default)]
    pub timeouts: ClientTimeoutsSpec,
    /// Whether each request gets a line in the log.
    #[serde(default = "yes")]
    pub access_log: bool,
    /// Worker threads of the proxy; as many as there are cores where none are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How long requests in flight may take to finish at shutdown.
    #[serde(default = "default_drain")]
    pub drain: Time,
    /// How long connections are still accepted at shutdown, once the process says that it is no longer ready: as long as
    /// load balancers take to notice.
    #[serde(default = "no_delay")]
    pub drain_delay: Time,
    /// Bounds of all shadow traffic together.
    #[serde(default)]
    pub shadow: ShadowLimitsSpec,
    /// With which key samples of differences are encrypted; needed where a route keeps any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<SamplesSpec>,
    /// Tenants with their attributes. Only those named here may be seen in metrics and logs.
    #[serde(default)]
    pub tenants: IndexMap<String, IndexMap<String, String>>,
    /// Who signs tokens, for routes that ask for one.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub issuers: IndexMap<String, IssuerSpec>,
    /// Named sets of tenants or requests. Where a request belongs to several, the first one here counts.
    #[serde(default)]
    pub cohorts: IndexMap<String, CohortSpec>,
    /// Named values that each tenant has, for routes and for the services that ask.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub flags: IndexMap<String, FlagSpec>,
    /// Named pools of targets.
    #[serde(default)]
    pub upstreams: IndexMap<String, UpstreamSpec>,
    /// Plans by which traffic moves to a candidate step by step.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub rollouts: IndexMap<String, RolloutSpec>,
    /// Other systems, which gates of rollouts ask and webhooks and notifications tell.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub externals: IndexMap<String, ExternalSpec>,
    /// Who is told of what rollouts do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationSpec>,
    /// Which requests go where.
    pub routes: IndexMap<String, RouteSpec>,
    /// Where the document comes from.
    #[serde(skip)]
    pub origin: Origin,
}

/// Bounds of all shadow traffic together. What is over them is dropped and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShadowLimitsSpec {
    /// Copies on their way at the same time.
    pub max_in_flight: usize,
    /// Bytes of bodies that are kept for copies and comparisons.
    pub max_bytes: ByteSize,
}

impl Default for ShadowLimitsSpec {
    fn default() -> Self {
        Self { max_in_flight: 1024, max_bytes: ByteSize(64 << 20) }
    }
}

/// A named set of tenants: exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CohortSpec {
    /// These tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// The tenants that have all of these attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<IndexMap<String, String>>,
    /// The requests of which this header says so; believed only from `trusted_proxies`. Flags cannot be set for such a cohort.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What the header has among other values, parted by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has: Option<String>,
    /// What the header says in whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}

impl CohortSpec {
    /// Whether it is a set of tenants; else it is one of requests.
    #[must_use]
    pub const fn is_of_tenants(&self) -> bool {
        self.header.is_none()
    }
}

const fn first_version() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

fn default_listeners() -> Vec<ListenerSpec> {
    vec![ListenerSpec::at("0.0.0.0:7080")]
}

fn default_control() -> ControlSpec {
    ControlSpec::at("127.0.0.1:7081")
}

fn default_status() -> StatusSpec {
    StatusSpec::at("0.0.0.0:7082")
}

const fn default_drain() -> Time {
    Time(std::time::Duration::from_secs(30))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) const fn is_false(value: &bool) -> bool {
    !*value
}

const fn no_delay() -> Time {
    Time(std::time::Duration::ZERO)
}
