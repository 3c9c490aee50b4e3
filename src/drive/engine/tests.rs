//! What the programs are told, what they said once, and programs that fail, lie and hang.

use super::*;
use crate::drive::contract;
use crate::drive::optical::Profile;
use crate::model::{Bytes, Sectors};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

const XORRISO_GOOD: &str = include_str!("transcripts/xorriso_good.txt");
const XORRISO_BUSY: &str = include_str!("transcripts/xorriso_busy.txt");
const XORRISO_IMAGE: &str = include_str!("transcripts/xorriso_image.txt");
const GROWISOFS_GOOD: &str = include_str!("transcripts/growisofs_good.txt");
const GROWISOFS_WRITE_ERROR: &str = include_str!("transcripts/growisofs_write_error.txt");
const GROWISOFS_NOT_READY: &str = include_str!("transcripts/growisofs_not_ready.txt");

fn job() -> BurnJob {
    BurnJob {
        image: None,
        label: contract::label(7),
        volume_id: "0007_HOLIDAYS".into(),
        volume_date: "1987020304050607".into(),
        volume_set: "5E7".into(),
        application: "COLDCUT DISC 7".into(),
        files: vec![("DISC.txt".into(), "/st/a".into())],
        sectors: Sectors(32_768),
    }
}

fn place(profile: Profile) -> BurnTarget {
    BurnTarget {
        device: "/dev/sr1".into(),
        drive: "/dev/sr1 (a drive)".into(),
        profile,
        is_formatted: false,
        log: "/scratch/burning-sr1.log".into(),
    }
}

fn text(argv: Result<Vec<OsString>, DriveError>) -> String {
    let words = argv.unwrap().into_iter().map(|word| word.into_string().unwrap());
    words.collect::<Vec<_>>().join(" ")
}

fn image() -> BurnSource<'static> {
    BurnSource::Image { path: Path::new("/scratch/x.iso"), sectors: Sectors(32_768) }
}

fn of(engine: Engine) -> Settings {
    Settings { engine, ..Settings::default() }
}

#[test]
fn a_tree_is_burned_like_an_image_on_a_shelf_but_in_a_drive() {
    let settings = Settings { speed: Speed::parse("4x"), ..Settings::default() };
    let burned = text(argv(&job(), BurnSource::Tree, &place(Profile::BD_R), &settings));
    let on_shelf = crate::drive::xorriso::on_stdio(Path::new("/x")).unwrap();
    let shelved = text(crate::drive::xorriso::job_args(&job(), on_shelf, &[]));
    let ending = " -close on -fs 64m -speed 4b -stream_recording off -commit_eject none";
    assert_eq!(burned, shelved.replace("stdio:/x", "mmc:/dev/sr1") + ending);
}

#[test]
fn media_are_readied_as_they_need_it() {
    let prepared = |profile, is_formatted, defect_management| {
        let place = BurnTarget { is_formatted, ..place(profile) };
        let settings = Settings { defect_management, ..Settings::default() };
        let all = text(argv(&job(), BurnSource::Tree, &place, &settings));
        let (_, rest) = all.split_once("-outdev mmc:/dev/sr1 ").unwrap();
        rest.split_once("-volid").unwrap().0.trim().to_owned()
    };
    assert_eq!(prepared(Profile::BD_R, false, false), "");
    assert_eq!(prepared(Profile::BD_R, false, true), "-format as_needed");
    assert_eq!(prepared(Profile::BD_RE, false, false), "-format without_spare");
    assert_eq!(prepared(Profile::BD_RE, false, true), "-blank as_needed");
    assert_eq!(prepared(Profile::BD_RE, true, false), "-blank as_needed");
    assert_eq!(prepared(Profile(0x1b), false, true), "");
}

#[test]
fn images_are_burned_by_both_programs() {
    let settings = Settings { speed: Speed::parse("2.4"), ..Settings::default() };
    assert_eq!(
        text(argv(&job(), image(), &place(Profile(0x1b)), &settings)),
        "xorriso -no_rc -as cdrecord -v dev=mmc:/dev/sr1 padsize=0 fs=64m speed=2.4d \
         stream_recording=off /scratch/x.iso"
    );
    let settings = Settings { engine: Engine::Growisofs, ..settings };
    assert_eq!(
        text(argv(&job(), image(), &place(Profile::BD_R), &settings)),
        "growisofs -use-the-force-luke=tty,notray,spare:none,tracksize:32768,bufsize:64m \
         -speed=2.4 -Z /dev/sr1=/scratch/x.iso"
    );
    let dvd = text(argv(&job(), image(), &place(Profile(0x1b)), &of(Engine::Growisofs)));
    assert!(dvd.contains(" -dvd-compat -Z "), "{dvd}");
    assert!(argv(&job(), BurnSource::Tree, &place(Profile::BD_R), &of(Engine::Growisofs)).is_err());
}

#[test]
fn speeds_are_numbers_with_at_most_one_decimal() {
    for (typed, shown) in [("4", "4"), ("4x", "4"), ("2.4x", "2.4"), ("16", "16")] {
        assert_eq!(Speed::parse(typed).unwrap().to_string(), shown);
    }
    for bad in ["", "x", "0", "-1", "4.", ".4", "4.44", "1e3", "4X", "99999"] {
        assert_eq!(Speed::parse(bad), None, "{bad}");
    }
    for name in Engine::NAMES {
        assert_eq!(Engine::parse(name).unwrap().to_string(), name);
    }
}

/// Everything that a transcript makes us hear, and what was told meanwhile.
fn hear(engine: Engine, transcript: &str) -> (Heard, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let mut heard = Heard::default();
    for line in transcript.lines() {
        heard.take(super::hear(engine, line), &|news| {
            told.lock().unwrap().push(format!("{news:?}"))
        });
    }
    (heard, told.into_inner().unwrap())
}

#[test]
fn progress_is_read_from_what_the_programs_say() {
    let (heard, told) = hear(Engine::Xorriso, XORRISO_GOOD);
    assert!(heard.began && heard.closing && heard.complaints.is_empty());
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[1], format!("Written({:?})", Sectors(9600).bytes()));
    assert_eq!(told[2], "Closing");
    let (_, told) = hear(Engine::Xorriso, XORRISO_IMAGE);
    assert_eq!(told[2], format!("Written({:?})", Bytes(29 << 20)));
    let (heard, told) = hear(Engine::Growisofs, GROWISOFS_GOOD);
    assert!(heard.closing && heard.complaints.is_empty());
    assert_eq!(told[2], format!("Written({:?})", Bytes(67_010_560)));
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn errors_are_sentences_with_the_sector_and_the_programs_words() {
    let (heard, _) = hear(Engine::Growisofs, GROWISOFS_WRITE_ERROR);
    assert_eq!(heard.at, Some(Sectors(0x330)));
    let words = heard.words(Engine::Growisofs, ProgramExit::Code(5));
    assert!(words.starts_with("the disc cannot be written here"), "{words}");
    assert!(words.contains("(sense 3/0C/00)") && words.contains("growisofs said: "), "{words}");
    let mut heard = Heard::default();
    heard.complain("SCSI error on write(2560,32): [3 0C 02] Medium error. Write error".into());
    assert_eq!((heard.at, heard.sense.unwrap().asc), (Some(Sectors(2560)), 0x0c));
    assert_eq!(
        Heard::default().words(Engine::Xorriso, ProgramExit::Signal(9)),
        "xorriso gave no reason (signal 9)"
    );
}

#[test]
fn what_the_programs_say_may_be_cut_and_garbled_anywhere() {
    let mut seed = 7_u64;
    for (engine, transcript) in [
        (Engine::Xorriso, XORRISO_GOOD),
        (Engine::Xorriso, XORRISO_BUSY),
        (Engine::Growisofs, GROWISOFS_GOOD),
        (Engine::Growisofs, GROWISOFS_WRITE_ERROR),
    ] {
        for end in 0..transcript.len() {
            hear(engine, &transcript[..end]);
        }
        for _ in 0..2000 {
            let mut bytes = transcript.as_bytes().to_vec();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 24) as u8;
            }
            hear(engine, &String::from_utf8_lossy(&bytes));
        }
    }
}

/// A program that is a script, in the place of the real one.
struct Fake {
    dir: tempfile::TempDir,
    place: BurnTarget,
}

impl Fake {
    fn new() -> Fake {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("burning-sr1.log");
        Fake { place: BurnTarget { log, ..place(Profile::BD_R) }, dir }
    }

    fn burn(
        &self,
        engine: Engine,
        script: &str,
        stop: &Stop,
    ) -> (Result<(), DriveError>, Vec<String>) {
        let path = self.dir.path().join(engine.to_string());
        std::fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let mut argv = argv(&job(), image(), &self.place, &of(engine)).unwrap();
        argv[0] = path.into();
        let told = Mutex::new(Vec::new());
        let watch = |news: News| {
            told.lock().unwrap().push(format!("{news:?}"));
            // A person who reads each sentence and stays with their wish.
            if news == News::BurnContinues {
                stop.ask(2);
            }
        };
        let done = run(program(engine, argv), engine, &job(), &self.place, &watch, stop);
        (done, told.into_inner().unwrap())
    }

    fn says(&self, engine: Engine, transcript: &str, exit: i32) -> Result<(), DriveError> {
        let said = self.dir.path().join("said");
        std::fs::write(&said, transcript).unwrap();
        self.burn(engine, &format!("cat {} >&2; exit {exit}", said.display()), &Stop::new()).0
    }
}

#[test]
fn a_good_end_is_good_and_its_words_are_kept() {
    let fake = Fake::new();
    fake.says(Engine::Xorriso, XORRISO_GOOD, 0).unwrap();
    fake.says(Engine::Growisofs, GROWISOFS_GOOD, 0).unwrap();
    assert!(!fake.place.log.exists());
    assert_eq!(std::fs::read_to_string(fake.place.last_log()).unwrap(), GROWISOFS_GOOD);
}

#[test]
fn a_burn_that_did_not_begin_leaves_the_disc_as_it_was() {
    let fake = Fake::new();
    let error = fake.says(Engine::Xorriso, XORRISO_BUSY, 5).unwrap_err();
    assert!(matches!(error, DriveError::NotBegun { .. }), "{error}");
    assert!(error.to_string().contains("Cannot open busy device"), "{error}");
    let error = fake.says(Engine::Growisofs, GROWISOFS_NOT_READY, 251).unwrap_err();
    assert!(matches!(error, DriveError::NotBegun { .. }), "{error}");
}

#[test]
fn a_burn_that_failed_names_drive_disc_sector_and_reason() {
    let error = Fake::new().says(Engine::Growisofs, GROWISOFS_WRITE_ERROR, 5).unwrap_err();
    let words = error.to_string();
    assert!(
        words.starts_with("/dev/sr1 (a drive): writing disc 7 of holidays failed at sector 816: "),
        "{words}"
    );
}

/// The laser's calibration may have used the disc, though no sector was written.
#[test]
fn a_drive_that_complains_makes_the_disc_doubtful() {
    let said =
        "libburn : FATAL : SCSI error on send_opc: [3 73 03] Medium error. Power calibration\n";
    let error = Fake::new().says(Engine::Xorriso, said, 5).unwrap_err();
    assert!(matches!(error, DriveError::Write { .. }), "{error}");
    assert!(error.to_string().contains("could not be calibrated"), "{error}");
}

/// What the drive refused before the first byte did nothing to the disc.
#[test]
fn a_command_that_is_refused_before_the_first_byte_leaves_the_disc_as_it_was() {
    let growisofs = |reason| format!(":-[ {reason}]: Input/output error\n");
    let libburn = |reason| format!("libburn : FATAL : SCSI error on {reason}\n");
    for (engine, said) in [
        (
            Engine::Growisofs,
            growisofs("READ FORMAT CAPACITIES failed with SK=5h/INVALID COMMAND OPERATION CODE"),
        ),
        (Engine::Growisofs, growisofs("MODE SELECT failed with SK=5h/INVALID FIELD IN CDB")),
        (Engine::Xorriso, libburn("mode_select(10): [5 24 00] Illegal request. Invalid field")),
        (Engine::Xorriso, libburn("format_unit(0): [5 20 00] Illegal request. Invalid command")),
        (Engine::Xorriso, libburn("read_format_capacities(0): [2 3A 02] Not ready. Tray open")),
        (Engine::Xorriso, libburn("reserve_track(0): [6 29 00] Unit attention. Reset")),
    ] {
        let error = Fake::new().says(engine, &said, 5).unwrap_err();
        assert!(matches!(error, DriveError::NotBegun { .. }), "{said}: {error}");
        assert!(error.to_string().contains("the disc is unchanged"), "{error}");
    }
    let unknown =
        growisofs("READ FORMAT CAPACITIES failed with SK=5h/INVALID COMMAND OPERATION CODE");
    let words = Fake::new().says(Engine::Growisofs, &unknown, 5).unwrap_err().to_string();
    assert!(
        words.contains("use another drive or the other burning program (sense 5/20/00)"),
        "{words}"
    );
}

/// xorriso tells how far it is before the drive has answered the first command that writes.
#[test]
fn a_first_byte_that_is_refused_leaves_the_disc_as_it_was() {
    let said = " UPDATE : Writing:          0s    0.0%   fifo   4%  buf   0%\n\
                libburn : FATAL : SCSI error on write(0,16): [5 20 00] Illegal request\n";
    let error = Fake::new().says(Engine::Xorriso, said, 5).unwrap_err();
    assert!(matches!(error, DriveError::NotBegun { .. }), "{error}");
    let later = said.replace("write(0,16)", "write(16,16)");
    let error = Fake::new().says(Engine::Xorriso, &later, 5).unwrap_err();
    assert!(matches!(error, DriveError::Write { .. }), "{error}");
}

/// The same words, when bytes may be on the disc already.
#[test]
fn a_command_that_is_refused_later_makes_the_disc_doubtful() {
    let write = "libburn : FATAL : SCSI error on write(2560,32): [5 24 00] Illegal request\n";
    let close = ":-[ CLOSE SESSION failed with SK=5h/SESSION FIXATION ERROR]: Input/output error\n";
    let begun = " UPDATE : Writing: 1280s 8%\nlibburn : FATAL : SCSI error on x: [5 24 00] Illegal request\n";
    for (engine, said) in
        [(Engine::Xorriso, write), (Engine::Growisofs, close), (Engine::Xorriso, begun)]
    {
        let error = Fake::new().says(engine, said, 5).unwrap_err();
        assert!(matches!(error, DriveError::Write { .. }), "{said}: {error}");
    }
}

#[test]
fn liars_are_heard_by_their_exit_code_and_the_read_back_decides() {
    let fake = Fake::new();
    // All was said to be well, and it was not.
    let error = fake.says(Engine::Xorriso, XORRISO_GOOD, 5).unwrap_err();
    assert!(matches!(error, DriveError::Write { .. }), "{error}");
    // An error, and yet a good end: the disc is read back as any other.
    fake.says(Engine::Growisofs, GROWISOFS_WRITE_ERROR, 0).unwrap();
    fake.says(Engine::Xorriso, "", 0).unwrap();
}

#[test]
fn a_program_that_is_killed_or_babbles_is_an_error_and_no_more() {
    let fake = Fake::new();
    let (done, _) = fake.burn(Engine::Xorriso, "kill -9 $$", &Stop::new());
    assert!(matches!(done.unwrap_err(), DriveError::Write { .. }));
    let babble = "head -c 3000000 /dev/urandom; head -c 300000 /dev/zero; exit 28";
    let (done, _) = fake.burn(Engine::Growisofs, babble, &Stop::new());
    let error = done.unwrap_err();
    assert!(error.to_string().contains("gave no reason (exit code 28)"), "{error}");
}

#[test]
fn a_program_that_is_missing_says_how_to_get_it() {
    let fake = Fake::new();
    let gone = program(Engine::Growisofs, vec!["coldcut-no-such-growisofs".into()]);
    let error =
        run(gone, Engine::Growisofs, &job(), &fake.place, &|_| (), &Stop::new()).unwrap_err();
    assert!(error.to_string().contains("apt install growisofs"), "{error}");
}

#[test]
fn a_burn_is_aborted_by_the_second_wish_only_and_says_what_is_lost() {
    let script =
        "trap 'exit 1' TERM\necho ' UPDATE : Writing: 1280s 8%'\nwhile :; do sleep 0.05; done";
    let fake = Fake::new();
    let stop = Stop::new();
    let asker = std::thread::spawn({
        let (stop, log) = (stop.clone(), fake.place.log.clone());
        move || {
            while std::fs::read_to_string(&log).unwrap_or_default().is_empty() {
                std::thread::yield_now();
            }
            stop.ask(2);
        }
    });
    let (done, told) = fake.burn(Engine::Xorriso, script, &stop);
    asker.join().unwrap();
    assert!(matches!(done.unwrap_err(), DriveError::Stopped(_)));
    let said: Vec<_> = told.iter().filter(|news| !news.starts_with("Written")).collect();
    assert_eq!(said, ["BurnContinues", "Aborted"]);
}

/// One wish to stop, and the program ends well by itself: the disc is whole.
#[test]
fn after_one_wish_the_burn_ends_well() {
    let fake = Fake::new();
    let stop = Stop::new();
    let go = fake.dir.path().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    let path = fake.dir.path().join("xorriso");
    std::fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let asker = std::thread::spawn({
        let (stop, log) = (stop.clone(), fake.place.log.clone());
        move || {
            while !log.exists() {
                std::thread::yield_now();
            }
            stop.ask(15);
        }
    });
    let watch = |_: News| std::fs::write(&go, "").unwrap();
    let program = program(Engine::Xorriso, vec![path.into()]);
    run(program, Engine::Xorriso, &job(), &fake.place, &watch, &stop).unwrap();
    asker.join().unwrap();
    assert_eq!(stop.asks(), 1);
}

#[test]
fn the_burn_of_a_former_run_is_waited_for_and_said() {
    let fake = Fake::new();
    let quiet = |_: BurnNotice| panic!("nothing burns");
    assert!(!settle(&fake.place, &quiet, &Stop::new()).unwrap());
    let go = fake.dir.path().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    let program = Program::new("", ["bash", "-c", &script]);
    // Nobody follows it: whoever started it is gone.
    let left_alone = program.start_lasting(&fake.place.log, &Stop::new()).unwrap();
    let said = Mutex::new(Vec::new());
    let say = |notice: BurnNotice| {
        said.lock().unwrap().push(notice);
        std::fs::write(&go, "").unwrap();
    };
    assert!(settle(&fake.place, &say, &Stop::new()).unwrap());
    let drive = fake.place.drive.clone();
    assert_eq!(*said.lock().unwrap(), [BurnNotice::EarlierBurn { drive }]);
    assert!(!fake.place.log.exists() && fake.place.last_log().exists());
    left_alone.follow(&Stop::new(), &mut || (), &mut |_| ()).unwrap();
    // One that ended unseen is not waited for, but known.
    std::fs::write(&fake.place.log, "").unwrap();
    assert!(settle(&fake.place, &quiet, &Stop::new()).unwrap());
}
