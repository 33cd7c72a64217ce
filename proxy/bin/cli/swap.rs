//! How are an upstream's targets replaced or re-weighted?

use std::str::FromStr;

use clap::Args;
use http::Method;
use rules::UpstreamName;
use rules::upstream::Address;
use serde_json::json;

use super::args::ChangeArgs;
use super::ask::Ask;
use super::change::change;
use super::exit::{Exit, Failure};

/// Replace or re-weight an upstream's targets.
#[derive(Debug, Args)]
#[command(after_help = "\
The targets given are all that the upstream has from then on. Requests in flight end where they began.

  turnout swap api 10.0.0.12:3000 --why \"new host\"
  turnout swap api 10.0.0.11:3000=9 10.0.0.12:3000=1 --why \"a tenth on the new host\"")]
pub(crate) struct SwapArgs {
    /// The upstream's name
    #[arg(value_name = "UPSTREAM")]
    upstream: UpstreamName,
    /// A target, `host:port` or `host:port=weight`
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<Target>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// A target as written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    address: Address,
    weight: u16,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, weight) = text.split_once('=').unwrap_or((text, "1"));
        let weight = weight
            .parse()
            .map_err(|_invalid| format!("{weight:?} is not a weight: write a number such as 10"))?;
        Ok(Self { address: address.parse().map_err(|error| format!("{error}"))?, weight })
    }
}

/// Replaces an upstream's targets.
pub(crate) fn run(args: &SwapArgs) -> Result<Exit, Failure> {
    let target =
        |target: &Target| json!({"address": target.address.to_string(), "weight": target.weight});
    let targets: Vec<_> = args.targets.iter().map(target).collect();
    let body = json!({"targets": targets, "why": args.change.why});
    let ask = Ask::json(Method::PUT, format!("/v1/upstreams/{}/targets", args.upstream), &body);
    change(&args.change, ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_a_weight_or_weigh_one() {
        let target = |text: &str| text.parse::<Target>();
        assert_eq!(target("10.0.0.1:80").unwrap().weight, 1);
        assert_eq!(target("api:3000=9").unwrap().weight, 9);
        assert_eq!(target("[::1]:3000=2").unwrap().address.to_string(), "[::1]:3000");
        assert!(target("api").unwrap_err().contains("host:port"));
        assert!(target("api:3000=many").unwrap_err().contains("not a weight"));
    }
}
