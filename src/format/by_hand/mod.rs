//! What a disc says to people who have no coldcut: the texts that are written on it, for its set.

use crate::model::{SetName, SetUuid};

mod facts;
mod readme;
mod recovery_readme;
pub(crate) mod title;

pub use facts::Facts;
pub(crate) use recovery_readme::{GroupFacts, recovery_readme};

/// README.txt for this disc, but for DISC.txt, which it repeats at its end.
pub fn readme(facts: &Facts) -> String {
    readme::text(facts)
}

/// README.intl.txt: what the disc is, in eight languages.
pub(crate) fn readme_intl() -> &'static str {
    include_str!("README.intl.txt")
}

/// restore.sh for this set.
pub fn restore_sh(facts: &Facts) -> String {
    restore_sh_of(&facts.id.set, facts.id.set_uuid)
}

/// The same for discs that somebody else may have made.
pub(crate) fn restore_sh_of(set: &SetName, set_uuid: SetUuid) -> String {
    for_set(include_str!("restore.sh"), set, set_uuid)
}

/// simple-restore.sh for this set.
pub fn simple_restore_sh(facts: &Facts) -> String {
    for_set(include_str!("simple-restore.sh"), &facts.id.set, facts.id.set_uuid)
}

fn for_set(script: &str, set: &SetName, set_uuid: SetUuid) -> String {
    script.replace("@SET@", set.as_str()).replace("@SET_UUID@", &set_uuid.to_string())
}

/// FORMAT.txt: the description of this format version.
pub(crate) fn format_txt() -> &'static str {
    include_str!("../../../docs/format.md")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::disc::Encryption;
    use crate::model::{DiscIdentity, DiscNo, DiscUuid, Sectors, SnapshotSeq};
    use uuid::Uuid;

    pub(super) fn facts(encryption: Encryption) -> Facts {
        Facts {
            id: DiscIdentity {
                set: SetName::new("demo").unwrap(),
                set_uuid: SetUuid(Uuid::from_u128(1)),
                number: DiscNo(7),
                uuid: DiscUuid(Uuid::from_u128(2)),
            },
            snapshot: SnapshotSeq(3),
            date: "2026-01-02T03:04:05Z".to_owned(),
            source: b"/home/ann/photos".to_vec(),
            encryption,
            key_ids: vec!["0123456789ABCDEF".to_owned()],
            zstd: false,
            long_paths: true,
            has_snapshot: true,
            parity: 10,
            signed: false,
        }
    }

    #[test]
    fn a_plain_sets_readme_says_nothing_of_gpg_or_zstd() {
        let text = readme(&facts(Encryption::None));
        assert!(text.contains("/home/ann/photos"));
        for word in ["gpg", "zstd", "zst", "PASSPHRASE"] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn an_encrypted_sets_texts_do_not_tell_where_it_came_from() {
        for encryption in [Encryption::Passphrase, Encryption::Recipients] {
            let facts = facts(encryption);
            let texts = readme(&facts) + &restore_sh(&facts);
            assert!(!texts.contains("ann") || !texts.contains("/home/ann"));
            assert!(!texts.contains("photos"));
            assert!(readme(&facts).contains("gpg -"));
            assert!(!readme(&facts).contains("This set has such paths"));
        }
        assert!(readme(&facts(Encryption::Recipients)).contains("0123456789ABCDEF"));
    }

    #[test]
    fn a_set_that_needs_zstd_says_so_in_its_first_lines() {
        let text = readme(&Facts { zstd: true, ..facts(Encryption::None) });
        assert!(text.lines().take(4).any(|line| line.contains("zstd")), "{text}");
    }

    #[test]
    fn lines_fit_a_terminal_and_a_page() {
        for encryption in [Encryption::None, Encryption::Passphrase, Encryption::Recipients] {
            for zstd in [false, true] {
                let facts = Facts { zstd, signed: true, ..facts(encryption) };
                let text = readme(&facts);
                let mut lines = text.lines().chain(format_txt().lines());
                assert_eq!(lines.find(|line| line.len() > 80), None);
            }
        }
    }

    /// But its first line, by which discs of format 1 are known.
    #[test]
    fn so_does_the_text_of_a_recovery_disc() {
        let facts = facts(Encryption::None);
        for of in [1, 2] {
            let text = recovery_readme(&GroupFacts {
                id: facts.id.clone(),
                snapshot: facts.snapshot,
                date: facts.date.clone(),
                member: 1,
                of,
                stripe: 67_108_864,
                discs: vec![(DiscNo(5), Sectors(12_219_392)), (DiscNo(6), Sectors(1))],
            });
            assert_eq!(text.lines().skip(1).find(|line| line.len() > 80), None);
            assert!(text.contains("FORMAT.txt, section 13,"));
            assert!(format_txt().contains("\n## 13. Recovery discs\n"));
        }
    }

    /// Where a sentence was wrapped before a number, Markdown would see a list.
    #[test]
    fn only_lists_begin_with_numbers() {
        let mut last = 0;
        for line in format_txt().lines() {
            let digits = line.trim_start().split(['.', ')']).next().unwrap();
            let is_marked = line.trim_start()[digits.len()..].starts_with(['.', ')']);
            let Some(number) = digits.parse::<u32>().ok().filter(|_| is_marked) else { continue };
            let rest = &line.trim_start()[digits.len() + 1..];
            // A decimal number at the beginning of a line begins no list.
            if rest.starts_with(' ') {
                assert!(number == 1 || number == last + 1, "{line}");
                last = number;
            }
        }
        assert!(last > 1);
    }

    #[test]
    fn eight_languages_have_ten_lines_each() {
        let texts: Vec<&str> = readme_intl().split("\n\n").collect();
        let lines: Vec<usize> = texts
            .iter()
            .filter(|text| text.lines().count() > 1)
            .map(|text| text.lines().count())
            .collect();
        assert_eq!(lines, [10; 8]);
        assert_eq!(texts.len(), 16, "a heading for each");
    }

    #[test]
    fn the_scripts_are_written_for_their_set() {
        let facts = facts(Encryption::None);
        for script in [restore_sh(&facts), simple_restore_sh(&facts)] {
            assert!(script.contains(&Uuid::from_u128(1).to_string()));
            assert!(script.contains("\"demo\""));
            assert!(!script.contains("@SET"));
        }
    }

    #[test]
    fn what_others_may_copy_says_so() {
        let facts = facts(Encryption::None);
        let scripts = [restore_sh(&facts), simple_restore_sh(&facts), format_txt().to_owned()];
        let companions = crate::format::companions::companions();
        let companions = companions.iter().map(|(_, text)| (*text).to_owned());
        for text in scripts.into_iter().chain(companions) {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let front = words.get(..3000).unwrap_or(&words);
            assert!(front.contains("public domain") || front.contains("Public domain"), "{front}");
            assert!(front.contains("CC0 1.0"), "{front}");
        }
    }

    /// What README.txt promises of it.
    #[test]
    fn the_simple_script_is_short() {
        let script = simple_restore_sh(&facts(Encryption::None));
        let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        assert!(script.lines().filter(code).count() <= 90);
    }

    /// find, sed, grep and xargs are not among the programs that README.txt names.
    #[test]
    fn the_scripts_call_no_other_programs() {
        let facts = facts(Encryption::None);
        let script = restore_sh(&facts) + &simple_restore_sh(&facts);
        let words = |line: &str| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        for forbidden in ["unlink", "find", "sed", "grep", "xargs", "python3", "perl"] {
            let used = script.lines().find(|line| {
                let code = line.split(" #").next().unwrap_or_default();
                !line.trim_start().starts_with('#')
                    && words(code).iter().any(|word| word == forbidden)
            });
            assert_eq!(used, None, "{forbidden}");
        }
    }
}
