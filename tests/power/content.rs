//! The content of a file, in pages, as the kernel writes it out.

use std::collections::BTreeMap;
use std::sync::Arc;

pub const PAGE: usize = 4096;
/// What a disk writes as a whole.
pub const SECTOR: usize = 512;

pub type Page = Arc<[u8; PAGE]>;

pub fn zeros() -> Page {
    Arc::new([0; PAGE])
}

/// States share the pages that they have in common.
#[derive(Clone, Default)]
pub struct Content {
    size: u64,
    /// A page that is missing is all zeros. Behind the size there are zeros, too.
    pages: BTreeMap<u64, Page>,
}

impl Content {
    /// Pages from somewhere, cut off at this size.
    pub fn new(size: u64, pages: BTreeMap<u64, Page>) -> Content {
        let mut content = Content { size: u64::MAX, pages };
        content.set_size(size);
        content
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn pages(&self) -> &BTreeMap<u64, Page> {
        &self.pages
    }

    pub fn page(&self, number: u64) -> Option<Page> {
        self.pages.get(&number).cloned()
    }

    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let end = self.size.min(offset.saturating_add(length as u64));
        let mut bytes = Vec::with_capacity(end.saturating_sub(offset) as usize);
        let mut at = offset;
        while at < end {
            let (number, from) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let to = PAGE.min(from + (end - at) as usize);
            match self.pages.get(&number) {
                Some(page) => bytes.extend_from_slice(&page[from..to]),
                None => bytes.resize(bytes.len() + to - from, 0),
            }
            at += (to - from) as u64;
        }
        bytes
    }

    /// Gives the numbers of the pages that were written to.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Vec<u64> {
        let (mut at, mut rest, mut written) = (offset, bytes, Vec::new());
        while !rest.is_empty() {
            let (number, from) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let (now, later) = rest.split_at(rest.len().min(PAGE - from));
            let page = Arc::make_mut(self.pages.entry(number).or_insert_with(zeros));
            page[from..from + now.len()].copy_from_slice(now);
            written.push(number);
            at += now.len() as u64;
            rest = later;
        }
        self.size = self.size.max(at);
        written
    }

    pub fn set_size(&mut self, size: u64) {
        if size < self.size {
            let (number, within) = (size / PAGE as u64, (size % PAGE as u64) as usize);
            self.pages.split_off(&size.div_ceil(PAGE as u64));
            if let Some(page) = self.pages.get_mut(&number) {
                Arc::make_mut(page)[within..].fill(0);
            }
        }
        self.size = size;
    }

    /// Gives the numbers of the pages that changed.
    pub fn punch(&mut self, offset: u64, length: u64) -> Vec<u64> {
        let end = self.size.min(offset.saturating_add(length));
        let size = self.size;
        let zeroed = vec![0; end.saturating_sub(offset) as usize];
        let written = self.write(offset.min(size), &zeroed);
        self.size = size;
        written
    }

    pub fn all(&self) -> Vec<u8> {
        self.read(0, self.size as usize)
    }
}
