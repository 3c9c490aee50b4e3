//! The checks that every drive must pass, and the means to write them once.
//!
//! A drive brings a [`DriveBench`]: how to get one that is empty, and how to make its media fail.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::model::{DiscNo, DiscUuid, SetName, SetUuid};
use crate::port::stop::Stopped;

/// What shall go wrong from now on.
pub(crate) enum InjectedFault {
    /// The first medium of this disc cannot be written at this sector.
    WriteError(DiscNo, Sectors),
    /// So many sectors of this disc's first medium cannot be read.
    ReadError(DiscNo, Sectors, u64),
    /// No more than so many blanks.
    Blanks(u32),
    /// Only these discs can be had without a person.
    Present(Vec<DiscNo>),
    /// Who asks for the first disc gets the second.
    Swap(DiscNo, DiscIdentity),
}

/// A drive of some kind under test.
pub(crate) trait DriveBench {
    /// A drive on the same media, as a later run would open it.
    fn drive(&self) -> Box<dyn Drive>;
    fn arrange(&self, trouble: &[InjectedFault]);
    /// All bytes of the medium that carries this disc; `None` if there is none.
    fn medium(&self, label: &DiscIdentity) -> Option<Vec<u8>>;
}

/// Files of a staging area, as long as this lives, and the job to burn them.
pub(crate) struct StagedJob {
    _dir: TempDir,
    pub job: BurnJob,
}

pub(crate) fn label(number: u32) -> DiscIdentity {
    DiscIdentity {
        set: SetName::new("holidays").unwrap(),
        set_uuid: SetUuid(Uuid::from_u128(1)),
        number: DiscNo(number),
        uuid: DiscUuid(Uuid::from_u128(100 + u128::from(number))),
    }
}

/// A disc with the files of a real one; contents differ between discs and are the same each time.
pub(crate) fn staged(number: u32) -> StagedJob {
    let dir = tempfile::tempdir().unwrap();
    let label = label(number);
    let disc_txt = format!(
        "format=1\nset={}\nset_uuid={}\ndisc={number}\ndisc_uuid={}\n",
        label.set, label.set_uuid, label.uuid
    );
    let filler = |n: usize| (0..n).map(|i| (i * 7 + i / 251 + number as usize) as u8).collect();
    let files: Vec<(String, Vec<u8>)> = vec![
        ("README.txt".into(), filler(3000)),
        ("restore.sh".into(), filler(2048)),
        ("DISC.txt".into(), disc_txt.into_bytes()),
        ("INDEX.tsv.bz2".into(), filler(5001)),
        ("SNAPSHOT.tsv.bz2".into(), Vec::new()),
        ("archives/00000002.tar.bz2".into(), filler(400_000)),
        ("archives/00000001.tar.bz2".into(), filler(100_001)),
        ("SHA256SUMS".into(), filler(500)),
    ];
    let sizes: Vec<_> = files.iter().map(|(p, c)| (p, Bytes(c.len() as u64))).collect();
    let sectors = image_sectors(&sizes);
    let files = files.into_iter().map(|(path, content)| {
        let source = dir.path().join(path.replace('/', " 'ü\n"));
        fs::write(&source, content).unwrap();
        (path, source)
    });
    let job = BurnJob {
        image: None,
        label,
        volume_id: format!("{number:04}_HOLIDAYS"),
        volume_date: "1987020304050607".into(),
        volume_set: "5E7".into(),
        application: "COLDCUT DISC 7".into(),
        files: files.collect(),
        sectors,
    };
    StagedJob { _dir: dir, job }
}

pub(crate) fn burn(drive: &mut dyn Drive, job: &BurnJob) -> Result<(), DriveError> {
    drive.take_blank(&job.label)?;
    drive.burn(job, &|_| (), &Stop::new())
}

pub(crate) fn contents(disc: &dyn DiscReader) -> Vec<(String, Vec<u8>)> {
    let read = |file: &DiscFile| {
        let mut content = Vec::new();
        FileReader::new(disc, file).read_to_end(&mut content).unwrap();
        (file.path.clone(), content)
    };
    disc.files().iter().map(read).collect()
}

pub(crate) fn wanted(job: &BurnJob) -> Vec<(String, Vec<u8>)> {
    job.files.iter().map(|(path, source)| (path.clone(), fs::read(source).unwrap())).collect()
}

/// An empty file has no place of its own and may be listed anywhere.
fn without_empty(mut files: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    files.retain(|(_, content)| !content.is_empty());
    files
}

/// Runs every check, each on an empty drive.
pub(crate) fn check<B: DriveBench>(new: impl Fn() -> B) {
    burned_discs_come_back_byte_for_byte(&new());
    files_lie_in_the_order_of_the_job(&new());
    what_was_never_burned_is_not_there(&new());
    another_disc_is_named(&new());
    a_disc_with_another_identity_is_refused(&new());
    a_disc_is_never_burned_over(&new());
    a_write_error_leaves_no_disc_and_the_next_blank_takes_it(&new());
    a_changed_file_leaves_no_disc(&new());
    unreadable_sectors_are_named_and_cost_nothing_else(&new());
    a_rejected_medium_makes_room_for_another(&new());
    blanks_run_out(&new());
    absent_discs_are_not_there(&new());
    two_burns_are_alike(&new(), &new());
    a_wish_to_stop_leaves_no_disc(&new());
}

fn burned_discs_come_back_byte_for_byte(bench: &dyn DriveBench) {
    let jobs = [staged(1), staged(2)];
    for staged in &jobs {
        burn(&mut *bench.drive(), &staged.job).unwrap();
    }
    for staged in &jobs {
        let disc = bench.drive().find(&staged.job.label).unwrap();
        let (mut is, mut should) = (contents(&*disc), wanted(&staged.job));
        is.sort();
        should.sort();
        assert!(is == should);
        assert_eq!(disc.image_sectors(), Some(staged.job.sectors));
        assert_eq!(
            bench.medium(&staged.job.label).unwrap().len() as u64,
            staged.job.sectors.bytes().0
        );
    }
    let all = bench.drive().discs().unwrap();
    assert_eq!((all.discs.len(), all.problems.len()), (2, 0));
}

fn files_lie_in_the_order_of_the_job(bench: &dyn DriveBench) {
    let staged = staged(1);
    burn(&mut *bench.drive(), &staged.job).unwrap();
    let disc = bench.drive().find(&staged.job.label).unwrap();
    assert!(without_empty(contents(&*disc)) == without_empty(wanted(&staged.job)));
    let sectors: Vec<_> = disc.files().iter().filter_map(|f| f.sector_at(0)).collect();
    assert!(sectors.is_sorted());
}

fn what_was_never_burned_is_not_there(bench: &dyn DriveBench) {
    let error = bench.drive().find(&label(1)).err().unwrap();
    assert!(matches!(error, DriveError::NotThere { .. }), "{error}");
    assert!(bench.drive().discs().unwrap().discs.is_empty());
}

fn another_disc_is_named(bench: &dyn DriveBench) {
    for number in [1, 2] {
        burn(&mut *bench.drive(), &staged(number).job).unwrap();
    }
    bench.arrange(&[InjectedFault::Swap(DiscNo(2), label(1))]);
    let error = bench.drive().find(&label(2)).err().unwrap();
    assert!(matches!(error, DriveError::WrongDisc { .. }), "{error}");
    assert!(error.to_string().contains("disc 1 of holidays"), "{error}");
    assert!(bench.drive().find(&label(1)).is_ok());
}

fn a_disc_with_another_identity_is_refused(bench: &dyn DriveBench) {
    burn(&mut *bench.drive(), &staged(1).job).unwrap();
    let other = DiscIdentity { uuid: DiscUuid(Uuid::from_u128(999)), ..label(1) };
    let error = bench.drive().find(&other).err().unwrap();
    assert!(matches!(error, DriveError::WrongDisc { .. }), "{error}");
}

fn a_disc_is_never_burned_over(bench: &dyn DriveBench) {
    let staged = staged(1);
    burn(&mut *bench.drive(), &staged.job).unwrap();
    let before = bench.medium(&label(1));
    let mut drive = bench.drive();
    let asked = drive.take_blank(&label(1)).unwrap_err();
    let forced = drive.burn(&staged.job, &|_| (), &Stop::new()).unwrap_err();
    for error in [asked, forced] {
        assert!(matches!(error, DriveError::AlreadyThere { .. }), "{error}");
    }
    assert!(bench.medium(&label(1)) == before);
}

fn a_write_error_leaves_no_disc_and_the_next_blank_takes_it(bench: &dyn DriveBench) {
    let staged = staged(1);
    bench.arrange(&[InjectedFault::WriteError(DiscNo(1), Sectors(50))]);
    let error = burn(&mut *bench.drive(), &staged.job).unwrap_err();
    assert!(matches!(error, DriveError::Write { sector: Some(Sectors(50)), .. }), "{error}");
    let error = bench.drive().find(&label(1)).err().unwrap();
    assert!(matches!(error, DriveError::NotThere { .. }), "{error}");
    assert!(bench.drive().discs().unwrap().discs.is_empty());
    burn(&mut *bench.drive(), &staged.job).unwrap();
    let error = bench.drive().find(&label(1)).err();
    assert!(error.is_none(), "{error:?}");
}

fn a_changed_file_leaves_no_disc(bench: &dyn DriveBench) {
    let staged = staged(1);
    fs::write(&staged.job.files[3].1, [0; 9000]).unwrap();
    let error = burn(&mut *bench.drive(), &staged.job).unwrap_err();
    assert!(matches!(error, DriveError::Size { .. }), "{error}");
    assert!(bench.medium(&label(1)).is_none());
    fs::remove_file(&staged.job.files[3].1).unwrap();
    let error = burn(&mut *bench.drive(), &staged.job).unwrap_err();
    assert!(matches!(error, DriveError::Write { .. }), "{error}");
    assert!(bench.medium(&label(1)).is_none());
}

fn unreadable_sectors_are_named_and_cost_nothing_else(bench: &dyn DriveBench) {
    let staged = staged(1);
    burn(&mut *bench.drive(), &staged.job).unwrap();
    let disc = bench.drive().find(&label(1)).unwrap();
    let hurt = "archives/00000002.tar.bz2";
    let bad = disc.file(hurt).unwrap().sector_at(10 * 2048).unwrap();
    bench.arrange(&[InjectedFault::ReadError(DiscNo(1), bad, 2)]);
    let disc = bench.drive().find(&label(1)).unwrap();
    for (path, content) in wanted(&staged.job) {
        let file = disc.file(&path).unwrap();
        let (read, lost) = read_past_damage(&*disc, file);
        let expected_loss = if path == hurt { vec![bad, Sectors(bad.0 + 1)] } else { vec![] };
        assert_eq!(lost, expected_loss, "{path}");
        for (offset, piece) in read {
            assert!(content[offset..].starts_with(&piece), "{path} at {offset}");
        }
    }
    let error =
        FileReader::new(&*disc, disc.file(hurt).unwrap()).read_to_end(&mut Vec::new()).unwrap_err();
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<ReadError>()).unwrap();
    assert!(matches!(inner, ReadError::Unreadable { sector, .. } if *sector == bad), "{inner}");
}

type ReadPieces = Vec<(usize, Vec<u8>)>;

/// All that can be read, in large steps, and the sectors that cannot.
fn read_past_damage(disc: &dyn DiscReader, file: &DiscFile) -> (ReadPieces, Vec<Sectors>) {
    let (mut pieces, mut lost, mut at) = (Vec::new(), Vec::new(), 0);
    while at < file.size.0 {
        let mut buffer = vec![0; 100_000];
        match disc.read_at(file, at, &mut buffer) {
            Ok(n) => {
                pieces.push((at as usize, buffer[..n].to_vec()));
                at += n as u64;
            }
            Err(ReadError::Unreadable { sector, .. }) => {
                lost.push(sector);
                at = (at / 2048 + 1) * 2048;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let all: u64 = pieces.iter().map(|(_, piece)| piece.len() as u64).sum();
    assert_eq!(all + lost.len() as u64 * 2048, file.size.0);
    (pieces, lost)
}

fn a_rejected_medium_makes_room_for_another(bench: &dyn DriveBench) {
    let staged = staged(1);
    bench.arrange(&[InjectedFault::ReadError(DiscNo(1), Sectors(40), 1)]);
    for _ in 0..2 {
        burn(&mut *bench.drive(), &staged.job).unwrap();
        bench.drive().reject(&label(1)).unwrap();
        let error = bench.drive().find(&label(1)).err().unwrap();
        assert!(matches!(error, DriveError::NotThere { .. }), "{error}");
    }
    burn(&mut *bench.drive(), &staged.job).unwrap();
    let disc = bench.drive().find(&label(1)).unwrap();
    assert!(without_empty(contents(&*disc)) == without_empty(wanted(&staged.job)));
}

fn blanks_run_out(bench: &dyn DriveBench) {
    bench.arrange(&[InjectedFault::Blanks(1)]);
    burn(&mut *bench.drive(), &staged(1).job).unwrap();
    let error = bench.drive().take_blank(&label(2)).unwrap_err();
    assert!(matches!(error, DriveError::NoMoreBlanks { .. }), "{error}");
    let error = bench.drive().burn(&staged(2).job, &|_| (), &Stop::new()).unwrap_err();
    assert!(matches!(error, DriveError::NoMoreBlanks { .. }), "{error}");
}

fn absent_discs_are_not_there(bench: &dyn DriveBench) {
    for number in [1, 2] {
        burn(&mut *bench.drive(), &staged(number).job).unwrap();
    }
    bench.arrange(&[InjectedFault::Present(vec![DiscNo(2)])]);
    let error = bench.drive().find(&label(1)).err().unwrap();
    assert!(matches!(error, DriveError::NotThere { .. }), "{error}");
    assert!(bench.drive().find(&label(2)).is_ok());
    assert_eq!(bench.drive().discs().unwrap().discs.len(), 1);
}

/// Neither the staging area's inodes, dates, modes and places nor the hour leave a trace.
fn two_burns_are_alike(one: &dyn DriveBench, two: &dyn DriveBench) {
    let first = staged(1);
    burn(&mut *one.drive(), &first.job).unwrap();
    let mut second = staged(1);
    for (_, source) in second.job.files.iter_mut().rev() {
        *source = made_anew(source);
    }
    burn(&mut *two.drive(), &second.job).unwrap();
    assert!(one.medium(&label(1)).unwrap() == two.medium(&label(1)).unwrap());
}

/// The same content in a new file: another inode, date, owner and mode.
fn made_anew(source: &std::path::Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = source.with_extension("again");
    fs::copy(source, &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 400);
    fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    // Only root may give files away; for others this difference is left out.
    let _ = std::os::unix::fs::chown(&path, Some(12), Some(34));
    path
}

fn a_wish_to_stop_leaves_no_disc(bench: &dyn DriveBench) {
    let stop = Stop::new();
    stop.ask(2);
    let error = bench.drive().burn(&staged(1).job, &|_| (), &stop).unwrap_err();
    assert!(matches!(error, DriveError::Stopped(Stopped(2))), "{error}");
    assert!(bench.medium(&label(1)).is_none());
}
