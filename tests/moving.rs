//! Does a whole state get from one store to another, and is what is no whole state refused?

use std::path::Path;

use crate::kit::{Origin, Ran, Redis, Setup, Turnout, origin, turnout};

const SMS: &str = r#"
routes:
  sms:
    canonical: /v1/sms
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
"#;

async fn sms() -> (Turnout, Origin, Origin) {
    let (old, new) = (origin("old").await, origin("new").await);
    let setup = Setup::new(SMS).upstream("old", old.address()).upstream("new", new.address());
    let turnout = setup.start().await;
    turnout.shift("sms", "25%").await;
    turnout.shift_tenant("sms", "acme", "100%").await;
    (turnout, old, new)
}

/// Runs `turnout store`, with the setup's configuration.
async fn store(setup: &Setup, arguments: &[&str]) -> Ran {
    let config = setup.write().display().to_string();
    turnout(&[&["store"], arguments, &["--config", &config]].concat()).await
}

fn on_redis(setup: &Setup, redis: &Redis) -> Setup {
    let at = redis.address();
    let store = format!("store: {{redis: {{address: \"{at}\"}}}}\ninsecure_control: true");
    setup.rewritten(SMS).with_line(&store)
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// What must be the same wherever the state is: all up to this revision, and where traffic stands.
async fn shown(turnout: &Turnout, newest: u64) -> String {
    let exported = turnout.cli(&["audit", "export"]).await.expect(0).stdout;
    let lines = exported.lines().take(usize::try_from(newest).unwrap());
    let mut shown: String = lines.collect();
    for revision in 1..=newest {
        shown.push_str(&turnout.view(&format!("/v1/revisions/{revision}")).await.to_string());
    }
    shown.push_str(&turnout.view("/v1/tenants/acme").await["routes"].to_string());
    shown + &turnout.route("sms").await["share"].to_string()
}

#[tokio::test]
async fn a_state_moves_from_the_file_to_redis_and_back_with_all_that_is_in_it() {
    let (running, _old, _new) = sms().await;
    let folder = running.setup().folder().to_owned();
    let (before, head) = (shown(&running, 3).await, path(&folder, "head.json"));
    let signed = running.cli(&["audit", "head"]).await.expect(0).stdout;
    std::fs::write(&head, signed).unwrap();
    let setup = running.kill();
    let first = path(&folder, "first.jsonl");
    let told = store(&setup, &["export", &first]).await.expect(0).stdout;
    assert!(told.contains("revisions 3, the newest r3; audit lines 3"), "{told}");

    let redis = Redis::start().await;
    let setup = on_redis(&setup, &redis);
    store(&setup, &["import", &first]).await.expect(0);
    let fleet = setup.start().await;
    // A configuration that names another store is a revision of its own.
    assert_eq!(shown(&fleet, 3).await, before);
    fleet.cli(&["audit", "verify", "--head", &head]).await.expect(0);
    fleet.shift("sms", "50%").await;
    let before = shown(&fleet, 5).await;

    let setup = fleet.kill();
    let second = store(&setup, &["export", "-"]).await.expect(0);
    assert!(second.stderr.contains("the newest r5"), "{second:?}");
    let (file, database) = (path(&folder, "second.jsonl"), path(&folder, "another.db"));
    std::fs::write(&file, second.stdout).unwrap();
    store(&setup, &["import", &file, "--store", &database]).await.expect(0);
    let alone = setup.rewritten(SMS).with_line(&format!("store: {{path: {database}}}"));
    let alone = alone.start().await;
    assert_eq!(shown(&alone, 5).await, before);
    alone.cli(&["audit", "verify", "--head", &head]).await.expect(0);
    alone.rollback("sms").await;
    alone.cli(&["audit", "verify", "--head", &head]).await.expect(0);
}

#[tokio::test]
async fn what_is_in_use_not_empty_or_not_there_is_left_alone() {
    let (running, _old, _new) = sms().await;
    let folder = running.setup().folder().to_owned();
    let (export, other) = (path(&folder, "state.jsonl"), path(&folder, "other.db"));
    let used = store(running.setup(), &["export", &export]).await.expect(1).stderr;
    assert!(used.contains("in use by another process"), "{used}");
    assert!(!Path::new(&export).exists(), "nothing is left behind");

    let setup = running.kill();
    store(&setup, &["export", &export]).await.expect(0);
    let again = store(&setup, &["export", &export]).await.expect(1).stderr;
    assert!(again.contains("cannot create"), "nothing is written over: {again}");
    let full = store(&setup, &["import", &export]).await.expect(1).stderr;
    assert!(full.contains("something in") && full.contains("empty store"), "{full}");
    let nothing = store(&setup, &["export", "-", "--store", &other]).await.expect(1).stderr;
    assert!(nothing.contains("no state in"), "{nothing}");
    assert!(!Path::new(&other).exists(), "it is not made by looking");

    let text = std::fs::read_to_string(&export).unwrap();
    let cut: Vec<&str> = text.lines().take(3).collect();
    for (bad, told) in [
        (cut.join("\n"), "cut off"),
        (text.replacen("25%", "26%", 1), "nothing was imported"),
        ("{}".to_owned(), "line 1"),
    ] {
        std::fs::write(&export, bad).unwrap();
        let refused = store(&setup, &["import", &export, "--store", &other]).await.expect(1);
        assert!(refused.stderr.contains(told), "{told}: {refused:?}");
        assert!(!Path::new(&other).exists(), "{told}: it was checked before");
    }
}
