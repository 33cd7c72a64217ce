//! What can be asked of the demo?

use clap::Args;

/// How the demo runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// End after the walk, with code 1 where a step did not show what it should; for CI
    #[arg(long)]
    pub(crate) once: bool,
    /// How many requests the clients send per second
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(50..=5_000))]
    pub(crate) rate: u32,
    /// Leave the temporary folder (configuration, state, log) when it is over
    #[arg(long)]
    pub(crate) keep: bool,
}
