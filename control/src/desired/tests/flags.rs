//! What do commands make of flags?

use config::ServeSpec;

use super::kit::{YAML, cohort, configuration, first, flag, percent, serve, shift, tenant, told};
use crate::command::{Command, FlagChange, Scope};
use crate::desired::{Refusal, apply};

#[test]
fn who_has_what_is_told() {
    let report = |change| flag("report", change);
    let colour = |change| flag("colour", change);
    let commands = [
        report(serve(Scope::Route, None, "5%")),
        report(serve(Scope::Route, None, "5%")),
        report(serve(Scope::Route, Some("on"), "100%")),
        report(serve(tenant("acme"), None, "0%")),
        report(FlagChange::Inherit(tenant("acme"))),
        report(FlagChange::Inherit(tenant("acme"))),
        colour(serve(Scope::Route, Some("blue"), "25%")),
        colour(serve(Scope::Route, None, "50%")),
        colour(serve(cohort("africa"), None, "10%")),
        colour(serve(tenant("b2"), None, "100%")),
        colour(serve(tenant("b2"), Some("red"), "100%")),
    ];
    let expected = [
        "flag report: nobody -> on 5%",
        "= flag report: on 5%",
        "flag report: on 5% -> on",
        "flag report, tenant acme: inherits -> off",
        "flag report, tenant acme: off -> inherits",
        "= flag report, tenant acme: inherits",
        "flag colour: nobody -> blue 25%",
        "flag colour: blue 25% -> blue 50%",
        "flag colour, cohort africa: inherits -> blue 10%",
        "flag colour, tenant b2: inherits -> blue",
        "flag colour, tenant b2: blue -> red",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn what_is_set_while_a_flag_is_off_waits_for_it_to_be_on() {
    let commands = [
        flag("report", FlagChange::Off),
        flag("report", FlagChange::Off),
        flag("report", serve(Scope::Route, None, "50%")),
        flag("report", FlagChange::On),
    ];
    let expected = [
        "flag report: on -> off",
        "= flag report: off",
        "flag report: nobody -> on 50%",
        "! flag report is off for everybody: `turnout flag on report` lets this take effect",
        "flag report: off -> on",
    ];
    assert_eq!(told(first(), &commands).1, expected);
}

#[test]
fn a_shift_and_a_flag_go_together_or_not_at_all() {
    let both = |name: &str| {
        Command::Together(vec![
            shift("sms", Scope::Route, "25%"),
            flag(name, serve(Scope::Route, None, "25%")),
        ])
    };
    let (desired, told) = told(first(), &[both("report"), both("report")]);
    assert_eq!(
        told,
        [
            "sms: off -> canary 25%; flag report: nobody -> on 25%",
            "= sms: canary 25%; flag report: on 25%"
        ]
    );
    let kept = &desired.live.flags["report"];
    assert_eq!(kept.default, ServeSpec { variant: None, share: percent("25%") });
    assert!(apply(&desired, &both("nowhere")).is_err());
    assert_eq!(both("report").name(), "shift");
    assert_eq!(both("report").arguments()["together"][1]["arguments"]["flag"], "report");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |command: Command| apply(&first(), &command).unwrap_err();
    let archived = refused(flag("gone", FlagChange::Off));
    assert_eq!(archived, Refusal::ArchivedFlag { flag: "gone".to_owned() });
    let share = refused(flag("report", serve(tenant("acme"), None, "5%")));
    assert_eq!(share, Refusal::ShareOfTenant);
    let above = refused(flag("report", FlagChange::Inherit(Scope::Route)));
    assert_eq!(above, Refusal::NothingAbove);
    for (command, kind, hint) in [
        (flag("reprot", FlagChange::On), "flag", Some("report")),
        (flag("colour", serve(Scope::Route, Some("bleu"), "5%")), "variant", Some("blue")),
        (flag("report", serve(cohort("afrika"), None, "5%")), "cohort", Some("africa")),
    ] {
        let Refusal::Unknown { kind: found, hint: near, .. } = refused(command) else { panic!() };
        assert_eq!((found, near.as_deref()), (kind, hint));
    }
}

#[test]
fn a_configuration_keeps_what_commands_made_of_flags_that_stay() {
    let commands = [
        flag("report", serve(Scope::Route, None, "5%")),
        flag("colour", serve(tenant("acme"), Some("red"), "100%")),
        Command::Apply(configuration(&YAML.replace("red: 1, ", ""), 0)),
    ];
    let (desired, told) = told(first(), &commands);
    assert_eq!(told[2], "configuration: flags changed: colour");
    assert_eq!(desired.live.flags["report"].default.share, percent("5%"));
    assert!(desired.live.flags["colour"].tenants.is_empty());
}
