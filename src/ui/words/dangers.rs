//! What is not safe, with what to do about it; what nobody knows; what may wait.

use crate::catalog::FileTally;
use crate::flow::FlowError;
use crate::flow::status::danger::{
    AllowedWait, AwaitedMedium, BackupDanger, CopyDanger, CopyDate, Danger, Doubt,
};
use crate::flow::status::latest::ago;
use crate::model::disc_list::named;
use crate::model::{DiscNo, plural};
use crate::port::clock::Moment;

pub fn danger(danger: &Danger, now: Moment) -> String {
    match danger {
        Danger::Backup(danger) => of_backup(danger, now),
        Danger::Copies(danger) => of_copies(danger, now),
        Danger::PathUnreadable { path, why } => format!("{path} could not be read: {why}"),
        Danger::FilesNotSafe(1) => "1 file is not safe".to_owned(),
        Danger::FilesNotSafe(count) => format!("{count} files are not safe"),
        Danger::StagingLost(disc) => FlowError::StagingLost(*disc).to_string(),
        Danger::NotOnDisc(tally) => {
            format!("not on a disc yet: {}; run `coldcut backup`", files(*tally))
        }
        Danger::NotOnVerifiedDisc(tally) => {
            format!("not on a verified disc yet: {}", files(*tally))
        }
    }
}

fn of_backup(danger: &BackupDanger, now: Moment) -> String {
    match danger {
        BackupDanger::Stopped(why) => format!(
            "the last backup was stopped: {why}. If the files were deleted on purpose, run \
             `coldcut backup --allow-shrink`"
        ),
        BackupDanger::Missing => "there is no finished backup yet: run `coldcut backup`".to_owned(),
        BackupDanger::Unreadable(paths) => {
            format!("the newest backup could not read {}", plural(*paths, "path", "paths"))
        }
        BackupDanger::Stale(paths) => {
            let (are, they) = if *paths == 1 { ("is", "it") } else { ("are", "they") };
            format!(
                "{} {are} stored only as of an earlier date: {they}, or a directory above, could \
                 not be read later",
                plural(*paths, "path", "paths")
            )
        }
        BackupDanger::Old(date) => {
            format!("the newest backup is from {}, which is too old", ago(*date, now))
        }
        BackupDanger::Unfinished => {
            "the last backup did not finish, or is still running: the state of its remaining \
              files is not known; `coldcut backup` continues it"
                .to_owned()
        }
    }
}

fn of_copies(danger: &CopyDanger, now: Moment) -> String {
    match danger {
        CopyDanger::NoneGood { disc, is_missing, sources } => no_copy(*disc, *is_missing, sources),
        CopyDanger::NoneGoodOfRecovery { disc, covers } => format!(
            "disc {disc}, a recovery disc for {}, has no good copy left: `coldcut retire {disc}` \
             records that",
            named(covers)
        ),
        CopyDanger::Few { wanted, files: tally } => format!(
            "fewer than {wanted} verified copies of {}; `coldcut copy DISC DEST` makes another",
            files(*tally)
        ),
        CopyDanger::NotReadBack(discs) => {
            let are = if discs.len() == 1 { "is" } else { "are" };
            let discs = named(discs);
            format!("{discs} {are} not known to have been verified: run `coldcut verify`")
        }
        CopyDanger::CheckDue(copies) => {
            let when = |at: Option<Moment>| at.map_or("never".to_owned(), |at| ago(at, now));
            let copies = few(copies, when);
            format!("not verified for too long: {copies}; `coldcut check` reads them again")
        }
    }
}

fn no_copy(disc: DiscNo, is_missing: bool, sources: &[DiscNo]) -> String {
    // What was only moved away may come back.
    let again = match is_missing {
        true => format!(
            "put its image back, or run `coldcut lost {disc}`, and the next backup stores its \
             files again"
        ),
        false => format!("run `coldcut retire {disc}`, and the next backup stores its files again"),
    };
    match sources {
        [] => format!("disc {disc} has no good copy left: {again}"),
        sources => format!(
            "disc {disc} has no good copy left; {}; otherwise {again}",
            how_to_rebuild(disc, sources)
        ),
    }
}

/// What a person does to have a lost disc's files again.
pub fn how_to_rebuild(disc: DiscNo, sources: &[DiscNo]) -> String {
    let sources = named(sources);
    format!("`coldcut restore` rebuilds disc {disc} from images of {sources} in one directory")
}

pub fn doubt(doubt: &Doubt) -> String {
    match doubt {
        Doubt::Readable => "it is not known whether the newest backup could read everything, \
                            because the catalog was rebuilt from discs; the next backup will show"
            .to_owned(),
        Doubt::FutureBackup(date) => format!(
            "the age of the newest backup is not known: it is dated {}, which is in the future",
            date.local_minute()
        ),
        Doubt::FutureChecks(copies) => {
            let when = |at: Option<Moment>| at.map_or("never".to_owned(), Moment::local_minute);
            let copies = few(copies, when);
            format!("verified on a date in the future, so it is not known when: {copies}")
        }
        Doubt::NamelessFailures => {
            "some of the paths that could not be read are not known by name".to_owned()
        }
    }
}

pub fn allowed(wait: &AllowedWait, now: Moment) -> String {
    let what = match wait.what {
        AwaitedMedium::Disc => "in the staging area",
        AwaitedMedium::AnotherCopy => "for another copy",
    };
    format!("waiting {what}: {}, the oldest from {}", files(wait.files), ago(wait.since, now))
}

/// So many copies are named; `check --dry-run` lists all that are due.
const NAMED: usize = 5;

/// `disc 1, copy 2 (14 days ago), 3 more`.
fn few(copies: &[CopyDate], when: impl Fn(Option<Moment>) -> String) -> String {
    let one = |copy: &CopyDate| {
        format!("disc {}, copy {} ({})", copy.disc, copy.copy.0, when(copy.verified))
    };
    let mut words: Vec<String> = copies.iter().take(NAMED).map(one).collect();
    let more = copies.len().saturating_sub(NAMED);
    words.extend((more > 0).then(|| format!("{more} more")));
    words.join(", ")
}

fn files(tally: FileTally) -> String {
    format!("{} ({})", plural(tally.files, "file", "files"), tally.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CopyNo;

    #[test]
    fn a_disc_without_a_good_copy_comes_with_what_helps() {
        let told = |is_missing, sources: &[u32]| {
            let sources = sources.iter().map(|&disc| DiscNo(disc)).collect();
            of_copies(&CopyDanger::NoneGood { disc: DiscNo(1), is_missing, sources }, Moment(0))
        };
        assert_eq!(
            told(false, &[]),
            "disc 1 has no good copy left: run `coldcut retire 1`, and the next backup stores its \
             files again"
        );
        assert!(told(true, &[]).contains("put its image back, or run `coldcut lost 1`"));
        let rebuilt = told(false, &[2, 3]);
        let how = "; `coldcut restore` rebuilds disc 1 from images of discs 2-3 in one directory;";
        assert!(rebuilt.contains(how) && rebuilt.contains("otherwise"), "{rebuilt}");
    }

    #[test]
    fn of_many_copies_that_are_due_a_few_are_named() {
        let copy = |disc| CopyDate { disc: DiscNo(disc), copy: CopyNo(1), verified: None };
        let told =
            |count| of_copies(&CopyDanger::CheckDue((1..=count).map(copy).collect()), Moment(0));
        let one = "not verified for too long: disc 1, copy 1 (never); `coldcut check` reads them";
        assert!(told(1).starts_with(one), "{}", told(1));
        let seven = told(7);
        assert!(seven.contains("disc 5, copy 1 (never), 2 more;"), "{seven}");
        assert!(!seven.contains("disc 6"), "{seven}");
    }
}
