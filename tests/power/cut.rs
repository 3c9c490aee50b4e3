//! What a power cut leaves: all that is durable, and of the rest what had reached the disk by chance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::content::{Content, PAGE, Page, SECTOR};
use super::disk::{PowerDisk, Unsynced};
use super::tree::{Ino, Inode, NameChange, Tree};
use crate::support::trees::Random;

/// How much of what was not synced is there all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutKind {
    Nothing,
    /// Each name, and nothing of any content: a journal of metadata only.
    Names,
    /// Each content, and no name.
    Contents,
    /// Of each directory the first few changes, in their order; of each file some pages.
    InOrder,
    /// Any changes of names; only those of one and the same file are in their order.
    AnyOrder,
}

impl CutKind {
    pub const ALL: [CutKind; 5] =
        [CutKind::Nothing, CutKind::Names, CutKind::Contents, CutKind::InOrder, CutKind::AnyOrder];
}

/// The power goes when this many operations were done.
#[derive(Clone, Copy, Debug)]
pub struct PowerCut {
    pub at: u64,
    pub kind: CutKind,
    pub seed: u64,
}

impl PowerCut {
    /// What is found when the power is back.
    pub(super) fn happen(self, disk: &PowerDisk) -> Tree {
        let mut random = Random::new(self.seed);
        let mut tree = disk.durable.clone();
        for change in self.surviving(&disk.names, &mut random) {
            tree.apply(&change);
        }
        let mut changed: Vec<(&Ino, &Unsynced)> = disk.unsynced.iter().collect();
        changed.sort_by_key(|(ino, _)| **ino);
        for (ino, unsynced) in changed {
            if let Some(inode) = tree.inodes.get_mut(ino) {
                self.damage(inode, unsynced, &mut random);
            }
        }
        tree.collect();
        tree
    }

    fn surviving(&self, changes: &[NameChange], random: &mut Random) -> Vec<NameChange> {
        let by_dir = match self.kind {
            CutKind::Nothing | CutKind::Contents => return Vec::new(),
            CutKind::Names => return changes.to_vec(),
            CutKind::InOrder => true,
            CutKind::AnyOrder => false,
        };
        // A little is lost in one cut, and nearly all in another.
        let odds = 1 + random.below(15);
        let mut ended: BTreeSet<Ino> = BTreeSet::new();
        let mut kept = Vec::new();
        for change in changes {
            let dirs = change.dirs().filter(|_| by_dir);
            let needs: Vec<Ino> = dirs.chain(change.named()).collect();
            if random.below(16) < odds && !needs.iter().any(|ino| ended.contains(ino)) {
                kept.push(change.clone());
            } else {
                ended.extend(needs);
            }
        }
        kept
    }

    fn damage(&self, inode: &mut Inode, unsynced: &Unsynced, random: &mut Random) {
        let attributes = unsynced.attributes.len() as u64;
        match self.kind {
            CutKind::Nothing => return,
            CutKind::Names => {}
            _ => {
                let pages = self.pages(&inode.content, unsynced, random);
                let size = match (self.kind, unsynced.sizes.last()) {
                    (_, None) => inode.content.size(),
                    (CutKind::Contents, Some(last)) => *last,
                    (_, Some(_)) => {
                        let choice = random.below(unsynced.sizes.len() as u64 + 1) as usize;
                        unsynced.sizes.get(choice).copied().unwrap_or(inode.content.size())
                    }
                };
                inode.content = Content::new(size, pages);
            }
        }
        // A new length is metadata, and may be there without its data.
        if self.kind == CutKind::Names {
            let size = unsynced.sizes.last().copied().unwrap_or(inode.content.size());
            inode.content.set_size(size);
        }
        if attributes > 0 && random.below(2) == 0 {
            let choice = random.below(attributes) as usize;
            inode.attributes = unsynced.attributes[choice].clone();
        }
    }

    /// Of each page one of the contents that it had since it was synced, or what was there before; one
    /// page may be torn between two.
    fn pages(
        &self,
        before: &Content,
        unsynced: &Unsynced,
        random: &mut Random,
    ) -> BTreeMap<u64, Page> {
        let mut pages = before.pages().clone();
        let torn = random.below(2 * unsynced.pages.len() as u64 + 1);
        for (at, (number, versions)) in unsynced.pages.iter().enumerate() {
            let latest = versions.last().cloned();
            let chosen = match self.kind {
                CutKind::Contents => latest,
                _ => versions.get(random.below(versions.len() as u64 + 1) as usize).cloned(),
            };
            let old = pages.get(number).cloned().or_else(|| self.garbage(random));
            let now = match (chosen, old) {
                (Some(new), Some(old)) if at as u64 == torn => Some(torn_page(&new, &old, random)),
                (chosen, old) => chosen.or(old),
            };
            if let Some(now) = now {
                pages.insert(*number, now);
            }
        }
        pages
    }

    /// What a block held when it belonged to another file; zeros with most file systems.
    fn garbage(&self, random: &mut Random) -> Option<Page> {
        let is_shown = self.kind == CutKind::AnyOrder && random.below(2) == 0;
        is_shown.then(|| {
            let bytes = random.bytes(PAGE);
            Arc::new(std::array::from_fn(|at| bytes[at]))
        })
    }
}

/// The first few sectors of the one, the rest of the other.
fn torn_page(new: &Page, old: &Page, random: &mut Random) -> Page {
    let cut = SECTOR * (1 + random.below((PAGE / SECTOR) as u64 - 1) as usize);
    let mut torn = **old;
    torn[..cut].copy_from_slice(&new[..cut]);
    Arc::new(torn)
}
