//! The recovery blocks of a group while its discs are made (format 11): sums in the staging area,
//! one file for each recovery disc, to which each disc's image is added as it comes.
//!
//! Adding twice takes away again, so each step can be undone: the old stripe is kept until a line
//! in the log says that the new one is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::field::Multiplier;
use super::striping::{StripePiece, recovery_file};
use crate::model::disc::Ratio;
use crate::model::{Bytes, DiscNo, DiscUuid, Sectors};
use crate::port::files::{
    make_private_dir, open_own, open_own_to_read, read_own, read_own_text, sync_dir,
    unless_missing, write_atomic,
};
use crate::port::stop::Stop;

const LOG: &str = "log";
const UNDO: &str = "undo";

/// A disc of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    pub disc: DiscNo,
    pub uuid: DiscUuid,
    /// All of its image is in the sums.
    pub is_whole: bool,
    pieces: Vec<StripePiece>,
}

impl GroupMember {
    /// So much of its image is in the sums: all of it, if it is whole.
    pub fn taken(&self) -> Sectors {
        Bytes(self.pieces.iter().map(|piece| piece.length).sum()).sectors()
    }
}

/// Fills a buffer from a place of an image.
pub type ImageReader<'a> = dyn FnMut(u64, &mut [u8]) -> io::Result<()> + 'a;

/// A group that is not closed yet.
#[derive(Debug)]
pub struct OpenGroup {
    pub dir: PathBuf,
    log: File,
    pub ratio: Ratio,
    pub stripe: u64,
    pub members: Vec<GroupMember>,
}

impl OpenGroup {
    /// The group that is in `dir`, as its last whole step left it.
    pub fn open(dir: &Path) -> io::Result<Option<OpenGroup>> {
        let path = dir.join(LOG);
        let text = match read_own_text(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        // A line that was not written to its end does not count.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let log = open_own(OpenOptions::new().read(true).append(true), &path)?;
        log.set_len(whole as u64)?;
        let mut lines = text[..whole].lines();
        let Some((ratio, stripe)) = lines.next().and_then(head) else { return Ok(None) };
        let (dir, members) = (dir.to_owned(), Vec::new());
        let mut group = OpenGroup { dir, log, ratio, stripe, members };
        for line in lines {
            let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("line {line:?}"));
            group.read_line(line).ok_or_else(bad)?;
        }
        group.undo()?;
        Ok(Some(group))
    }

    /// The discs that are in a group, read without touching it.
    pub fn members_of(dir: &Path) -> io::Result<Vec<DiscUuid>> {
        let text = match read_own_text(&dir.join(LOG)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let whole = text.lines().filter_map(|line| line.strip_prefix("whole ")?.split_once(' '));
        Ok(whole.filter_map(|(_, uuid)| Some(DiscUuid(uuid.parse().ok()?))).collect())
    }

    pub fn begin(dir: &Path, ratio: Ratio, stripe: u64) -> io::Result<OpenGroup> {
        OpenGroup::remove(dir)?;
        make_private_dir(dir)?;
        write_atomic(&dir.join(LOG), format!("group {ratio} {stripe}\n").as_bytes(), 0o600)?;
        OpenGroup::open(dir)?.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    pub fn remove(dir: &Path) -> io::Result<()> {
        unless_missing(fs::remove_dir_all(dir))
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (verb, rest) = line.split_once(' ')?;
        let mut words = rest.splitn(3, ' ');
        let disc = DiscNo(words.next()?.parse().ok()?);
        let uuid = DiscUuid(words.next()?.parse().ok()?);
        match verb {
            "piece" => {
                let piece = StripePiece::parse(words.next()?)?;
                self.member(disc, uuid).pieces.push(piece);
            }
            "whole" => self.member(disc, uuid).is_whole = true,
            _ => return None,
        }
        Some(())
    }

    fn member(&mut self, disc: DiscNo, uuid: DiscUuid) -> &mut GroupMember {
        let at = self.members.iter().position(|member| member.uuid == uuid);
        let at = at.unwrap_or_else(|| {
            self.members.push(GroupMember { disc, uuid, is_whole: false, pieces: Vec::new() });
            self.members.len() - 1
        });
        &mut self.members[at]
    }

    fn note(&mut self, line: &str) -> io::Result<()> {
        self.log.write_all(format!("{line}\n").as_bytes())?;
        self.log.sync_data()?;
        self.read_line(line).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// A disc of which a part is in the sums, and which was not finished.
    pub fn unfinished(&self) -> Option<&GroupMember> {
        self.members.iter().find(|member| !member.is_whole)
    }

    pub fn has(&self, uuid: DiscUuid) -> bool {
        self.members.iter().any(|member| member.uuid == uuid && member.is_whole)
    }

    /// How many stripes the longest image has.
    pub fn stripes(&self) -> u64 {
        self.members.iter().map(|member| member.pieces.len() as u64).max().unwrap_or(0)
    }

    /// Adds an image of `length` bytes to the sums, or the rest of it.
    pub fn take(
        &mut self,
        disc: DiscNo,
        uuid: DiscUuid,
        length: u64,
        read: &mut ImageReader,
        watch: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> io::Result<()> {
        let done = self.member(disc, uuid).pieces.len() as u64;
        for number in done..length.div_ceil(self.stripe) {
            stop.check().map_err(io::Error::other)?;
            let start = number * self.stripe;
            let mut content = vec![0; (length - start).min(self.stripe) as usize];
            read(start, &mut content)?;
            self.take_piece(disc, uuid, number, &content)?;
            watch(start + content.len() as u64);
        }
        self.note(&format!("whole {disc} {}", uuid.0))
    }

    fn take_piece(
        &mut self,
        disc: DiscNo,
        uuid: DiscUuid,
        number: u64,
        content: &[u8],
    ) -> io::Result<()> {
        let place = self.members.iter().position(|member| member.uuid == uuid).unwrap_or(0);
        // Images that end before this stripe are not in its set.
        let has_it = |member: &&GroupMember| member.pieces.len() as u64 > number;
        let rank = self.members[..place].iter().filter(has_it).count();
        let old = self.blocks(number)?;
        write_atomic(&self.dir.join(UNDO), &[&head_of(uuid, number), &old[..]].concat(), 0o600)?;
        let mut new = old;
        for (exponent, sum) in (0..).zip(new.chunks_mut(self.stripe as usize)) {
            Multiplier::new(rank, exponent).add_product(content, sum);
        }
        self.put_blocks(number, &new)?;
        let places = self.ratio.data as usize;
        let piece = StripePiece::new(disc, number, content, self.stripe, place, places);
        self.note(&format!("piece {disc} {} {}", uuid.0, piece.to_text()))
    }

    /// Takes back a stripe that was changed without a line in the log.
    fn undo(&mut self) -> io::Result<()> {
        let path = self.dir.join(UNDO);
        let kept = match read_own(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            kept => kept?,
        };
        let (head, blocks) = kept.split_at(kept.len().min(HEAD));
        let logged = |member: &GroupMember| {
            let last = (member.pieces.len() as u64).checked_sub(1);
            last.is_some_and(|last| head == head_of(member.uuid, last))
        };
        if !self.members.iter().any(logged) && head.len() == HEAD {
            let number = u64::from_le_bytes(head[16..].try_into().unwrap_or_default());
            self.put_blocks(number, blocks)?;
        }
        fs::remove_file(path)
    }

    fn sum_file(&self, exponent: u32) -> PathBuf {
        self.dir.join(format!("sum{exponent}"))
    }

    /// The sums of a stripe, one after the other; zeros where nothing was added yet.
    fn blocks(&self, number: u64) -> io::Result<Vec<u8>> {
        let size = self.stripe as usize;
        let mut blocks = vec![0; size * self.ratio.recovery as usize];
        for (exponent, block) in (0..).zip(blocks.chunks_mut(size)) {
            let file = match open_own_to_read(&self.sum_file(exponent)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            // The file ends with a whole stripe.
            if file.metadata()?.len() > number * self.stripe {
                file.read_exact_at(block, number * self.stripe)?;
            }
        }
        Ok(blocks)
    }

    fn put_blocks(&self, number: u64, blocks: &[u8]) -> io::Result<()> {
        let mut is_new = false;
        for (exponent, block) in (0..).zip(blocks.chunks(self.stripe as usize)) {
            let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
            let path = self.sum_file(exponent);
            is_new |= !path.exists();
            let file = open_own(&options, &path)?;
            file.write_all_at(block, number * self.stripe)?;
            file.sync_data()?;
        }
        // A sum whose name a power cut takes would count as zeros.
        if is_new { sync_dir(&self.dir) } else { Ok(()) }
    }

    /// The file of a stripe for the recovery disc with this exponent.
    pub fn recovery_file(&self, number: u64, exponent: u32) -> io::Result<Vec<u8>> {
        let pieces = self.members.iter().filter_map(|member| member.pieces.get(number as usize));
        let pieces: Vec<StripePiece> = pieces.cloned().collect();
        let blocks = self.blocks(number)?;
        let from = exponent as usize * self.stripe as usize;
        let block = &blocks[from..from + self.stripe as usize];
        Ok(recovery_file(&pieces, self.stripe, exponent, block))
    }
}

/// A disc's UUID and a stripe's number.
const HEAD: usize = 24;

fn head_of(uuid: DiscUuid, number: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(uuid.0.as_bytes());
    head[16..].copy_from_slice(&number.to_le_bytes());
    head
}

fn head(line: &str) -> Option<(Ratio, u64)> {
    let (ratio, stripe) = line.strip_prefix("group ")?.split_once(' ')?;
    let stripe = stripe.parse().ok().filter(|stripe| stripe % 2 == 0 && *stripe > 0)?;
    Some((Ratio::parse(ratio)?, stripe))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const STRIPE: u64 = 4_096;
    /// The second disc has no piece in the last stripes of the others.
    const LENGTHS: [usize; 3] = [21_000, 9_000, 18_000];

    fn image(seed: u8, length: usize) -> File {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..length).map(|at| ((at * at) >> 7) as u8 ^ seed).collect();
        file.write_all_at(&bytes, 0).unwrap();
        file
    }

    fn uuid(number: u32) -> DiscUuid {
        DiscUuid(Uuid::from_u128(u128::from(number)))
    }

    fn take(group: &mut OpenGroup, number: u32, stop: &Stop) -> io::Result<()> {
        let image = image(number as u8, LENGTHS[number as usize - 1]);
        let length = image.metadata()?.len();
        let read = &mut |at, buf: &mut [u8]| image.read_exact_at(buf, at);
        group.take(DiscNo(number), uuid(number), length, read, &mut |_| (), stop)
    }

    fn files(group: &OpenGroup) -> Vec<Vec<u8>> {
        let exponents = 0..group.ratio.recovery;
        let all = (0..group.stripes()).flat_map(|n| exponents.clone().map(move |e| (n, e)));
        all.map(|(number, exponent)| group.recovery_file(number, exponent).unwrap()).collect()
    }

    fn undisturbed() -> Vec<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        let ratio = Ratio::parse("2/3").unwrap();
        let mut group = OpenGroup::begin(&dir.path().join("group"), ratio, STRIPE).unwrap();
        (1..=3).for_each(|number| take(&mut group, number, &Stop::new()).unwrap());
        files(&group)
    }

    /// Whatever was on the disk when the power failed, the sums come out the same.
    #[test]
    fn a_group_that_was_cut_off_at_any_step_goes_on() {
        let wanted = undisturbed();
        let ratio = Ratio::parse("2/3").unwrap();
        for cut in 0..4_u64 {
            for torn in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let place = dir.path().join("group");
                let mut group = OpenGroup::begin(&place, ratio, STRIPE).unwrap();
                take(&mut group, 1, &Stop::new()).unwrap();
                // The second disc: some stripes are in, one is changed and not logged.
                let second = image(2, LENGTHS[1]);
                let mut content = vec![0; STRIPE as usize];
                for number in 0..cut.min(3) {
                    content.truncate(LENGTHS[1] - (number * STRIPE) as usize);
                    second.read_exact_at(&mut content, number * STRIPE).unwrap();
                    group.member(DiscNo(2), uuid(2));
                    group.take_piece(DiscNo(2), uuid(2), number, &content).unwrap();
                }
                let log = fs::read(place.join(LOG)).unwrap();
                if cut > 0 {
                    let keep = log[..log.len() - 1].iter().rposition(|&b| b == b'\n').unwrap() + 1;
                    let rest = if torn { 9 } else { 0 };
                    fs::write(place.join(LOG), &log[..keep + rest]).unwrap();
                }
                drop(group);
                let mut group = OpenGroup::open(&place).unwrap().unwrap();
                take(&mut group, 2, &Stop::new()).unwrap();
                take(&mut group, 3, &Stop::new()).unwrap();
                assert!(files(&group) == wanted, "{cut} {torn}");
                drop(group);
                assert!(files(&OpenGroup::open(&place).unwrap().unwrap()) == wanted);
            }
        }
    }

    #[test]
    fn par2_makes_each_stripe_of_a_lost_disc_of_a_group_with_short_discs() {
        let dir = tempfile::tempdir().unwrap();
        let ratio = Ratio::parse("1/3").unwrap();
        let mut group = OpenGroup::begin(&dir.path().join("group"), ratio, STRIPE).unwrap();
        (1..=3).for_each(|number| take(&mut group, number, &Stop::new()).unwrap());
        for lost in [1_u32, 3] {
            for number in 0..group.stripes() {
                let place = dir.path().join(format!("{lost}-{number}"));
                fs::create_dir(&place).unwrap();
                let par2 = place.join("x.vol0+1.par2");
                fs::write(&par2, group.recovery_file(number, 0).unwrap()).unwrap();
                let mut wanted = None;
                for member in &group.members {
                    let Some(piece) = member.pieces.get(number as usize) else { continue };
                    let whole = image(member.disc.0 as u8, LENGTHS[member.disc.0 as usize - 1]);
                    let mut content = vec![0; piece.length as usize];
                    whole.read_exact_at(&mut content, number * STRIPE).unwrap();
                    match member.disc.0 == lost {
                        true => wanted = Some((place.join(&piece.name), content)),
                        false => fs::write(place.join(&piece.name), content).unwrap(),
                    }
                }
                let Some((path, content)) = wanted else { continue };
                let stop = Stop::new();
                crate::recovery::program::repair(&place, 1 << 20, &par2, None, &mut |_| (), &stop)
                    .unwrap();
                assert!(fs::read(path).unwrap() == content, "disc {lost}, stripe {number}");
            }
        }
    }

    #[test]
    fn a_stop_leaves_an_unfinished_disc_that_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let ratio = Ratio::parse("2/3").unwrap();
        let mut group = OpenGroup::begin(dir.path(), ratio, STRIPE).unwrap();
        let stop = Stop::new();
        stop.ask(2);
        assert!(take(&mut group, 1, &stop).is_err());
        assert_eq!(group.unfinished().map(|member| member.disc), Some(DiscNo(1)));
        take(&mut group, 1, &Stop::new()).unwrap();
        assert!(group.has(uuid(1)) && group.unfinished().is_none());
        assert!(OpenGroup::open(&dir.path().join("nothing")).unwrap().is_none());
    }
}
