//! Which files belong to the repository?

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files that belong to the repository: not what is built, and nothing hidden but `.ci`.
pub(crate) fn files() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') && name != ".ci";
            if path.is_file() && !hidden {
                found.push(path);
            } else if path.is_dir() && !hidden && name != "target" {
                folders.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "only {} files below {}", found.len(), root().display());
    found
}

pub(crate) fn rust_files() -> impl Iterator<Item = (PathBuf, String)> {
    let sources = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    sources.map(|path| {
        let text = read(&path);
        (path.strip_prefix(root()).unwrap().to_owned(), text)
    })
}
