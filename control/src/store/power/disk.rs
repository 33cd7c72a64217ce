//! What is on the disk when the power goes? What was synced, and of the rest any part.

use std::collections::BTreeMap;
use std::path::Path;

use rand::RngExt;
use rand::rngs::StdRng;

use super::trace::Event;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Files as they are on the disk, and what the system still holds back.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<String, File>,
}

#[derive(Debug, Default)]
struct File {
    /// What is on the disk.
    synced: Vec<u8>,
    /// What is not yet for sure, in order.
    held_back: Vec<Write>,
    /// Whether the folder's entry is on the disk, and whether there still is to be one.
    entry_synced: bool,
    removed: bool,
    writes: usize,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// How much of what was held back got through.
#[derive(Clone, Copy)]
enum Luck {
    None,
    All,
    /// The first so many.
    First(usize),
    /// Each of them by chance.
    Some,
    /// Each sector of them by chance.
    Sectors,
}

impl Disk {
    /// Takes what happened.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Created(name) => {
                self.files.insert(name.clone(), File::default());
            }
            Event::Wrote { name, at, bytes } => {
                let write = Write::Bytes { at: *at, bytes: bytes.clone() };
                self.file(name).hold_back(write);
            }
            Event::Truncated { name, length } => self.file(name).hold_back(Write::Length(*length)),
            Event::Synced(name) => self.file(name).sync(),
            Event::SyncedFolder => {
                self.files.retain(|_, file| !file.removed);
                self.files.values_mut().for_each(|file| file.entry_synced = true);
            }
            Event::Removed(name) => self.file(name).removed = true,
            Event::Said(_) => {}
        }
    }

    /// How often a file was written to.
    pub(super) fn writes_of(&self, name: &str) -> usize {
        self.files.get(name).map_or(0, |file| file.writes)
    }

    /// Writes what is left into a folder.
    pub(super) fn lose_power(&self, folder: &Path, random: &mut StdRng) {
        for (name, file) in &self.files {
            let may_be_missing = file.removed || !file.entry_synced;
            if may_be_missing && random.random() {
                continue;
            }
            std::fs::write(folder.join(name), file.left(random)).unwrap();
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.get_mut(name).unwrap_or_else(|| panic!("{name} was never opened"))
    }
}

impl File {
    fn hold_back(&mut self, write: Write) {
        self.writes += 1;
        self.held_back.push(write);
    }

    fn sync(&mut self) {
        for write in std::mem::take(&mut self.held_back) {
            write.reach(&mut self.synced);
        }
    }

    fn left(&self, random: &mut StdRng) -> Vec<u8> {
        let luck = match random.random_range(0..8) {
            0 => Luck::None,
            1 => Luck::All,
            2 | 3 => Luck::First(random.random_range(0..=self.held_back.len())),
            4 | 5 => Luck::Some,
            _ => Luck::Sectors,
        };
        let mut left = self.synced.clone();
        for (n, write) in self.held_back.iter().enumerate() {
            match luck {
                Luck::None => {}
                Luck::All => write.reach(&mut left),
                Luck::First(first) if n < first => write.reach(&mut left),
                Luck::Some if random.random() => write.reach(&mut left),
                Luck::First(_) | Luck::Some => {}
                Luck::Sectors => {
                    for sector in write.sectors().into_iter().filter(|_| random.random()) {
                        sector.reach(&mut left);
                    }
                }
            }
        }
        left
    }
}

impl Write {
    fn reach(&self, file: &mut Vec<u8>) {
        match self {
            Self::Length(length) => file.resize(*length, 0),
            Self::Bytes { at, bytes } => {
                let end = at + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(bytes);
            }
        }
    }

    /// The same by sectors of the disk.
    fn sectors(&self) -> Vec<Self> {
        let Self::Bytes { at, bytes } = self else { return vec![self.clone()] };
        let (mut sectors, mut at, mut rest) = (Vec::new(), *at, bytes.as_slice());
        while !rest.is_empty() {
            let (sector, more) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
            sectors.push(Self::Bytes { at, bytes: sector.to_vec() });
            (at, rest) = (at + sector.len(), more);
        }
        sectors
    }
}
