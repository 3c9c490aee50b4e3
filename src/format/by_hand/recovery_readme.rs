//! README.txt of a recovery disc: how lost discs of its group are rebuilt, with commands that
//! can be copied.

use crate::model::{DiscIdentity, DiscNo, Sectors, SnapshotSeq};

/// What the text depends on.
#[derive(Clone, Debug)]
pub struct GroupFacts {
    pub id: DiscIdentity,
    /// The newest snapshot of the discs that are covered, or a newer one.
    pub snapshot: SnapshotSeq,
    pub date: String,
    /// Which of the group's recovery discs this is, and of how many.
    pub member: u32,
    pub of: u32,
    pub stripe: u64,
    /// The discs that are covered, and how long their images are.
    pub discs: Vec<(DiscNo, Sectors)>,
}

/// The whole text.
pub fn recovery_readme(facts: &GroupFacts) -> String {
    [title(facts), what_for(facts), by_coldcut(), by_hand(facts), check()].concat()
}

fn title(facts: &GroupFacts) -> String {
    format!(
        "Disc {} of the set \"{}\", closed on {}, for files up to snapshot {}: recovery disc {} of {}.

Set:       {}
Disc:      {}

",
        facts.id.number,
        facts.id.set,
        facts.date,
        facts.snapshot,
        facts.member,
        facts.of,
        facts.id.set_uuid,
        facts.id.uuid
    )
}

fn what_for(facts: &GroupFacts) -> String {
    let discs: String = facts
        .discs
        .iter()
        .map(|(disc, sectors)| format!("  disc {disc:>4}   {} sectors\n", sectors.0))
        .collect();
    let (many, files) = match facts.of {
        1 => ("one of them".to_owned(), "this disc"),
        of => (format!("{of} of them"), "the recovery discs"),
    };
    format!(
        "There are no files of the source on it. It is needed only if one of these
discs is lost, or damaged beyond repair:

{discs}
Any {many} can be rebuilt from the others and {files}.
Where less is lost, fewer recovery discs are needed: as many as discs are lost.

"
    )
}

fn by_coldcut() -> String {
    "With coldcut: put images of all these discs, as far as they are left, and of the
recovery discs into one directory, and give it to coldcut restore. (coldcut
rescue makes images of discs.)

"
    .to_owned()
}

fn by_hand(facts: &GroupFacts) -> String {
    let first = facts.discs.first().map_or((1, 0), |(disc, sectors)| (disc.0, sectors.0));
    let lost = facts.discs.last().map_or(1, |(disc, _)| disc.0);
    format!(
        "By hand, with bash, coreutils and par2 (Debian: apt install par2), in an empty
directory that has room for all of this: each disc that is left, for example
disc {disc}, becomes an image, cut in pieces

  dd if=/dev/sr0 of={disc:04}.iso bs=2048 count={sectors} conv=noerror,sync
  split -b {stripe} -d -a 5 {disc:04}.iso {disc:04}.

then the files of the recovery discs are added

  cp /media/cdrom/stripes/* .

and par2 makes what is missing, stripe for stripe; at last a lost disc, for
example disc {lost}, is put together:

  for s in $(ls *.par2 | cut -d . -f 1 | sort -u); do
    par2 repair -q -B \"$PWD/\" \"$(ls $s.vol*.par2 | head -n 1)\" ????.$s
  done
  cat {lost:04}.?????.???? > {lost:04}.iso

The image can be mounted, or burned onto a new disc. FORMAT.txt, section 13,
explains how this works.

",
        disc = first.0,
        sectors = first.1,
        stripe = facts.stripe
    )
}

fn check() -> String {
    "Is this disc as it was written?\n\n  sha256sum -c SHA256SUMS\n".to_owned()
}
