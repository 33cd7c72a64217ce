//! Is what is fuzzed in order? Each target has seeds, and the seeds stay few and small.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::files::root;

/// All seeds of a target together: what the repository carries for it.
const MOST_BYTES: u64 = 256 * 1024;

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_target_has_a_few_small_seeds() {
    let fuzz = root().join("fuzz");
    let targets = names(&fuzz.join("targets"));
    assert_eq!(names(&fuzz.join("corpus")), targets, "folders of seeds");
    for target in &targets {
        let seeds = fs::read_dir(fuzz.join("corpus").join(target)).unwrap();
        let sizes = seeds.map(|seed| seed.unwrap().metadata().unwrap().len());
        let (count, bytes) = sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
        assert!(count > 0 && bytes <= MOST_BYTES, "{target}: {count} seeds of {bytes} bytes");
    }
}
