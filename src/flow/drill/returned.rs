//! What a script of a disc brought back, compared with the listing: every path, its content and all
//! that belongs to it, and nothing besides. Nothing of coldcut's that restores is used for that.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::drill::{DrillFault, Drilled};
use crate::flow::drill::sticking::{Sticking, is_root};
use crate::flow::{FlowError, chain};
use crate::model::entry::Fingerprint;
use crate::model::path::shown;
use crate::model::rows::SnapshotRow;
use crate::model::{Digest, DiscNo, Entry, Kind, Meta, RelPath, Xattr};
use crate::port::beneath::{Beneath, MissingDirs, open_root};
use crate::port::files::digest;
use crate::port::monitor::Monitor;
use crate::port::stop::{Heeding, Stop};
use crate::scan::{ContentReadError, Filter, Source, Visitor, WalkedPath, walk};
use rustix::fs::{AtFlags, FileType, Mode, chmodat, statat};

/// Linux takes no path of this length or more (PATH_MAX), and the scripts make them in one piece.
const PATH_MAX: usize = 4096;
/// What restore.sh and simple-restore.sh put between their target and a path, and a little more.
const BETWEEN: usize = 64;

/// A path of the listing.
pub struct ExpectedPath {
    /// Where its content is; `None` for what the listing alone tells.
    pub disc: Option<DiscNo>,
    pub row: SnapshotRow,
    /// It must be there. Else it may: not all of it is on these discs, or this user cannot make it.
    pub must: bool,
    /// Its path is longer than what bash and tar can make.
    pub is_too_long: bool,
}

impl ExpectedPath {
    fn new(mut row: SnapshotRow, here: impl Fn(DiscNo) -> bool, on: &Maker) -> ExpectedPath {
        let all_here = row.place.complete && row.place.places.iter().all(|at| here(at.disc));
        let has_content = row.kind == Kind::File && row.size > 0;
        let is_known = !has_content || row.sha256.is_some() && !row.place.places.is_empty();
        let length = on.target.as_os_str().len() + BETWEEN + row.path.as_bytes().len();
        let is_too_long = length >= PATH_MAX;
        let disc = row.place.places.first().map(|place| place.disc).filter(|_| has_content);
        // There can be a million of them.
        row.place.places = Vec::new();
        (row.meta.user, row.meta.group) = (Vec::new(), Vec::new());
        let must = all_here && is_known && !is_too_long && on.can_make(row.kind);
        ExpectedPath { disc, row, must, is_too_long }
    }

    fn is_content(&self) -> bool {
        self.disc.is_some()
    }
}

/// Whoever restores, and where to.
pub struct Maker {
    pub target: PathBuf,
    /// Anybody can have made the discs: the script makes files, directories and links alone.
    pub is_fenced: bool,
}

impl Maker {
    pub fn can_make(&self, kind: Kind) -> bool {
        match kind {
            Kind::File | Kind::Dir | Kind::Symlink | Kind::Hardlink => true,
            Kind::Fifo => !self.is_fenced,
            Kind::CharDevice | Kind::BlockDevice => !self.is_fenced && is_root(),
        }
    }
}

/// The rows of a listing as what must come back from the discs that are `here`, in walk order.
pub fn expected(
    rows: impl Iterator<Item = SnapshotRow>,
    here: impl Fn(DiscNo) -> bool,
    maker: &Maker,
) -> Vec<ExpectedPath> {
    let mut all: Vec<ExpectedPath> = rows.map(|row| ExpectedPath::new(row, &here, maker)).collect();
    all.sort_by(|a, b| a.row.path.cmp(&b.row.path));
    // Another name of what does not come back does not come back.
    let is_link = |one: &ExpectedPath| one.row.kind == Kind::Hardlink;
    let links = all.iter().filter(|one| is_link(one));
    let firsts: HashSet<Vec<u8>> = links.map(|one| one.row.meta.link.clone()).collect();
    let there = all.iter().filter(|one| one.must).map(|one| one.row.path.as_bytes());
    let there: HashSet<Vec<u8>> =
        there.filter(|path| firsts.contains(*path)).map(<[u8]>::to_vec).collect();
    for one in all.iter_mut().filter(|one| is_link(one)) {
        one.must &= there.contains(&one.row.meta.link);
    }
    all
}

/// Bytes of content that are to come back.
pub fn content(expected: &[ExpectedPath]) -> u64 {
    let sizes = expected.iter().filter(|one| one.must && one.is_content());
    sizes.fold(0, |sum, one| sum.saturating_add(one.row.size))
}

/// The scripts of a disc that restore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    RestoreSh,
    /// It leaves some attributes out, and says so; none may be another.
    SimpleRestoreSh,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            By::RestoreSh => "restore.sh",
            By::SimpleRestoreSh => "simple-restore.sh",
        }
    }
}

/// What was restored, where, and by which script.
pub struct Returned<'a> {
    pub target: &'a Path,
    /// A directory of ours on the same file system.
    pub beside: &'a Path,
    pub by: By,
    pub stop: &'a Stop,
}

impl Returned<'_> {
    /// Faults, and counts of files, go to the discs' `seen`, which is in the order of `discs`.
    pub fn compare(
        &self,
        expected: &[ExpectedPath],
        discs: &[DiscNo],
        seen: &mut [Drilled],
    ) -> Result<(), FlowError> {
        let mut comparer = ReturnedComparer::new(self, expected, discs, seen);
        if self.target.is_dir() {
            comparer.open_up()?;
            let monitor = Monitor::new();
            walk(self.target, &Filter::default(), self.stop, &monitor, &mut comparer)?;
        }
        comparer.finish();
        Ok(())
    }
}

/// Goes through the rows and through what is there in the same order.
struct ReturnedComparer<'a> {
    on: &'a Returned<'a>,
    rows: std::slice::Iter<'a, ExpectedPath>,
    discs: &'a [DiscNo],
    seen: &'a mut [Drilled],
    source: Option<Source>,
    sticking: Sticking<'a>,
    /// Modes of what its owner cannot read, and now can.
    lent: HashMap<RelPath, u32>,
    /// For each object with several names: how many must be there, and how many may.
    names: HashMap<&'a [u8], (u64, u64)>,
    /// Which object is there under the first of its names.
    firsts: HashMap<&'a [u8], (u64, u64)>,
    links: Vec<(&'a ExpectedPath, (u64, u64))>,
}

impl<'a> ReturnedComparer<'a> {
    fn new(
        on: &'a Returned<'a>,
        expected: &'a [ExpectedPath],
        discs: &'a [DiscNo],
        seen: &'a mut [Drilled],
    ) -> ReturnedComparer<'a> {
        let mut names: HashMap<&[u8], (u64, u64)> = HashMap::new();
        for one in expected.iter().filter(|one| one.row.kind == Kind::Hardlink) {
            let (must, may) = names.entry(&one.row.meta.link).or_insert((1, 1));
            *must += u64::from(one.must);
            *may += 1;
        }
        ReturnedComparer {
            on,
            rows: expected.iter(),
            discs,
            seen,
            source: Source::open(on.target).ok(),
            sticking: Sticking::new(on.beside, on.stop),
            lent: HashMap::new(),
            names,
            firsts: HashMap::new(),
            links: Vec::new(),
        }
    }

    /// What the listing alone tells is a matter of the last disc, which has the newest one.
    fn of(&mut self, disc: Option<DiscNo>) -> Option<&mut Drilled> {
        let at = disc.and_then(|disc| self.discs.iter().position(|here| *here == disc));
        match at {
            Some(at) => self.seen.get_mut(at),
            None => self.seen.last_mut(),
        }
    }

    fn fault(&mut self, disc: Option<DiscNo>, path: &RelPath, what: impl std::fmt::Display) {
        let what = match self.on.by {
            By::RestoreSh => what.to_string(),
            By::SimpleRestoreSh => format!("{what} (simple-restore.sh)"),
        };
        let fault = DrillFault::new(path.to_string(), what);
        if let Some(seen) = self.of(disc) {
            seen.faults.push(fault);
        }
    }

    /// Directories that even their owner cannot read: root can.
    fn open_up(&mut self) -> Result<(), FlowError> {
        if is_root() {
            return Ok(());
        }
        let closed =
            |one: &&ExpectedPath| one.row.kind == Kind::Dir && one.row.meta.mode & 0o500 != 0o500;
        for one in self.rows.as_slice().iter().filter(closed) {
            self.on.stop.check()?;
            self.lend(&one.row.path, 0o500);
        }
        Ok(())
    }

    /// Lets the owner of a file or directory read it. Links are not followed, and what is not there
    /// is told of later.
    fn lend(&mut self, path: &RelPath, bits: u32) {
        let Some((parent, name)) = path.split_last() else { return };
        let Ok(root) = open_root(self.on.target) else { return };
        let Ok(dir) = Beneath::new(root).dir(&parent, MissingDirs::Fail) else { return };
        let Ok(stat) = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mode = stat.st_mode & 0o7777;
        if matches!(kind, FileType::RegularFile | FileType::Directory)
            && chmodat(&dir, name, Mode::from_raw_mode(mode | bits), AtFlags::empty()).is_ok()
        {
            self.lent.entry(path.clone()).or_insert(mode);
        }
    }

    fn missing(&mut self, one: &ExpectedPath) {
        if one.must {
            self.fault(one.disc, &one.row.path, "was not restored");
        }
    }

    fn meet(&mut self, one: &'a ExpectedPath, mut entry: Entry) -> Result<(), FlowError> {
        let (row, print) = (&one.row, entry.print);
        if row.kind == Kind::Hardlink {
            self.links.push((one, (print.dev, print.inode)));
            return Ok(());
        }
        if self.names.contains_key(row.path.as_bytes()) {
            self.firsts.insert(row.path.as_bytes(), (print.dev, print.inode));
        }
        if !one.must {
            return Ok(());
        }
        if let Some(mode) = self.lent.get(&row.path) {
            entry.meta.mode = *mode;
        }
        if entry.kind != row.kind {
            let what =
                format!("was restored as {} instead of {}", word(entry.kind), word(row.kind));
            self.fault(one.disc, &row.path, what);
            return Ok(());
        }
        let (must, may) = self.names.get(row.path.as_bytes()).copied().unwrap_or((1, 1));
        if row.kind != Kind::Dir && !(must..=may).contains(&print.nlink) {
            let what = format!("was restored with {} names instead of {may}", print.nlink);
            self.fault(one.disc, &row.path, what);
        }
        if row.kind == Kind::File {
            self.read(one, &print)?;
        }
        self.hold(one, &entry.meta);
        Ok(())
    }

    fn read(&mut self, one: &ExpectedPath, print: &Fingerprint) -> Result<(), FlowError> {
        let found = match self.digest_of(&one.row.path, print) {
            Err(ContentReadError::Open(error))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                self.lend(&one.row.path, 0o400);
                self.digest_of(&one.row.path, print)
            }
            found => found,
        };
        self.on.stop.check()?;
        match found {
            Err(error) => {
                let what = format!("cannot be read again: {}", chain(&error));
                self.fault(one.disc, &one.row.path, what);
            }
            Ok((size, sum)) if size != one.row.size || one.row.sha256.is_some_and(|w| w != sum) => {
                self.fault(one.disc, &one.row.path, "content differs (SHA-256 mismatch)");
            }
            Ok((size, _)) if one.is_content() && self.on.by == By::RestoreSh => {
                if let Some(seen) = self.of(one.disc) {
                    seen.files += 1;
                    seen.bytes += size;
                }
            }
            Ok(_) => {}
        }
        Ok(())
    }

    fn digest_of(
        &mut self,
        path: &RelPath,
        print: &Fingerprint,
    ) -> Result<(u64, Digest), ContentReadError> {
        let source = self.source.as_mut().ok_or(ContentReadError::Vanished)?;
        let file = source.open_file(path, print)?;
        digest(Heeding::new(file, self.on.stop)).map_err(ContentReadError::Open)
    }

    /// What belongs to an entry beside its content. What differs, and would for whoever sets it as
    /// this user in this place, is no fault of the script's.
    fn hold(&mut self, one: &ExpectedPath, found: &Meta) {
        let (kind, by) = (one.row.kind, self.on.by);
        let mut differs = differences(kind, &one.row.meta, found, by);
        if !differs.is_empty() {
            let possible = self.sticking.of(kind, &one.row.meta);
            differs = differences(kind, &possible, found, by);
        }
        if !differs.is_empty() {
            self.fault(
                one.disc,
                &one.row.path,
                format!("was restored with {}", differs.join(", ")),
            );
        }
    }

    fn finish(mut self) {
        let rest = std::mem::take(&mut self.rows);
        rest.for_each(|one| self.missing(one));
        for (one, object) in std::mem::take(&mut self.links) {
            let first = self.firsts.get(&one.row.meta.link[..]);
            if one.must && first != Some(&object) {
                let other = RelPath::new(&one.row.meta.link).unwrap_or_default();
                let what = format!("was not restored as another name of {other}");
                self.fault(one.disc, &one.row.path, what);
            }
        }
    }
}

impl<'a> Visitor<FlowError> for ReturnedComparer<'a> {
    fn known_xattrs(&mut self, _: &Entry) -> Result<Option<Vec<Xattr>>, FlowError> {
        Ok(None)
    }

    fn take(&mut self, found: WalkedPath) -> Result<(), FlowError> {
        let path = found.path();
        while let Some(one) = self.rows.as_slice().first().filter(|one| one.row.path < *path) {
            self.rows.next();
            self.missing(one);
        }
        let next = self.rows.as_slice().first();
        let Some(one) = next.filter(|one| one.row.path == *path) else {
            // Directories that no row names are made for what is in them.
            if !path.is_root() && !next.is_some_and(|next| is_in(&next.row.path, path)) {
                let path = path.clone();
                self.fault(None, &path, "was restored but is not in the listing");
            }
            return Ok(());
        };
        self.rows.next();
        match found {
            WalkedPath::Entry(entry)
            | WalkedPath::Hollow { entry, .. }
            | WalkedPath::Shelf(entry) => {
                self.meet(one, entry)?;
            }
            WalkedPath::Excluded { path, rule } => {
                self.fault(one.disc, &path, format!("was restored, but {rule}"));
            }
            WalkedPath::Failed { path, error } => {
                self.fault(one.disc, &path, format!("cannot be examined: {}", chain(&error)));
            }
        }
        Ok(())
    }
}

fn is_in(path: &RelPath, dir: &RelPath) -> bool {
    let below = path.as_bytes().strip_prefix(dir.as_bytes());
    dir.is_root() || below.is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::File | Kind::Hardlink => "a file",
        Kind::Dir => "a directory",
        Kind::Symlink => "a symbolic link",
        Kind::Fifo => "a FIFO",
        Kind::CharDevice => "a character device",
        Kind::BlockDevice => "a block device",
    }
}

/// What of `found` is not as wanted, in words.
fn differences(kind: Kind, wanted: &Meta, found: &Meta, by: By) -> Vec<String> {
    let mut words = Vec::new();
    if kind != Kind::Symlink && found.mode != wanted.mode {
        words.push(format!("mode {:04o} instead of {:04o}", found.mode, wanted.mode));
    }
    if is_root() && (found.uid, found.gid) != (wanted.uid, wanted.gid) {
        let (was, is) = ((found.uid, found.gid), (wanted.uid, wanted.gid));
        words.push(format!("owner {}:{} instead of {}:{}", was.0, was.1, is.0, is.1));
    }
    if found.mtime != wanted.mtime {
        let (was, is) = (found.mtime.to_decimal(), wanted.mtime.to_decimal());
        words.push(format!("time {was} instead of {is}"));
    }
    if kind == Kind::Symlink && found.link != wanted.link {
        words.push("a different target".to_owned());
    }
    if found.device != wanted.device {
        words.push("a different device number".to_owned());
    }
    words.extend(attribute_differences(&wanted.xattrs, &found.xattrs, by));
    words
}

fn attribute_differences(wanted: &[Xattr], found: &[Xattr], by: By) -> Vec<String> {
    let has = |all: &[Xattr], name: &[u8]| all.iter().any(|x| x.name == name);
    let lacking = wanted.iter().filter(|x| by == By::RestoreSh && !has(found, &x.name));
    let lacking = lacking.map(|x| format!("no attribute {}", shown(&x.name)));
    let others = found.iter().filter(|x| !wanted.contains(x));
    lacking.chain(others.map(|x| format!("an unexpected attribute {}", shown(&x.name)))).collect()
}
