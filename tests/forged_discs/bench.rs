//! What the cells of the table are tried with: an owner's set of two discs, and the commands.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::cell::{self, CommandResult};
use crate::forge::forgeries::{Forged, Forgery};
use crate::forge::{How, Owner, Version};

/// A command that reads discs. `IMAGE` stands for the forged image on the shelf.
pub struct DiscCommand {
    pub name: &'static str,
    pub line: &'static str,
    /// More words where there is no catalog.
    pub without: &'static str,
    /// It is no command without one.
    pub needs_catalog: bool,
    /// What a set for recipients needs where there is no catalog.
    pub recipients: &'static str,
    /// Where it may write, beside the staging area and the catalog.
    pub writes: &'static [&'static str],
    /// Programs that it may start.
    pub starts: &'static [&'static str],
}

const fn verb(
    name: &'static str,
    line: &'static str,
    writes: &'static [&'static str],
    starts: &'static [&'static str],
) -> DiscCommand {
    DiscCommand { name, line, without: "", needs_catalog: false, recipients: "", writes, starts }
}

const fn by_catalog(
    name: &'static str,
    line: &'static str,
    writes: &'static [&'static str],
    starts: &'static [&'static str],
) -> DiscCommand {
    DiscCommand { needs_catalog: true, ..verb(name, line, writes, starts) }
}

/// What repairs, and what writes images.
const REPAIRS: &[&str] = &["par2"];
const WRITES: &[&str] = &["par2", "xorriso"];
/// Stock tools of the drill.
const DRILLS: &[&str] = &[
    "par2",
    "bash",
    "sh",
    "gpg",
    "gpgconf",
    "gpg-connect-agent",
    "bzip2",
    "tar",
    "sha256sum",
    "awk",
    "xorriso",
];

pub const VERBS: [DiscCommand; 11] = [
    verb("restore", "restore shelf back", &["back"], REPAIRS),
    verb("dry-run", "restore shelf back --dry-run", &[], REPAIRS),
    verb("verify", "verify shelf", &[], REPAIRS),
    by_catalog("check", "check shelf --count 9", &[], REPAIRS),
    verb("drill", "drill shelf", &[], DRILLS),
    verb("drill-all", "drill --all shelf", &[], DRILLS),
    by_catalog("copy", "copy 1-2 other --from shelf", &["other"], WRITES),
    by_catalog("migrate", "migrate 1-2 --to third --from shelf --no-drill", &["third"], WRITES),
    DiscCommand {
        recipients: "--recipient owner.cert",
        ..verb("rebuild", "catalog rebuild shelf --replace", &[], REPAIRS)
    },
    verb("rescue", "rescue shelf/IMAGE --to saved.iso", &["saved.iso"], REPAIRS),
    DiscCommand {
        without: "--new-set --disc-size 3M",
        recipients: "--recipient owner.cert",
        ..verb("backup", "backup source shelf --name papers --no-drill", &["shelf"], WRITES)
    },
];

pub struct ForgeryBench {
    pub owner: Owner,
}

/// Programs that somebody might start, and be it by mistake.
const WATCHED: [&str; 16] = [
    "sh",
    "bash",
    "dash",
    "gpg",
    "gpgconf",
    "gpg-connect-agent",
    "par2",
    "xorriso",
    "tar",
    "bzip2",
    "zstd",
    "awk",
    "sha256sum",
    "id",
    "env",
    "perl",
];

impl ForgeryBench {
    pub fn new(how: How, version: &'static Version) -> ForgeryBench {
        let owner = Owner::new(how, version, &["--parity", "10"]);
        owner.write("source", "letter", "the owner's letter\n");
        owner.write("source", "dir/deep", "the owner's deep letter\n");
        owner.backup();
        owner.write("source", "letter", "the owner's newer letter\n");
        owner.write("source", "second", "the owner's second letter\n");
        owner.backup();
        owner.write("source", "later", "what is on no disc yet\n");
        owner.write("canary", "file", "nobody changes this\n");
        let bench = ForgeryBench { owner };
        bench.watch_programs();
        let pristine = "mkdir pristine; cp -a shelf catalog.sqlite staging pristine";
        bench.owner.sandbox.bash(pristine).ok();
        bench
    }

    /// Each writes down that it was started.
    fn watch_programs(&self) {
        let bin = self.owner.sandbox.path("bin");
        fs::create_dir(&bin).unwrap();
        for name in WATCHED {
            let real = self.owner.sandbox.bash(&format!("type -P {name} || true")).stdout();
            if real.is_empty() {
                continue;
            }
            let log = self.started();
            let script = format!(
                "#!/bin/dash\necho {name} >>'{}'\nexec {} \"$@\"\n",
                log.display(),
                real.trim()
            );
            fs::write(bin.join(name), script).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    pub fn started(&self) -> PathBuf {
        self.owner.sandbox.path("started")
    }

    /// A new shelf with this kind of disc on it, and the owner's.
    pub fn forge(&self, forgery: &Forgery) -> Forged {
        self.owner.sandbox.bash("rm -rf shelf; cp -a pristine/shelf .").ok();
        forgery.make(&self.owner, &self.owner.sandbox.path("forged"))
    }

    /// A shelf with these discs, and the catalog as it was, or none.
    pub fn set_up(&self, forged: &Forged, has_catalog: bool) {
        let catalog = if has_catalog { "cp -a pristine/catalog.sqlite ." } else { ":" };
        self.owner
            .sandbox
            .bash(&format!(
                "rm -rf back other third saved.iso* staging catalog.sqlite* shelf started ran
                 cp -a '{}' shelf; cp -a pristine/staging .; {catalog}",
                forged.shelf.display()
            ))
            .ok();
    }

    /// The command as it is typed.
    pub fn words(&self, verb: &DiscCommand, forged: &Forged, has_catalog: bool) -> Vec<String> {
        let mut line = verb.line.replace("IMAGE", forged.image);
        if !has_catalog {
            line += &format!(" {}", verb.without);
            if self.owner.how == How::Recipients {
                line += &format!(" {}", verb.recipients);
            }
        }
        let is_backup = verb.name == "backup";
        let key =
            if is_backup && self.owner.how == How::Recipients { &[] } else { self.owner.key() };
        line.split_whitespace().chain(key.iter().copied()).map(str::to_owned).collect()
    }

    /// A cell with the catalog, and one without if there is one.
    pub fn cells(
        &self,
        forgery: &Forgery,
        forged: &Forged,
        verb: &DiscCommand,
        faults: &mut Vec<String>,
    ) -> Vec<CommandResult> {
        let catalogs: &[bool] = if verb.needs_catalog { &[true] } else { &[true, false] };
        let cell = |&has_catalog: &bool| {
            let mut said = Vec::new();
            let cell = cell::run(self, forgery, forged, verb, has_catalog, &mut said);
            let catalog = if has_catalog { "with" } else { "without" };
            let how = self.owner.how;
            let place = format!("{} | {how:?} | {} {catalog} a catalog", forgery.name, verb.name);
            faults.extend(said.into_iter().map(|fault| format!("{place}: {fault}")));
            cell
        };
        catalogs.iter().map(cell).collect()
    }
}
