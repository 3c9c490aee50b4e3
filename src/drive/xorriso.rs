//! The program xorriso (1.5.4 and later), which writes images and discs: how it is called and what
//! its answers mean. Nothing is read with it.
//!
//! Arguments and parsers are pure functions, so that they are tested without it, on what it once
//! said. Images come out byte for byte alike because nothing is left to the day, the user or the
//! staging area: dates, owners, modes and the order of the content are all given.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;

use super::layout::LONGEST_NAME;
use super::{BurnJob, DriveError};
use crate::model::{Bytes, Sectors};
use crate::port::command::{Program, ProgramExit};
use crate::port::stop::Stop;

const INSTALL: &str = "apt install xorriso";
/// What a program has open as its standard input (proc_pid_fd(5)).
const ITS_INPUT: &str = "/proc/self/fd/0";
/// What it says of a size is one line.
const LONGEST_ANSWER: usize = 1 << 20;
/// How many of the last complaints are shown to a person.
const COMPLAINTS: usize = 4;

/// Writes the job's image into `target`, a new file. xorriso has it open already and is given no name
/// of it: what somebody puts under that name meanwhile is not written to.
pub(super) fn write(
    job: &BurnJob,
    target: &File,
    watch: &dyn Fn(Bytes),
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut argv = job_args(job, on_stdio(Path::new(ITS_INPUT))?, &[])?;
    let target = target.try_clone().map_err(DriveError::io("open", ITS_INPUT))?;
    argv.extend(["-commit_eject", "none"].map(OsString::from));
    let mut complaints = Complaints::default();
    let program = program(argv).dies_with_us().open_input(target);
    let exit = program.run(stop, &mut |_| (), &mut |line| match progress(line) {
        Some(written) => watch(written),
        None => complaints.hear(line),
    })?;
    complaints.judge(exit)
}

/// What xorriso itself says that the image's size will be; nothing is written.
pub fn predicted_sectors(job: &BurnJob, stop: &Stop) -> Result<Sectors, DriveError> {
    let mut argv = job_args(job, on_stdio(Path::new("/dev/null"))?, &[])?;
    argv.extend(["-print_size", "-rollback_end"].map(OsString::from));
    let mut complaints = Complaints::default();
    let (exit, out) =
        program(argv).capture(stop, LONGEST_ANSWER, &mut |line| complaints.hear(line))?;
    complaints.judge(exit)?;
    size(&out).ok_or_else(|| unknown(&out))
}

/// That the program is there; nothing is run.
pub(super) fn look_for() -> Result<(), DriveError> {
    Ok(program(vec!["xorriso".into()]).look_for()?)
}

pub(super) fn program(argv: Vec<OsString>) -> Program {
    // xorriso's own dates come from this variable if it is set, and from the clock if not.
    Program::new(INSTALL, argv).env("SOURCE_DATE_EPOCH", "0")
}

/// xorriso resolves paths itself, and takes one that does not begin with a slash for options or
/// devices.
fn absolute(path: &Path) -> Result<std::path::PathBuf, DriveError> {
    std::path::absolute(path).map_err(DriveError::io("find", path))
}

/// All that describes the image at `address`; what is to be done with it follows. `prepare` readies
/// a blank: it goes before the first change to the image, because xorriso refuses it afterwards.
pub(super) fn job_args(
    job: &BurnJob,
    address: OsString,
    prepare: &[OsString],
) -> Result<Vec<OsString>, DriveError> {
    job.files.iter().try_for_each(|(path, _)| check_name(path))?;
    let mut argv = head(address);
    argv.extend_from_slice(prepare);
    argv.extend(volume_args(job));
    for (path, source) in &job.files {
        argv.extend(["-map".into(), absolute(source)?.into(), format!("/{path}").into()]);
    }
    argv.extend(order_args(job.files.iter().map(|(path, _)| path.as_str())));
    let scripts = job.files.iter().map(|(path, _)| path.as_str());
    argv.extend(owner_args(scripts.filter(|path| path.ends_with(".sh"))));
    Ok(argv)
}

fn head(address: OsString) -> Vec<OsString> {
    let mut argv: Vec<OsString> = [
        "xorriso",
        "-no_rc",
        "-abort_on",
        "FAILURE",
        "-return_with",
        "SORRY",
        "32",
        "-report_about",
        "UPDATE",
        "-pacifier",
        "interval=1",
        "-md5",
        "off",
        "-padding",
        "0",
        "-rockridge",
        "on",
        "-joliet",
        "on",
        // No second superblock at sector 32: multi-session is refused, and the size is ours.
        "-compliance",
        "no_emul_toc:iso_9660_level=3",
    ]
    .map(OsString::from)
    .into();
    argv.extend(["-outdev".into(), address]);
    argv
}

/// The date of kind `uuid` is written as it is: of the volume's creation and of its change.
fn volume_args(job: &BurnJob) -> impl Iterator<Item = OsString> {
    let date = &job.volume_date;
    let names = [
        ("-volid", &job.volume_id),
        ("-volset_id", &job.volume_set),
        ("-application_id", &job.application),
    ];
    let given = names.into_iter().filter(|(_, name)| !name.is_empty());
    let named = given.flat_map(|(option, name)| [option, name]);
    let dates = ["-volume_date", "uuid", date, "-volume_date", "all_file_dates", date];
    let args: Vec<OsString> = named.chain(dates).map(OsString::from).collect();
    args.into_iter()
}

/// The prefix keeps the name of a file from being taken for a burner's.
pub(super) fn on_stdio(path: &Path) -> Result<OsString, DriveError> {
    addressed("stdio:", path)
}

/// With this prefix xorriso takes nothing but an optical drive: a path that is something else is
/// refused, and never written to.
pub(super) fn in_drive(device: &Path) -> Result<OsString, DriveError> {
    addressed("mmc:", device)
}

fn addressed(kind: &str, path: &Path) -> Result<OsString, DriveError> {
    let mut address = OsString::from(kind);
    address.push(absolute(path)?);
    Ok(address)
}

/// libisofs would lay the content in the order of the staging area's inodes, another one each
/// time. The file with the highest weight comes first.
fn order_args<'a>(paths: impl ExactSizeIterator<Item = &'a str>) -> Vec<OsString> {
    let count = paths.len();
    let one = |(i, path): (usize, &str)| {
        let weight = (count - i).to_string();
        [
            "-find".into(),
            format!("/{path}"),
            "-exec".into(),
            "sort_weight".into(),
            weight,
            "--".into(),
        ]
    };
    paths.enumerate().flat_map(one).map(OsString::from).collect()
}

/// Anybody can read a disc anywhere (format 1).
fn owner_args<'a>(scripts: impl Iterator<Item = &'a str>) -> Vec<OsString> {
    let mut words = vec!["-chown_r", "0", "/", "--", "-chgrp_r", "0", "/", "--"];
    words.extend(["-chmod_r", "0444", "/", "--"]);
    words.extend(["-find", "/", "-type", "d", "-exec", "chmod", "0555", "--"]);
    let mut args: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    for script in scripts {
        args.extend(["-chmod", "0555"].map(OsString::from));
        args.extend([format!("/{script}").into(), "--".into()]);
    }
    args
}

/// Only names that both directory trees keep whole, and that mean nothing to xorriso's patterns.
fn check_name(path: &str) -> Result<(), DriveError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    let fits = |name: &str| {
        (1..=LONGEST_NAME).contains(&name.len())
            && !name.starts_with('.')
            && name.bytes().all(plain)
    };
    match path.split('/').all(fits) {
        true => Ok(()),
        false => Err(DriveError::BadName { path: path.to_owned() }),
    }
}

/// The bytes written so far, out of `xorriso : UPDATE : Writing:   1280s   8.7%   fifo 100% …`.
pub(super) fn progress(line: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(line).ok()?;
    let (_, rest) = text.split_once(" UPDATE : Writing:")?;
    let sectors: u64 = rest.split_whitespace().next()?.strip_suffix('s')?.parse().ok()?;
    Some(Sectors(sectors).bytes())
}

/// The answer to `-print_size`: `Image size   : 42s`.
pub(super) fn size(out: &[u8]) -> Option<Sectors> {
    let text = std::str::from_utf8(out).ok()?;
    let answer = text.lines().find_map(|line| line.strip_prefix("Image size"))?;
    answer.trim_start().strip_prefix(':')?.trim().strip_suffix('s')?.parse().ok().map(Sectors)
}

fn unknown(words: &[u8]) -> DriveError {
    let start: String = String::from_utf8_lossy(words).chars().take(200).collect();
    DriveError::UnknownWords(start.escape_debug().to_string())
}

/// What xorriso complained of. Lines read `module : SEVERITY : text`.
#[derive(Default)]
struct Complaints {
    lines: VecDeque<String>,
}

impl Complaints {
    fn hear(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some((severity, words)) = message(&text) else { return };
        if ["SORRY", "MISHAP", "FAILURE", "FATAL", "ABORT"].contains(&severity) {
            self.lines.push_back(words.to_owned());
            if self.lines.len() > COMPLAINTS {
                self.lines.pop_front();
            }
        }
    }

    fn words(&self) -> String {
        match self.lines.is_empty() {
            true => "it gave no reason".to_owned(),
            false => self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("; "),
        }
    }

    fn judge(&self, exit: ProgramExit) -> Result<(), DriveError> {
        match exit.is_success() {
            true => Ok(()),
            false => Err(DriveError::Program { exit, words: self.words() }),
        }
    }
}

/// Severity and text of a message; `None` for xorriso's other lines (its banner, the state of the
/// drive), which say nothing that the exit code does not.
pub(super) fn message(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    let (severity, words) = rest.split_once(':')?;
    Some((severity.trim(), words.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::contract;

    fn text(argv: Vec<OsString>) -> String {
        argv.into_iter().map(|a| a.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_job_becomes_these_arguments() {
        let job = BurnJob {
            image: None,
            label: contract::label(7),
            volume_id: "0007_HOLIDAYS".into(),
            volume_date: "1987020304050607".into(),
            volume_set: "5E7".into(),
            application: "COLDCUT DISC 7".into(),
            files: vec![
                ("restore.sh".into(), "/st/a".into()),
                ("archives/1.tar".into(), "/st/b".into()),
            ],
            sectors: Sectors(0),
        };
        assert_eq!(
            text(job_args(&job, on_stdio(Path::new("/d/x.part")).unwrap(), &[]).unwrap()),
            "xorriso -no_rc -abort_on FAILURE -return_with SORRY 32 -report_about UPDATE \
             -pacifier interval=1 -md5 off -padding 0 -rockridge on -joliet on \
             -compliance no_emul_toc:iso_9660_level=3 -outdev stdio:/d/x.part \
             -volid 0007_HOLIDAYS -volset_id 5E7 -application_id COLDCUT DISC 7 -volume_date uuid 1987020304050607 \
             -volume_date all_file_dates 1987020304050607 \
             -map /st/a /restore.sh -map /st/b /archives/1.tar \
             -find /restore.sh -exec sort_weight 2 -- -find /archives/1.tar -exec sort_weight 1 -- \
             -chown_r 0 / -- -chgrp_r 0 / -- -chmod_r 0444 / -- \
             -find / -type d -exec chmod 0555 -- -chmod 0555 /restore.sh --"
        );
    }

    #[test]
    fn names_that_would_not_come_through_whole_are_refused() {
        let long = "x".repeat(31);
        for bad in ["", "/x", "a//b", "a/", ".x", "..", "a b", "a*", "ä", "a\n", "-é", &long] {
            assert!(matches!(check_name(bad), Err(DriveError::BadName { .. })), "{bad:?}");
        }
        check_name("archives/00000001.tar.bz2.gpg").unwrap();
        check_name("parity/disc.vol000+600.par2").unwrap();
    }

    #[test]
    fn progress_is_read_from_lines_with_and_without_a_speed() {
        let first = b"xorriso : UPDATE : Writing:          4s    0.0%   fifo   1%  buf  50%";
        let later =
            b"xorriso : UPDATE : Writing:      38128s    0.9%   fifo  58%  buf  50%  136.8xD ";
        assert_eq!(progress(first), Some(Bytes(4 * 2048)));
        assert_eq!(progress(later), Some(Bytes(38128 * 2048)));
        for other in [
            &b"xorriso : UPDATE :       1 files added in 1 seconds"[..],
            b"xorriso : UPDATE : Closing track/session. Working since 11 seconds",
            b"xorriso : UPDATE : Writing:   many",
            b"\xff",
        ] {
            assert_eq!(progress(other), None);
        }
    }

    #[test]
    fn the_predicted_size_is_read() {
        assert_eq!(size(b"Image size   : 4348904s\n"), Some(Sectors(4_348_904)));
        assert_eq!(size(b"Image size   : ?\n"), None);
        assert_eq!(size(b""), None);
    }

    #[test]
    fn complaints_are_kept_and_the_rest_is_not() {
        let mut complaints = Complaints::default();
        for line in [
            "Media summary: 0 sessions, 0 data blocks, 0 data, 64.3g free",
            "xorriso : NOTE : Loading ISO image tree from LBA 0",
            "libisofs: SORRY : Damaged RR/SUSP information.",
            "xorriso : FAILURE : Cannot read ISO image tree",
            "xorriso : aborting : -abort_on 'FAILURE' encountered 'FAILURE'",
        ] {
            complaints.hear(line.as_bytes());
        }
        assert_eq!(complaints.words(), "Damaged RR/SUSP information.; Cannot read ISO image tree");
        assert!(complaints.judge(ProgramExit::Code(5)).is_err());
        assert!(complaints.judge(ProgramExit::Code(0)).is_ok());
    }

    #[test]
    fn owner_and_modes_on_the_disc_are_those_of_the_format() {
        let staged = contract::staged(1);
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("x.iso");
        write(&staged.job, &File::create(&image).unwrap(), &|_| (), &Stop::new()).unwrap();
        let argv = [
            "xorriso",
            "-no_rc",
            "-indev",
            image.to_str().unwrap(),
            "-find",
            "/",
            "-exec",
            "lsdl",
            "--",
        ];
        let (_, out) =
            Program::new(INSTALL, argv).capture(&Stop::new(), 1 << 20, &mut |_| ()).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.lines().count(), 2 + staged.job.files.len());
        for line in out.lines() {
            let mut fields = line.split_whitespace();
            let mode = fields.next().unwrap();
            let right = match line {
                _ if line.ends_with("'/'") || line.ends_with("'/archives'") => "dr-xr-xr-x",
                _ if line.ends_with("'/restore.sh'") => "-r-xr-xr-x",
                _ => "-r--r--r--",
            };
            assert_eq!(mode, right, "{line}");
            assert_eq!((fields.nth(1), fields.next()), (Some("0"), Some("0")), "{line}");
            assert!(line.contains("Feb  3  1987"), "{line}");
        }
    }

    #[test]
    fn the_volume_bears_name_and_date() {
        let staged = contract::staged(1);
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("x.iso");
        write(&staged.job, &File::create(&image).unwrap(), &|_| (), &Stop::new()).unwrap();
        let bytes = std::fs::read(&image).unwrap();
        let descriptor = &bytes[16 * 2048..17 * 2048];
        // ECMA-119 8.4.7, 8.4.26, 8.4.27
        assert!(descriptor[40..72].starts_with(b"0001_HOLIDAYS   "));
        assert_eq!(&descriptor[813..829], b"1987020304050607");
        assert_eq!(&descriptor[830..846], b"1987020304050607");
        assert_eq!(super::super::iso::size_in(descriptor), Some(staged.job.sectors));
    }
}
