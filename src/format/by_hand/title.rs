//! The first lines of README.txt: which disc this is, for people; on discs of format 1 also for the
//! program, where DISC.txt is damaged.

use super::Facts;
use crate::model::disc::Encryption;
use crate::model::path::shown;
use crate::model::{DiscIdentity, DiscNo, DiscUuid, SetName, SetUuid, SnapshotSeq};

/// Which disc a README.txt of format 1 says that it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    pub id: DiscIdentity,
    pub snapshot: SnapshotSeq,
    pub date: String,
}

pub(super) fn text(facts: &Facts) -> String {
    let source = match facts.encryption {
        Encryption::None => format!("\nSource:    {}", shown(&facts.source)),
        _ => String::new(),
    };
    let zstd = if facts.zstd {
        "\nArchives of this set need zstd as well as the programs below.\n"
    } else {
        ""
    };
    format!(
        "Disc {disc} of the set \"{set}\", closed on {date},\nwith files up to snapshot {snapshot}.\n{zstd}
Set:       {set_uuid}
Disc:      {disc_uuid}{source}

",
        disc = facts.id.number,
        set = facts.id.set,
        date = facts.date,
        snapshot = facts.snapshot,
        set_uuid = facts.id.set_uuid,
        disc_uuid = facts.id.uuid,
    )
}

/// Reads what [`text`] wrote, or the like of a recovery disc, in one line as discs of format 1 have
/// it, or in two. `None` if these are not such lines.
pub fn read(readme: &[u8]) -> Option<Title> {
    let text = String::from_utf8_lossy(readme).replacen(",\nwith files", ", with files", 1);
    let mut lines = text.lines();
    let first = lines.next()?.strip_prefix("Disc ")?;
    let (disc, rest) = first.split_once(" of the set \"")?;
    let (set, rest) = rest.split_once("\", closed on ")?;
    let (date, snapshot) = rest
        .split_once(", with files up to snapshot ")
        .and_then(|(date, rest)| Some((date, rest.strip_suffix('.')?)))
        .or_else(|| {
            let (date, rest) = rest.split_once(", for files up to snapshot ")?;
            Some((date, rest.split_once(": ")?.0))
        })?;
    let mut named =
        |name: &str| lines.find_map(|line| line.strip_prefix(name).map(|rest| rest.trim()));
    Some(Title {
        id: DiscIdentity {
            set: SetName::new(set)?,
            set_uuid: SetUuid(named("Set:")?.parse().ok()?),
            number: DiscNo(disc.parse().ok().filter(|&number| number > 0)?),
            uuid: DiscUuid(named("Disc:")?.parse().ok()?),
        },
        snapshot: SnapshotSeq(snapshot.parse().ok().filter(|&seq| seq > 0)?),
        date: date.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    #[test]
    fn a_readme_says_which_disc_it_is_on() {
        for zstd in [false, true] {
            for encryption in [Encryption::None, Encryption::Recipients] {
                let facts = Facts { zstd, ..facts(encryption) };
                let title = read(super::super::readme(&facts).as_bytes()).unwrap();
                assert_eq!(title.id, facts.id);
                assert_eq!((title.snapshot, title.date), (facts.snapshot, facts.date));
            }
        }
    }

    #[test]
    fn the_readme_of_a_recovery_disc_says_it_too() {
        let Facts { id, snapshot, date, .. } = facts(Encryption::None);
        let facts = super::super::GroupFacts {
            id: id.clone(),
            snapshot,
            date: date.clone(),
            member: 1,
            of: 2,
            stripe: 65_536,
            discs: Vec::new(),
        };
        let title = read(super::super::recovery_readme(&facts).as_bytes()).unwrap();
        assert_eq!(title, Title { id, snapshot, date });
    }

    #[test]
    fn a_damaged_readme_says_nothing() {
        let text = super::super::readme(&facts(Encryption::None));
        for (from, to) in
            [("Disc 7", "Disc x"), ("Set:  ", "S\0t:  "), ("snapshot 3", "snapshot 0")]
        {
            assert_eq!(read(text.replacen(from, to, 1).as_bytes()), None, "{from}");
        }
        assert_eq!(read(b""), None);
    }
}
