//! What is believed of discs before anything on them is used: whose signatures count; that the
//! encryption of a set is a fact of the set, whatever one disc says; and that our catalog
//! which knows a disc or a set knows better.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;

use crate::catalog::{Access, Catalog, DiscInfo, DiscState};
use crate::codec::openpgp::Checker;
use crate::drive::{Absence, DiscFile, DiscReader, ReadError, Volume};
use crate::flow::library::inventory::identity::is_for_a_passphrase;
use crate::flow::library::inventory::trust_error::TrustError;
use crate::flow::library::inventory::{FoundDisc, FoundSet, Inventory, Problem};
use crate::flow::{Context, FlowError};
use crate::format::DiscTxt;
use crate::model::disc::{DiscName, Encryption, parse_archive_path};
use crate::model::{Bytes, Carrier, DiscIdentity, DiscUuid, FileId, Sectors, SetName, SetUuid};
use crate::port::cause::Cause;
use crate::port::notice::DiscNotice;
use crate::restore::index::{CATALOG, HISTORY, INDEX, SNAPSHOT};

/// What a person says of the discs that a command may use.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Only discs that are signed by one of these count.
    pub signed_by: Option<Checker>,
    /// Discs of encrypted sets that are used although they are not encrypted.
    pub accept_plain: Vec<DiscName>,
    /// A disc of the history that is meant, where discs of two lie side by side.
    pub history: Option<DiscUuid>,
}

impl Trust {
    /// Without the discs that do not count, and what of the others does not. Each is told; the
    /// second value is their number.
    pub fn sift(
        &self,
        inventory: Inventory,
        mut vetting: Vetting,
        context: Context,
    ) -> Result<(Inventory, u64), FlowError> {
        let before = inventory.problems.len();
        let mut inventory =
            inventory.keep_signed(self.signed_by.as_ref(), &|_| None, context.stop)?;
        vetting.vet(&mut inventory);
        let mut refused = 0;
        for problem in &inventory.problems[before..] {
            refused += u64::from(problem.is_missed());
            inventory.tell_problem(problem, context);
        }
        Ok((inventory, refused))
    }
}

/// What becomes of a disc that our catalog knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CatalogTrust {
    Vetted,
    /// It is read against the sums in the catalog, which find every change.
    Compared,
}

/// What is known of sets, from our own catalog and from the discs that were here so far. Discs that
/// come later are compared with the same.
pub struct Vetting {
    accept_plain: Vec<DiscName>,
    known: CatalogTrust,
    sets: HashMap<SetUuid, SetFact>,
}

#[derive(Default)]
struct SetFact {
    /// Our own catalog knows the set by this name, and these discs of it.
    catalog: Option<(SetName, Vec<DiscInfo>)>,
    /// `None`: nothing says that it is encrypted.
    encryption: Option<Encryption>,
}

/// What of a disc is not used.
enum TrustVerdict {
    Used,
    /// All but these files.
    Without(BTreeSet<String>),
    Refused(TrustError),
}

impl Vetting {
    /// For whoever uses what discs say. A catalog that is missing or cannot be read knows nothing.
    pub fn new(trust: &Trust, catalog: &Path) -> Vetting {
        let mut sets = HashMap::new();
        if let Ok(catalog) = Catalog::open(catalog, Access::Read) {
            for set in catalog.sets().unwrap_or_default() {
                let discs = catalog.discs(set.id).unwrap_or_default();
                let encryption = Some(set.facts.encryption);
                let fact = SetFact { catalog: Some((set.facts.name, discs)), encryption };
                sets.insert(set.facts.uuid, fact);
            }
        }
        Vetting { accept_plain: trust.accept_plain.clone(), known: CatalogTrust::Vetted, sets }
    }

    /// For whoever compares each byte of the discs that the catalog knows with its sums.
    pub fn comparing(trust: &Trust, catalog: &Path) -> Vetting {
        Vetting { known: CatalogTrust::Compared, ..Vetting::new(trust, catalog) }
    }

    /// Takes out what contradicts what is known; it becomes problems.
    pub fn vet(&mut self, inventory: &mut Inventory) {
        for found_set in &mut inventory.sets {
            inventory.problems.extend(self.vet_pile(found_set));
        }
        inventory.sets.retain(|found_set| !found_set.discs.is_empty());
    }

    fn vet_pile(&mut self, found_set: &mut FoundSet) -> Vec<Problem> {
        let fact = self.sets.entry(found_set.uuid).or_default();
        fact.learn(found_set);
        if let Some((name, _)) = &fact.catalog {
            found_set.name = name.clone();
        }
        let mut problems = Vec::new();
        let all = found_set.discs.values_mut().chain(&mut found_set.twins);
        all.for_each(|found| problems.extend(self.vet_disc(found)));
        found_set.drop_empty();
        problems
    }

    /// The same for one disc of a set that was vetted before. It has no copies left if it is
    /// refused.
    pub fn vet_disc(&self, found: &mut FoundDisc) -> Vec<Problem> {
        let Some(fact) = self.sets.get(&found.txt.id.set_uuid) else { return Vec::new() };
        let mut problems = Vec::new();
        if let Some(known) = fact.known(&found.txt) {
            if self.known == CatalogTrust::Compared {
                return problems;
            }
            problems.extend(believe_catalog(found, known));
        }
        let txt = &found.txt;
        if self.accept_plain.iter().any(|name| name.is(txt.id.number, txt.id.uuid)) {
            return problems;
        }
        match fact.verdict(found) {
            TrustVerdict::Used => {}
            TrustVerdict::Refused(error) => {
                problems.push(Problem::refused(Cause::of(error).about(places(found))));
                found.copies.clear();
            }
            TrustVerdict::Without(paths) => {
                let error = fact.unused(&found.txt, &paths);
                problems.push(Problem::refused(Cause::of(error).about(places(found))));
                let copies = std::mem::take(&mut found.copies);
                found.copies = copies.into_iter().map(|copy| without(copy, &paths)).collect();
            }
        }
        if let (Some(encryption), true) = (fact.encryption, found.txt.group.is_none()) {
            found.txt.encryption = encryption;
        }
        problems
    }
}

impl SetFact {
    fn learn(&mut self, found_set: &FoundSet) {
        if self.encryption.is_none() {
            self.encryption = found_set.all().find_map(said_encryption);
        }
    }

    fn known(&self, txt: &DiscTxt) -> Option<&DiscInfo> {
        let (_, discs) = self.catalog.as_ref()?;
        let same = |disc: &&DiscInfo| (disc.number, disc.uuid) == (txt.id.number, txt.id.uuid);
        discs.iter().find(same).filter(|disc| disc.state != DiscState::Open)
    }

    fn verdict(&self, found: &FoundDisc) -> TrustVerdict {
        let Some(encryption) = self.encryption else { return TrustVerdict::Used };
        let DiscIdentity { set, number: disc, .. } = found.txt.id.clone();
        match (encryption, said_encryption(found)) {
            (Encryption::None, Some(_)) => {
                return TrustVerdict::Refused(TrustError::SetIsPlain { set, disc });
            }
            (Encryption::None, None) => return TrustVerdict::Used,
            (_, None) if found.txt.group.is_none() => {
                let is_known = self.catalog.is_some();
                return TrustVerdict::Refused(TrustError::PlainDisc { set, disc, is_known });
            }
            _ => {}
        }
        let files = found.copies.iter().flat_map(|copy| copy.files());
        let plain = files.filter(|file| is_content(&file.path) == Some(Encryption::None));
        let paths: BTreeSet<String> = plain.map(|file| file.path.clone()).collect();
        match paths.is_empty() {
            true => TrustVerdict::Used,
            false => TrustVerdict::Without(paths),
        }
    }

    fn unused(&self, txt: &DiscTxt, paths: &BTreeSet<String>) -> TrustError {
        let DiscIdentity { set, number: disc, .. } = txt.id.clone();
        let (paths, is_known) = (paths.iter().cloned().collect(), self.catalog.is_some());
        TrustError::PlainFiles { set, disc, paths, is_known }
    }
}

/// What a disc says of its set, by DISC.txt or by its files; `None`: that it is not encrypted.
fn said_encryption(found: &FoundDisc) -> Option<Encryption> {
    if found.txt.encryption != Encryption::None {
        return Some(found.txt.encryption);
    }
    let copy = found.copies.iter().find(|copy| {
        copy.files()
            .iter()
            .any(|file| is_content(&file.path).is_some_and(|e| e != Encryption::None))
    })?;
    Some(match is_for_a_passphrase(&**copy) {
        true => Encryption::Passphrase,
        false => Encryption::Recipients,
    })
}

/// Whether a file is a listing, a catalog or an archive, and whether it is encrypted; how is not
/// told by its name.
fn is_content(path: &str) -> Option<Encryption> {
    let listings = [INDEX, SNAPSHOT, HISTORY, CATALOG];
    let sealed = |path: &str| path.strip_suffix(".gpg").is_some_and(|p| listings.contains(&p));
    if listings.contains(&path) {
        return Some(Encryption::None);
    }
    let is_sealed = sealed(path) || parse_archive_path(path)?.2;
    Some(if is_sealed { Encryption::Recipients } else { Encryption::None })
}

/// A plain listing, catalog or archive: what no disc of an encrypted set has.
pub fn is_plain_content(path: &str) -> bool {
    is_content(path) == Some(Encryption::None)
}

/// DISC.txt can be written by anybody.
fn believe_catalog(found: &mut FoundDisc, known: &DiscInfo) -> Option<Problem> {
    let wanted = known.closing?.snapshot;
    let said = std::mem::replace(&mut found.txt.snapshot, wanted);
    let DiscIdentity { set, number: disc, .. } = found.txt.id.clone();
    let (media, known) = (titles(found), wanted);
    let remark = Problem::Remark(DiscNotice::SnapshotCorrected { set, disc, media, said, known });
    (said != wanted).then_some(remark)
}

/// `shelf/photos-0002.iso`.
fn places(found: &FoundDisc) -> String {
    titles(found).join(", ")
}

fn titles(found: &FoundDisc) -> Vec<String> {
    found.copies.iter().map(|copy| copy.title()).collect()
}

fn without(disc: Box<dyn DiscReader>, paths: &BTreeSet<String>) -> Box<dyn DiscReader> {
    let files = disc.files().iter().filter(|file| !paths.contains(&file.path)).cloned().collect();
    Box::new(Without { disc, files })
}

/// A disc without some of its files.
struct Without {
    disc: Box<dyn DiscReader>,
    files: Vec<DiscFile>,
}

impl DiscReader for Without {
    fn title(&self) -> String {
        self.disc.title()
    }

    fn is_in_a_drive(&self) -> bool {
        self.disc.is_in_a_drive()
    }

    fn medium(&self) -> Carrier {
        self.disc.medium()
    }

    fn file_id(&self) -> Option<FileId> {
        self.disc.file_id()
    }

    fn files(&self) -> &[DiscFile] {
        &self.files
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        self.disc.read_at(file, offset, buf)
    }

    fn read_each_sector(
        &self,
        file: &DiscFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, ReadError> {
        self.disc.read_each_sector(file, offset, buf)
    }

    fn read_image(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<usize> {
        self.disc.read_image(offset, buf)
    }

    fn absence(&self) -> Option<Absence> {
        self.disc.absence()
    }

    fn flaw(&self) -> Option<String> {
        self.disc.flaw()
    }

    fn try_skipped(&self) -> bool {
        self.disc.try_skipped()
    }

    fn image_sectors(&self) -> Option<Sectors> {
        self.disc.image_sectors()
    }

    fn volume(&self) -> Option<Volume> {
        self.disc.volume()
    }
}
