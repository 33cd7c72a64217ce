//! Under which paths is a route known, and where do they lead? The canonical one, aliases, arms.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rules::Path;
use rules::matching::PathMatch;
use rules::normal::holds_encoded_slash;
use rules::route::{AfterSunset, Alias, ArmDefinition, EncodedSlash, Family, UpstreamId};

use super::conditions::regex;
use super::findings::{Findings, Pointer};
use crate::closest::did_you_mean;
use crate::document::RouteSpec;
use crate::document::forms::PathSpec;
use crate::document::route::{AfterSunsetSpec, AliasSpec, ArmSpec, EncodedSlashSpec};

/// More aliases than this nobody can keep apart.
const MOST_ALIASES: usize = 1_000;

/// What a route's paths may refer to.
pub(super) struct Around<'a> {
    /// The upstreams by name.
    pub(super) upstreams: &'a HashMap<&'a str, UpstreamId>,
    /// Now, in seconds since 1970.
    pub(super) now_unix: i64,
}

/// The families of a route, the canonical one first; none where the canonical path is wrong.
pub(super) fn families(
    spec: &RouteSpec,
    at: &Pointer,
    baseline: Option<UpstreamId>,
    around: &Around<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Family>> {
    let canonical = path_match(&spec.canonical, &at.key("canonical"), findings);
    let takes = |path: &Option<PathMatch>, at: &Pointer, findings: &mut Findings<'_>| {
        takes_its_path(spec, path.as_ref(), at, findings);
    };
    takes(&canonical, &at.key("canonical"), findings);
    let stable = arm(spec.stable.as_ref(), canonical.as_ref(), &at.key("stable"), around, findings);
    let candidate =
        arm(spec.candidate.as_ref(), canonical.as_ref(), &at.key("candidate"), around, findings);
    if spec.stable.is_none()
        && spec.redirect.is_none()
        && !findings.lost(&at.key("stable"))
        && !findings.lost(&at.key("redirect"))
    {
        let hint =
            "write `stable: {upstream: ..}`, or `redirect:` for a route without arms".to_owned();
        findings.error_with_hint(at, "no_stable", "the route has no stable arm", hint);
    }
    if spec.aliases.len() > MOST_ALIASES {
        let message = format!("{} aliases are more than {MOST_ALIASES}", spec.aliases.len());
        findings.error(&at.key("aliases"), "too_many", message);
    }
    let aliases: Vec<_> = spec
        .aliases
        .iter()
        .enumerate()
        .map(|(i, alias)| {
            let at = at.key("aliases").item(i);
            let path = path_match(&alias.path, &at.key("path"), findings);
            takes(&path, &at.key("path"), findings);
            let path =
                path.filter(|path| fits(path, canonical.as_ref(), &at.key("path"), findings));
            let own =
                arm(alias.stable.as_ref(), path.as_ref(), &at.key("stable"), around, findings);
            let dates = dates(spec, alias, &at, around, findings);
            (path, dates, own)
        })
        .collect();

    let canonical = canonical?;
    let beside = |family: Family, baseline: Option<UpstreamId>| match baseline {
        Some(upstream) => family.with_baseline(upstream),
        None => family,
    };
    let family =
        Family::new(canonical.clone(), &canonical, None, stable.as_ref(), candidate.as_ref());
    let mut families = vec![beside(family, baseline)];
    for (i, (path, dates, own)) in aliases.into_iter().enumerate() {
        let Some(path) = path else { continue };
        if families.iter().any(|family| family.path == path) {
            let message = format!("the alias `{path}` is already a path of this route");
            findings.error_with_hint(
                &at.key("aliases").item(i).key("path"),
                "duplicate_alias",
                message,
                "leave it out".to_owned(),
            );
        }
        let of_alias = own.as_ref().or(stable.as_ref());
        let family = Family::new(path, &canonical, Some(dates), of_alias, candidate.as_ref());
        // An alias with a stable arm of its own leads to another service, of which there is no fresh instance.
        families.push(beside(family, baseline.filter(|_| own.is_none())));
    }
    Some(families)
}

fn path_match(spec: &PathSpec, at: &Pointer, findings: &mut Findings<'_>) -> Option<PathMatch> {
    match spec {
        PathSpec::Prefix(path) => {
            findings.parsed(at, "bad_path", path.parse()).map(PathMatch::Prefix)
        }
        PathSpec::Exact(path) => {
            findings.parsed(at, "bad_path", path.parse()).map(PathMatch::Exact)
        }
        PathSpec::Regex(pattern) if pattern.is_empty() => {
            findings.error_with_hint(
                at,
                "bad_regex",
                "an empty expression matches every path",
                "write the prefix `/` if that is meant".to_owned(),
            );
            None
        }
        PathSpec::Regex(pattern) => regex(at, PathMatch::regex(pattern), findings),
    }
}

/// A public path that the route itself would refuse.
fn takes_its_path(
    spec: &RouteSpec,
    path: Option<&PathMatch>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    let Some(PathMatch::Prefix(path) | PathMatch::Exact(path)) = path else { return };
    if encoded_slash(spec.encoded_slash) == EncodedSlash::Refuse
        && holds_encoded_slash(path.as_str())
    {
        let message = format!("requests for `{path}` are refused, since it holds a slash as data");
        let hint = "write `encoded_slash: keep` on the route".to_owned();
        findings.error_with_hint(at, "encoded_slash", message, hint);
    }
}

/// Whether an alias's path can be mapped onto the canonical one.
fn fits(
    alias: &PathMatch,
    canonical: Option<&PathMatch>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> bool {
    let Some(canonical) = canonical else { return true };
    if matches!(canonical, PathMatch::Regex(_)) || matches!(alias, PathMatch::Regex(_)) {
        let hint = "name both paths, or make the alias a route of its own".to_owned();
        findings.error_with_hint(
            at,
            "alias_regex",
            "a regular expression cannot be mapped onto another path, so it has no aliases",
            hint,
        );
        return false;
    }
    if std::mem::discriminant(alias) != std::mem::discriminant(canonical) {
        let (kind, key) = match canonical {
            PathMatch::Exact(_) => ("an exact path", "exact"),
            PathMatch::Prefix(_) | PathMatch::Regex(_) => ("a prefix", "prefix"),
        };
        let message = format!("the canonical path is {kind}, so its aliases must be, too");
        findings.error_with_hint(at, "alias_kind", message, format!("write `path: {{{key}: ..}}`"));
        return false;
    }
    true
}

fn arm(
    spec: Option<&ArmSpec>,
    public: Option<&PathMatch>,
    at: &Pointer,
    around: &Around<'_>,
    findings: &mut Findings<'_>,
) -> Option<ArmDefinition> {
    let spec = spec?;
    let path = spec.path.as_ref().and_then(|path| {
        if let Some(PathMatch::Regex(_)) = public {
            let message = "the route's path is a regular expression, which cannot be mapped onto the path of an arm";
            let hint = "leave the path out: requests go through as they come".to_owned();
            findings.error_with_hint(&at.key("path"), "arm_path_regex", message, hint);
        }
        findings.parsed(&at.key("path"), "bad_path", path.parse::<Path>())
    });
    let upstream = upstream_named(&spec.upstream, &at.key("upstream"), around, findings);
    Some(ArmDefinition { upstream: upstream?, path })
}

/// The upstream of a name that something in the file refers to.
pub(super) fn upstream_named(
    name: &str,
    at: &Pointer,
    around: &Around<'_>,
    findings: &mut Findings<'_>,
) -> Option<UpstreamId> {
    let upstream = around.upstreams.get(name).copied();
    if upstream.is_none() && !findings.lost(&Pointer::root().key("upstreams").key(name)) {
        let message = format!("unknown upstream `{name}`");
        let mut known: Vec<&str> = around.upstreams.keys().copied().collect();
        known.sort_unstable();
        let hint = did_you_mean(name, known.iter().copied())
            .or_else(|| Some("define it under `upstreams`".to_owned()));
        findings.error_with_hint(at, "unknown_upstream", message, hint);
    }
    upstream
}

fn dates(
    route: &RouteSpec,
    alias: &AliasSpec,
    at: &Pointer,
    around: &Around<'_>,
    findings: &mut Findings<'_>,
) -> Alias {
    let deprecated =
        alias.deprecated.as_ref().and_then(|text| date(text, &at.key("deprecated"), findings));
    let sunset = alias.sunset.as_ref().and_then(|text| date(text, &at.key("sunset"), findings));
    if alias.deprecated.is_none() && !findings.lost(&at.key("deprecated")) {
        let message =
            "without a date, clients are told that the alias has been deprecated since 1970";
        findings.warning(
            at,
            "no_deprecation_date",
            message,
            "write `deprecated: 2026-01-31`".to_owned(),
        );
    }
    if let (Some(deprecated), Some(sunset)) = (deprecated, sunset)
        && sunset < deprecated
    {
        findings.error_with_hint(
            &at.key("sunset"),
            "sunset_before_deprecation",
            "the alias would go away before it is deprecated",
            "RFC 8594: the sunset comes at the deprecation or later".to_owned(),
        );
    }
    if let Some(sunset) = sunset
        && sunset <= around.now_unix
        && route.after_sunset.is_none()
    {
        findings.error_with_hint(
            &at.key("sunset"),
            "past_sunset",
            "the sunset is past, and the route does not say what happens then",
            "write `after_sunset: serve`, `redirect` or `gone` on the route".to_owned(),
        );
    }
    Alias { deprecated_unix: deprecated.unwrap_or(0), sunset_unix: sunset }
}

/// Seconds since 1970 of a day (its first moment in UTC), or of a moment.
fn date(text: &str, at: &Pointer, findings: &mut Findings<'_>) -> Option<i64> {
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        // A moment without an offset would mean another one on every machine.
        let is_day = text.parse::<DateTime>().is_ok() && text.len() == "2026-01-31".len();
        let day = text.parse::<Date>().ok().filter(|_| is_day)?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    if moment.is_none() {
        let message = format!("{text:?} is not a date");
        let hint = "write `2026-01-31`, or with a time `2026-01-31T12:00:00Z`".to_owned();
        findings.error_with_hint(at, "bad_date", message, hint);
    }
    moment.map(Timestamp::as_second)
}

pub(super) const fn after_sunset(spec: Option<AfterSunsetSpec>) -> AfterSunset {
    match spec {
        None | Some(AfterSunsetSpec::Serve) => AfterSunset::Serve,
        Some(AfterSunsetSpec::Redirect) => AfterSunset::Redirect,
        Some(AfterSunsetSpec::Gone) => AfterSunset::Gone,
    }
}

pub(super) const fn encoded_slash(spec: Option<EncodedSlashSpec>) -> EncodedSlash {
    match spec {
        None | Some(EncodedSlashSpec::Refuse) => EncodedSlash::Refuse,
        Some(EncodedSlashSpec::Keep) => EncodedSlash::Keep,
    }
}
