//! The discs that lie at one place, sorted by set: what restoring and verifying start from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::drive::{DiscReader, Discs, Drive, DriveError, Folder, Label, Shelf, discover};
use crate::format::volume::image_name;
use crate::format::{DiscTxt, FormatError};
use crate::model::{DiscNo, SetName, SetUuid};

use super::insertion::with_medium;
use super::{Desk, FlowError, chain};

/// Longer files of this name are not ours.
const LONGEST_DISC_TXT: usize = 64 << 10;

/// A disc, and the media or images that bear it.
pub struct FoundDisc {
    pub txt: DiscTxt,
    pub copies: Vec<Box<dyn DiscReader>>,
}

impl FoundDisc {
    pub fn label(&self) -> Label {
        let DiscTxt { set, set_uuid, disc, disc_uuid, .. } = self.txt.clone();
        Label { set, set_uuid, number: disc, uuid: disc_uuid }
    }
}

/// The discs of one set.
pub struct Pile {
    pub name: SetName,
    pub uuid: SetUuid,
    pub discs: BTreeMap<DiscNo, FoundDisc>,
}

/// Something that looks like a disc and is of no use as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    pub kind: ProblemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A disc of ours, or what is left of one.
    Damage,
    /// Made by a newer coldcut.
    Newer,
    /// Somebody else's.
    Foreign,
}

/// All that lies at a place.
pub struct Piles {
    pub from: PathBuf,
    pub sets: Vec<Pile>,
    pub problems: Vec<Problem>,
    /// Media whose `DISC.txt` cannot be read; each is a problem, too.
    pub nameless: Vec<Box<dyn DiscReader>>,
}

/// Looks at a directory of images, a shelf, a mounted disc, or one image.
pub fn look(from: &Path) -> Result<Piles, FlowError> {
    Ok(Piles::sorted(from, discover(from)?))
}

/// Looks at the disc in a drive, and asks for one that `wanted` describes until it is of use.
pub fn look_in(
    drive: &mut dyn Drive,
    from: &Path,
    wanted: &str,
    desk: Desk,
    fits: impl Fn(&Piles) -> bool,
) -> Result<Piles, FlowError> {
    with_medium(drive, desk, wanted, |drive| {
        let mut found = drive.discs()?;
        if let (true, Some(problem)) = (found.discs.is_empty(), found.problems.pop()) {
            return Err(problem.into());
        } else if found.discs.is_empty() {
            return Err(other_disc(drive, wanted)?);
        }
        let piles = Piles::sorted(from, found);
        if fits(&piles) {
            return Ok(piles);
        }
        Err(FlowError::OtherDisc {
            drive: drive.title(),
            found: piles.words(),
            wanted: wanted.to_owned(),
        })
    })
}

/// What is in the drive instead: nothing, or a blank.
fn other_disc(drive: &mut dyn Drive, wanted: &str) -> Result<FlowError, FlowError> {
    let content = drive.slot().map(|slot| slot.content()).transpose()?.flatten();
    let (drive, wanted) = (drive.title(), wanted.to_owned());
    Ok(match content {
        Some(found) => FlowError::OtherDisc { drive, found, wanted },
        None => DriveError::Empty { drive }.into(),
    })
}

fn drive_problem(error: &DriveError) -> Problem {
    let kind = match error {
        DriveError::Foreign(path) | DriveError::NotAnImage(path) if !is_called_like_ours(path) => {
            ProblemKind::Foreign
        }
        _ => ProblemKind::Damage,
    };
    Problem { what: chain(error), kind }
}

/// `holidays-0007.iso`: whatever is in it, it was a disc of ours.
fn is_called_like_ours(path: &Path) -> bool {
    let stem = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".iso"));
    stem.and_then(|stem| stem.rsplit_once('-')).is_some_and(|(set, number)| {
        let is_number = number.len() >= 4 && number.bytes().all(|b| b.is_ascii_digit());
        is_number && SetName::new(set).is_some()
    })
}

pub fn read_disc_txt(reader: &dyn DiscReader) -> Result<DiscTxt, Problem> {
    let named = |why: &dyn std::error::Error| format!("{}: {}", reader.title(), chain(why));
    let text = read_small(reader, "DISC.txt", LONGEST_DISC_TXT)
        .map_err(|what| Problem { what, kind: ProblemKind::Damage })?;
    DiscTxt::parse(&text).map_err(|error| {
        let newer = matches!(error, FormatError::Newer { .. });
        let kind = if newer { ProblemKind::Newer } else { ProblemKind::Damage };
        Problem { what: named(&error), kind }
    })
}

/// A whole small file of a disc, or why it cannot be had.
pub fn read_small(reader: &dyn DiscReader, name: &str, most: usize) -> Result<Vec<u8>, String> {
    let title = reader.title();
    let file = reader.file(name).ok_or_else(|| format!("{title}: {name} is missing"))?;
    if file.size.0 > most as u64 {
        return Err(format!("{title}: {name} is too long to be one of coldcut's"));
    }
    let mut text = vec![0; file.size.0 as usize];
    let mut filled = 0;
    while filled < text.len() {
        match reader.read_at(file, filled as u64, &mut text[filled..]) {
            Ok(0) => return Err(format!("{title}: {name} ends too early")),
            Ok(read) => filled += read,
            Err(error) => return Err(chain(&error)),
        }
    }
    Ok(text)
}

impl Piles {
    fn sorted(from: &Path, found: Discs) -> Piles {
        let (sets, problems, nameless) = (Vec::new(), Vec::new(), Vec::new());
        let mut piles = Piles { from: from.to_owned(), sets, problems, nameless };
        piles.problems.extend(found.problems.iter().map(drive_problem));
        for reader in found.discs {
            match read_disc_txt(&*reader) {
                Ok(txt) => piles.add(txt, reader),
                Err(problem) => {
                    piles.problems.push(problem);
                    piles.nameless.push(reader);
                }
            }
        }
        piles
    }

    /// Takes in the media without a name to whom `name` can give one.
    pub fn name_with(&mut self, name: impl Fn(&dyn DiscReader) -> Option<DiscTxt>) {
        for reader in std::mem::take(&mut self.nameless) {
            match name(&*reader) {
                Some(txt) => self.add(txt, reader),
                None => self.nameless.push(reader),
            }
        }
    }

    /// What was found, for people.
    fn words(&self) -> String {
        let discs = self.sets.iter().flat_map(|pile| pile.discs.values());
        let mut words: Vec<String> = discs.map(|found| found.label().to_string()).collect();
        words.extend(self.problems.iter().map(|problem| problem.what.clone()));
        words.join(", ")
    }

    fn add(&mut self, txt: DiscTxt, reader: Box<dyn DiscReader>) {
        let at = self.sets.iter().position(|pile| pile.uuid == txt.set_uuid).unwrap_or_else(|| {
            let (name, uuid) = (txt.set.clone(), txt.set_uuid);
            self.sets.push(Pile { name, uuid, discs: BTreeMap::new() });
            self.sets.len() - 1
        });
        let discs = &mut self.sets[at].discs;
        let known = discs
            .entry(txt.disc)
            .or_insert_with(|| FoundDisc { txt: txt.clone(), copies: Vec::new() });
        if known.txt.disc_uuid == txt.disc_uuid {
            known.copies.push(reader);
        } else {
            let (title, label) = (reader.title(), known.label());
            let what = format!("{title}: it says that it is {label}, as another one does");
            self.problems.push(Problem { what, kind: ProblemKind::Damage });
        }
    }

    /// The set that is meant: the named one, or the only one.
    pub fn choose(self, name: Option<&SetName>) -> Result<Pile, FlowError> {
        let known = self.names();
        if self.sets.is_empty() {
            return Err(self.nothing());
        }
        let mut meant: Vec<Pile> =
            self.sets.into_iter().filter(|pile| name.is_none_or(|n| pile.name == *n)).collect();
        match (meant.pop(), meant.is_empty(), name) {
            (Some(pile), true, _) => Ok(pile),
            (Some(_), false, _) => Err(FlowError::SeveralSets { known }),
            (None, _, Some(wanted)) => Err(FlowError::NoSuchSet { wanted: wanted.clone(), known }),
            (None, _, None) => Err(FlowError::NoDiscs(self.from)),
        }
    }

    /// Why there is no disc to work with.
    pub fn nothing(&self) -> FlowError {
        let from = self.from.clone();
        match self.problems.iter().find(|problem| problem.kind != ProblemKind::Foreign) {
            Some(problem) => FlowError::UnusableDiscs { from, what: problem.what.clone() },
            None => FlowError::NoDiscs(from),
        }
    }

    /// Names; where two sets have the same, their UUIDs, too.
    fn names(&self) -> String {
        let twice = |pile: &Pile| self.sets.iter().filter(|p| p.name == pile.name).count() > 1;
        let named = |pile: &Pile| match twice(pile) {
            true => format!("{} ({})", pile.name, pile.uuid),
            false => pile.name.to_string(),
        };
        self.sets.iter().map(named).collect::<Vec<_>>().join(", ")
    }
}

/// Reaches for a disc where it should lie, and says what lies there if it is another one.
pub fn wrong_disc(from: &Path, label: &Label) -> Option<String> {
    if !from.is_dir() || Folder::is_one(from) {
        return None;
    }
    match Shelf::open(from).and_then(|mut shelf| shelf.find(label)) {
        Err(error @ DriveError::WrongDisc { .. }) => Some(chain(&error)),
        _ => None,
    }
}

impl FoundDisc {
    /// A shelf may be told to give another disc than the one that lies in its place; a disc that
    /// lies elsewhere, as one of two sets of one name must, was found already.
    pub fn swapped_for(&self, from: &Path) -> Option<String> {
        let place = from.join(image_name(&self.txt.set, self.txt.disc)).display().to_string();
        let in_place = self.copies.iter().any(|copy| copy.title() == place);
        in_place.then(|| wrong_disc(from, &self.label()))?
    }
}
