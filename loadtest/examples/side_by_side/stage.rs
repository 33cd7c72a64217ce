//! What all scenarios share: origins, programs, and how much is asked.

use std::time::Duration;

use loadtest::load::Plan;
use loadtest::origin::{Fixed, Manner};
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::outcome::Result;
use crate::peer::{Job, Programs};
use crate::template::Filling;

/// How much is asked, so that a whole run takes a quarter of an hour, or a quick one two minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// How many rounds are counted; one more goes before them, which opens connections and warms caches.
    pub(crate) rounds: usize,
    /// How long a contestant is asked in each round.
    pub(crate) turn: Duration,
    /// How many tenants have a shift of their own.
    pub(crate) tenants: usize,
    /// How many times targets are swapped in each round.
    pub(crate) swaps: usize,
}

impl Extent {
    pub(crate) const WHOLE: Self =
        Self { rounds: 5, turn: Duration::from_secs(1), tenants: 10_000, swaps: 2_000 };
    pub(crate) const QUICK: Self =
        Self { rounds: 3, turn: Duration::from_millis(500), tenants: 500, swaps: 200 };
}

/// What stands around the contestants.
pub(crate) struct Stage {
    pub(crate) programs: Programs,
    /// Where they are.
    _folder: TempDir,
    pub(crate) extent: Extent,
    /// The old service.
    pub(crate) stable: Fixed,
    /// The new one.
    pub(crate) candidate: Fixed,
    /// What listeners with TLS show.
    pub(crate) certificate: Certificate,
}

impl Stage {
    pub(crate) async fn set(programs: Programs, extent: Extent) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self {
            programs: programs.installed(folder.path())?,
            _folder: folder,
            extent,
            stable: Fixed::start("stable", Manner::default()).await?,
            candidate: Fixed::start("candidate", Manner::default()).await?,
            certificate: Certificate::make()?,
        })
    }

    /// What every configuration may name, unless the scenario named it before.
    pub(crate) fn fill(&self, filling: Filling) -> Filling {
        self.certificate
            .fill(filling)
            .address("STABLE", self.stable.address())
            .address("CANDIDATE", self.candidate.address())
    }

    /// A plan with what the job asks of connections.
    pub(crate) fn plan(&self, plan: Plan, job: Job) -> Plan {
        match job {
            Job::Pass | Job::Canary | Job::Shadow => plan,
            Job::Tls => Plan { trusted: Some(self.certificate.der()), ..plan },
        }
    }
}
