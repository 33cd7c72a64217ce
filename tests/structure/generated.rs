//! Is what is generated and checked in current? `make generated` writes it anew.

use std::fs;

use crate::files::root;

fn assert_current(name: &str, generated: &str) {
    let path = root().join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    let difference = config::diff(&checked_in, generated);
    assert!(
        difference.is_empty(),
        "{name} is not current, `make generated` writes it:\n{difference}"
    );
}

#[test]
fn the_schema_of_the_configuration_is_current() {
    let schema = serde_json::to_string_pretty(&config::json_schema()).unwrap();
    assert_current("turnout.schema.json", &(schema + "\n"));
}

#[test]
fn the_description_of_the_control_api_is_current() {
    assert_current("openapi.json", &control::openapi());
}
