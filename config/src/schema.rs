//! What may stand in the file? The JSON Schema by which editors complete and check.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::Document;

/// The JSON Schema (draft-07) of the configuration file.
#[must_use]
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(or_variable));
    settings.into_generator().into_root_schema_for::<Document>().to_value()
}

/// Where a number or a truth value belongs, `${VAR}` may stand for it.
fn or_variable(schema: &mut Schema) {
    let mut types = match schema.get("type") {
        Some(Value::String(only)) => vec![Value::from(only.as_str())],
        Some(Value::Array(several)) => several.clone(),
        _ => return,
    };
    let is_scalar = |name: &Value| matches!(name.as_str(), Some("integer" | "number" | "boolean"));
    if types.iter().any(is_scalar) {
        types.push(json!("string"));
        schema.insert("type".to_owned(), types.into());
        schema.insert("pattern".to_owned(), json!(r"\$\{"));
    }
}
