//! Sources of random shapes, packed onto small discs: every disc is full, none is too full, and
//! each carries the listings and the recovery data that it should. `FILLS=N` tries N more, and
//! `FILL=SEED` one alone.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use support::Sandbox;
use support::trees::Random;

/// What is drawn for one set.
#[derive(Debug)]
struct Shape {
    /// Small files: how many, how large at most, and how long their names are at most.
    small: (u64, u64, u64),
    /// Whether names and small contents are such as nothing compresses.
    is_noise: bool,
    /// Large files, and how large at most.
    large: (u64, u64),
    disc_megabytes: u64,
    archive_kilobytes: u64,
    compression: &'static str,
    is_encrypted: bool,
    parity: u64,
}

impl Shape {
    fn draw(random: &mut Random) -> Shape {
        let most = 1 << random.below(13);
        Shape {
            small: (
                random.below(most),
                1 << random.below(14),
                [8, 30, 120, 230][random.below(4) as usize],
            ),
            is_noise: random.below(2) == 0,
            large: (6 + random.below(10), 1 << (20 + random.below(3))),
            disc_megabytes: 4 + random.below(6),
            archive_kilobytes: 256 << random.below(7),
            compression: ["bzip2", "zstd", "none"][random.below(3) as usize],
            is_encrypted: random.below(3) == 0,
            parity: [0, 0, 5, 20, 40][random.below(5) as usize],
        }
    }

    fn make(&self, sandbox: &Sandbox, random: &mut Random) {
        let (count, largest, longest) = self.small;
        for n in 0..count {
            let length = (1 + random.below(longest)) as usize;
            let name = match self.is_noise {
                true => {
                    random.bytes(length).iter().map(|byte| char::from(b'a' + byte % 26)).collect()
                }
                false => "name".repeat(length / 4),
            };
            // Some before the large files, some after them, some in directories of their own.
            let dir = sandbox.source().join(["a", "z", "m/n"][(n % 3) as usize]);
            fs::create_dir_all(&dir).unwrap();
            let size = random.below(largest) as usize;
            let content = match self.is_noise {
                true => random.bytes(size),
                false => format!("{n} ").repeat(size / 3 + 1).into_bytes(),
            };
            fs::write(dir.join(format!("{n}{name}")), content).unwrap();
        }
        for n in 0..self.large.0 {
            let size = random.below(self.large.1) as usize;
            fs::write(sandbox.source().join(format!("film{n}")), random.bytes(size)).unwrap();
        }
    }

    fn options(&self, sandbox: &Sandbox) -> Vec<String> {
        let mut options = vec![
            format!("--disc-size={}M", self.disc_megabytes),
            format!("--archive-size={}K", self.archive_kilobytes),
            format!("--compress={}", self.compression),
        ];
        if self.parity > 0 {
            options.push(format!("--parity={}", self.parity));
        }
        if self.is_encrypted {
            let passphrase = sandbox.passphrase_file(b"horse");
            options.push("--encrypt".to_owned());
            options.push(format!("--passphrase-file={}", passphrase.display()));
        }
        options
    }
}

/// A staged disc: sectors it may have and has, and what it carries.
#[derive(Debug)]
struct StagedImage {
    capacity: u64,
    image: u64,
    listings: String,
    parity: u64,
}

fn discs(sandbox: &Sandbox) -> Vec<StagedImage> {
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    let sql = "SELECT number, capacity, image, listings FROM discs WHERE state='staged' ORDER BY 1";
    let mut query = catalog.prepare(sql).unwrap();
    let rows = query.query_map([], |row| {
        let number: u32 = row.get(0)?;
        let found = format!("cat \"$COLDCUT_STAGING\"/source-*/{number:04}/DISC.txt");
        let disc_txt = sandbox.bash(&found).ok().stdout();
        let parity = disc_txt.lines().find_map(|line| line.strip_prefix("parity=")).unwrap();
        Ok(StagedImage {
            capacity: row.get::<_, i64>(1)? as u64,
            image: row.get::<_, i64>(2)? as u64,
            listings: row.get(3)?,
            parity: parity.parse().unwrap(),
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn try_one(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let sandbox = Sandbox::new();
    let shape = Shape::draw(&mut random);
    shape.make(&sandbox, &mut random);
    let mut words = vec!["backup".to_owned(), "--stage".to_owned(), "--no-drill".to_owned()];
    words.extend(shape.options(&sandbox));
    words.push("source".to_owned());
    sandbox.run(words).ok();
    let discs = discs(&sandbox);
    let count = discs.len();
    for (at, disc) in discs.iter().enumerate() {
        let story = format!("FILL={seed}, {shape:?}: {disc:?}, {} of {count}", at + 1);
        // Whole clusters of 64 KiB are used.
        let usable = disc.capacity / 32 * 32;
        assert!(disc.image <= usable, "too full: {story}");
        let (is_first, is_last) = (at == 0, at + 1 == count);
        assert!(is_last || disc.image * 1000 >= usable * 950, "not full: {story}");
        if is_first || is_last {
            assert_eq!(disc.listings, "INDEX SNAPSHOT catalog", "{story}");
        }
        assert_eq!(disc.parity, shape.parity, "{story}");
    }
    count
}

#[test]
fn discs_of_any_source_are_full_and_not_too_full() {
    if let Ok(seed) = std::env::var("FILL") {
        try_one(seed.parse().unwrap());
        return;
    }
    let more: u64 = std::env::var("FILLS").map_or(0, |n| n.parse().unwrap());
    let mut discs = 0;
    let mut failed = Vec::new();
    for seed in 1..=8 + more {
        match std::panic::catch_unwind(|| try_one(seed)) {
            Ok(count) => discs += count,
            Err(_) => failed.push(seed),
        }
    }
    println!("{discs} discs");
    assert!(failed.is_empty(), "FILL={failed:?}");
    assert!(discs > 8);
}
