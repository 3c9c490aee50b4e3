//! Every snapshot is on the discs as text: runs that stored nothing, runs that were held back, and
//! all that were before discs were migrated. The catalogs on the discs are overwritten, and each
//! snapshot comes back from SNAPSHOT and HISTORY alone, equal to the plain copy. `HISTORIES=N`
//! plays N more histories, and `HISTORY=SEED` one alone.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use support::trees::Random;
use support::{Sandbox, assert_same_tree, mutate_tree, random_tree};

struct SnapshotHistory {
    sandbox: Sandbox,
    random: Random,
    options: Vec<String>,
    /// Words that open the set.
    key: Vec<String>,
    snapshots: u64,
    told: Vec<String>,
}

impl SnapshotHistory {
    fn begin(seed: u64) -> SnapshotHistory {
        let sandbox = Sandbox::new();
        let mut random = Random::new(seed);
        let mut options = vec![
            format!("--disc-size={}M", 2 + random.below(3)),
            "--archive-size=256K".to_owned(),
            format!("--compress={}", ["bzip2", "zstd", "none"][random.below(3) as usize]),
            "--name=past".to_owned(),
        ];
        let mut key = Vec::new();
        if seed % 3 == 0 {
            let passphrase = sandbox.passphrase_file(b"correct horse");
            key.push(format!("--passphrase-file={}", passphrase.display()));
        }
        options.extend(key.iter().cloned());
        random_tree(&sandbox.source(), random.next(), 40);
        // Several names of one object, of each kind that can have them.
        let odd = "mkdir source/odd; cd source/odd; ln -s -- - l; ln l l2; mkfifo p; ln p p2
                   head -c 300000 /dev/urandom >noise; ln noise noise2; touch ./- ./=; ln ./- ./-2";
        sandbox.bash(odd).ok();
        let told = vec![format!("seed {seed}, {options:?}")];
        SnapshotHistory { sandbox, random, options, key, snapshots: 0, told }
    }

    fn change(&mut self) {
        let source = self.sandbox.source();
        match self.random.below(5) {
            0 => self.told.push("nothing changes".to_owned()),
            1 => {
                self.told.push("only names and modes change".to_owned());
                let to = self.random.below(1 << 40);
                self.sandbox.bash(&format!("mv source/odd/noise source/n{to}; chmod 700 source"));
                self.sandbox
                    .bash(&format!("mv source/n{to} source/odd/noise; ln -sf {to} source/w"));
            }
            _ => {
                let (seed, changes) = (self.random.next(), 1 + self.random.below(9) as usize);
                self.told.push(format!("mutate_tree({seed}, {changes})"));
                mutate_tree(&source, seed, changes);
                let bytes = self.random.below(700_000) as usize;
                fs::write(source.join("log"), self.random.bytes(bytes)).unwrap();
            }
        }
    }

    fn run(&mut self, words: &[&str]) {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        if words[0] == "backup" {
            all.extend(self.options.iter().cloned());
            all.push("--allow-shrink".to_owned());
            all.push(self.sandbox.source().display().to_string());
        } else {
            all.extend(self.key.iter().cloned());
        }
        if !words.contains(&"--stage") && words[0] == "backup" {
            all.push(self.sandbox.shelf().display().to_string());
        }
        self.told.push(format!("{all:?}"));
        self.sandbox.run(&all).ok();
    }

    fn backup(&mut self) {
        match self.random.below(4) {
            0 => self.run(&["backup", "--min-fill=99"]),
            1 => self.run(&["backup", "--stage", "--min-fill=99"]),
            2 => self.run(&["backup", "--stage"]),
            _ => self.run(&["backup"]),
        }
        self.snapshots += 1;
        self.sandbox.bash(&format!("cp -a source state{}", self.snapshots)).ok();
    }

    /// All that is known is on discs.
    fn flush(&mut self) {
        self.run(&["flush", "--name=past"]);
        let shelf = self.sandbox.shelf().display().to_string();
        let burned = self.sandbox.run(["burn", "--name=past", &shelf]);
        if !burned.stderr().contains("nothing is staged") {
            burned.ok();
        }
    }

    fn migrate(&mut self) -> PathBuf {
        let to = self.sandbox.path("new");
        let size = format!("--disc-size={}M", 4 + self.random.below(8));
        self.run(&["migrate", "--name=past", "--all", &size, "--to", to.to_str().unwrap()]);
        to
    }

    /// Without any catalog: ours is away, and those on the discs are zeros.
    fn prove(&self, discs: &Path) {
        let sandbox = &self.sandbox;
        fs::rename(sandbox.catalog(), sandbox.path("away.sqlite")).unwrap();
        for image in images(discs) {
            overwrite_catalog(sandbox, &image);
        }
        for seq in 1..=self.snapshots {
            self.comes_back(discs, seq);
        }
        let (last, from) = (self.snapshots + 1, discs.display().to_string());
        let mut words = vec!["restore".to_owned(), format!("--snapshot={last}")];
        words.extend(self.key.iter().cloned());
        words.extend([from.clone(), "nowhere".to_owned()]);
        sandbox.run(&words).code(1);
        self.comes_back_by_hand(discs);
        // And all of them are in a catalog that is made from such discs.
        let mut words = vec!["catalog", "rebuild", "--yes", &from];
        words.extend(self.key.iter().map(String::as_str));
        let rebuilt = sandbox.run(&words);
        assert!(sandbox.catalog().exists(), "{}", rebuilt.story());
        let known = sandbox.run(["snapshots", "--json"]).ok().results();
        assert_eq!(known.len() as u64, self.snapshots, "{known:?}");
        (1..=self.snapshots).for_each(|seq| self.comes_back(discs, seq));
        fs::rename(sandbox.path("away.sqlite"), sandbox.catalog()).unwrap();
    }

    /// With the newest disc's own script.
    fn comes_back_by_hand(&self, discs: &Path) {
        for (at, image) in images(discs).iter().enumerate() {
            let unpack = format!(
                "xorriso -osirrox on -indev stdio:{} -extract / by-hand/{at:02} 2>/dev/null",
                image.display()
            );
            self.sandbox.bash(&format!("mkdir -p by-hand; {unpack}")).ok();
        }
        let key = self.key.first().map(|key| key.replace("--passphrase-file=", "-p "));
        let key = key.unwrap_or_default();
        for seq in 1..=self.snapshots {
            let script = format!(
                "script=$(printf '%s\\n' by-hand/*/restore.sh | tail -n 1)
                 bash \"$script\" {key} -s {seq} back by-hand/*"
            );
            self.sandbox.bash(&script).ok();
            let state = self.sandbox.path(&format!("state{seq}"));
            assert_same_tree(&state, &self.sandbox.path("back"));
            self.sandbox.bash("chmod -R u+rwX back; rm -rf back").ok();
        }
    }

    fn comes_back(&self, discs: &Path, seq: u64) {
        let mut words = vec!["restore".to_owned(), "--trust-metadata".to_owned()];
        words.extend(self.key.iter().cloned());
        words.push(format!("--snapshot={seq}"));
        words.extend([discs.display().to_string(), "back".to_owned()]);
        self.sandbox.run(&words).ok();
        let (state, back) = (self.sandbox.path(&format!("state{seq}")), self.sandbox.path("back"));
        assert_same_tree(&state, &back);
        self.sandbox.bash("chmod -R u+rwX back; rm -rf back").ok();
    }
}

fn images(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut images: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "iso")).collect();
    images.sort();
    images
}

/// Where the catalog is in the image there are zeros from now on.
fn overwrite_catalog(sandbox: &Sandbox, image: &Path) {
    let name = image.display();
    let find = format!(
        "xorriso -indev stdio:{name} -find / -name 'catalog.sqlite*' -exec report_lba -- 2>/dev/null"
    );
    let found = sandbox.bash(&find).ok().stdout();
    // File data lba:  0 , 173 , 3 , 5120 , '/catalog.sqlite.bz2'
    for line in found.lines().filter(|line| line.starts_with("File data lba:")) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let (at, bytes): (u64, u64) = (fields[1].parse().unwrap(), fields[3].parse().unwrap());
        let zero = format!(
            "head -c {bytes} /dev/zero | dd of={name} bs=2048 seek={at} conv=notrunc status=none"
        );
        sandbox.bash(&format!("chmod u+w {name}; {zero}")).ok();
    }
}

fn play(seed: u64) {
    let mut history = SnapshotHistory::begin(seed);
    let steps = 4 + history.random.below(3);
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for step in 0..steps {
            if step > 0 {
                history.change();
            }
            history.backup();
            if history.random.below(5) == 0 {
                history.flush();
            }
        }
        // A run that finds nothing changed is named by the next disc, whatever that is for.
        fs::write(history.sandbox.source().join("last"), "the last change\n").unwrap();
        history.backup();
        history.flush();
        let shelf = history.sandbox.shelf();
        if seed % 2 == 0 {
            let new = history.migrate();
            fs::remove_dir_all(shelf).unwrap();
            history.prove(&new);
        } else {
            history.prove(&shelf);
        }
    }));
    if let Err(panic) = played {
        eprintln!("history failed:\n  {}", history.told.join("\n  "));
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_snapshot_comes_back_from_the_listings_alone() {
    if let Ok(seed) = std::env::var("HISTORY") {
        return play(seed.parse().unwrap());
    }
    let more: u64 = std::env::var("HISTORIES").map_or(0, |n| n.parse().unwrap());
    (1..=4 + more).for_each(play);
}

/// The listing of a disc, in clear.
fn listing(sandbox: &Sandbox, image: &Path, name: &str) -> String {
    let extract = format!(
        "rm -f listing; xorriso -osirrox on -indev stdio:{} -extract /{name} listing 2>/dev/null
         bzip2 -dc <listing",
        image.display()
    );
    sandbox.bash(&extract).ok().stdout()
}

#[test]
fn what_a_run_left_out_is_on_the_disc_by_name() {
    let sandbox = Sandbox::new();
    let source = sandbox.source();
    fs::write(source.join("kept"), "kept\n").unwrap();
    fs::write(source.join("left.o"), "left out\n").unwrap();
    let _socket = UnixListener::bind(source.join("sock et")).unwrap();
    let shelf = sandbox.shelf().display().to_string();
    sandbox.run(["backup", "--exclude=*.o", "--disc-size=3M", "source", &shelf]).ok();
    let images = sandbox.images();
    let snapshot = listing(&sandbox, &images[0], "SNAPSHOT.tsv.bz2");
    for line in [
        "#digest\tsha256",
        "#option\texclude\t*.o",
        "#excluded\t1 path: matches '*.o'",
        "#skipped\tsock et\ta socket",
    ] {
        assert!(snapshot.lines().any(|found| found == line), "{line}: {snapshot}");
    }
    // A second disc names the first one, with the hash of its list.
    fs::write(source.join("more"), "more\n").unwrap();
    sandbox.run(["backup", "--disc-size=3M", "source", &shelf]).ok();
    let images = sandbox.images();
    let sums = format!(
        "xorriso -osirrox on -indev stdio:{} -extract /SHA256SUMS sums 2>/dev/null; sha256sum <sums",
        images[0].display()
    );
    let sum = sandbox.bash(&sums).ok().stdout();
    let (sum, _) = sum.split_once(' ').unwrap();
    for name in ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "HISTORY.tsv.bz2"] {
        let text = listing(&sandbox, &images[1], name);
        let before: Vec<&str> = text.lines().filter(|line| line.starts_with("#before")).collect();
        assert_eq!(before.len(), 1, "{name}: {text}");
        assert!(before[0].starts_with("#before\t1\t") && before[0].ends_with(sum), "{before:?}");
    }
}

/// tar makes a link only where its content is in front of it, in the same archive.
#[test]
fn other_names_lie_behind_their_content_whatever_compresses() {
    let sandbox = Sandbox::new();
    let make =
        "cd source; for n in a b c; do head -c 90000 /dev/urandom >$n.jpg; ln $n.jpg 0$n; done
                seq 20000 >text; ln text 0text; ln -s x link; ln link link2
                mkfifo fifo; ln fifo fifo2";
    sandbox.bash(make).ok();
    let shelf = sandbox.shelf().display().to_string();
    sandbox.run(["backup", "--disc-size=3M", "source", &shelf]).ok();
    let unpack = format!(
        "xorriso -osirrox on -indev stdio:{} -extract /archives archives 2>/dev/null
         for archive in archives/*; do mkdir -p out; tar -xpf $archive -C out || exit 1; done
         stat -c '%h %n' out/*",
        sandbox.images()[0].display()
    );
    let names = sandbox.bash(&unpack).ok().stdout();
    assert_eq!(names.lines().filter(|line| line.starts_with("2 ")).count(), 12, "{names}");
}
