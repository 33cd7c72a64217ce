//! What is compared? One file per scenario, each with its letter.

pub(crate) mod canary;
mod curves;
mod failing;
mod gate;
mod idle;
mod pass;
mod shadow;
mod swaps;
mod tls;

use crate::outcome::{Chapter, Result};
use crate::stage::Stage;

/// A scenario that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Pass-through: a small GET, a POST, a large answer.
    #[value(name = "a", alias = "pass")]
    Pass,
    /// A canary of 5 % with 1,000 routes and 10,000 tenants' shifts.
    #[value(name = "b", alias = "canary")]
    Canary,
    /// Shadows with comparison.
    #[value(name = "c", alias = "shadow")]
    Shadow,
    /// Shadows that are dead, slow or never answer.
    #[value(name = "d", alias = "failing")]
    Failing,
    /// TLS, HTTP/1.1 and HTTP/2.
    #[value(name = "e", alias = "tls")]
    Tls,
    /// 1,000 and 10,000 idle connections.
    #[value(name = "f", alias = "idle")]
    Idle,
    /// 10,000 swaps under load.
    #[value(name = "g", alias = "swaps")]
    Swaps,
    /// Cost against the number of routes and tenants, and against the size of bodies.
    #[value(name = "h", alias = "curves")]
    Curves,
    /// What Turnout's byte gate costs (`make bench-gate`).
    Gate,
}

impl Scenario {
    /// All that `make bench` measures.
    pub(crate) const ALL: [Self; 8] = [
        Self::Pass,
        Self::Canary,
        Self::Shadow,
        Self::Failing,
        Self::Tls,
        Self::Idle,
        Self::Swaps,
        Self::Curves,
    ];
    /// What a quick run measures.
    pub(crate) const QUICK: [Self; 3] = [Self::Pass, Self::Shadow, Self::Tls];

    pub(crate) const fn letter(self) -> &'static str {
        match self {
            Self::Pass => "a",
            Self::Canary => "b",
            Self::Shadow => "c",
            Self::Failing => "d",
            Self::Tls => "e",
            Self::Idle => "f",
            Self::Swaps => "g",
            Self::Curves => "h",
            Self::Gate => "gate",
        }
    }

    pub(crate) async fn run(self, stage: &Stage) -> Result<Chapter> {
        match self {
            Self::Pass => pass::run(stage).await,
            Self::Canary => canary::run(stage).await,
            Self::Shadow => shadow::run(stage).await,
            Self::Failing => failing::run(stage).await,
            Self::Tls => tls::run(stage).await,
            Self::Idle => idle::run(stage).await,
            Self::Swaps => swaps::run(stage).await,
            Self::Curves => curves::run(stage).await,
            Self::Gate => gate::run(stage).await,
        }
    }
}
