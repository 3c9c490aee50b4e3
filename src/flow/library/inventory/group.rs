//! The group that a recovery disc is of, by its stripes.

use crate::drive::{BestEffortReader, DiscReader};
use crate::format::disc_txt::RecoveryRole;
use crate::model::DiscNo;
use crate::model::disc::Ratio;
use crate::model::size::SECTOR;
use crate::recovery::packets::Collector;
use crate::recovery::striping::recovery_path;

/// Which group a recovery disc is of, as its first stripe tells: where DISC.txt is damaged. All
/// discs of the group are in that stripe. `None`: it is no recovery disc.
pub(super) fn group_told_by(disc: &dyn DiscReader) -> Option<RecoveryRole> {
    let exponent_of = |exponent: &u32| disc.file(&recovery_path(0, *exponent)).is_some();
    let exponent = (0..Ratio::MOST).find(exponent_of)?;
    let mut collector = Collector::default();
    let content = BestEffortReader::open(&[disc], &recovery_path(0, exponent))?;
    collector.read(content.in_pieces(SECTOR)).ok()?;
    let set = collector.finish()?;
    let discs = set.files.iter().map(|file| disc_of(&file.path.to_string()));
    let member = exponent + 1;
    Some(RecoveryRole {
        discs: discs.collect::<Option<_>>()?,
        member,
        of: member,
        stripe: set.block,
    })
}

/// `0012.00003.8a1f` is a piece of disc 12; a name of another form leads nowhere.
pub(in crate::flow) fn disc_of(name: &str) -> Option<DiscNo> {
    let mut words = name.split('.');
    let disc = words.next()?.parse().ok().map(DiscNo);
    let rest: Vec<&str> = words.collect();
    let plain = |word: &&str| word.bytes().all(|b| b.is_ascii_hexdigit());
    disc.filter(|_| rest.len() == 2 && rest.iter().all(plain))
}
