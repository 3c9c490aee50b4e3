//! A place to run programs whose power is cut, and what must be true afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Mounted, PowerDisk};
use crate::support::trees::Random;
use crate::support::{Run, Sandbox, differences};

/// What is said where the power went before there was a set.
const NONE_YET: [&str; 3] = ["no set", "no catalog", "it has no tables"];

/// A source on a disk that keeps its power, and a place for one that does not: `disk`, with catalog,
/// staging area and shelf.
pub struct PowerBench {
    pub sandbox: Sandbox,
}

impl PowerBench {
    /// Three films, of which two fit on a disc of 2 MB, and a few small files.
    pub fn new() -> PowerBench {
        let mut sandbox = Sandbox::new();
        for n in 0..3 {
            let bytes = Random::new(n).bytes(700_000);
            fs::write(sandbox.source().join(format!("film{n}")), bytes).unwrap();
        }
        for n in 0..5 {
            let dir = sandbox.source().join(format!("dir{}", n % 2));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(format!("text{n}")), format!("{n}\n").repeat(900)).unwrap();
        }
        let disk = sandbox.path("disk");
        sandbox.set("COLDCUT_CATALOG", disk.join("catalog.sqlite"));
        sandbox.set("COLDCUT_STAGING", disk.join("staging"));
        PowerBench { sandbox }
    }

    /// What a failed check left behind.
    pub fn clear(&self) {
        for name in ["target", "out", "lost"] {
            let _ = fs::remove_dir_all(self.sandbox.path(name));
        }
    }

    pub fn mount(&self, disk: PowerDisk) -> Mounted {
        Mounted::new(disk, &self.sandbox.path("disk"))
    }

    /// Runs a program on the disk to its end, or to the cut that is planned. Gives the disk as it is
    /// then, with its power still off.
    pub fn run_on(&self, disk: PowerDisk, program: &str, words: &[&str]) -> (Run, PowerDisk) {
        let mounted = self.mount(disk);
        let mut command = self.sandbox.command(program);
        command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = mounted.spawn(&mut command).wait_with_output().unwrap();
        let run = Run::ended(&command, &self.sandbox.path(""), output);
        (run, mounted.without_power())
    }

    /// Runs coldcut on a disk that is mounted.
    pub fn run(&self, line: &str) -> Run {
        self.sandbox.run(line.split_whitespace())
    }

    /// What the catalog says of each disc; nothing if the power went before there was a set.
    fn discs(&self) -> Vec<serde_json::Value> {
        let run = self.run("discs --json --name set");
        match run.output.status.code() {
            Some(1) if NONE_YET.iter().any(|words| run.stderr().contains(words)) => Vec::new(),
            _ => run.ok().results(),
        }
    }

    /// A disc is called verified only if its image on the shelf is, byte for byte, what was read
    /// back before the cut. The disk is mounted again; `cut` is as it was when the power went.
    pub fn check_safe_discs(&self, cut: &PowerDisk, story: &str) {
        for disc in self.discs().iter().filter(|disc| disc["state"] == "verified") {
            let places = ["shelf", "new"].map(|dir| PathBuf::from(dir).join(image_name(disc)));
            let images = places.iter().filter_map(|path| Some((path, cut.read(path)?)));
            let images: Vec<_> = images.collect();
            assert!(!images.is_empty(), "{story}: {disc} has no image");
            for (path, before) in images {
                let now = fs::read(self.sandbox.path("disk").join(path)).ok();
                assert!(now == Some(before), "{story}: {disc} is not what was read back");
            }
        }
    }

    /// Everything is on discs, and on nothing else, and comes back.
    pub fn check_finished(&self, shelf: &str, story: &str) {
        let discs = self.discs();
        assert!(discs.iter().all(|disc| disc["state"] == "verified"), "{story}: {discs:?}");
        let names: BTreeSet<String> = discs.iter().map(image_name).collect();
        let there: BTreeSet<String> = self.images().iter().map(|image| name(image)).collect();
        assert!(names.is_subset(&there), "{story}: {names:?} {there:?}");
        let mut left = files_below(&self.sandbox.path("disk/staging"));
        // A recovery group that is open waits for its next disc.
        left.retain(|path| !path.display().to_string().contains("/group-"));
        assert!(left.is_empty(), "{story}: {left:?} is left in the staging area");
        let status = self.run("status");
        assert!(status.output.status.success(), "{story}: {}", status.story());
        self.restore(&format!("restore {shelf} target"), story);
    }

    pub fn images(&self) -> Vec<PathBuf> {
        let mut images = files_below(&self.sandbox.path("disk"));
        images.retain(|path| path.extension().is_some_and(|extension| extension == "iso"));
        images.sort();
        images
    }

    /// Restores to `target`, and compares that with the source.
    pub fn restore(&self, line: &str, story: &str) {
        let run = self.run(line);
        assert!(run.output.status.success(), "{story}: {}", run.story());
        self.compare("target", story);
        fs::remove_dir_all(self.sandbox.target()).unwrap();
    }

    pub fn compare(&self, name: &str, story: &str) {
        let found = differences(&self.sandbox.source(), &self.sandbox.path(name));
        assert!(found.is_empty(), "{story}: {found:?}");
    }

    /// Without one of the discs, by their recovery discs and without the catalog.
    pub fn restore_without(&self, lost: u64, story: &str) {
        let images = self.images();
        fs::remove_file(&images[lost as usize % images.len()]).unwrap();
        self.restore("restore --catalog none disk/shelf target", story);
    }

    /// By the script on the last disc, from files that xorriso takes out of the images.
    pub fn restore_by_script(&self, story: &str) {
        let run = self.sandbox.bash(
            "for image in disk/shelf/*.iso; do
                 xorriso -osirrox on -indev \"$image\" -extract / \"out/${image##*/}\" &>/dev/null
             done
             discs=(out/*); bash \"${discs[-1]}/restore.sh\" target \"${discs[@]}\"
             chmod -R u+w out; rm -r out",
        );
        assert!(run.output.status.success(), "{story}: {}", run.story());
        self.compare("target", story);
        fs::remove_dir_all(self.sandbox.target()).unwrap();
    }
}

fn image_name(disc: &serde_json::Value) -> String {
    format!("set-{:04}.iso", disc["id"].as_u64().unwrap())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}
