//! What is right is taken, and means what it says.

use crate::kit::{check, files};

#[test]
fn good_files_compile_without_a_problem() {
    for file in files("good", &["yaml", "json"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let compiled = check("turnout.yaml", &text)
            .unwrap_or_else(|problems| panic!("{}\n{problems}", file.display()));
        assert_eq!(compiled.warnings, [], "{}", file.display());
    }
}
