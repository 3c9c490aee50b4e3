//! Discs whose `SHA256SUMS` somebody signed: only those count, where that is asked for.

use std::collections::HashMap;

use crate::codec::openpgp::Checker;
use crate::drive::{DiscReader, FileReader};
use crate::model::Digest;
use crate::pack::closing::SIGNATURE;
use crate::port::files::digest;
use crate::port::stop::{Heeding, Stop, Stopped};
use crate::recovery::striping::STRIPES;

use crate::flow::base::own_list::{LONGEST_SUMS, SUMS, own_sums, read_small, sums_by_path};
use crate::flow::chain;

/// Several signatures of large keys.
const LONGEST_SIGNATURE: usize = 64 << 10;
/// What is believed before any content is compared: it says who the disc is, and what the sums of
/// all contents are.
const BELIEVED: [&str; 5] = ["DISC.txt", "INDEX.", "SNAPSHOT.", "HISTORY.", "catalog."];

/// Why a disc does not count.
#[derive(Debug)]
pub struct Doubt {
    pub what: String,
    /// The list of sums is signed, and the disc is not as it says: changed, or only damaged.
    pub is_mendable: bool,
}

/// Why this disc does not count; `None` if the signature is right and covers all that is believed.
pub fn distrust(
    reader: &dyn DiscReader,
    checker: &Checker,
    stop: &Stop,
) -> Result<Option<Doubt>, Stopped> {
    let in_words = |what: String| format!("{}: {what}", reader.title());
    let sums = match signed_sums(reader, checker) {
        Ok(sums) => sums,
        Err(what) => return Ok(Some(Doubt { what: in_words(what), is_mendable: false })),
    };
    let doubt = compare(reader, &sums, stop)?.err();
    Ok(doubt.map(|what| Doubt { what: in_words(what), is_mendable: true }))
}

/// Whether what is believed of a disc is as its own list of sums says; a list that cannot be read
/// says nothing.
pub fn is_as_listed(reader: &dyn DiscReader, stop: &Stop) -> Result<bool, Stopped> {
    own_sums(reader).map_or(Ok(true), |sums| Ok(compare(reader, &sums, stop)?.is_ok()))
}

/// A recovery disc, with nothing on it that could pass for files of the source. It is not signed:
/// what is made from it is a disc that is, or does not count.
pub fn holds_stripes_only(reader: &dyn DiscReader) -> bool {
    let texts = ["DISC.txt", "FORMAT.txt", "README.txt", SUMS];
    let is_stripe = |path: &str| path.split_once('/').is_some_and(|(dir, _)| dir == STRIPES);
    let fits = |path: &str| texts.contains(&path) || is_stripe(path);
    reader.files().iter().all(|file| fits(&file.path))
}

fn signed_sums(
    reader: &dyn DiscReader,
    checker: &Checker,
) -> Result<HashMap<String, Digest>, String> {
    if reader.file(SIGNATURE).is_none() {
        return Err("it is not signed".to_owned());
    }
    let sums = read_small(reader, SUMS, LONGEST_SUMS)?;
    let signature = read_small(reader, SIGNATURE, LONGEST_SIGNATURE)?;
    checker.check(&sums, &signature).map_err(|error| chain(&error))?;
    sums_by_path(&sums).map_err(|error| chain(&error))
}

fn compare(
    reader: &dyn DiscReader,
    sums: &HashMap<String, Digest>,
    stop: &Stop,
) -> Result<Result<(), String>, Stopped> {
    if reader.file("DISC.txt").is_none() {
        return Ok(Err("DISC.txt is missing".to_owned()));
    }
    for file in reader.files() {
        if !BELIEVED.iter().any(|name| file.path.starts_with(name)) {
            continue;
        }
        let found = digest(Heeding::new(FileReader::new(reader, file), stop));
        stop.check()?;
        match found {
            Err(error) => return Ok(Err(error.to_string())),
            Ok((_, found)) if sums.get(&file.path) != Some(&found) => {
                return Ok(Err(format!("{} is not as it was signed", file.path)));
            }
            Ok(_) => {}
        }
    }
    Ok(Ok(()))
}
