//! What a command changes is compiled anew; everything else is shared with the snapshot before.

use std::fmt::Write;
use std::sync::Arc;

use config::{
    Compiled, Counting, FlagLive, Live, LockSpec, RouteLive, ServeSpec, ShiftSpec, TargetSpec,
    compile, starting_live,
};
use rules::route::{Arm, FamilyId, RouteId};
use rules::sli::{Observation, Scheme, SeriesKey};
use rules::upstream::Health;
use rules::{Revision, Share, Stage};

use crate::kit::{NOW, compiled, read};

const TEXT: &str = "
tenants: {acme: {residency: AF}}
cohorts: {africa: {attribute: {residency: AF}}, pilots: {tenants: [b2]}}
upstreams:
  api: {targets: [{address: '10.0.0.1:80'}, {address: 'sms.internal:80'}]}
  new: {targets: [{address: '10.0.0.2:80'}]}
routes:
  a: {canonical: /a, stable: {upstream: api}, candidate: {upstream: new}, start: {share: 5%, shadow: 100%}}
  b: {canonical: /b, stable: {upstream: api}, candidate: {upstream: new}}
  c: {canonical: /c, stable: {upstream: api}}
";

fn share(text: &str) -> ShiftSpec {
    ShiftSpec { share: text.parse().unwrap(), ..ShiftSpec::default() }
}

fn next(before: &Compiled, live: &Live) -> Compiled {
    let revision = Revision(before.snapshot.revision.0 + 1);
    compile(&before.document, live, revision, Some(before), NOW).unwrap()
}

fn applied(before: &Compiled, text: &str) -> Compiled {
    let document = Arc::new(read("turnout.yaml", text).unwrap());
    let live = starting_live(&document, &before.live);
    let revision = Revision(before.snapshot.revision.0 + 1);
    compile(&document, &live, revision, Some(before), NOW).unwrap()
}

#[test]
fn a_tenant_is_counted_by_itself_as_long_as_a_rollout_needs_it() {
    let before = compiled(TEXT);
    let counting = |id: &str| {
        let tenants = [id.parse().unwrap()].into();
        let counting = [("b".parse().unwrap(), Counting { tenants, ..Counting::default() })];
        Live { counting: Arc::new(counting.into()), ..before.live.clone() }
    };
    let begun = next(&before, &counting("acme"));
    let of = |compiled: &Compiled, id: &str| {
        let own = compiled.snapshot.rollouts.get(&RouteId(1))?;
        Some(Arc::clone(own.tenant(id)?))
    };
    let own = of(&begun, "acme").unwrap();
    assert!(of(&begun, "b2").is_none() && before.snapshot.rollouts.is_empty());
    let shifted = next(&begun, &counting("acme"));
    assert!(Arc::ptr_eq(&of(&shifted, "acme").unwrap(), &own), "they go on");
    // Under another document the route has another place, and goes by its name.
    let first = TEXT.replace("routes:", "routes:\n  z: {canonical: /z, stable: {upstream: api}}");
    let document = Arc::new(read("turnout.yaml", &first).unwrap());
    let live =
        Live { counting: counting("acme").counting, ..starting_live(&document, &begun.live) };
    let moved = compile(&document, &live, Revision(9), Some(&shifted), NOW).unwrap();
    let own_of_moved = moved.snapshot.rollouts[&RouteId(2)].tenant("acme").cloned().unwrap();
    assert!(Arc::ptr_eq(&own_of_moved, &own));
    assert!(next(&shifted, &before.live).snapshot.rollouts.is_empty());
}

#[test]
fn a_shift_of_one_route_shares_everything_else() {
    let before = compiled(TEXT);
    let mut live = before.live.clone();
    let shifted = RouteLive {
        default: share("25%"),
        cohorts: [
            ("africa".parse().unwrap(), share("50%")),
            ("gone".parse().unwrap(), share("1%")),
        ]
        .into(),
        tenants: [("b2".parse().unwrap(), share("100%"))].into(),
    };
    live.routes.insert("b".parse().unwrap(), Arc::new(shifted));
    let after = next(&before, &live);

    let (old, new) = (&before.snapshot, &after.snapshot);
    assert!(Arc::ptr_eq(&old.table, &new.table));
    assert!(Arc::ptr_eq(&old.cohorts, &new.cohorts));
    assert!(Arc::ptr_eq(&old.tenants, &new.tenants));
    assert!(Arc::ptr_eq(&old.trusted_proxies, &new.trusted_proxies));
    assert!(Arc::ptr_eq(&before.settings, &after.settings));
    assert!(old.upstreams.iter().zip(&new.upstreams).all(|(old, new)| Arc::ptr_eq(old, new)));
    let shared: Vec<bool> =
        old.shifts.iter().zip(&new.shifts).map(|(old, new)| Arc::ptr_eq(old, new)).collect();
    assert_eq!(shared, [true, false, true]);
    assert_eq!(new.shifts[0].default.stage(), Stage::Canary);
    assert_eq!(new.shifts[1].default.share.to_string(), "25%");
    assert_eq!(new.shifts[1].cohorts.len(), 1, "a cohort that is gone is left out");
    assert_eq!(new.shifts[1].tenants["b2"].stage(), Stage::Live);
}

#[test]
fn attributes_decide_which_cohorts_a_tenant_belongs_to() {
    let text = "tenants: {acme: {residency: AF}, b2: {residency: EU}}\n\
                cohorts: {africa: {attribute: {residency: AF}}, listed: {tenants: [acme, c3]}, gold: {attribute: {plan: gold, residency: AF}}}\n\
                upstreams: {a: {targets: [{address: '127.0.0.1:1'}]}}\n\
                routes: {a: {canonical: /, stable: {upstream: a}}}\n";
    let before = compiled(text);
    let cohorts =
        |compiled: &Compiled, id: &str| -> Vec<u32> {
            compiled.snapshot.tenants.get(id).map_or_else(Vec::new, |tenant| {
                tenant.cohorts.iter().map(|cohort| cohort.0).collect()
            })
        };
    assert_eq!((cohorts(&before, "acme"), cohorts(&before, "b2")), (vec![0, 1], vec![]));
    let set = |id: &str, all: &[(&str, Option<&str>)]| {
        let all = all.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
        (id.parse().unwrap(), all.collect())
    };
    let attributes = [
        set("acme", &[("residency", None)]),
        set("b2", &[("residency", Some("AF")), ("plan", Some("gold"))]),
        set("c3", &[("plan", Some("gold"))]),
        set("new", &[("residency", Some("AF"))]),
    ];
    let live = Live { attributes: Arc::new(attributes.into()), ..before.live.clone() };
    let after = next(&before, &live);
    let of = |id| cohorts(&after, id);
    assert_eq!(
        (of("acme"), of("b2"), of("c3"), of("new")),
        (vec![1], vec![0, 2], vec![1], vec![0])
    );
    assert!(!after.snapshot.tenants["new"].named, "nobody outside the file is seen in metrics");
    assert_eq!(cohorts(&next(&after, &before.live), "acme"), [0, 1]);
}

#[test]
fn a_lock_changes_only_what_is_known_of_tenants() {
    let before = compiled(TEXT);
    let locks = [
        ("acme".parse().unwrap(), LockSpec::ReadOnly),
        ("new-one".parse().unwrap(), LockSpec::Blocked),
    ];
    let after = next(&before, &Live { locks: Arc::new(locks.into()), ..before.live.clone() });
    let acme = &after.snapshot.tenants["acme"];
    assert_eq!(
        (acme.lock, acme.named, acme.cohorts.len()),
        (Some(rules::tenant::Lock::ReadOnly), true, 1)
    );
    assert_eq!(after.snapshot.tenants["new-one"].lock, Some(rules::tenant::Lock::Blocked));
    assert!(
        before
            .snapshot
            .shifts
            .iter()
            .zip(&after.snapshot.shifts)
            .all(|(old, new)| Arc::ptr_eq(old, new))
    );
    let released = next(&after, &before.live);
    assert_eq!(released.snapshot.tenants, before.snapshot.tenants);
}

#[test]
fn new_targets_change_one_upstream_and_keep_what_is_known_of_the_old_ones() {
    let before = compiled(TEXT);
    before.snapshot.upstreams[0].targets[1].state.set_health(Health::Unwell);
    let target = |address: &str| TargetSpec { address: address.to_owned(), weight: 1 };
    let targets =
        [("api".parse().unwrap(), vec![target("sms.internal:80"), target("10.0.0.9:80")])];
    let live = Live { targets: Arc::new(targets.into()), ..before.live.clone() };
    let after = next(&before, &live);
    let (old, new) = (&before.snapshot.upstreams, &after.snapshot.upstreams);
    assert!(!new[0].targets[0].state.is_healthy());
    assert!(new[0].targets[1].state.is_healthy());
    assert!(Arc::ptr_eq(&old[0].targets[1].state, &new[0].targets[0].state));
    assert!(new[0].generation > old[0].generation);
    assert!(Arc::ptr_eq(&old[1], &new[1]));
    let again = next(&after, &Live { targets: Arc::new((*live.targets).clone()), ..live });
    assert!(Arc::ptr_eq(&again.snapshot.upstreams[0], &new[0]), "the same targets are no change");
    let back = next(&again, &before.live);
    assert!(back.snapshot.upstreams[0].generation > new[0].generation);
}

#[test]
fn wrong_targets_and_shifts_without_a_candidate_are_refused() {
    let before = compiled(TEXT);
    let mut live = before.live.clone();
    live.targets = Arc::new([("api".parse().unwrap(), vec![])].into());
    live.routes.insert(
        "c".parse().unwrap(),
        Arc::new(RouteLive { default: share("1%"), ..RouteLive::default() }),
    );
    live.routes.insert(
        "gone".parse().unwrap(),
        Arc::new(RouteLive { default: share("1%"), ..RouteLive::default() }),
    );
    let problems = compile(&before.document, &live, Revision(2), Some(&before), NOW).unwrap_err();
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["no_targets", "shift_without_candidate"], "{problems}");
}

#[test]
fn counters_and_shifts_go_on_under_a_changed_file() {
    let before = compiled(TEXT);
    let seen = Observation {
        arm: Arm::Stable,
        cohort: None,
        family: FamilyId(0),
        tenant: None,
        bucket: None,
        own: None,
        key: SeriesKey {
            method: "GET",
            status: 200,
            error: None,
            scheme: Scheme::Http,
            version: "1.1",
        },
        duration: std::time::Duration::from_millis(1),
        overridden: false,
        now_unix: NOW,
    };
    before.snapshot.table.routes()[1].counters.record(&seen);
    let after = applied(
        &before,
        &TEXT.replace(
            "  a: {canonical: /a",
            "  z: {canonical: /z, stable: {upstream: api}}\n  a: {canonical: /a2",
        ),
    );
    let b = &after.snapshot.table.routes()[2];
    assert_eq!(b.name.as_str(), "b");
    assert_eq!(b.counters.arm(Arm::Stable).counts().requests, 1);
    assert!(Arc::ptr_eq(&before.snapshot.shifts[1], &after.snapshot.shifts[2]));
    assert!(Arc::ptr_eq(&before.snapshot.upstreams[0], &after.snapshot.upstreams[0]));
}

#[test]
fn shifts_are_not_shared_when_cohorts_have_moved() {
    let mut before = compiled(TEXT);
    let mut live = before.live.clone();
    let cohorts = [("pilots".parse().unwrap(), share("50%"))].into();
    live.routes
        .insert("b".parse().unwrap(), Arc::new(RouteLive { cohorts, ..RouteLive::default() }));
    before = next(&before, &live);
    let after = applied(&before, &TEXT.replace("africa: {attribute: {residency: AF}}, ", ""));
    let place = |compiled: &Compiled| *compiled.snapshot.shifts[1].cohorts.keys().next().unwrap();
    assert_eq!((place(&before).0, place(&after).0), (1, 0));
}

#[test]
fn a_file_gives_new_routes_their_start_and_leaves_the_others_alone() {
    let before = compiled(TEXT);
    assert_eq!(before.live.routes["a"].default.share, "5%".parse::<Share>().unwrap());
    let mut live = before.live.clone();
    let cohorts =
        [("africa".parse().unwrap(), share("1%")), ("pilots".parse().unwrap(), share("2%"))].into();
    live.routes.insert(
        "a".parse().unwrap(),
        Arc::new(RouteLive { default: share("75%"), cohorts, ..RouteLive::default() }),
    );
    live.targets =
        Arc::new([("new".parse().unwrap(), vec![]), ("gone".parse().unwrap(), vec![])].into());
    let text = TEXT
        .replace("  b: {", "  d: {")
        .replace("/b", "/d")
        .replace("africa: {attribute: {residency: AF}}, ", "");
    let document = read("turnout.yaml", &text).unwrap();
    let after = starting_live(&document, &live);
    let names: Vec<&str> = after.routes.keys().map(rules::RouteName::as_str).collect();
    assert_eq!(names, ["a", "c", "d"]);
    assert_eq!(after.routes["a"].default, share("75%"));
    assert_eq!(after.routes["a"].cohorts.len(), 1);
    assert!(Arc::ptr_eq(&after.routes["c"], &live.routes["c"]));
    assert_eq!(after.targets.len(), 1);
    let same = starting_live(&before.document, &before.live);
    assert!(Arc::ptr_eq(&same.targets, &before.live.targets) && same == before.live);
}

#[test]
fn live_state_survives_the_way_through_json() {
    let mut live = compiled(TEXT).live;
    live.locks = Arc::new([("acme".parse().unwrap(), LockSpec::ReadOnly)].into());
    live.targets = Arc::new(
        [("api".parse().unwrap(), vec![TargetSpec { address: "a:1".into(), weight: 2 }])].into(),
    );
    let json = serde_json::to_string(&live).unwrap();
    assert!(json.contains(r#""share":"5%""#) && json.contains(r#""acme":"read_only""#), "{json}");
    assert_eq!(serde_json::from_str::<Live>(&json).unwrap(), live);
    assert!(serde_json::from_str::<Live>(r#"{"locks": {"a b": "blocked"}}"#).is_err());
}

#[test]
fn a_shift_among_10_000_routes_and_100_000_tenant_shifts_touches_one_route() {
    let mut text = "upstreams: {api: {targets: [{address: '10.0.0.1:80'}]}}\nroutes:\n".to_owned();
    for i in 0..10_000 {
        writeln!(
            text,
            "  r{i}: {{canonical: /r{i}, stable: {{upstream: api}}, candidate: {{upstream: api}}}}"
        )
        .unwrap();
    }
    let mut before = compiled(&text);
    let mut live = before.live.clone();
    for (route, live) in live.routes.values_mut().enumerate() {
        let tenant = |i: usize| (format!("t{route}-{i}").parse().unwrap(), share("5%"));
        *live =
            Arc::new(RouteLive { tenants: (0..10).map(tenant).collect(), ..RouteLive::default() });
    }
    before = next(&before, &live);
    let mut shifted = RouteLive::clone(&live.routes["r5000"]);
    shifted.default = share("1%");
    live.routes.insert("r5000".parse().unwrap(), Arc::new(shifted));
    let after = next(&before, &live);

    assert!(Arc::ptr_eq(&before.snapshot.table, &after.snapshot.table));
    let pairs = before.snapshot.shifts.iter().zip(&after.snapshot.shifts);
    let changed: Vec<usize> =
        (0..).zip(pairs).filter(|(_, (old, new))| !Arc::ptr_eq(old, new)).map(|(i, _)| i).collect();
    assert_eq!(changed, [5000]);
}

#[test]
fn a_command_cannot_set_so_many_targets_that_it_holds_up_others() {
    let before = compiled(TEXT);
    let with = |count: u16| {
        let address = |n: u16| format!("10.1.{}.{}:80", n / 256, n % 256);
        let target = |n| TargetSpec { address: address(n), weight: 1 };
        let targets = [("api".parse().unwrap(), (0..count).map(target).collect())];
        let live = Live { targets: Arc::new(targets.into()), ..before.live.clone() };
        compile(&before.document, &live, Revision(2), Some(&before), NOW)
    };
    assert!(with(1_000).is_ok());
    let problems = with(1_001).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!((problem.code, &*problem.pointer), ("too_many", "/upstreams/api/targets"));
}

#[test]
fn many_tenants_are_not_compared_with_one_another() {
    let (declared, listed) = (60_000, 3_000);
    let mut tenants = String::from("tenants:\n  acme: {residency: AF}\n");
    for n in 0..declared {
        writeln!(tenants, "  clinic-{n}: {{}}").unwrap();
    }
    let listed: Vec<String> = (0..listed).map(|n| format!("hospital-{n}")).collect();
    let text = TEXT
        .replace("tenants: {acme: {residency: AF}}\n", &tenants)
        .replace("[b2]", &format!("[{}]", listed.join(", ")));
    let begun = std::time::Instant::now();
    assert_eq!(compiled(&text).snapshot.tenants.len(), declared + listed.len() + 1);
    // Each with each took minutes.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
}

const FLAGS: &str = "
tenants: {acme: {residency: AF}}
cohorts: {africa: {attribute: {residency: AF}}}
flags:
  base: {start: {share: 100%}}
  colour: {variants: {red: '#f00', blue: '#00f', grey: '#888'}, off: grey, requires: {base: on}, start: {share: 5%}}
  limits: {variants: {off: {max: 1.50}, high: {max: 9007199254740993}}}
routes: {}
";

/// Who has what: `red`, and the reason.
fn told(compiled: &Compiled, flag: &str, tenant: &str) -> String {
    let snapshot = &compiled.snapshot;
    let cohorts = snapshot.tenants.get(tenant).map_or(&[][..], |tenant| &tenant.cohorts);
    let subject = rules::flag::Subject { tenant: Some(tenant), cohorts };
    let id = snapshot.flags.find(flag).unwrap();
    let found = snapshot.flags.evaluate(id, subject).unwrap();
    format!("{}: {}", found.variant.name, found.reason)
}

#[test]
fn a_flag_is_set_by_what_is_live_and_shares_the_others() {
    let before = compiled(FLAGS);
    assert_eq!(told(&before, "base", "acme"), "on: default");
    assert_eq!(told(&before, "colour", "t0"), "grey: bucket 7055 >= 500");
    assert_eq!(told(&before, "limits", "acme"), "off: default");
    let limits = &before.snapshot.flags.all()[2].definition;
    let json: Vec<&str> = limits.variants.iter().map(|variant| &*variant.value.json).collect();
    assert_eq!(json, [r#"{"max":1.5}"#, r#"{"max":9007199254740993}"#]);

    let mut live = before.live.clone();
    let setting = FlagLive {
        cohorts: [("africa".parse().unwrap(), serve("blue", "100%"))].into(),
        tenants: [("b2".parse().unwrap(), "red".to_owned())].into(),
        ..(*live.flags["colour"]).clone()
    };
    Arc::make_mut(&mut live.flags).insert("colour".parse().unwrap(), Arc::new(setting));
    let after = next(&before, &live);
    assert_eq!(told(&after, "colour", "acme"), "blue: cohort");
    assert_eq!(told(&after, "colour", "b2"), "red: tenant");
    let (old, new) = (before.snapshot.flags.all(), after.snapshot.flags.all());
    let shared: Vec<bool> = old.iter().zip(new).map(|(old, new)| Arc::ptr_eq(old, new)).collect();
    assert_eq!(shared, [true, false, true]);

    let off = FlagLive { stopped: true, ..(*live.flags["base"]).clone() };
    Arc::make_mut(&mut live.flags).insert("base".parse().unwrap(), Arc::new(off));
    let stopped = next(&after, &live);
    assert_eq!(told(&stopped, "base", "acme"), "off: off");
    assert_eq!(told(&stopped, "colour", "acme"), "grey: prerequisite");
}

#[test]
fn settings_of_what_is_gone_are_dropped_and_counts_go_on() {
    let before = compiled(FLAGS);
    let mut live = before.live.clone();
    let setting = FlagLive {
        default: serve("red", "50%"),
        cohorts: [("africa".parse().unwrap(), serve("blue", "100%"))].into(),
        tenants: [("b2".parse().unwrap(), "red".to_owned())].into(),
        ..FlagLive::default()
    };
    Arc::make_mut(&mut live.flags).insert("colour".parse().unwrap(), Arc::new(setting));
    let set = next(&before, &live);
    let without_red = FLAGS.replace("red: '#f00', ", "");
    let after = applied(&set, &without_red);
    let kept = &after.live.flags["colour"];
    assert_eq!(kept.default, ServeSpec { variant: None, share: "5%".parse().unwrap() });
    assert!(kept.tenants.is_empty());
    assert_eq!(kept.cohorts.len(), 1);
    assert!(Arc::ptr_eq(&after.live.flags["base"], &set.live.flags["base"]));

    let counters = |compiled: &Compiled, place: usize| {
        Arc::clone(&compiled.snapshot.flags.all()[place].definition.counters)
    };
    assert!(Arc::ptr_eq(&counters(&set, 0), &counters(&after, 0)));
    assert!(!Arc::ptr_eq(&counters(&set, 1), &counters(&after, 1)), "it has other variants");
    let gone = applied(&after, "flags: {base: {archived: true}}\nroutes: {}\n");
    assert_eq!(gone.live.flags.len(), 1);
    assert_eq!(gone.snapshot.flags.find("base"), Err(rules::flag::Unavailable::Archived));
}

fn serve(variant: &str, share: &str) -> ServeSpec {
    ServeSpec { variant: Some(variant.to_owned()), share: share.parse().unwrap() }
}
