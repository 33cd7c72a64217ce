//! What does a configuration file say, without a server?

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use config::{Compiled, Document, Live, Problems, Source, compile, starting_live};
use rules::snapshot::Revision;

use super::exit::Failure;

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The configuration file; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// A configuration file's text and where it came from.
pub(crate) struct File {
    pub(crate) name: String,
    base: PathBuf,
    pub(crate) text: String,
}

impl File {
    /// Reads a file, or standard input where the name is `-`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        if file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::of("cannot read standard input", error))?;
            return Ok(Self { name: "<stdin>".to_owned(), base: PathBuf::from("."), text });
        }
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::of(format!("cannot read {}", file.display()), error))?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let base = folder.unwrap_or(Path::new(".")).to_owned();
        Ok(Self { name: file.display().to_string(), base, text })
    }

    /// Compiles it as a server would that never saw it: every route begins as its `start:` says, and then as `adjust`
    /// makes it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn compile(
        &self,
        now_unix: i64,
        adjust: impl FnOnce(&Document, &mut Live),
    ) -> Result<Compiled, Problems> {
        let env = |name: &str| std::env::var(name).ok();
        let source = Source { text: &self.text, name: &self.name, base: &self.base, env: &env };
        let document = Arc::new(config::read(&source)?);
        let mut live = starting_live(&document, &Live::default());
        adjust(&document, &mut live);
        compile(&document, &live, Revision(1), None, now_unix)
    }
}

/// Now, in seconds since 1970.
pub(crate) fn now_unix() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = File::read(Path::new("/nowhere/turnout.yaml")).err().unwrap().to_string();
        assert!(failure.starts_with("cannot read /nowhere/turnout.yaml: "), "{failure}");
    }

    #[test]
    fn references_are_relative_to_the_files_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("turnout.yaml");
        std::fs::write(&file, "routes: {}\n").unwrap();
        assert_eq!(File::read(&file).unwrap().base, folder.path());
    }
}
