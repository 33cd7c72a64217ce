//! Where does a route without arms send its clients?

use rules::matching::PathMatch;
use rules::route::Redirect;
use rules::{Path, Rewrite};

use super::filters::authority;
use super::findings::{Findings, Pointer};
use crate::document::RouteSpec;
use crate::document::route::RedirectSpec;

/// The redirect of a route that has no arms.
pub(super) fn redirect(
    route: &RouteSpec,
    spec: &RedirectSpec,
    canonical: &PathMatch,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Redirect {
    let here = at.key("redirect");
    if route.stable.is_some() || route.candidate.is_some() {
        let hint = "keep either `redirect`, or `stable` and `candidate`".to_owned();
        findings.error_with_hint(
            &here,
            "redirect_with_arms",
            "a route that redirects has no arms",
            hint,
        );
    }
    if !route.aliases.is_empty() {
        let hint = "give each path a redirecting route of its own".to_owned();
        findings.error_with_hint(
            &at.key("aliases"),
            "redirect_with_aliases",
            "a route that redirects has no aliases",
            hint,
        );
    }
    if !matches!(spec.status, 301 | 302 | 303 | 307 | 308) {
        let message = format!("{} is not a redirect", spec.status);
        findings.error_with_hint(
            &here.key("status"),
            "bad_status",
            message,
            "write 301, 302, 303, 307 or 308".to_owned(),
        );
    }
    if let Some(host) = &spec.host {
        authority(host, &here.key("host"), findings);
    }
    let rewrite = rewrite(spec.path.as_deref(), canonical, &here.key("path"), findings);
    let lost = findings.lost_below(&here);
    if spec.scheme.is_none() && spec.host.is_none() && rewrite == Some(Rewrite::Keep) && !lost {
        let hint = "give another `scheme`, `host` or `path`".to_owned();
        findings.error_with_hint(
            &here,
            "redirect_to_itself",
            "this redirects to where the request came",
            hint,
        );
    }
    Redirect {
        status: spec.status,
        scheme: spec.scheme.map(|scheme| scheme.as_str().into()),
        host: spec.host.as_deref().map(Into::into),
        rewrite: rewrite.unwrap_or(Rewrite::Keep),
    }
}

fn rewrite(
    path: Option<&str>,
    canonical: &PathMatch,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Rewrite> {
    let Some(path) = path else { return Some(Rewrite::Keep) };
    let to: Path = findings.parsed(at, "bad_path", path.parse())?;
    match canonical {
        PathMatch::Prefix(from) => Some(Rewrite::prefix(from, &to)),
        PathMatch::Exact(from) => Some(Rewrite::whole(from, &to)),
        PathMatch::Regex(_) => {
            let message = "the route's path is a regular expression, which cannot be mapped onto another path";
            findings.error_with_hint(
                at,
                "arm_path_regex",
                message,
                "leave the path out, or match a prefix".to_owned(),
            );
            None
        }
    }
}
