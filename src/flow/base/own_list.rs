//! Small files of a disc, and its own list of sums.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

use crate::drive::DiscReader;
use crate::format::FormatError;
use crate::format::sums::parse_sums;
use crate::model::{Bytes, Digest};
use crate::pack::closing::SIGNATURE;
use crate::verify::ExpectedFile;

use crate::flow::chain;

/// A disc of a few million archives has no longer list.
pub const LONGEST_SUMS: usize = 256 << 20;

pub const SUMS: &str = "SHA256SUMS";

/// A whole small file of a disc, or why it cannot be had.
pub fn read_small(reader: &dyn DiscReader, name: &str, most: usize) -> Result<Vec<u8>, String> {
    let title = reader.title();
    let file = reader.file(name).ok_or_else(|| format!("{title}: {name} is missing"))?;
    if file.size.0 > most as u64 {
        return Err(format!(
            "{title}: {name} is longer than {}, the most that coldcut writes",
            Bytes(most as u64)
        ));
    }
    let mut text = vec![0; file.size.0 as usize];
    let mut filled = 0;
    while filled < text.len() {
        match reader.read_at(file, filled as u64, &mut text[filled..]) {
            Ok(0) => return Err(format!("{title}: {name} ends too early")),
            Ok(read) => filled += read,
            Err(error) => return Err(chain(&error)),
        }
    }
    Ok(text)
}

/// The sums of a disc's files by their paths, as its own list says them.
pub fn own_sums(reader: &dyn DiscReader) -> Result<HashMap<String, Digest>, String> {
    let list = read_small(reader, SUMS, LONGEST_SUMS)?;
    sums_by_path(&list).map_err(|error| format!("{}: {}", reader.title(), chain(&error)))
}

pub fn sums_by_path(list: &[u8]) -> Result<HashMap<String, Digest>, FormatError> {
    Ok(parse_sums(list)?.into_iter().map(|(path, digest)| (path.to_string(), digest)).collect())
}

/// Every file of a disc as its own list has it; of the list itself and its signature nothing is
/// known but what they are.
pub fn own_list(reader: &dyn DiscReader) -> Result<BTreeMap<String, ExpectedFile>, String> {
    let text = read_small(reader, SUMS, LONGEST_SUMS)?;
    let mut files = BTreeMap::new();
    for (path, sha256) in parse_sums(&text).map_err(|error| chain(&error))? {
        let path = path.to_string();
        let size = reader.file(&path).map_or(0, |file| file.size.0);
        files.insert(path.clone(), ExpectedFile { path, size, sha256 });
    }
    let (path, size) = (SUMS.to_owned(), text.len() as u64);
    let sha256 = Digest(Sha256::digest(&text).into());
    files.insert(path.clone(), ExpectedFile { path, size, sha256 });
    // The list cannot hold its own signature, which is what it is, too.
    if reader.file(SIGNATURE).is_some() {
        let signature = read_small(reader, SIGNATURE, LONGEST_SUMS)?;
        let (path, size) = (SIGNATURE.to_owned(), signature.len() as u64);
        let sha256 = Digest(Sha256::digest(&signature).into());
        files.insert(path.clone(), ExpectedFile { path, size, sha256 });
    }
    Ok(files)
}
