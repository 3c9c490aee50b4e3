//! Drills of discs that the catalog does not know, or without a catalog. Anybody can have made them:
//! nothing on them is run. This program's own restore.sh is, or its own commands, over copies of
//! their files; first these are compared with the disc's own list, and what the script reads must be
//! what coldcut writes. The script writes in its own directory alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::codec::openpgp::{IntegrityError, OpenError, Opener};
use crate::drill::{
    Depth, DrillFault, Drilled, KnownFile, ListingKind, SampleKey, Sampling, oddity, sample,
};
use crate::drive::DiscReader;
use crate::flow::base::own_list::own_list;
use crate::flow::base::own_list::{LONGEST_SUMS, SUMS, read_small};
use crate::flow::drill::request::{DrillRequest, DrilledDisc, RestoreScript};
use crate::flow::drill::returned::{ExpectedPath, Maker, content, expected};
use crate::flow::drill::running::DrillRun;
use crate::flow::drill::sample::tell;
use crate::flow::drill::sandbox::{DrillSandbox, OneOf, check_space, total};
use crate::flow::library::inventory::{FoundDisc, FoundSet};
use crate::flow::library::listings::FromDiscs;
use crate::flow::library::unlock::check_listings;
use crate::flow::{Context, FlowError, chain};
use crate::format::by_hand::restore_sh_of;
use crate::model::Against;
use crate::model::DiscNo;
use crate::model::disc::Encryption;
use crate::model::glob::PathGlobs;
use crate::port::event::Activity;
use crate::port::files::open_own_to_read;
use crate::port::monitor::{NewTask, RunningTask};
use crate::port::notice::DrillNotice;
use crate::port::passphrase::Secret;
use crate::restore::index::{HISTORY, INDEX, SNAPSHOT};

/// Drills these discs, of which the catalog knows none.
pub(super) fn drill(
    request: &DrillRequest,
    scratch: &Path,
    found_set: &FoundSet,
    context: Context,
) -> Result<Vec<DrilledDisc>, FlowError> {
    let mut discs = Vec::new();
    for (number, found) in &found_set.discs {
        match (found.txt.group.is_some(), found.copies.first()) {
            (true, _) => {
                let disc = *number;
                context.monitor.note(DrillNotice::RecoveryDiscNotDrilled { disc }.into());
            }
            (false, Some(reader)) => discs.push((found, &**reader)),
            (false, None) => {}
        }
    }
    if discs.is_empty() {
        return Ok(Vec::new());
    }
    let keys = UnknownSetKeys::of(request, found_set)?;
    let sandbox = DrillSandbox::make(scratch)?;
    let against = match request.trust.signed_by {
        Some(_) => Against::Signature,
        None => Against::OwnList,
    };
    let strangers = Strangers { found_set, discs, keys, sandbox: &sandbox, against, context };
    match request.all {
        true => strangers.all(),
        false => strangers.samples(),
    }
}

/// What opens their files.
struct UnknownSetKeys {
    passphrase: Option<Secret>,
    opener: Option<Opener>,
}

impl UnknownSetKeys {
    /// Of recipients the secret key is needed in any case: gpg's key ring tells us nothing.
    fn of(request: &DrillRequest, found_set: &FoundSet) -> Result<UnknownSetKeys, FlowError> {
        let check = |opener: &Opener| check_listings(opener, found_set);
        match found_set.encryption() {
            Encryption::Passphrase => {
                let (secret, opener) = request.keys.passphrase_of_discs(&found_set.name, check)?;
                Ok(UnknownSetKeys { passphrase: Some(secret), opener: Some(opener) })
            }
            encryption => {
                let opener = request.keys.opener((&found_set.name, None), encryption, check)?;
                Ok(UnknownSetKeys { passphrase: None, opener })
            }
        }
    }
}

struct Strangers<'a> {
    found_set: &'a FoundSet,
    /// With the copy that is read.
    discs: Vec<(&'a FoundDisc, &'a dyn DiscReader)>,
    keys: UnknownSetKeys,
    sandbox: &'a DrillSandbox,
    against: Against,
    context: Context<'a>,
}

impl<'a> Strangers<'a> {
    fn with_key<T>(&self, work: impl FnOnce(&SampleKey) -> T) -> T {
        let by_opener = |file: &File| match &self.keys.opener {
            Some(opener) => opener.file_key(file).map(Some),
            None => Ok::<_, OpenError>(None),
        };
        match (&self.keys.passphrase, &self.keys.opener) {
            (Some(secret), _) => work(&SampleKey::Passphrase(secret)),
            (None, Some(_)) => work(&SampleKey::Files(&by_opener)),
            (None, None) => work(&SampleKey::None),
        }
    }

    fn begin(&self, found: &FoundDisc) -> RunningTask {
        self.context.monitor.begin(NewTask::new(Activity::Drilling).disc(found.txt.id.number))
    }

    /// A disc's files, as its own list has them; without a list there is nothing to compare with.
    fn files(
        &self,
        found: &FoundDisc,
        reader: &'a dyn DiscReader,
    ) -> Result<Result<OneOf<'a>, DrillFault>, FlowError> {
        let listed = match own_list(reader) {
            Ok(listed) => listed,
            Err(what) => {
                if let Some(absence) = reader.absence() {
                    return Err(absence.into());
                }
                return Ok(Err(DrillFault::new(SUMS, what)));
            }
        };
        let known = listed.into_values().map(|file| {
            let (path, size, sha256) = (file.path, file.size, file.sha256);
            KnownFile { path, size, sha256 }
        });
        let (known, against, stop) = (known.collect(), self.against, self.context.stop);
        OneOf::copied(self.sandbox, found.txt.id.number, reader, known, against, stop).map(Ok)
    }

    fn drilled(&self, number: DiscNo, seen: Drilled, script: Option<RestoreScript>) -> DrilledDisc {
        tell(number, &seen, self.context);
        DrilledDisc {
            set: self.found_set.name.clone(),
            number,
            seen,
            against: self.against,
            script,
        }
    }

    fn samples(self) -> Result<Vec<DrilledDisc>, FlowError> {
        let mut done = Vec::new();
        for &(found, reader) in &self.discs {
            let _task = self.begin(found);
            let seen = match self.files(found, reader)? {
                Ok(files) => {
                    let seen = self.sample(found, &files)?;
                    files.refuse_gone()?;
                    seen
                }
                Err(fault) => Drilled { faults: vec![fault], ..Drilled::default() },
            };
            done.push(self.drilled(found.txt.id.number, seen, None));
        }
        Ok(done)
    }

    fn sample(&self, found: &FoundDisc, files: &OneOf) -> Result<Drilled, FlowError> {
        let (disc, known, stop) = (found.txt.id.uuid, files.known(), self.context.stop);
        let (knows, depth) = (&|_: &_| true, Depth::Thorough);
        let seen =
            self.with_key(|key| sample(&Sampling { disc, known, files, key, depth, knows, stop }))?;
        Ok(seen)
    }

    /// Everything on these discs, by our own restore.sh.
    fn all(self) -> Result<Vec<DrilledDisc>, FlowError> {
        let (chosen, is_damaged) = self.expected()?;
        let files = self.discs.iter().flat_map(|(_, reader)| reader.files());
        let sizes = [content(&chosen)].into_iter().chain(files.map(|file| file.size.0));
        check_space(self.sandbox, total(sizes))?;
        let mut seen: Vec<Drilled> = self.discs.iter().map(|_| Drilled::default()).collect();
        let mut dirs = Vec::new();
        for (&(found, reader), seen) in self.discs.iter().zip(&mut seen) {
            let _task = self.begin(found);
            match self.files(found, reader)? {
                Ok(files) => {
                    seen.faults.extend(self.bring(&files)?);
                    files.refuse_gone()?;
                    dirs.push((found.txt.id.number, files.dir().to_owned()));
                }
                Err(fault) => seen.faults.push(fault),
            }
        }
        if let (true, Some(last)) = (is_damaged, seen.last_mut()) {
            last.faults.push(DrillFault::new(SNAPSHOT, "is damaged on each of these discs"));
        }
        if seen.iter().any(|seen| !seen.faults.is_empty()) {
            self.context.monitor.note(DrillNotice::OwnScriptNotRun.into());
            return Ok(self.all_drilled(seen, &BTreeMap::new()));
        }
        let _task = self.context.monitor.begin(NewTask::new(Activity::Drilling));
        let scripts = self.run_our_own(&dirs, &chosen, &mut seen)?;
        Ok(self.all_drilled(seen, &scripts))
    }

    fn all_drilled(
        &self,
        seen: Vec<Drilled>,
        scripts: &BTreeMap<DiscNo, RestoreScript>,
    ) -> Vec<DrilledDisc> {
        let both = self.discs.iter().zip(seen);
        both.map(|((found, _), seen)| {
            let number = found.txt.id.number;
            self.drilled(number, seen, scripts.get(&number).copied())
        })
        .collect()
    }

    /// What must come back, by the newest listing of these discs; and whether that is damaged.
    fn expected(&self) -> Result<(Vec<ExpectedPath>, bool), FlowError> {
        let Strangers { found_set, context, .. } = *self;
        let listings = FromDiscs {
            found_set,
            opener: self.keys.opener.as_ref(),
            scratch: &self.sandbox.0,
            context,
            repairer: None,
            doubts: Default::default(),
        };
        let chosen = listings.select(None, &PathGlobs::default())?;
        let here = |disc: DiscNo| self.discs.iter().any(|(found, _)| found.txt.id.number == disc);
        let rows = chosen.selection.rows.into_iter();
        Ok((expected(rows, here, &Maker::new(self.sandbox, true)), chosen.is_damaged))
    }

    /// All files of a disc; what is wrong with them, and what a script should not see.
    fn bring(&self, files: &OneOf) -> Result<Vec<DrillFault>, FlowError> {
        let mut faults = files.bring_all();
        self.context.stop.check()?;
        if !faults.is_empty() {
            return Ok(faults);
        }
        for file in files.known() {
            let place = files.dir().join(&file.path);
            let broken = self.keys.opener.as_ref().and_then(|opener| broken_seal(opener, &place));
            self.context.stop.check()?;
            faults.extend(broken.map(|what| DrillFault::new(&file.path, what)));
            let listed = match file.path.strip_suffix(".gpg").unwrap_or(&file.path) {
                INDEX => ListingKind::Index,
                SNAPSHOT => ListingKind::Snapshot,
                HISTORY => ListingKind::History,
                _ => continue,
            };
            let text = self.sandbox.0.join("listing");
            let how = (self.context.limits, self.context.stop);
            let odd = self.with_key(|key| oddity(listed, &place, key, &text, how))?;
            faults.extend(odd.map(|what| DrillFault::new(&file.path, what)));
            let _ = fs::remove_file(&text);
        }
        Ok(faults)
    }

    /// Runs the script; what there is to say of each disc's own.
    fn run_our_own(
        &self,
        dirs: &[(DiscNo, PathBuf)],
        expected: &[ExpectedPath],
        seen: &mut [Drilled],
    ) -> Result<BTreeMap<DiscNo, RestoreScript>, FlowError> {
        let Strangers { found_set, context, .. } = *self;
        let ours = restore_sh_of(&found_set.name, found_set.uuid);
        let script = self.sandbox.0.join("restore.sh");
        fs::write(&script, &ours).map_err(|source| FlowError::Staging {
            path: script.clone(),
            what: "cannot be written",
            source,
        })?;
        let mut scripts = BTreeMap::new();
        for &(found, reader) in &self.discs {
            let number = found.txt.id.number;
            let theirs = read_small(reader, "restore.sh", LONGEST_SUMS);
            let differs = !theirs.is_ok_and(|theirs| theirs == ours.as_bytes());
            if differs {
                context.monitor.note(DrillNotice::ScriptDiffers { disc: number }.into());
            }
            scripts.insert(number, RestoreScript::OfProgram { differs });
        }
        let (passphrase, sandbox) = (self.keys.passphrase.as_ref(), self.sandbox);
        let maker = &Maker::new(sandbox, true);
        let running = DrillRun { dirs, expected, passphrase, maker, sandbox, context };
        running.restore_sh(&script, seen)?;
        Ok(scripts)
    }
}

/// Whether the modification detection code of an encrypted file says that it was changed. What
/// another key opens is for the script.
fn broken_seal(opener: &Opener, place: &Path) -> Option<String> {
    if place.extension().is_none_or(|extension| extension != "gpg") {
        return None;
    }
    let file = match open_own_to_read(place) {
        Ok(file) => file,
        Err(error) => return Some(error.to_string()),
    };
    match opener.prove(file) {
        Err(error) if !error.is_of_another_key() => {
            Some(format!("{IntegrityError} ({})", chain(&error)))
        }
        _ => None,
    }
}
