//! The page for the drawer, as it is printed: 76 columns, nothing that a printer could stumble over.

use super::json::keysheet::KeysheetObject;
use super::json::raw_text::RawText;
use super::media::{CopyLine, DiscLine};
use super::table::Object;
use crate::model::disc::{Compression, Encryption};
use crate::model::disc_list::named;
use crate::model::path::shown;
use crate::model::{DiscList, DiscNo, SetName, SetUuid, SnapshotSeq};
use crate::port::clock::Moment;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct Sheet {
    pub set: SetName,
    pub uuid: SetUuid,
    pub source: Vec<u8>,
    pub newest: Option<(SnapshotSeq, Moment)>,
    pub encryption: Encryption,
    pub compression: Compression,
    pub key_ids: Vec<String>,
    pub hint: Option<String>,
    pub discs: Vec<DiscLine>,
    /// When it was printed.
    pub today: Moment,
}

impl Sheet {
    pub fn text(&self) -> String {
        [self.head(), self.opens(), self.places(), self.recovery(), self.commands()].concat()
    }

    fn head(&self) -> String {
        let newest = match &self.newest {
            Some((seq, date)) => format!("{seq}, of {}", date.local_minute()),
            None => "none yet".to_owned(),
        };
        format!(
            "KEY SHEET of the set \"{}\"                    printed {}\n\n\
             Set:        {}\n\
             Source:     {}\n\
             Snapshot:   {newest}\n\
             Discs:      {}\n\n",
            self.set,
            self.today.local_day(),
            self.uuid,
            shown(&self.source),
            self.numbers(),
        )
    }

    fn numbers(&self) -> String {
        let discs: Vec<DiscNo> = self.burned().map(|disc| disc.id).collect();
        if discs.is_empty() { "none yet".to_owned() } else { DiscList::of(&discs).to_string() }
    }

    /// Discs that somebody can hold in their hands.
    fn burned(&self) -> impl Iterator<Item = &DiscLine> {
        self.discs.iter().filter(|disc| disc.media.iter().any(CopyLine::is_kept))
    }

    fn opens(&self) -> String {
        let hint = match &self.hint {
            Some(hint) => shown(hint.as_bytes()),
            None => "none (coldcut keysheet --hint TEXT)".to_owned(),
        };
        let line = "_".repeat(64);
        match self.encryption {
            Encryption::None => "The files are not encrypted.\n".to_owned(),
            Encryption::Passphrase => format!(
                "The files are encrypted with a passphrase. Without it they cannot be restored.\n\
                 \n\
                 Hint:       {hint}\n\
                 \n\
                 Passphrase, by hand (only if this sheet is kept away from the discs):\n\
                 \n\
                 {line}\n"
            ),
            Encryption::Recipients => format!(
                "The files are encrypted. One of these secret keys opens them, and nothing else:\n\n\
                 Keys:       {}\n\
                 Hint:       {hint}\n",
                match &self.key_ids[..] {
                    [] => "their IDs are hidden".to_owned(),
                    ids => ids.join(" "),
                }
            ),
        }
    }

    /// Copies that are kept together, on one line as far as there is room.
    fn places(&self) -> String {
        let mut places = Grouped::default();
        for disc in self.burned() {
            for copy in disc.media.iter().filter(|copy| copy.is_kept()) {
                places.add(disc.id, place_of(copy));
            }
        }
        match places.0.is_empty() {
            true => "\nWhere the discs are:\n\n  nothing is burned yet\n".to_owned(),
            false => "\nWhere the discs are:\n\n".to_owned() + &places.lines(),
        }
    }

    /// Which discs nobody needs, unless another is lost.
    fn recovery(&self) -> String {
        let mut recovery = Grouped::default();
        for disc in self.burned().filter(|disc| !disc.covers.is_empty()) {
            recovery.add(disc.id, format!("for {}", named(&disc.covers)));
        }
        match recovery.0.is_empty() {
            true => String::new(),
            false => {
                let lines = recovery.lines();
                format!("\nRecovery discs, needed only if another disc is lost:\n\n{lines}")
            }
        }
    }

    /// Besides bash and awk.
    fn programs(&self) -> String {
        let mut programs = vec!["bash", "tar", "bzip2"];
        programs.extend((self.compression == Compression::Zstd).then_some("zstd"));
        programs.extend(self.encryption.is_on().then_some("gpg"));
        format!("{} and awk", programs.join(", "))
    }

    fn commands(&self) -> String {
        let set = &self.set;
        let (coldcut, by_hand) = match self.encryption {
            Encryption::None => ("", ""),
            Encryption::Passphrase => ("\n    (it asks for the passphrase)", " -p PASSPHRASE_FILE"),
            Encryption::Recipients => (" --secret-key KEYFILE", ""),
        };
        let key = match self.encryption {
            Encryption::Recipients => "    gpg --import KEYFILE\n",
            _ => "",
        };
        let programs = self.programs();
        format!(
            "\nTo get the files back, with coldcut; it asks for the discs one by one:\n\n\
             \x20   coldcut restore --set {set}{coldcut_key} /dev/sr0 TARGET{ask}\n\n\
             Without coldcut, on any Linux with {programs}; the same is on every disc:\n\n\
             {key}\
             \x20   mount -o ro /dev/sr0 /mnt; cp /mnt/restore.sh .; umount /mnt\n\
             \x20   bash restore.sh{by_hand} TARGET\n\n\
             README.txt on each disc says more.\n",
            coldcut_key = if self.encryption == Encryption::Recipients { coldcut } else { "" },
            ask = if self.encryption == Encryption::Passphrase { coldcut } else { "" },
        )
    }
}

/// `copy 1              shelf B`: where a copy is, and what is wrong with it.
fn place_of(copy: &CopyLine) -> String {
    let place = match copy.place.is_empty() {
        true => copy.medium.to_string(),
        false => copy.place.clone(),
    };
    let (number, state) = (copy.copy, copy.state_word());
    format!("copy {number:<3} {state:<10} {}", shown(place.as_bytes())).trim_end().to_owned()
}

/// Discs of which the same is to be said, in the order of the first disc of each.
#[derive(Default)]
struct Grouped(Vec<(Vec<DiscNo>, String)>);

/// Columns that the numbers of discs have; more of them go on further lines.
const NUMBERS: usize = 24;

impl Grouped {
    fn add(&mut self, disc: DiscNo, words: String) {
        match self.0.iter_mut().find(|(_, known)| *known == words) {
            Some((discs, _)) => discs.push(disc),
            None => self.0.push((vec![disc], words)),
        }
    }

    /// Each line says everything of its discs.
    fn lines(&self) -> String {
        let cut = |(discs, words): &(Vec<DiscNo>, String)| {
            let pieces = pieces(&DiscList::of(discs).to_string());
            pieces.into_iter().map(|piece| (piece, words.clone())).collect::<Vec<_>>()
        };
        let lines: Vec<(String, String)> = self.0.iter().flat_map(cut).collect();
        let wide = lines.iter().map(|(numbers, _)| numbers.len()).max().unwrap_or(0).max(6);
        lines.iter().map(|(numbers, words)| format!("  {numbers:<wide$} {words}\n")).collect()
    }
}

/// A list of numbers, cut between two of them.
fn pieces(numbers: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for number in numbers.split(", ") {
        match pieces.last_mut() {
            Some(piece) if piece.len() + number.len() + 2 <= NUMBERS => {
                *piece += &format!(", {number}")
            }
            _ => pieces.push(number.to_owned()),
        }
    }
    pieces
}

impl Object for Sheet {
    type Json = KeysheetObject;

    fn object(&self) -> KeysheetObject {
        KeysheetObject {
            id: self.set.to_string(),
            set: self.set.to_string(),
            uuid: self.uuid.to_string(),
            source: RawText::new("source", &self.source),
            encryption: self.encryption.into(),
            newest: self.newest.map(|(seq, _)| seq.0),
            key_ids: self.key_ids.clone(),
            hint: self.hint.clone(),
            discs: self.discs.iter().map(Object::object).collect(),
            text: self.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{CopyState, Finding};
    use crate::ui::media::testing::{OK, copy, disc};

    fn sheet() -> Sheet {
        let burned = || disc(vec![copy(1, OK, "shelf B")]);
        let recovery = DiscLine { id: DiscNo(8), covers: vec![DiscNo(6), DiscNo(7)], ..burned() };
        Sheet {
            set: SetName::new("films").unwrap(),
            uuid: SetUuid(uuid::Uuid::nil()),
            source: b"/films".to_vec(),
            newest: None,
            encryption: Encryption::None,
            compression: Compression::Bzip2,
            key_ids: Vec::new(),
            hint: None,
            discs: vec![burned(), recovery],
            today: Moment(0),
        }
    }

    #[test]
    fn recovery_discs_are_told_apart() {
        assert!(sheet().text().contains("is lost:\n\n  8      for discs 6-7\n\nTo get"));
        let without = Sheet { discs: vec![disc(vec![copy(1, OK, "")])], ..sheet() };
        assert!(!without.text().contains("Recovery"));
    }

    #[test]
    fn discs_that_are_kept_together_are_on_one_line() {
        let kept = |id: u32, media| DiscLine { id: DiscNo(id), ..disc(media) };
        let damaged = CopyState::Found(Finding::Damaged);
        let mut discs: Vec<DiscLine> = (1..=247)
            .map(|id| kept(id, vec![copy(1, OK, "shelf B"), copy(2, OK, "office")]))
            .collect();
        discs[6] = kept(7, vec![copy(1, damaged, "shelf B")]);
        discs.push(kept(248, vec![copy(1, OK, "")]));
        let places = Sheet { discs, ..sheet() }.places();
        assert_eq!(
            places,
            "\nWhere the discs are:\n\n\
             \x20 1-6, 8-247 copy 1              shelf B\n\
             \x20 1-6, 8-247 copy 2              office\n\
             \x20 7          copy 1   damaged    shelf B\n\
             \x20 248        copy 1              a disc, found in a drive\n"
        );
    }

    #[test]
    fn no_number_is_lost_where_a_list_is_long() {
        let odd =
            (0..40).map(|n| DiscLine { id: DiscNo(2 * n + 1), ..disc(vec![copy(1, OK, "Box")]) });
        let discs: Vec<DiscLine> = odd.collect();
        let places = Sheet { discs: discs.clone(), ..sheet() }.places();
        let lines: Vec<&str> = places.lines().skip(3).collect();
        assert!(
            lines.len() > 1 && lines.iter().all(|line| line.ends_with("copy 1              Box"))
        );
        assert!(places.lines().all(|line| line.len() <= 76), "{places}");
        let numbers: Vec<String> = lines
            .iter()
            .flat_map(|line| line.split("copy").next().unwrap().trim().split(", "))
            .map(str::to_owned)
            .collect();
        assert_eq!(numbers, discs.iter().map(|disc| disc.id.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn it_names_the_programs_that_a_restore_by_hand_needs() {
        assert!(sheet().text().contains("with bash, tar, bzip2 and awk;"));
        let zstd = Sheet { compression: Compression::Zstd, ..sheet() };
        assert!(zstd.text().contains("with bash, tar, bzip2, zstd and awk;"));
    }
}
