//! Root, and the catalog or the staging area of another user: as whom coldcut works, decided before
//! it opens anything. What root wrote in another user's directory would be written where that user
//! likes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::App;
use super::error::RightsError;
use crate::cli::args::{SetWork, Verb};
use crate::cli::config::CONFIG;
use crate::cli::resolve::{CATALOG, STAGING, Surroundings};
use crate::model::path::shown;
use crate::port::rights::{become_user, other_owners};
use crate::port::shell::quoted;
use crate::port::trust::{Distrust, distrust_dir, user_name};

/// Nobody removes what is another's there (inode(7), S_ISVTX).
const STICKY: u32 = 0o1000;

const BACKUP_OTHERWISE: &str = "To back up what only root can read, name a catalog and a staging \
    area of root's own with --catalog and --staging";
const RESTORE_OTHERWISE: &str = "To restore with the rights of root (owners, devices), name a \
    catalog and a staging area of root's own with --catalog and --staging: `coldcut catalog \
    rebuild` makes that catalog from the discs, and while there is none the listing on the discs is \
    used";

/// What a verb does with the catalog and the staging area.
enum CatalogUse {
    Nothing,
    /// Reads, and writes nothing.
    Query,
    Work,
    /// Its result depends on the rights of whoever runs it.
    WithRights(&'static str, &'static str),
}

impl CatalogUse {
    fn of(verb: &Verb) -> CatalogUse {
        match verb {
            Verb::Drives(_) | Verb::Open(_) | Verb::Follow(_) | Verb::Answer(_) => {
                CatalogUse::Nothing
            }
            Verb::Backup(_) => CatalogUse::WithRights("backup", BACKUP_OTHERWISE),
            Verb::Restore(_) => CatalogUse::WithRights("restore", RESTORE_OTHERWISE),
            Verb::Snapshots(_)
            | Verb::Discs(_)
            | Verb::Ls(_)
            | Verb::Find(_)
            | Verb::Serve(_)
            | Verb::Status(_) => CatalogUse::Query,
            Verb::Set(args) if args.what == SetWork::List => CatalogUse::Query,
            Verb::Check(args) if args.dry_run => CatalogUse::Query,
            Verb::Keysheet(args) if args.hint.is_none() => CatalogUse::Query,
            _ => CatalogUse::Work,
        }
    }
}

fn uses_catalog(verb: &Verb) -> bool {
    !matches!(verb, Verb::Rescue(_))
}

fn uses_staging(verb: &Verb) -> bool {
    !matches!(
        verb,
        Verb::Snapshots(_)
            | Verb::Discs(_)
            | Verb::Ls(_)
            | Verb::Find(_)
            | Verb::Locate(_)
            | Verb::Keysheet(_)
    )
}

/// Root becomes the user whose catalog or staging area it is, or is refused. Whoever writes does so
/// in a staging area that nobody else can write to.
pub fn settle(app: &App, verb: &Verb) -> Result<(), RightsError> {
    let usage = CatalogUse::of(verb);
    if let CatalogUse::Nothing = usage {
        return Ok(());
    }
    // A place without a name is missed where it is needed.
    let catalog = uses_catalog(verb).then(|| app.around.catalog(&app.common).ok()).flatten();
    let staging = uses_staging(verb).then(|| app.around.staging(&app.common).ok()).flatten();
    if let Some((user, path)) = only_owner(catalog.iter().chain(&staging))? {
        match usage {
            CatalogUse::WithRights(verb, otherwise) => {
                let command = command_as(app, user);
                return Err(RightsError::NotAsRoot { path, user, verb, command, otherwise });
            }
            _ => work_as(app, user, path, matches!(usage, CatalogUse::Query))?,
        }
    }
    match (usage, staging) {
        (CatalogUse::Query, _) | (_, None) => Ok(()),
        (_, Some(staging)) => check_staging(staging),
    }
}

/// Who, but root, owns something on the way to these places.
fn only_owner<'a>(
    places: impl Iterator<Item = &'a PathBuf>,
) -> Result<Option<(u32, PathBuf)>, RightsError> {
    let mut owners = BTreeMap::new();
    for path in places {
        let found = other_owners(path)
            .map_err(|source| RightsError::Unknown { path: path.clone(), source })?;
        for (user, path) in found {
            owners.entry(user).or_insert(path);
        }
    }
    match owners.len() {
        0 | 1 => Ok(owners.pop_first()),
        _ => Err(RightsError::Several(owners)),
    }
}

fn work_as(app: &App, user: u32, path: PathBuf, silently: bool) -> Result<(), RightsError> {
    let place = shown(path.as_os_str().as_bytes());
    become_user(user).map_err(|source| RightsError::CannotBecome { path, user, source })?;
    if !silently && !app.common.quiet {
        let name = user_name(user);
        app.screen().say(&format!("coldcut: {place} belongs to {name}; working as that user"));
    }
    Ok(())
}

/// What was typed, for that user. sudo passes no variables on that it is not told of.
fn command_as(app: &App, user: u32) -> String {
    let entry = User::from_uid(Uid::from_raw(user)).ok().flatten();
    let name = entry.as_ref().map_or_else(|| format!("#{user}"), |entry| entry.name.clone());
    let home = entry.map(|entry| entry.dir);
    let theirs = Surroundings { home, ..Surroundings::default() };
    let common = &app.common;
    let catalog = [&app.around, &theirs].map(|around| around.catalog(common).ok());
    let staging = [&app.around, &theirs].map(|around| around.staging(common).ok());
    let mut words: Vec<OsString> = ["sudo", "-u", &name].map(OsString::from).into();
    words.extend(std::env::var_os(CONFIG).map(|path| variable(CONFIG, Path::new(&path))));
    for (name, [ours, theirs]) in [(CATALOG, catalog), (STAGING, staging)] {
        let differs = ours.filter(|path| Some(path) != theirs.as_ref());
        words.extend(differs.map(|path| variable(name, &path)));
    }
    words.extend(std::env::args_os());
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn variable(name: &str, path: &Path) -> OsString {
    let mut word = OsString::from(format!("{name}="));
    word.push(path);
    word
}

/// What is packed must be ours until it is burned. One that is not there yet is made as it must be,
/// and one that cannot be looked at is reported by whoever needs it.
fn check_staging(path: PathBuf) -> Result<(), RightsError> {
    let Ok(found) = std::fs::metadata(&path) else { return Ok(()) };
    match distrust_dir(&found) {
        None => Ok(()),
        Some(Distrust::Owner(owner)) => Err(RightsError::StagingOfOther { path, owner }),
        // Such as /tmp: it is meant for others, too.
        Some(Distrust::Writable) if found.mode() & STICKY != 0 => {
            Err(RightsError::StagingShared { path })
        }
        Some(Distrust::Writable) => Err(RightsError::StagingOpen { path }),
    }
}
