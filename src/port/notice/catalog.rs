//! Facts about the catalog.

use std::path::PathBuf;

use serde::Serialize;

use super::paths;
use crate::model::{DiscNo, InUse, SetName};
use crate::port::cause::Cause;

/// Facts about the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CatalogNotice {
    /// Another coldcut has it, and is waited for.
    CatalogInUse {
        #[serde(flatten, serialize_with = "paths::catalog")]
        catalog: PathBuf,
        pid: Option<u32>,
    },
    /// Another coldcut changes the set, and is waited for.
    SetInUse {
        set: SetName,
        pid: Option<u32>,
    },
    /// Another coldcut burns the disc, or reads it back. `None`: at least one disc of the set.
    DiscInUse {
        set: SetName,
        disc: Option<DiscNo>,
        pid: Option<u32>,
    },
    /// The run ended well, and the copy of the catalog that each run keeps could not be made.
    NoCatalogCopy {
        why: Cause,
    },
    ResultNotRecorded {
        why: Cause,
    },
    /// The discs' own listings are used instead.
    CatalogNotUsed {
        why: Cause,
    },
    /// The discs are checked against their own lists instead.
    CatalogNotCompared {
        why: Cause,
    },
    /// It knows other discs with these numbers: the discs' own listings are used.
    CatalogOfOtherDiscs,
    /// These discs are newer than the catalog: their own listings are used.
    CatalogOlder {
        set: SetName,
        discs: Vec<DiscNo>,
    },
    /// It is damaged, and a new one takes its place.
    CatalogReplaced {
        why: Cause,
    },
    /// These discs are at hand, and the catalog before has them as lost, which stays.
    LostInFormerCatalog {
        set: SetName,
        discs: Vec<DiscNo>,
    },
}

impl CatalogNotice {
    pub fn of_in_use(what: InUse, pid: Option<u32>) -> CatalogNotice {
        match what {
            InUse::Catalog(catalog) => CatalogNotice::CatalogInUse { catalog, pid },
            InUse::Set(set) => CatalogNotice::SetInUse { set, pid },
            InUse::Disc(set, disc) => CatalogNotice::DiscInUse { set, disc: Some(disc), pid },
            InUse::Discs(set) => CatalogNotice::DiscInUse { set, disc: None, pid },
        }
    }
}
