//! A read in a drive failed: is the place bad, or is the disc or the drive not there any more? The
//! drive itself is asked, for the error of the read says the same of all of them (EIO).

use std::io;
use std::time::Duration;

use nix::errno::Errno;

use super::sense::Sense;
use super::sg::ScsiError;
use crate::drive::absence::Absence;

/// A drive answers this question at once, or is in trouble. It may first have to end the read that
/// was given up.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// So often a drive is asked that is getting ready, or has news: with the pauses between, a minute.
const QUESTIONS: u32 = 120;
/// So many times a question may get lost before the drive counts as silent.
const LOST: u32 = 3;

/// What is asked.
pub(super) trait DriveProbe {
    /// TEST UNIT READY (SPC-4 6.47).
    fn is_ready(&self) -> Result<(), ScsiError>;
    /// The kernel's count of insertions; `None` where it does not count.
    fn insertion(&self) -> Option<u64>;
    /// Whether the node is still that of this drive.
    fn is_there(&self) -> bool;
    /// Half a second.
    fn pause(&self);
}

/// What a failed read means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The disc is there and the drive well: the place cannot be read.
    BadPlace,
    /// The drive was reset, and is well now: the read may succeed if it is tried again.
    WasReset,
    Gone(Absence),
}

/// Asks the drive after `error`. `insertion` was the kernel's count when the disc was opened.
pub(super) fn inquire(
    drive: &str,
    witness: &dyn DriveProbe,
    insertion: Option<u64>,
    error: &io::Error,
) -> Meaning {
    let drive = drive.to_owned();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOMEDIUM) => return Meaning::Gone(Absence::TakenOut { drive }),
        Some(Errno::ENODEV | Errno::ENXIO) => return Meaning::Gone(Absence::DriveGone { drive }),
        _ => {}
    }
    let meaning = ask(&drive, witness);
    match meaning {
        Meaning::Gone(_) => meaning,
        _ if !witness.is_there() => Meaning::Gone(Absence::DriveGone { drive }),
        _ if witness.insertion() != insertion => Meaning::Gone(Absence::Changed { drive }),
        meaning => meaning,
    }
}

fn ask(drive: &str, witness: &dyn DriveProbe) -> Meaning {
    let drive = || drive.to_owned();
    let mut was_reset = false;
    let mut lost = 0;
    for _ in 0..QUESTIONS {
        match witness.is_ready() {
            Ok(()) if was_reset => return Meaning::WasReset,
            Ok(()) => return Meaning::BadPlace,
            Err(ScsiError::Sense(sense)) if sense.is_no_medium() => {
                return Meaning::Gone(Absence::TakenOut { drive: drive() });
            }
            Err(ScsiError::Sense(sense)) if sense.is_medium_changed() => {
                return Meaning::Gone(Absence::Changed { drive: drive() });
            }
            Err(ScsiError::Sense(sense)) if sense.is_unit_attention() => {
                was_reset |= sense.is_reset();
            }
            Err(ScsiError::Sense(sense)) if sense.is_becoming_ready() => witness.pause(),
            Err(ScsiError::Sense(sense)) => return by_sense(drive(), sense),
            Err(ScsiError::Errno(Errno::ENOMEDIUM)) => {
                return Meaning::Gone(Absence::TakenOut { drive: drive() });
            }
            Err(
                ScsiError::Errno(Errno::ENODEV | Errno::ENXIO) | ScsiError::Host(NO_CONNECTION),
            ) => {
                return Meaning::Gone(Absence::DriveGone { drive: drive() });
            }
            // It cannot be asked; the node and the count of insertions are all that tells.
            Err(ScsiError::Errno(Errno::EPERM | Errno::EACCES | Errno::ENOTTY | Errno::EINVAL)) => {
                return Meaning::BadPlace;
            }
            Err(_) if lost + 1 == LOST => break,
            Err(_) => {
                lost += 1;
                witness.pause();
            }
        }
    }
    Meaning::Gone(match witness.is_there() {
        true => Absence::NoAnswer { drive: drive() },
        false => Absence::DriveGone { drive: drive() },
    })
}

/// DID_NO_CONNECT (the kernel's scsi_status.h).
const NO_CONNECTION: u16 = 1;

fn by_sense(drive: String, sense: Sense) -> Meaning {
    match sense.key {
        // Not ready for a reason that waiting does not mend; hardware; the command was given up.
        2 if sense.asc == 0x04 => Meaning::Gone(Absence::NoAnswer { drive }),
        4 | 0xb => Meaning::Gone(Absence::Faulty { drive, words: sense.to_string() }),
        // LOGICAL UNIT NOT SUPPORTED: an adapter without its drive.
        5 if sense.asc == 0x25 => Meaning::Gone(Absence::DriveGone { drive }),
        _ => Meaning::BadPlace,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Mutex;

    /// A drive that gives these answers, one after the other, and is ready afterwards.
    pub(crate) struct ScriptedDrive {
        pub answers: Mutex<VecDeque<Result<(), ScsiError>>>,
        pub insertion: Option<u64>,
        pub is_there: bool,
    }

    impl ScriptedDrive {
        pub(crate) fn new(answers: &[ScsiError]) -> ScriptedDrive {
            let answers = Mutex::new(answers.iter().cloned().map(Err).collect());
            ScriptedDrive { answers, insertion: Some(7), is_there: true }
        }
    }

    impl DriveProbe for ScriptedDrive {
        fn is_ready(&self) -> Result<(), ScsiError> {
            self.answers.lock().unwrap().pop_front().unwrap_or(Ok(()))
        }
        fn insertion(&self) -> Option<u64> {
            self.insertion
        }
        fn is_there(&self) -> bool {
            self.is_there
        }
        fn pause(&self) {}
    }

    pub(crate) fn sense(key: u8, asc: u8, ascq: u8) -> ScsiError {
        ScsiError::Sense(Sense { key, asc, ascq, progress: None })
    }

    fn meaning(told: &ScriptedDrive, errno: i32) -> Meaning {
        inquire("/dev/sr0", told, Some(7), &io::Error::from_raw_os_error(errno))
    }

    fn after(answers: &[ScsiError]) -> Meaning {
        meaning(&ScriptedDrive::new(answers), nix::libc::EIO)
    }

    #[test]
    fn a_drive_that_is_well_means_that_the_place_is_bad() {
        assert_eq!(after(&[]), Meaning::BadPlace);
        assert_eq!(after(&[sense(3, 0x11, 5)]), Meaning::BadPlace);
        assert_eq!(after(&[sense(6, 0x2a, 1), sense(2, 4, 1)]), Meaning::BadPlace);
        assert_eq!(after(&[ScsiError::Errno(Errno::EPERM)]), Meaning::BadPlace);
    }

    #[test]
    fn a_disc_that_is_out_or_changed_is_no_bad_place() {
        let drive = || "/dev/sr0".to_owned();
        let out = || Meaning::Gone(Absence::TakenOut { drive: drive() });
        let changed = || Meaning::Gone(Absence::Changed { drive: drive() });
        assert_eq!(after(&[sense(2, 0x3a, 1)]), out());
        assert_eq!(after(&[sense(2, 4, 1), sense(2, 0x3a, 2)]), out());
        assert_eq!(after(&[sense(6, 0x28, 0)]), changed());
        assert_eq!(after(&[ScsiError::Errno(Errno::ENOMEDIUM)]), out());
        assert_eq!(meaning(&ScriptedDrive::new(&[]), nix::libc::ENOMEDIUM), out());
        let counted = ScriptedDrive { insertion: Some(8), ..ScriptedDrive::new(&[]) };
        assert_eq!(meaning(&counted, nix::libc::EIO), changed());
        assert_eq!(out_words(), "the disc was taken out of /dev/sr0");
    }

    fn out_words() -> String {
        Absence::TakenOut { drive: "/dev/sr0".into() }.to_string()
    }

    #[test]
    fn a_drive_that_is_gone_reset_silent_or_broken_is_no_bad_place() {
        let gone = Meaning::Gone(Absence::DriveGone { drive: "/dev/sr0".into() });
        for answer in [
            ScsiError::Errno(Errno::ENODEV),
            ScsiError::Errno(Errno::ENXIO),
            ScsiError::Host(1),
            sense(5, 0x25, 0),
        ] {
            assert_eq!(after(&[answer]), gone);
        }
        assert_eq!(meaning(&ScriptedDrive::new(&[]), nix::libc::ENODEV), gone);
        let away = ScriptedDrive { is_there: false, ..ScriptedDrive::new(&[]) };
        assert_eq!(meaning(&away, nix::libc::EIO), gone);
        assert_eq!(after(&[sense(6, 0x29, 0), sense(2, 4, 1)]), Meaning::WasReset);
        let silent = Meaning::Gone(Absence::NoAnswer { drive: "/dev/sr0".into() });
        assert_eq!(after(&vec![ScsiError::Host(3); 3]), silent);
        assert_eq!(after(&vec![sense(2, 4, 1); QUESTIONS as usize]), silent);
        assert_eq!(after(&[sense(2, 4, 3)]), silent);
        assert!(matches!(after(&[sense(4, 0x3e, 1)]), Meaning::Gone(Absence::Faulty { .. })));
    }

    #[test]
    fn a_question_that_gets_lost_is_asked_again() {
        assert_eq!(after(&[ScsiError::Host(7), ScsiError::Status(8)]), Meaning::BadPlace);
    }
}
