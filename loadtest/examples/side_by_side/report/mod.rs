//! What does the reader get? A page with a table per case ([`page`]), and a picture per part ([`picture`]).

mod machine;
mod page;
mod picture;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use machine::Machine;

use crate::outcome::{Chapter, Part, Result};

/// Writes page and pictures, and tells where the page is.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    machine: &Machine,
    chapters: &[Chapter],
) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    for chapter in chapters {
        for part in &chapter.parts {
            fs::write(folder.join(file_name(name, chapter, part)), picture::picture(part))?;
        }
    }
    let path = folder.join(format!("{name}.md"));
    fs::write(&path, page::page(name, machine, chapters))?;
    Ok(path)
}

/// The name of a part's picture.
fn file_name(name: &str, chapter: &Chapter, part: &Part) -> String {
    format!("{name}-{}-{}.svg", chapter.letter, part.name)
}
