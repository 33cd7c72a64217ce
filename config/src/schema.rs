//! What may stand in the file? The JSON Schema by which editors complete and check.

use schemars::generate::SchemaSettings;

use crate::Document;

/// The JSON Schema (draft-07) of the configuration file.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    generator.root_schema_for::<Document>().to_value()
}
