//! Which arm serves a request? Shares by the frozen hash, tenants and cohorts before everybody else, and the way back.

use rules::Bucket;
use serde_json::{Value, json};

use crate::kit::{Ask, Client, Memory, Origin, Setup, Turnout, each_of, eventually, get, origin};

struct Pair {
    turnout: Turnout,
    old: Origin,
    new: Origin,
}

async fn pair(yaml: &str) -> Pair {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(yaml).upstream("old", old.address()).upstream("new", new.address());
    Pair { turnout: setup.start().await, old, new }
}

const SMS: &str = r#"
tenants:
  acme: {residency: AF}
  berg: {residency: EU}
cohorts:
  pilots: {tenants: [acme, pilot]}
  africa: {attribute: {residency: AF}}
  europe: {attribute: {residency: EU}}
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
"#;

fn of_tenant(tenant: &str) -> Ask {
    get("/v1/sms").tenant(tenant)
}

impl Pair {
    async fn serves(&self, ask: Ask) -> String {
        self.turnout.send(ask).await.expect(200).origin().to_owned()
    }
}

/// 5 % of 100,000 keys is 5,000; the standard deviation of a fair pick is 69.
#[test]
fn five_percent_of_a_hundred_thousand_keys_is_five_percent() {
    for seed in ["sms", "letters", "x"] {
        let within =
            (0..100_000).filter(|n| Bucket::of(seed, &format!("tenant-{n}")).index() < 500);
        let count = within.count();
        assert!(count.abs_diff(5_000) <= 3 * 69, "{seed}: {count}");
    }
}

/// Each single request is held against the frozen function, at every step of a ramp: so nobody ever moves back.
#[tokio::test]
async fn every_tenant_is_served_by_the_arm_that_the_frozen_hash_says() {
    let Pair { turnout, old, new } = pair(SMS).await;
    let mut on_candidate = 0;
    for (share, keys) in [("5%", 5_000), ("25%", 1_000), ("50%", 1_000), ("100%", 1_000)] {
        let answer = turnout.shift("sms", share).await;
        assert_eq!(answer["changed"], true, "{answer}");
        let limit = share.parse::<rules::Share>().unwrap();
        let (client, proxy, before) = (turnout.client.clone(), turnout.proxy(), new.count());
        each_of(0..keys, |n| {
            let (client, tenant) = (client.clone(), format!("tenant-{n}"));
            async move {
                let answer = client.send(proxy, of_tenant(&tenant)).await.unwrap();
                let within = Bucket::of("sms", &tenant).is_within(limit);
                let expected = if within { "new" } else { "old" };
                assert_eq!(answer.origin(), expected, "{tenant} at {share}");
            }
        })
        .await;
        on_candidate = new.count() - before;
        if share == "5%" {
            // 250 expected of 5,000; the standard deviation is 15.4.
            assert!(on_candidate.abs_diff(250) <= 46, "{on_candidate}");
        }
        old.forget();
        new.forget();
    }
    assert_eq!(on_candidate, 1_000);
}

/// Buckets as another implementation of the frozen function computed them: they are the same for ever.
const FROZEN: [(&str, u16); 10] = [
    ("acme", 9_021),
    ("berg", 2_633),
    ("clinic-7", 8_821),
    ("a", 177),
    ("tenant-0005", 3_992),
    ("T.9_x@y:z-1", 5_055),
    ("b2", 4_879),
    ("zeta", 1_698),
    ("house", 6_365),
    ("pilot", 2_839),
];

#[tokio::test]
async fn a_tenant_moves_at_its_own_bucket_and_no_sooner() {
    let pair = pair(SMS).await;
    for (tenant, bucket) in FROZEN {
        for (share, origin) in [(bucket, "old"), (bucket + 1, "new")] {
            let share = rules::Share::from_basis_points(share).unwrap().to_string();
            pair.turnout.shift("sms", &share).await;
            assert_eq!(pair.serves(of_tenant(tenant)).await, origin, "{tenant} at {share}");
        }
    }
}

#[tokio::test]
async fn the_seed_decides_who_goes_first() {
    let seeded = SMS.replace("tenant: {header", "seed: spring\n    tenant: {header");
    let pair = pair(&seeded).await;
    pair.turnout.shift("sms", "50%").await;
    for n in 0..60 {
        let tenant = format!("t{n}");
        let candidate = Bucket::of("spring", &tenant).index() < 5_000;
        assert_eq!(pair.serves(of_tenant(&tenant)).await == "new", candidate, "{tenant}");
    }
}

#[tokio::test]
async fn stickiness_follows_the_key_that_the_route_names() {
    let key = |n: u32| format!("key-{n}");
    type WithKey = fn(&str) -> Ask;
    let cases: [(&str, WithKey); 5] = [
        ("{header: X-Session}", |key| get("/a").header("x-session", key)),
        ("{cookie: sid}", |key| get("/a").header("cookie", &format!("a=1; sid={key}"))),
        ("consumer", |key| get("/a").header("x-consumer-id", key)),
        ("request", |key| get("/a").header("x-kong-request-id", key)),
        ("request", |key| get("/a").header("x-request-id", key)),
    ];
    for (sticky, with_key) in cases {
        let pair = pair(&format!(
            "routes:\n  a: {{canonical: /a, stable: {{upstream: old}}, candidate: {{upstream: new}}, sticky: {sticky}, start: {{share: 50%}}}}\n"
        ))
        .await;
        for n in 0..40 {
            let candidate = Bucket::of("a", &key(n)).index() < 5_000;
            for _ in 0..2 {
                let served = pair.serves(with_key(&key(n))).await;
                assert_eq!(served == "new", candidate, "{sticky} {n}");
            }
        }
        if !sticky.contains("request") {
            for _ in 0..20 {
                assert_eq!(pair.serves(get("/a")).await, "old", "{sticky}: no key means stable");
            }
        }
    }
}

#[tokio::test]
async fn a_consumer_is_believed_from_trusted_peers_only() {
    let pair = pair(
        "routes:\n  a: {canonical: /a, stable: {upstream: old}, candidate: {upstream: new}, sticky: consumer, start: {share: 99.99%}}\n",
    )
    .await;
    let stranger = Client::from_address(Some([127, 0, 0, 9].into()));
    for n in 0..20 {
        let ask = get("/a").header("x-consumer-id", &format!("c{n}"));
        let answer = stranger.send(pair.turnout.proxy(), ask).await.unwrap();
        assert_eq!(answer.origin(), "old");
    }
}

#[tokio::test]
async fn a_tenants_own_shift_stands_before_its_cohorts_and_that_before_the_default() {
    let pair = pair(SMS).await;
    let all = async || {
        let mut served = Vec::new();
        for tenant in ["acme", "pilot", "berg", "zeta"] {
            served.push(pair.serves(of_tenant(tenant)).await);
        }
        served.join(" ")
    };
    let turnout = &pair.turnout;
    assert_eq!(all().await, "old old old old");
    turnout.shift_cohort("sms", "africa", "100%").await;
    assert_eq!(all().await, "new old old old");
    // `pilots` is written before `africa`, so it decides about acme, who is in both.
    turnout.shift_cohort("sms", "pilots", "0%").await;
    assert_eq!(all().await, "old old old old");
    turnout.shift("sms", "100%").await;
    assert_eq!(all().await, "old old new new");
    turnout.shift_tenant("sms", "acme", "100%").await;
    turnout.shift_tenant("sms", "zeta", "0%").await;
    assert_eq!(all().await, "new old new old");
    turnout.shift_cohort("sms", "europe", "0%").await;
    assert_eq!(all().await, "new old old old");

    // Null: as the next wider one has it.
    let inherit = |scope: Value| {
        let mut body = json!({"share": null, "why": "test"});
        body.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        turnout.command("POST", "/v1/routes/sms/shift", body)
    };
    inherit(json!({"tenant": "acme"})).await;
    inherit(json!({"cohort": "europe"})).await;
    assert_eq!(all().await, "old old new old");
    inherit(json!({"cohort": "pilots"})).await;
    assert_eq!(all().await, "new new new old");
}

#[tokio::test]
async fn a_share_of_one_tenant_is_a_share_of_its_requests() {
    let pair = pair(SMS).await;
    pair.turnout.shift_tenant("sms", "acme", "50%").await;
    for n in 0..60 {
        let id = format!("req-{n}");
        let candidate = Bucket::of("sms", &id).index() < 5_000;
        let served = pair.serves(of_tenant("acme").header("x-request-id", &id)).await;
        assert_eq!(served == "new", candidate, "{id}");
        assert_eq!(pair.serves(of_tenant("zeta")).await, "old");
    }
}

#[tokio::test]
async fn a_route_starts_as_its_start_says() {
    let pair = pair(&format!("{SMS}    start: {{share: 100%}}\n")).await;
    assert_eq!(pair.serves(of_tenant("zeta")).await, "new");
    let route = pair.turnout.route("sms").await;
    assert_eq!((&route["stage"], &route["share"]), (&json!("live"), &json!("100%")), "{route}");
}

#[tokio::test]
async fn the_stage_follows_from_the_shares() {
    let Pair { turnout, old: _old, new: _new } = pair(SMS).await;
    let stage = async || turnout.route("sms").await["stage"].as_str().unwrap().to_owned();
    assert_eq!(stage().await, "off");
    turnout.shadow("sms", "100%").await;
    assert_eq!(stage().await, "shadow");
    turnout.shift("sms", "0.01%").await;
    assert_eq!(stage().await, "canary");
    turnout.shift("sms", "100%").await;
    assert_eq!(stage().await, "live");
    turnout.rollback("sms").await;
    assert_eq!(stage().await, "off");
}

#[tokio::test]
async fn a_tester_behind_a_trusted_peer_chooses_the_arm() {
    let pair = pair(SMS).await;
    let choose = |arm: &str| of_tenant("zeta").header("x-turnout-arm", arm);
    assert_eq!(pair.serves(choose("candidate")).await, "new");
    assert_eq!(pair.new.last().header("x-turnout-arm"), None, "it is said to Turnout alone");
    pair.turnout.shift("sms", "100%").await;
    assert_eq!(pair.serves(choose("stable")).await, "old");
    assert_eq!(pair.serves(choose("nonsense")).await, "new");

    let stranger = Client::from_address(Some([127, 0, 0, 9].into()));
    pair.turnout.shift("sms", "0%").await;
    let ask = get("/v1/sms").header("x-turnout-arm", "candidate");
    assert_eq!(stranger.send(pair.turnout.proxy(), ask).await.unwrap().origin(), "old");

    // Counted apart: tests must not tip a gate.
    let sli = crate::kit::eventually_some("both testers are counted", async || {
        let sli = pair.turnout.route("sms").await["sli"].clone();
        let told = |arm: &str| sli[arm]["overridden"] == 1;
        (told("stable") && told("candidate")).then_some(sli)
    })
    .await;
    assert_eq!(sli["candidate"]["requests"], 1, "{sli}");
}

#[tokio::test]
async fn rollback_takes_every_shift_of_the_route_back() {
    let pair = pair(SMS).await;
    let turnout = &pair.turnout;
    turnout.shadow("sms", "100%").await;
    turnout.shift("sms", "50%").await;
    turnout.shift_cohort("sms", "europe", "100%").await;
    turnout.shift_tenant("sms", "acme", "100%").await;
    turnout.rollback("sms").await;
    for n in 0..30 {
        assert_eq!(pair.serves(of_tenant(&format!("t{n}"))).await, "old");
    }
    for tenant in ["acme", "berg"] {
        assert_eq!(pair.serves(of_tenant(tenant)).await, "old");
    }
    let route = turnout.route("sms").await;
    assert_eq!(route["shadow"], "0%", "{route}");
    assert_eq!(route["tenants"]["count"], 0, "{route}");
}

#[tokio::test]
async fn rollback_can_keep_the_shadow_or_mean_one_tenant_or_cohort() {
    let pair = pair(SMS).await;
    let turnout = &pair.turnout;
    let rollback = |body: Value| turnout.command("POST", "/v1/routes/sms/rollback", body);

    turnout.shadow("sms", "100%").await;
    turnout.shift("sms", "100%").await;
    rollback(json!({"why": "errors", "tenant": "zeta"})).await;
    assert_eq!(pair.serves(of_tenant("zeta")).await, "old");
    assert_eq!(pair.serves(of_tenant("other")).await, "new");
    rollback(json!({"why": "errors", "cohort": "europe"})).await;
    assert_eq!(pair.serves(of_tenant("berg")).await, "old");
    assert_eq!(pair.serves(of_tenant("other")).await, "new");

    rollback(json!({"why": "errors", "keep_shadow": true})).await;
    assert_eq!(pair.serves(of_tenant("other")).await, "old");
    assert_eq!(turnout.route("sms").await["shadow"], "100%");
}

#[tokio::test]
async fn a_command_that_changes_nothing_makes_no_revision() {
    let Pair { turnout, old: _old, new: _new } = pair(SMS).await;
    let first = turnout.shift("sms", "5%").await;
    let again = turnout.shift("sms", "5%").await;
    assert_eq!((&first["changed"], &again["changed"]), (&json!(true), &json!(false)));
    assert_eq!(first["revision"], again["revision"]);
    assert!(first["summary"].as_str().unwrap().contains("sms"), "{first}");
}

#[tokio::test]
async fn a_route_without_a_candidate_cannot_be_shifted() {
    let pair = pair("routes:\n  a: {canonical: /a, stable: {upstream: old}}\n").await;
    let body = json!({"share": "5%", "why": "test"});
    let ask = crate::kit::ask("POST", "/v1/routes/a/shift").json(&body);
    let answer = pair.turnout.control_send(ask).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
    answer.problem();
    assert_eq!(pair.serves(get("/a")).await, "old");
}

#[tokio::test]
async fn a_dry_run_says_who_would_notice_and_moves_nothing() {
    let (old, new) = (origin("old").await, origin("new").await);
    let yaml = "tenants: {acme: {}, b2: {}}\nroutes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}}\n";
    let setup = Setup::new(yaml).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    for _ in 0..20 {
        turnout.send(get("/v1/sms").tenant("acme")).await.expect(200);
    }
    let dry = ["shift", "sms", "50%", "--why", "w", "--dry-run", "-o", "json"];
    eventually("the hour's traffic is counted", async || {
        let tried = turnout.cli(&dry).await.expect(0).json();
        tried["blast"]["routes"][0]["moved"] == 10 && tried["blast"]["ratio"] == 0.5
    })
    .await;
    let told = turnout.cli(&["shift", "sms", "live", "--why", "w", "--dry-run"]).await.expect(0);
    assert!(told.stdout.contains("100.0% of the traffic"), "{told:?}");
    assert!(told.stdout.contains("2 tenants: acme, b2"), "{told:?}");
    assert!(told.stdout.contains("+shift/sms"), "{told:?}");
    turnout.cli(&["rollback", "sms", "--why", "w", "--dry-run"]).await.expect(0);
    assert_eq!(turnout.revision().await, 1);
}

#[tokio::test]
async fn whatever_is_only_tried_changes_nothing() {
    let yaml = "flags: {report: {}}\nrollouts: {ramp: {steps: [{canary: 5%, for: 1h}]}}\nroutes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {header: X-Tenant-Id}, rollout: ramp}\n";
    let pair = pair(yaml).await;
    for tried in [
        "shift sms 5%",
        "shadow sms 10%",
        "rollback sms",
        "rollout start sms",
        "swap new 127.0.0.1:1",
        "tenant lock acme blocked",
        "tenant set acme plan=gold",
        "flag set report on",
        "flag ramp report 50%",
        "flag target report --tenant acme",
        "flag off report",
        "ignore sms /id",
        "token create on-call --scope rollback",
    ] {
        let words: Vec<&str> = tried.split(' ').chain(["--why", "test", "--dry-run"]).collect();
        let told = pair.turnout.cli(&words).await.expect(0);
        let would = if tried.starts_with("rollback") { "nothing would" } else { "would change" };
        assert!(told.stdout.starts_with(would), "{tried}: {told:?}");
        assert_eq!(pair.turnout.revision().await, 1, "{tried}");
    }
}
