//! Whether what a disc says of itself fits together. Its own list of sums fits whatever somebody put on
//! it; listings of another disc or of another time do not.

use std::cell::{Cell, RefCell};
use std::io::BufReader;

use crate::codec::openpgp::Opener;
use crate::drive::DiscReader;
use crate::format::ListingReader;
use crate::port::stop::Stop;
use crate::restore::index::{
    CATALOG, HISTORY, INDEX, ListingError, SNAPSHOT, index_header, listing_file, open_listing,
    packed_size,
};
use crate::verify::FileFault;

use crate::flow::base::own_listing::refuse_other;
use crate::flow::chain;
use crate::flow::library::inventory::FoundDisc;

/// What of the media that were read so far is not as coldcut wrote it.
#[derive(Default)]
pub struct Doubts {
    replaced: Cell<u64>,
    /// Catalogs that cannot be used: the title of the medium, and why.
    catalogs: RefCell<Vec<(String, String)>>,
}

impl Doubts {
    /// Something is not what was written there.
    pub fn add(&self) {
        self.replaced.set(self.replaced.get() + 1);
    }

    /// A catalog that is damaged, or none. It counts only if no copy of the disc has a better one.
    pub fn refused_catalog(&self, on: &dyn DiscReader, why: String) {
        self.catalogs.borrow_mut().push((on.title(), why));
    }

    /// How often something was not what was written.
    pub fn count(&self) -> u64 {
        self.replaced.get()
    }

    /// What was wrong with the catalog of this medium.
    fn of_catalog(&self, on: &dyn DiscReader) -> Option<String> {
        let catalogs = self.catalogs.borrow();
        let found = catalogs.iter().find(|(title, _)| *title == on.title());
        found.map(|(_, why)| why.clone())
    }
}

/// An INDEX that tells nothing: it is missing, locked or damaged.
pub struct Silent;

/// How the INDEX of a medium contradicts its DISC.txt, if it does.
pub fn contradiction(
    copy: &dyn DiscReader,
    found: &FoundDisc,
    opener: Option<&Opener>,
    stop: &Stop,
) -> Result<Option<String>, Silent> {
    let label = found.label();
    let newest = match index_header(copy, opener, &label, stop) {
        Err(error @ ListingError::Elsewhere { .. }) => return Ok(Some(chain(&error))),
        Ok(Some(header)) => header.snapshots.iter().map(|line| line.seq).max(),
        Ok(None) | Err(_) => return Err(Silent),
    };
    let said = found.txt.snapshot;
    Ok(newest.filter(|newest| *newest != said).map(|newest| {
        format!(
            "DISC.txt says that disc {} is of snapshot {said}, and its INDEX is of snapshot \
             {newest}: they were not written at the same time",
            label.number
        )
    }))
}

/// What of a medium whose bytes are as its own list says is not as coldcut writes it. What another
/// key closed tells nothing. `doubts` are what there was to say of its catalog.
pub fn incoherences(
    copy: &dyn DiscReader,
    found: &FoundDisc,
    opener: Option<&Opener>,
    doubts: &Doubts,
    stop: &Stop,
) -> Vec<FileFault> {
    if found.txt.group.is_some() {
        return Vec::new();
    }
    let index = contradiction(copy, found, opener, stop).ok().flatten();
    let other = |name: &str| other_listing(name, copy, found, opener, stop);
    let named = found.txt.listings;
    let parts = [
        (INDEX, index.filter(|_| named.index), named.index),
        (SNAPSHOT, other(SNAPSHOT).filter(|_| named.snapshot), named.snapshot),
        (HISTORY, other(HISTORY).filter(|_| named.history), named.history),
        (CATALOG, doubts.of_catalog(copy), named.catalog),
    ];
    let fault = |(name, other, is_named): (&str, Option<String>, bool)| {
        let missing = || missing(copy, name).filter(|_| is_named);
        other.or_else(missing).map(|what| FileFault { path: name.to_owned(), what })
    };
    parts.into_iter().filter_map(fault).collect()
}

/// The words where a listing is not a file of the disc. One that is a directory or a pipe is none.
fn missing(copy: &dyn DiscReader, name: &str) -> Option<String> {
    let words = || format!("the disc has no {name}, although DISC.txt says that it has one");
    listing_file(copy, name).is_none().then(words)
}

/// Why a listing of snapshots is not that of its disc.
fn other_listing(
    name: &str,
    copy: &dyn DiscReader,
    found: &FoundDisc,
    opener: Option<&Opener>,
    stop: &Stop,
) -> Option<String> {
    let text = BufReader::new(open_listing(copy, name, opener, stop).ok()?);
    let packed = packed_size(copy, name);
    let rows = match name {
        HISTORY => ListingReader::history(text, packed).ok()?,
        _ => ListingReader::new(text, packed).ok()?,
    };
    let refused = refuse_other(rows.header(), &found.txt, name);
    refused.err().map(|error| chain(&error))
}
