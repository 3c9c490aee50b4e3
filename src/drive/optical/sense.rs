//! Sense data: why a drive refused a command (SPC-4 4.5, MMC-6 annex F), as a sentence that a
//! person can act on, with the numbers beside it.

use std::fmt;

use super::reasons::numbers_of;

/// Key, additional code and its qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    pub key: u8,
    pub asc: u8,
    pub ascq: u8,
    /// How far an operation has come, in 65536ths (SPC-4 4.5.2.4.4).
    pub progress: Option<u16>,
}

const ANY: u8 = 0xff;

const FUNCTION: &str =
    "the drive does not have this function; use another drive or the other burning program";
const COMMAND: &str = "the drive does not accept this command; use the other burning program";

/// Key, code, qualifier (`ANY`: every other), and what they mean for a person. The first that fits.
pub(super) const MEANINGS: &[(u8, u8, u8, &str)] = &[
    (0x2, 0x04, 0x01, "the drive is starting up"),
    (0x2, 0x04, 0x04, "the drive is formatting the disc"),
    (0x2, 0x04, 0x07, "the drive is still working on the disc"),
    (0x2, 0x04, 0x08, "the drive is still writing"),
    (0x2, 0x04, ANY, "the drive is not ready"),
    (0x2, 0x06, ANY, "the drive finds nothing on the disc; it is damaged, or is upside down"),
    (0x2, 0x30, ANY, "this drive cannot use this kind of disc"),
    (0x2, 0x3a, 0x01, "there is no disc in the drive"),
    (0x2, 0x3a, 0x02, "the tray is open"),
    (0x2, 0x3a, ANY, "there is no disc in the drive"),
    (0x3, 0x02, ANY, "the laser cannot be positioned; clean the disc, or try another one"),
    (0x3, 0x06, ANY, "the laser cannot be positioned; clean the disc, or try another one"),
    (0x3, 0x0c, ANY, "the disc cannot be written here; try another disc, or a slower speed"),
    (0x3, 0x10, ANY, "a sector cannot be read; clean the disc, or try another drive"),
    (0x3, 0x11, ANY, "a sector cannot be read; clean the disc, or try another drive"),
    (0x3, 0x15, ANY, "the laser cannot be positioned; clean the disc, or try another one"),
    (0x3, 0x30, ANY, "this drive cannot use this kind of disc"),
    (0x3, 0x31, ANY, "the disc is not formatted"),
    (0x3, 0x32, ANY, "the disc has no spare sectors left; try another disc"),
    (0x3, 0x57, ANY, "the disc's table of contents cannot be read"),
    (0x3, 0x72, ANY, "the disc could not be closed"),
    (0x3, 0x73, 0x03, "the laser could not be calibrated for this disc; try another brand"),
    (0x3, 0x73, ANY, "the disc's calibration area cannot be used; try another disc"),
    (0x4, 0x08, ANY, "the drive lost its connection; check its cable and power"),
    (0x4, 0x09, ANY, "the drive lost its track; try another disc, then another drive"),
    (0x4, 0x3e, ANY, "the drive is broken"),
    (0x4, 0x44, ANY, "the drive is broken"),
    (0x5, 0x20, ANY, FUNCTION),
    (0x5, 0x21, 0x02, "the drive refused the address that was to be written"),
    (0x5, 0x21, ANY, "the address is out of range for this disc"),
    (0x5, 0x24, ANY, COMMAND),
    (0x5, 0x26, ANY, COMMAND),
    (0x5, 0x2c, ANY, "the drive expects another command first"),
    (0x5, 0x30, ANY, "this drive cannot write this kind of disc"),
    (0x5, 0x53, 0x02, "the tray is locked; another program is using the drive"),
    (0x5, 0x63, ANY, "the disc is full"),
    (0x5, 0x64, ANY, "the disc cannot be written in this way"),
    (0x5, 0x6f, ANY, "the disc is copy-protected"),
    (0x5, 0x72, ANY, "the disc could not be closed"),
    (0x6, 0x28, ANY, "the disc was changed"),
    (0x6, 0x29, ANY, "the drive was reset; check its cable and power"),
    (0x7, 0x27, ANY, "the disc is closed and cannot be written"),
];

/// What a key alone means (SPC-4 table 48).
pub(super) const KEYS: [(u8, &str); 9] = [
    (0x1, "the drive needed several tries"),
    (0x2, "the drive is not ready"),
    (0x3, "the disc is faulty; try another one"),
    (0x4, "the drive is faulty"),
    (0x5, "the drive does not accept this command"),
    (0x6, "the drive or its disc was changed"),
    (0x7, "the disc is write-protected"),
    (0x8, "nothing is written there"),
    (0xb, "the drive aborted the command"),
];

/// Settings of a burn that may make another one better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The other burning program: it uses other commands.
    OtherProgram,
    SlowerSpeed,
}

/// Key and code, and what may help where that is a setting.
const REMEDIES: [(u8, u8, Remedy); 4] = [
    (0x3, 0x0c, Remedy::SlowerSpeed),
    (0x5, 0x20, Remedy::OtherProgram),
    (0x5, 0x24, Remedy::OtherProgram),
    (0x5, 0x26, Remedy::OtherProgram),
];

impl Sense {
    /// From fixed (70h, 71h) or descriptor (72h, 73h) format; `None` for anything else.
    pub fn parse(data: &[u8]) -> Option<Sense> {
        let byte = |at: usize| data.get(at).copied();
        match byte(0)? & 0x7f {
            0x70 | 0x71 => Some(Sense {
                key: byte(2)? & 0x0f,
                asc: byte(12).unwrap_or(0),
                ascq: byte(13).unwrap_or(0),
                progress: match (byte(15), byte(16), byte(17)) {
                    (Some(valid), Some(high), Some(low)) if valid & 0x80 != 0 => {
                        Some(u16::from_be_bytes([high, low]))
                    }
                    _ => None,
                },
            }),
            0x72 | 0x73 => {
                Some(Sense { key: byte(1)? & 0x0f, asc: byte(2)?, ascq: byte(3)?, progress: None })
            }
            _ => None,
        }
    }

    /// Sense in the words of burning programs: libburn's `[3 0C 02]`, growisofs'
    /// `SK=3h/ASC=0Ch/ACQ=00h`.
    pub fn find(text: &str) -> Option<Sense> {
        // Key 0 is no error: the program tells of one that the drive did not report.
        in_brackets(text).or_else(|| named(text)).filter(|sense| sense.key != 0)
    }

    pub fn is_no_medium(self) -> bool {
        (self.key, self.asc) == (2, 0x3a)
    }

    /// No medium, and the tray is out (MMC-6 F.2).
    pub fn is_tray_open(self) -> bool {
        self.is_no_medium() && self.ascq == 2
    }

    /// The drive will be ready by itself.
    pub fn is_becoming_ready(self) -> bool {
        (self.key, self.asc) == (2, 0x04) && matches!(self.ascq, 0x01 | 0x04 | 0x07 | 0x08)
    }

    /// News that is told once; the command itself was not looked at.
    pub fn is_unit_attention(self) -> bool {
        self.key == 6
    }

    /// The medium may be another one (MMC-6 F.7).
    pub fn is_medium_changed(self) -> bool {
        (self.key, self.asc) == (6, 0x28)
    }

    /// Power on, or reset (SPC-4 annex F).
    pub fn is_reset(self) -> bool {
        (self.key, self.asc) == (6, 0x29)
    }

    pub fn is_medium_error(self) -> bool {
        self.key == 3
    }

    /// The command was refused, and nothing was done (SPC-4 table 48): the drive is not ready (2),
    /// does not know the command or its fields (5), has news (6), or may not write (7). A session
    /// that cannot be closed (72h) had been written.
    pub fn did_nothing(self) -> bool {
        matches!(self.key, 2 | 5..=7) && self.asc != 0x72
    }

    /// Which setting of a burn may help.
    pub fn remedy(self) -> Option<Remedy> {
        let fits = |(key, asc, _): &&(u8, u8, Remedy)| (*key, *asc) == (self.key, self.asc);
        REMEDIES.iter().find(fits).map(|(.., remedy)| *remedy)
    }

    fn meaning(self) -> &'static str {
        let fits = |&&(key, asc, ascq, _): &&(u8, u8, u8, &str)| {
            (key, asc) == (self.key, self.asc) && (ascq == ANY || ascq == self.ascq)
        };
        let by_key = || KEYS.iter().find(|(key, _)| *key == self.key).map(|(_, words)| *words);
        let exact = MEANINGS.iter().find(fits).map(|(.., words)| *words);
        exact.or_else(by_key).unwrap_or("the drive refused the command")
    }
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sense { key, asc, ascq, .. } = self;
        write!(f, "{} (sense {key:X}/{asc:02X}/{ascq:02X})", self.meaning())
    }
}

/// `[3 0C 02]`.
fn in_brackets(text: &str) -> Option<Sense> {
    text.split('[').skip(1).find_map(|rest| {
        let inside = rest.split_once(']')?.0;
        let mut numbers = inside.split(' ').map(|word| u8::from_str_radix(word, 16).ok());
        let sense = (numbers.next()??, numbers.next()??, numbers.next()??);
        let (key, asc, ascq) = sense;
        (numbers.next().is_none() && key <= 0xf).then_some(Sense { key, asc, ascq, progress: None })
    })
}

/// `SK=3h/ASC=0Ch/ACQ=00h`, or `SK=5h/INVALID FIELD IN CDB]`; a name that nobody knows leaves the
/// key.
fn named(text: &str) -> Option<Sense> {
    let number = |name: &str| {
        let rest = text.split_once(name)?.1;
        u8::from_str_radix(rest.split_once('h')?.0, 16).ok()
    };
    let key = number("SK=")?;
    let by_name = || {
        let (_, name) = text.split_once("SK=")?.1.split_once('/')?;
        numbers_of(name.split_once(']')?.0)
    };
    let (asc, ascq) = match number("ASC=") {
        Some(asc) => (asc, number("ACQ=").unwrap_or(0)),
        None => by_name().unwrap_or((0, 0)),
    };
    Some(Sense { key, asc, ascq, progress: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sense(key: u8, asc: u8, ascq: u8) -> Sense {
        Sense { key, asc, ascq, progress: None }
    }

    #[test]
    fn both_formats_are_read_at_any_length() {
        let mut fixed = [0_u8; 18];
        (fixed[0], fixed[2], fixed[12], fixed[13]) = (0xf0, 0x43, 0x0c, 0x02);
        assert_eq!(Sense::parse(&fixed), Some(sense(3, 0x0c, 2)));
        (fixed[0], fixed[15], fixed[16]) = (0x70, 0x80, 0x40);
        assert_eq!(Sense::parse(&fixed).unwrap().progress, Some(0x4000));
        assert_eq!(Sense::parse(&[0x72, 0x02, 0x3a, 0x01]), Some(sense(2, 0x3a, 1)));
        for length in 0..fixed.len() {
            let _ = Sense::parse(&fixed[..length]);
        }
        assert_eq!(Sense::parse(&[]), None);
        assert_eq!(Sense::parse(&[0x00; 18]), None);
        assert_eq!(Sense::parse(&[0x72, 3, 1]), None);
    }

    #[test]
    fn a_person_reads_what_to_do_and_the_numbers() {
        assert_eq!(
            sense(3, 0x73, 3).to_string(),
            "the laser could not be calibrated for this disc; try another brand (sense 3/73/03)"
        );
        assert!(sense(3, 0x73, 2).to_string().starts_with("the disc's calibration area"));
        assert!(sense(3, 0x99, 0).to_string().starts_with("the disc is faulty"));
        assert_eq!(sense(9, 1, 2).to_string(), "the drive refused the command (sense 9/01/02)");
    }

    #[test]
    fn sense_is_found_in_the_words_of_burning_programs() {
        let libburn = "SCSI error on write(32,16): [3 0C 02] Medium error. Write error.";
        assert_eq!(Sense::find(libburn), Some(sense(3, 0x0c, 2)));
        let growisofs = ":-[ WRITE@LBA=330h failed with SK=3h/ASC=0Ch/ACQ=00h]: Input/output error";
        assert_eq!(Sense::find(growisofs), Some(sense(3, 0x0c, 0)));
        let by_name =
            ":-[ CLOSE SESSION failed with SK=5h/INVALID FIELD IN CDB]: Input/output error";
        assert_eq!(Sense::find(by_name), Some(sense(5, 0x24, 0)));
        let nameless = ":-[ CLOSE SESSION failed with SK=5h/NOBODY KNOWS]: Input/output error";
        assert_eq!(Sense::find(nameless), Some(sense(5, 0, 0)));
        for other in
            ["", "[", "[a]", "[3 0C]", "[1 2 3 4]", "SK=", "SK=zzh", "Track [01]", "[0 00 00]"]
        {
            assert_eq!(Sense::find(other), None, "{other}");
        }
    }

    #[test]
    fn states_are_told_apart() {
        assert!(sense(2, 0x3a, 2).is_tray_open() && sense(2, 0x3a, 1).is_no_medium());
        assert!(!sense(2, 0x3a, 1).is_tray_open());
        assert!(sense(2, 4, 1).is_becoming_ready() && !sense(2, 4, 3).is_becoming_ready());
        assert!(sense(6, 0x28, 0).is_unit_attention() && sense(3, 0x11, 5).is_medium_error());
    }

    /// growisofs 7.1 prints the name of every code that it knows.
    #[test]
    fn a_reason_that_is_printed_by_name_keeps_its_numbers() {
        for (name, numbers, words) in [
            ("5h/INVALID COMMAND OPERATION CODE", (0x20, 0), "the other burning program"),
            ("5h/INVALID FIELD IN CDB", (0x24, 0), "the other burning program"),
            ("5h/PARAMETER VALUE INVALID", (0x26, 2), "the other burning program"),
            ("5h/COMMAND SEQUENCE ERROR", (0x2c, 0), "another command first"),
            ("5h/CANNOT WRITE MEDIUM - INCOMPATIBLE FORMAT", (0x30, 5), "this kind of disc"),
            ("5h/END OF USER AREA ENCOUNTERED ON THIS TRACK", (0x63, 0), "the disc is full"),
            ("5h/ILLEGAL MODE FOR THIS TRACK", (0x64, 0), "cannot be written in this way"),
            ("5h/SESSION FIXATION ERROR WRITING LEAD-OUT", (0x72, 2), "could not be closed"),
            ("3h/POWER CALIBRATION AREA ERROR", (0x73, 3), "could not be calibrated"),
            ("2h/MEDIUM NOT PRESENT - TRAY OPEN", (0x3a, 2), "the tray is open"),
            ("3h/WRITE ERROR", (0x0c, 0), "a slower speed"),
        ] {
            let line = format!(":-[ SEND CUE SHEET failed with SK={name}]: Input/output error");
            let found = Sense::find(&line).unwrap();
            assert_eq!((found.asc, found.ascq), numbers, "{name}");
            assert!(found.to_string().contains(words), "{found}");
        }
    }

    /// What people are told stands in the manual, with the numbers.
    #[test]
    fn the_manual_has_every_sentence() {
        let manual = include_str!("../../../docs/drives.md");
        for (key, asc, ascq, words) in MEANINGS {
            let (headline, _) = words.split_once("; ").unwrap_or((words, ""));
            let numbers = match *ascq {
                ANY => format!("{key:X}/{asc:02X}"),
                ascq => format!("{key:X}/{asc:02X}/{ascq:02X}"),
            };
            assert!(manual.contains(headline), "docs/drives.md lacks: {headline}");
            assert!(manual.contains(&numbers), "docs/drives.md lacks: {numbers}");
        }
    }

    /// Sentences name no option; whoever has options is told which setting is meant.
    #[test]
    fn a_setting_that_may_help_is_in_the_sentence_and_its_option_in_the_manual() {
        let manual = include_str!("../../../docs/drives.md");
        for (key, asc, remedy) in REMEDIES {
            let (setting, option) = match remedy {
                Remedy::OtherProgram => ("other burning program", "`--engine`"),
                Remedy::SlowerSpeed => ("slower speed", "`--speed`"),
            };
            let sense = sense(key, asc, 0);
            assert_eq!(sense.remedy(), Some(remedy));
            assert!(sense.to_string().contains(setting), "{sense}");
            let row = format!("| {key:X}/{asc:02X} |");
            let row = manual.lines().find(|line| line.starts_with(&row)).unwrap();
            assert!(row.contains(option), "{row}");
        }
        for (key, asc, _, words) in MEANINGS {
            let names_one = ["burning program", "speed"].iter().any(|word| words.contains(word));
            assert_eq!(names_one, sense(*key, *asc, 0).remedy().is_some(), "{words}");
        }
    }
}
