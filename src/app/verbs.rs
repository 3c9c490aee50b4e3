//! One file a verb: from its arguments to a flow's request, from the flow's report to words.

pub mod backup;
pub mod burn;
pub mod catalog;
pub mod check;
pub mod copy;
pub mod drill;
pub mod drives;
pub mod flush;
pub mod give_up;
pub mod keysheet;
pub mod locate;
pub mod migrate;
pub mod query;
pub mod rescue;
pub mod restore;
pub mod service;
pub mod set;
pub mod status;
pub mod verify;
pub mod watch;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::args::{Burning, LoaderArgs, Signing};
use crate::cli::resolve::{self, PassphraseSource, ResolveError};
use crate::codec::openpgp::{Checker, SignError, Signer};
use crate::drive::{
    Drive, DriveError, DriveOptions, Loader, Optical, ServedDrive, Settings, Shelf, StackTask,
};
use crate::flow::FlowError;
use crate::flow::backup::guards::{Burner, DestGuard, ProgramGuard};
use crate::flow::burn::dispatcher::Roles;
use crate::flow::burn::station::Drives;
use crate::flow::library::inventory::Trust;
use crate::flow::library::shelves;
use crate::model::path::shown;
use crate::model::{SetName, plural};
use crate::port::clock::Moment;
use crate::port::files::dir_of;
use crate::port::passphrase::{PassphraseOf, PassphraseRequest};

use super::shared::read_files;
use super::{App, RunError};

/// Whose signatures count, if that was asked for.
fn checker(certificate: Option<&Path>) -> Result<Option<Checker>, RunError> {
    let Some(path) = certificate else { return Ok(None) };
    let bytes = read_files(&[path.to_owned()])?.concat();
    Ok(Some(Checker::new(&bytes).map_err(FlowError::from)?))
}

/// Which discs count: what was said of signatures, and of discs that are not encrypted.
pub fn trust(app: &App, certificate: Option<&Path>) -> Result<Trust, RunError> {
    let signed_by = checker(certificate)?;
    Ok(Trust { signed_by, accept_plain: app.common.keys.accept_plain.clone(), history: None })
}

/// What signs the discs. A key that needs no password is not asked one for.
pub fn signer(app: &App, signing: &Signing) -> Result<Option<Signer>, RunError> {
    let Some(path) = &signing.sign else { return Ok(None) };
    let bytes = zeroize::Zeroizing::new(read_files(std::slice::from_ref(path))?.concat());
    let made = match Signer::new(&bytes, None, Moment::now()) {
        Err(SignError::Password) => {
            let source = match &signing.sign_passphrase_file {
                Some(path) => PassphraseSource::File(path.clone()),
                None => PassphraseSource::Ask,
            };
            source.warning().into_iter().for_each(|notice| app.monitor.note(notice.into()));
            let of = PassphraseOf::SigningKey { file: path.clone() };
            let try_once = |request| {
                let password = source.read(&app.person, request, true, &app.stop)?;
                Ok::<_, RunError>(Signer::new(&bytes, Some(&password), Moment::now()))
            };
            let mut made = try_once(PassphraseRequest::first(of.clone()))?;
            for _ in 1..source.tries() {
                if let Err(SignError::Password) = made {
                    made = try_once(PassphraseRequest::again(of.clone()))?;
                }
            }
            made
        }
        made => made,
    };
    Ok(Some(made.map_err(FlowError::from)?))
}

/// A glob or another text that must be UTF-8.
pub fn text(option: &str, typed: &OsStr) -> Result<String, RunError> {
    let bad = || RunError::Usage(format!("{option} {} is not UTF-8", shown(typed.as_bytes())));
    typed.to_str().map(str::to_owned).ok_or_else(bad)
}

/// How many images are of no use: they cannot be read, or somebody else may have made them.
fn say_unusable(app: &App, unreadable: u64, refused: u64) {
    if unreadable > 0 {
        let (one, many) = ("image CANNOT BE READ as a disc", "images CANNOT BE READ as discs");
        app.screen().say(&plural(unreadable, one, many));
    }
    if refused > 0 {
        let images = plural(refused, "image was", "images were");
        app.screen().say(&format!("{images} REFUSED, in whole or in part (see above)"));
    }
}

/// The last line of a run over several discs or copies, after those that failed.
fn say_failed(app: &App, failed: usize, all: usize, what: &str) {
    if failed > 0 && all > 1 {
        app.screen().say(&format!("FAILED: {failed} of {all} {what}"));
    }
}

/// Whether this names a device, there or not.
pub fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    match fs::metadata(path) {
        Ok(found) => found.file_type().is_block_device() || found.file_type().is_char_device(),
        Err(_) => path.starts_with("/dev"),
    }
}

/// Whether discs may go to `dest` at all. `source`: what is backed up.
pub fn check_dest(
    app: &App,
    dest: &Path,
    burning: &Burning,
    source: Option<&Path>,
    set: Option<&SetName>,
) -> Result<(), RunError> {
    resolve::check_dest(dest).map_err(ResolveError::from)?;
    if is_device(dest) {
        return Ok(());
    }
    let catalog = app.around.catalog(&app.common)?;
    let new_shelf = burning.new_shelf;
    Ok(DestGuard { catalog: &catalog, dest, source, set, new_shelf }.check()?)
}

/// What discs are put on.
pub fn burner(dest: &Path, burning: &Burning) -> Burner {
    match is_device(dest) {
        true => Burner::Drive(burning.engine.unwrap_or_default()),
        false => Burner::Shelf,
    }
}

/// The same for discs of a set that the catalog knows.
pub fn check_and_open_dest(app: &App, dest: &Path, burning: &Burning) -> Result<Drives, RunError> {
    let name = app.common.set.as_ref();
    check_dest(app, dest, burning, None, name)?;
    let catalog = app.around.catalog(&app.common)?;
    let burner = Some(burner(dest, burning));
    let guard = ProgramGuard { catalog: &catalog, name, burner, drill: false, new_set: None };
    guard.check(app.context())?;
    open_dest(app, dest, burning)
}

/// The same for several places at once.
pub fn check_and_open_dests(
    app: &App,
    dests: &[PathBuf],
    burning: &Burning,
) -> Result<Vec<Drives>, RunError> {
    let name = app.common.set.as_ref();
    let catalog = app.around.catalog(&app.common)?;
    for dest in dests {
        check_dest(app, dest, burning, None, name)?;
        let burner = Some(burner(dest, burning));
        let guard = ProgramGuard { catalog: &catalog, name, burner, drill: false, new_set: None };
        guard.check(app.context())?;
    }
    refuse_one_twice(dests)?;
    open_dests(app, dests, burning)
}

/// One drive, or one shelf, by two names would be two to all that comes after.
pub fn refuse_one_twice(dests: &[PathBuf]) -> Result<(), RunError> {
    for (at, dest) in dests.iter().enumerate() {
        let mut before = dests[..at].iter();
        if let Some(other) = before.find(|other| is_same_place(other, dest)) {
            let [one, other] = [other, dest].map(|path| shown(path.as_os_str().as_bytes()));
            return Err(RunError::Usage(match one == other {
                true => format!("{one} is named twice"),
                false => format!("{one} and {other} are the same drive or shelf"),
            }));
        }
    }
    Ok(())
}

/// A device by its number, a directory by its own; one that is missing by where it will be.
fn is_same_place(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(a), Ok(b)) if a.rdev() != 0 || b.rdev() != 0 => a.rdev() == b.rdev(),
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        (Err(_), Err(_)) => {
            let above = |path: &Path| dir_of(path).canonicalize().ok();
            one.file_name() == other.file_name() && above(one) == above(other)
        }
        _ => false,
    }
}

/// Where discs go: drives and shelves, which work at once. With a drive that only reads the others
/// only burn.
pub fn open_dests(
    app: &App,
    dests: &[PathBuf],
    burning: &Burning,
) -> Result<Vec<Drives>, RunError> {
    if let ([dest], false) = (dests, dests.iter().any(|dest| is_device(dest))) {
        return Ok(vec![open_dest(app, dest, burning)?]);
    }
    let alone = Burning { verify_drive: None, ..burning.clone() };
    let readers = match &burning.verify_drive {
        Some(drive) => std::slice::from_ref(drive),
        None => &burning.readers,
    };
    let is_in = |places: &[PathBuf], one: &Path| places.iter().any(|p| is_same_place(p, one));
    let mut drives = Vec::new();
    for dest in dests {
        let mut opened = open_dest(app, dest, &alone)?;
        if !readers.is_empty() && is_device(dest) && !is_in(readers, dest) {
            opened.roles = Roles::BURNS;
        }
        drives.push(opened);
    }
    for (at, reader) in readers.iter().enumerate() {
        if !is_in(dests, reader) && !is_in(&readers[..at], reader) {
            drives.push(Drives::with_roles(open_drive(app, reader, &alone)?, Roles::READS));
        }
    }
    Ok(drives)
}

/// Whether the programs are there that try the next discs of a set that the catalog knows.
pub fn check_drill(app: &App) -> Result<(), RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let name = app.common.set.as_ref();
    let guard = ProgramGuard { catalog: &catalog, name, burner: None, drill: true, new_set: None };
    Ok(guard.check(app.context())?)
}

/// Where discs go: a drive, or the shelf at `dest`, which is made with its first disc.
pub fn open_dest(app: &App, dest: &Path, burning: &Burning) -> Result<Drives, RunError> {
    let burner = match is_device(dest) {
        true => open_served(app, dest, burning)?,
        false => {
            let shelf = open_shelf(app, dest)?;
            shelves::arrive(&app.around.catalog(&app.common)?, dest, app.context())?;
            shelf
        }
    };
    let reader = burning.verify_drive.as_deref();
    let reader = reader.map(|device| open_drive(app, device, burning)).transpose()?;
    Ok(Drives::new(burner, reader))
}

/// A drive to burn in, with the loader that changes its discs, if it has one.
fn open_served(app: &App, device: &Path, burning: &Burning) -> Result<Box<dyn Drive>, RunError> {
    let loader = open_loader(&burning.loader)?;
    let drive = open_drive(app, device, burning)?;
    Ok(match loader {
        Some(loader) => serve(app, drive, device, loader, StackTask::Burn),
        None => drive,
    })
}

/// A drive that a whole stack of discs is read in.
fn open_stack(app: &App, from: &Path, args: &LoaderArgs) -> Result<Box<dyn Drive>, RunError> {
    if !is_device(from) {
        let place = shown(from.as_os_str().as_bytes());
        return Err(RunError::Usage(format!("--loader: {place} is not a drive")));
    }
    let loader = open_loader(args)?;
    let drive = open_drive(app, from, &Burning::default())?;
    Ok(match loader {
        Some(loader) => serve(app, drive, from, loader, StackTask::Verify),
        None => drive,
    })
}

fn serve(
    app: &App,
    drive: Box<dyn Drive>,
    device: &Path,
    loader: Loader,
    task: StackTask,
) -> Box<dyn Drive> {
    let (device, loader) = (device.to_owned(), Arc::new(loader));
    Box::new(ServedDrive::new(drive, device, loader, app.stack.clone(), task))
}

/// A loader that is configured and whose machine answers: what is wrong with it is said before the
/// first disc.
fn open_loader(args: &LoaderArgs) -> Result<Option<Loader>, RunError> {
    let Some(program) = &args.loader else { return Ok(None) };
    let timeout = args.loader_timeout.unwrap_or(Loader::TIMEOUT);
    let opened = Loader::open(program, timeout).and_then(|loader| {
        loader.check()?;
        Ok(loader)
    });
    Ok(Some(opened.map_err(DriveError::from).map_err(FlowError::from)?))
}

/// The drive that discs are read from, if FROM is one.
pub fn open_source(app: &App, from: &Path) -> Result<Option<Box<dyn Drive>>, RunError> {
    let open = || open_drive(app, from, &Burning::default());
    is_device(from).then(open).transpose()
}

/// The same for several places, which must differ.
pub fn open_sources(app: &App, from: &[PathBuf]) -> Result<Vec<Option<Box<dyn Drive>>>, RunError> {
    if let Some((one, other)) = resolve::same_place(from) {
        let [one, other] = [one, other].map(|path| shown(path.as_os_str().as_bytes()).to_string());
        return Err(RunError::Usage(match one == other {
            true => format!("{one} is named twice"),
            false => format!("{one} and {other} are the same place"),
        }));
    }
    from.iter().map(|from| open_source(app, from)).collect()
}

pub fn open_drive(app: &App, device: &Path, burning: &Burning) -> Result<Box<dyn Drive>, RunError> {
    let choices = DriveOptions {
        settings: Settings {
            engine: burning.engine.unwrap_or_default(),
            speed: burning.speed,
            stream_recording: burning.stream_recording,
            defect_management: burning.defect_management.unwrap_or(false),
        },
        image_first: burning.image_first,
        scratch: app.scratch()?,
        stop: app.stop.clone(),
    };
    Ok(Box::new(Optical::open(device, choices).map_err(FlowError::from)?))
}

pub fn open_shelf(app: &App, dest: &Path) -> Result<Box<dyn Drive>, RunError> {
    let shelf = Shelf::open_or_plan(dest).map_err(FlowError::from)?;
    Ok(Box::new(shelf.heeding(&app.stop)))
}
