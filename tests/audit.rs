//! The audit: every command is accounted for, and what is changed afterwards is noticed.

use serde_json::json;

use crate::control::sms;
use crate::kit::{Ran, ask};

#[tokio::test]
async fn every_command_is_accounted_for_and_can_be_found_again() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift("sms", "5%").await;
    turnout.shift_tenant("sms", "acme", "100%").await;
    let late = ask("POST", "/v1/routes/sms/shift").header("If-Match", "\"r1\"");
    let body = json!({"share": "9%", "why": "late"});
    turnout.control_send(late.header("X-Turnout-Actor", "bob").json(&body)).await.expect(412);
    // What is no command at all is accounted for, too; what was sent is not kept.
    let secret = json!({"share": "9%", "why": "x", "secret": "hunter2"});
    let odd = ask("POST", "/v1/routes/sms/shift?token=hunter3").json(&secret);
    turnout.control_send(odd).await.expect(400);
    let listed = async |arguments: &[&str]| {
        let all = [&["audit", "-o", "json"], arguments].concat();
        turnout.cli(&all).await.expect(0).json()
    };
    let lines = listed(&[]).await;
    let lines = lines.as_array().unwrap();
    let told: Vec<_> = lines
        .iter()
        .map(|line| format!("{} {} {}", line["command"], line["outcome"], line["code"]))
        .collect();
    assert_eq!(
        told,
        [
            r#""request" "refused" "bad_body""#,
            r#""shift" "refused" "revision_conflict""#,
            r#""shift" "accepted" null"#,
            r#""shift" "accepted" null"#,
            r#""apply" "accepted" null"#,
        ]
    );
    assert_eq!(lines[0]["arguments"], json!({"request": "POST /v1/routes/{route}/shift"}));
    assert_eq!((&lines[1]["actor"], &lines[1]["address"]), (&json!("bob"), &json!("127.0.0.1")));
    assert_eq!((&lines[2]["before"], &lines[2]["after"]), (&json!(2), &json!(3)));
    assert_eq!(lines[4]["auth"], "process");
    let counted = async |arguments: &[&str]| listed(arguments).await.as_array().unwrap().len();
    assert_eq!(counted(&["--tenant", "acme"]).await, 1);
    assert_eq!(counted(&["--route", "sms"]).await, 3);
    assert_eq!(counted(&["--actor", "bob"]).await, 1);
    assert_eq!(counted(&["--until", "2001-01-01T00:00:00Z"]).await, 0);
    assert_eq!(counted(&["-n", "2"]).await, 2);
    let table = turnout.cli(&["audit"]).await.expect(0).stdout;
    assert!(table.contains("refused: revision_conflict"), "{table}");
    let exported = turnout.cli(&["audit", "export"]).await.expect(0).stdout;
    assert_eq!(exported.lines().count(), 5);
    assert!(!exported.contains("hunter"), "{exported}");
}

#[tokio::test]
async fn what_was_changed_in_the_store_is_noticed() {
    let (turnout, _old, _new) = sms().await;
    turnout.shift("sms", "5%").await;
    let head = turnout.cli(&["audit", "head"]).await.expect(0).stdout;
    let kept = turnout.setup().folder().join("head.json");
    std::fs::write(&kept, head).unwrap();
    let kept = kept.to_str().unwrap();
    turnout.rollback("sms").await;
    let whole = turnout.cli(&["audit", "verify", "--head", kept]).await.expect(0);
    assert!(whole.stdout.contains("lines 1 to 3 hold"), "{whole:?}");
    let exported = turnout.cli(&["audit", "export"]).await.expect(0).stdout;
    let file = turnout.setup().folder().join("audit.jsonl");
    std::fs::write(&file, exported.replace("canary 5%", "canary 6%")).unwrap();
    let verified = async |arguments: &[&str]| -> Ran {
        turnout.cli(&[&["audit", "verify"], arguments].concat()).await
    };
    let changed = verified(&[file.to_str().unwrap()]).await.expect(1);
    assert!(changed.stderr.contains("line 2 was changed"), "{changed:?}");
    let cut: Vec<&str> = exported.lines().take(1).collect();
    std::fs::write(&file, cut.join("\n")).unwrap();
    let cut = verified(&[file.to_str().unwrap(), "--head", kept]).await.expect(1);
    assert!(cut.stderr.contains("not there any more"), "{cut:?}");
    // Whoever can write to the file can chain it anew, but not to the head that was kept.
    let setup = turnout.kill();
    let database = setup.folder().join("turnout.db");
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch("DELETE FROM audit WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;")
        .unwrap();
    let mut turnout = setup.spawn();
    turnout.ready().await;
    let broken = turnout.cli(&["audit", "verify", "--head", kept]).await.expect(1);
    assert!(broken.stderr.contains("the audit does not hold"), "{broken:?}");
}
