//! Who the discs are that do not say it: by a catalog, by their recovery data.

use std::path::Path;

use crate::catalog::{Access, Catalog, DiscInfo, SetFacts};
use crate::drive::DiscReader;
use crate::flow::library::inventory::identity::{Unnamed, from_catalog};
use crate::flow::library::inventory::{FoundSet, Inventory, Problem};
use crate::format::DiscTxt;
use crate::format::volume::{application_id, volume_date_by_uuid, volume_id};
use crate::model::Format;
use crate::port::cause::Cause;
use crate::port::notice::{DiscNotice, IdentifiedBy};

impl Inventory {
    /// The same by all that a catalog on this machine knows. One that cannot be read is of no help.
    pub fn name_by_catalog(&mut self, path: &Path) {
        if self.unnamed.is_empty() {
            return;
        }
        let Ok(catalog) = Catalog::open(path, Access::Read) else { return };
        for set in catalog.sets().unwrap_or_default() {
            self.name_by(&set.facts, &catalog.discs(set.id).unwrap_or_default());
        }
    }

    /// The same by what `name` makes of a disc: its recovery data may have what is damaged.
    pub fn name_with(&mut self, name: impl Fn(&dyn DiscReader) -> Option<DiscTxt>) {
        for Unnamed { reader, why } in std::mem::take(&mut self.unnamed) {
            match name(&*reader) {
                None => self.unnamed.push(Unnamed { reader, why }),
                Some(txt) => {
                    self.problems.push(remark(why, IdentifiedBy::RecoveryData));
                    self.add(txt, reader);
                }
            }
        }
    }

    /// Looks whether a catalog knows who the discs are that do not say it.
    pub fn name_by(&mut self, facts: &SetFacts, discs: &[DiscInfo]) {
        for (txt, reader, remark) in named(&mut self.unnamed, facts, discs) {
            self.problems.push(remark);
            self.add(txt, reader);
        }
    }
}

impl FoundSet {
    /// The same for the set that was chosen; gives what is to be said.
    pub fn name_by(&mut self, facts: &SetFacts, discs: &[DiscInfo]) -> Vec<Problem> {
        let mut remarks = Vec::new();
        for (txt, reader, remark) in named(&mut self.unnamed, facts, discs) {
            remarks.push(remark);
            self.add(txt, reader);
        }
        remarks
    }
}

/// The volume's application identifier has the disc's UUID; of a disc of format 1 the volume's name has
/// the disc's number, and its date is made from the UUID.
fn named(
    unnamed: &mut Vec<Unnamed>,
    facts: &SetFacts,
    discs: &[DiscInfo],
) -> Vec<(DiscTxt, Box<dyn DiscReader>, Problem)> {
    let mut found = Vec::new();
    for Unnamed { reader, why } in std::mem::take(unnamed) {
        let volume = reader.volume();
        let is_it = |disc: &&DiscInfo| {
            volume.as_ref().is_some_and(|volume| match disc.format {
                Format::One => {
                    volume.id == volume_id(disc.number, &facts.name)
                        && volume.date == volume_date_by_uuid(disc.uuid)
                }
                Format::Two => volume.application == application_id(disc.uuid),
            })
        };
        match discs.iter().find(is_it) {
            None => unnamed.push(Unnamed { reader, why }),
            Some(disc) => {
                let remark = remark(why, IdentifiedBy::Volume);
                found.push((from_catalog(&*reader, facts, disc), reader, remark));
            }
        }
    }
    found
}

/// The disc is used all the same.
fn remark(why: Cause, by: IdentifiedBy) -> Problem {
    Problem::Remark(DiscNotice::IdentifiedOtherwise { by, why })
}
