//! Small files of a disc, and its own list of sums.

use std::collections::HashMap;

use crate::drive::DiscReader;
use crate::format::FormatError;
use crate::format::sums::parse_sums;
use crate::model::{Bytes, Digest};

use super::chain;

/// A disc of a few million archives has no longer list.
pub const LONGEST_SUMS: usize = 256 << 20;

pub const SUMS: &str = "SHA256SUMS";

/// A whole small file of a disc, or why it cannot be had.
pub fn read_small(reader: &dyn DiscReader, name: &str, most: usize) -> Result<Vec<u8>, String> {
    let title = reader.title();
    let file = reader.file(name).ok_or_else(|| format!("{title}: {name} is missing"))?;
    if file.size.0 > most as u64 {
        return Err(format!(
            "{title}: {name} is longer than {}, and none of coldcut's is",
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
