//! How each command ends at each forgery. A forgery without a row is judged by what must never happen
//! alone.

use std::collections::BTreeMap;

use crate::bench::{DiscCommand, VERBS};
use crate::cell::CommandResult;
use crate::forge::How;

/// For each command of `VERBS` the exit code with the owner's catalog and, behind a slash, without one;
/// `!`: the forgery was named.
const TABLE: &str = "
1,000 passphrases | Passphrase | 0/0 0/0 5/5 5 5/5 5/5 5 0! 0/0 0/0 0!/1
DISC.txt without an end | Plain | 0!/0! 0!/0! 5!/5! 5! 0/0 5!/5! 5! 0 0!/0! 3!/3! 0/1
DISC.txt without an end | Recipients | 0!/0! 0!/0! 5!/5! 5! 0/0 5!/5! 5! 0 0!/0! 3!/3! 0/1
INDEX of another disc | Passphrase | 0!/3! 0/3! 5/5! 5 5/5 5/5! 5 0! 3!/3! 0/0 0/1
INDEX of another disc | Plain | 0!/3! 0/3! 5/5! 5 5/5 5/5! 5 0! 3!/3! 3!/3! 0/1
INDEX of another disc | Recipients | 0!/3! 0/3! 5/5! 5 5/5 5/5! 5 0! 3!/3! 0/0 0/1
SNAPSHOT of another set | Passphrase | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 0/0 0/1
SNAPSHOT of another set | Plain | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 3!/3! 0/1
SNAPSHOT of another set | Recipients | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 0/0 0/1
SNAPSHOT of another snapshot | Passphrase | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 0/0 0/1
SNAPSHOT of another snapshot | Plain | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 3!/3! 0/1
SNAPSHOT of another snapshot | Recipients | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 0/0 0/1
archive with more in it | Passphrase | 3!/3! 0/0 5!/0 5! 5!/5! 5!/5 5! 3! 0/0 0/0 0/1
archive with more in it | Plain | 3!/3! 0/0 5!/5! 5! 5!/5! 5!/5 5! 3! 0/0 3!/3! 0/1
archive with more in it | Recipients | 3!/3! 0/0 5!/0 5! 5!/5! 5!/5 5! 3! 0/0 0/0 0/1
bomb in INDEX | Passphrase | 0!/0! 0/0 5!/0 5! 5!/0 5!/5! 5! 0! 0/0 0/0 0/1
bomb in INDEX | Plain | 0!/0! 0/0 5!/0 5! 5!/0 5!/5! 5! 0! 0/0 0/0 0/1
bomb in INDEX | Recipients | 0!/0! 0/0 5!/0 5! 5!/0 5!/5! 5! 0! 0/0 0/0 0/1
bomb in SNAPSHOT | Passphrase | 0/0! 0/0! 5!/0 5! 0/0 5!/5! 5! 0 0/0 0/0 0/1
bomb in SNAPSHOT | Plain | 0/0! 0/0! 5!/0 5! 0/0 5!/5! 5! 0 0/0 0/0 0/1
bomb in SNAPSHOT | Recipients | 0/0! 0/0! 5!/0 5! 0/0 5!/5! 5! 0 0/0 0/0 0/1
bomb in archive | Passphrase | 3!/3! 0/0 5!/0 5! 5!/5! 5!/0 5! 3! 0/0 0/0 0/1
bomb in archive | Plain | 3!/3! 0/0 5!/5! 5! 5!/5! 5!/0 5! 3! 0/0 3!/3! 0/1
bomb in archive | Recipients | 3!/3! 0/0 5!/0 5! 5!/5! 5!/0 5! 3! 0/0 0/0 0/1
bomb in catalog | Passphrase | 0/0 0/0 5!/0 5! 0/0 5!/0 5! 0 3!/3! 0/0 0/1
bomb in catalog | Plain | 0/0 0/0 5!/5! 5! 0/0 5!/0 5! 0 3!/3! 3!/3! 0/1
bomb in catalog | Recipients | 0/0 0/0 5!/0 5! 0/0 5!/0 5! 0 3!/3! 0/0 0/1
broken INDEX | Passphrase | 3!/3! 0/0 5/5! 5 5/5 5/5! 5 0! 0/0 0/0 0/1
broken INDEX | Recipients | 3!/3! 0/0 5/5! 5 5/5 5/5! 5 0! 0/0 0/0 0/1
broken SNAPSHOT | Passphrase | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 0/0 0/1
broken SNAPSHOT | Recipients | 0/3! 0/3! 5/5! 5 0/0 5/5! 5 0 0/0 0/0 0/1
broken archive | Passphrase | 0/0 0/0 5/5! 5 5/5 5/5! 5 0 0/0 0/0 0/1
broken archive | Recipients | 0/0 0/0 5/5! 5 5/5 5/5! 5 0 0/0 0/0 0/1
broken catalog | Passphrase | 0/0 0/0 5/5! 5 0/0 5/5! 5 0 3!/3! 0/0 0/1
broken catalog | Recipients | 0/0 0/0 5/5! 5 0/0 5/5! 5 0 3!/3! 0/0 0/1
catalog with a broken page | Plain | 0/0 0/0 5!/5! 5! 0/0! 5!/0! 5! 0 3!/3! 3!/3! 0/1!
catalog with a broken page | Recipients | 0/0 0/0 5!/0! 5! 0/0! 5!/0! 5! 0 3!/3! 0/0 0/1!
catalog with a trigger | Passphrase | 0/0 0/0 5!/0! 5! 0/0! 5!/0! 5! 0 3!/3! 0/0 0/1!
catalog with a trigger | Plain | 0/0 0/0 5!/5! 5! 0/0! 5!/0! 5! 0 3!/3! 3!/3! 0/1!
catalog with a trigger | Recipients | 0/0 0/0 5!/0! 5! 0/0! 5!/0! 5! 0 3!/3! 0/0 0/1!
catalog with a view | Plain | 0/0 0/0 5!/5! 5! 0/0! 5!/0! 5! 0 3!/3! 3!/3! 0/1!
catalog with a view | Recipients | 0/0 0/0 5!/0! 5! 0/0! 5!/0! 5! 0 3!/3! 0/0 0/1!
catalog with screen commands | Plain | 0/0 0/0 5/0 5 0/0 5/0 5 0 0/0! 0/0 0/1
catalog with screen commands | Recipients | 0/0 0/0 5/0 5 0/0 5/0 5 0 0/0! 0/0 0/1
commands in rows | Passphrase | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
commands in rows | Plain | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
commands in rows | Recipients | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
directory loop | Passphrase | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 5! 0 3!/3! 3!/3! 0!/1!
directory loop | Plain | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 5! 0 3!/3! 3!/3! 0!/1!
directory loop | Recipients | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 5! 0 3!/3! 3!/3! 0!/1!
links that lead outside | Passphrase | 0/0! 0/0! 5/0 5 0/0 5/5! 5 0 0/0 0/0 0/1
links that lead outside | Plain | 0/0! 0/0! 5/0 5 0/0 5/5! 5 0 0/0 0/0 0/1
links that lead outside | Recipients | 0/0! 0/0! 5/0 5 0/0 5/5! 5 0 0/0 0/0 0/1
names that are screen commands | Passphrase | 0/0 0/0 5/0 5 5/5! 5/5 5 0 0/0 0/0 0/1
names that are screen commands | Plain | 0/0 0/0 5/0 5 5/5! 5/5 5 0 0/0 0/0 0/1
names that are screen commands | Recipients | 0/0 0/0 5/0 5 5/5! 5/5 5 0 0/0 0/0 0/1
names that lead outside | Passphrase | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
names that lead outside | Plain | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
names that lead outside | Recipients | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
no regular files | Passphrase | 0!/0! 0!/0! 0!/0! 0 0/0 0/0 0 0 0!/0! 0/0 0!/1!
no regular files | Plain | 0!/0! 0!/0! 0!/0! 0 0/0 0/0 0 0 0!/0! 0/0 0!/1!
no regular files | Recipients | 0!/0! 0!/0! 0!/0! 0 0/0 0/0 0 0 0!/0! 0/0 0!/1!
numbers in DISC.txt | Plain | 0!/0! 0!/0! 5!/0! 5! 0/0 5!/5 5! 0 0!/0! 0!/0! 0/1
numbers in DISC.txt | Recipients | 0!/0! 0!/0! 5!/0! 5! 0/0 5!/5 5! 0 0!/0! 0!/0! 0/1
numbers near 2^64 | Passphrase | 3!/1 0/0 5/0 5 5/5! 5/1 5 3! 0/0 0/0 0/1
numbers near 2^64 | Plain | 3!/1 0/0 5/0 5 5/5! 5/1 5 3! 0/0 0/0 0/1
numbers near 2^64 | Recipients | 3!/1 0/0 5/0 5 5/5! 5/1 5 3! 0/0 0/0 0/1
plain by DISC.txt | Passphrase | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 5! 0! 3!/3! 3!/3! 0/1
plain by DISC.txt | Recipients | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 5! 0! 3!/3! 3!/3! 0/1
plain disc | Passphrase | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 0! 0! 3!/3! 3!/0 1/1
plain disc | Recipients | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 0! 0! 3!/3! 3!/0 1/1
plain files beside | Passphrase | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 5! 0! 3!/3! 3!/3! 0/1
plain files beside | Recipients | 0!/3! 0!/3! 5!/5! 5! 5!/5! 5!/5! 5! 0! 3!/3! 3!/3! 0/1
recovery data of two sets | Plain | 3!/3! 0/0 5/5 5 5/5 5/5 5 3! 0/0 3!/3! 0/1
recovery data of two sets | Recipients | 3!/3! 0/0 5/0 5 5/5 5/5 5 3! 0/0 0/0 0/1
rights of root | Passphrase | 0/3! 0/3! 5/0 5 0/0 5/0 5 0 0/0 0/0 0/1
rights of root | Plain | 0/3! 0/3! 5/0 5 0/0 5/0 5 0 0/0 0/0 0/1
rights of root | Recipients | 0/3! 0/3! 5/0 5 0/0 5/0 5 0 0/0 0/0 0/1
rollback | Passphrase | 0!/3! 0!/3! 5/5! 5 0!/0 5!/5! 5 0! 3!/3! 0!/0 0/1
rollback | Plain | 0!/3! 0!/3! 5/5! 5 0!/0 5!/5! 5 0! 3!/3! 3!/3! 0/1
rollback | Recipients | 0!/3! 0!/3! 5/5! 5 0!/0 5!/5! 5 0! 3!/3! 0!/0 0/1
rows again and again | Plain | 0/0! 0/0! 5/0 5 0/0 5/5! 5 0 0/0 0/0 0/1
rows again and again | Recipients | 0/0! 0/0! 5/0 5 0/0 5/5! 5 0 0/0 0/0 0/1
rows out of order | Passphrase | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
rows out of order | Plain | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
rows out of order | Recipients | 0!/0! 0/0! 5/0 5 5/5 5/5! 5 0! 0/0 0/0 0/1
scripts | Passphrase | 0/0 0/0 5!/0 5! 0/0! 5!/0! 5! 0 0/0 0/0 0/1
scripts | Plain | 0/0 0/0 5!/0 5! 0/0! 5!/0! 5! 0 0/0 0/0 0/1
scripts | Recipients | 0/0 0/0 5!/0 5! 0/0! 5!/0! 5! 0 0/0 0/0 0/1
sealed by a stranger | Recipients | 3!/3! 0!/0! 0!/0! 0 0!/0! 0!/0! 0 0! 0!/0! 0!/0! 1/1
sound | Passphrase | 0/0 0/0 0/0 0 0/0 0/0 0 0 0/0 0/0 0/1
sound | Plain | 0/0 0/0 0/0 0 0/0 0/0 0 0 0/0 0/0 0/1
sound | Recipients | 0/0 0/0 0/0 0 0/0 0/0 0 0 0/0 0/0 0/1
stranger's plain disc of a plain set | Plain | 0!/0! 0!/0! 0!/5! 0 0!/0! 0!/0! 0 0! 0!/0! 0!/0! 1/1
";

fn rows() -> impl Iterator<Item = (&'static str, How, Vec<&'static str>)> {
    TABLE.lines().filter(|line| line.contains('|')).map(|line| {
        let mut fields = line.split('|').map(str::trim);
        let name = fields.next().unwrap();
        let how = fields.next().unwrap();
        let how = How::ALL.into_iter().find(|h| format!("{h:?}") == how).unwrap();
        (name, how, fields.next().unwrap().split_whitespace().collect())
    })
}

pub fn names() -> Vec<(&'static str, How)> {
    rows().map(|(name, how, _)| (name, how)).collect()
}

/// What was found, as a row. Cells that were not tried are as in the table.
pub fn row(name: &str, how: How, found: &BTreeMap<&'static str, Vec<CommandResult>>) -> String {
    let expected = expected(name, how).unwrap_or_default();
    let cell = |(n, verb): (usize, &DiscCommand)| match found.get(verb.name) {
        Some(cells) => cells.iter().map(CommandResult::to_string).collect::<Vec<_>>().join("/"),
        None => expected.get(n).copied().unwrap_or("-").to_owned(),
    };
    let cells: Vec<String> = VERBS.iter().enumerate().map(cell).collect();
    format!("{name} | {how:?} | {}", cells.join(" "))
}

/// Whether that is what the table says.
pub fn compare(
    name: &str,
    how: How,
    found: &BTreeMap<&'static str, Vec<CommandResult>>,
    faults: &mut Vec<String>,
) {
    let Some(expected) = expected(name, how) else { return };
    let expected = format!("{name} | {how:?} | {}", expected.join(" "));
    let row = row(name, how, found);
    if row != expected {
        faults.push(format!("the row is not as expected:\n{expected}\nbut:\n{row}"));
    }
}

fn expected(name: &str, how: How) -> Option<Vec<&'static str>> {
    rows().find(|(n, h, _)| (*n, *h) == (name, how)).map(|(_, _, cells)| cells)
}
