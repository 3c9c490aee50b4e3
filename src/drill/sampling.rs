//! What a sample is taken from, and how thorough it is.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::codec::openpgp::{FileKey, OpenError};
use crate::model::rows::IndexRow;
use crate::model::{Digest, DiscUuid};
use crate::port::passphrase::Secret;
use crate::port::stop::Stop;

/// How thorough a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// For a disc that is about to be burned: under two seconds. gpg opens the beginning of each
    /// archive, our own reader cuts out the frames, bzip2 and tar expand and unpack them; of a long
    /// member only the beginning.
    Quick,
    /// The tools do all of it, from the file to the content of the members.
    Thorough,
}

/// What opens a set's files.
pub enum SampleKey<'a> {
    /// They are not encrypted.
    None,
    Passphrase(&'a Secret),
    /// Session keys, file by file; for recipients. `None`: nobody has this one any more.
    Files(&'a dyn Fn(&File) -> Result<Option<FileKey>, OpenError>),
}

/// A file of the disc as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    pub path: String,
    pub size: u64,
    pub sha256: Digest,
}

/// Where the disc's files are, as files: brought there when they are wanted.
pub trait Files {
    fn bring(&self, path: &str) -> Result<PathBuf, String>;
}

/// What a sample is taken from.
pub struct Sampling<'a> {
    pub disc: DiscUuid,
    /// All files of the disc.
    pub known: &'a [KnownFile],
    pub files: &'a dyn Files,
    pub key: &'a SampleKey<'a>,
    pub depth: Depth,
    /// Whether the catalog knows this content.
    pub knows: &'a dyn Fn(&IndexRow) -> bool,
    pub stop: &'a Stop,
}

/// The directory of a disc whose files are files already.
pub struct InPlace<'a>(pub &'a Path);

impl Files for InPlace<'_> {
    fn bring(&self, path: &str) -> Result<PathBuf, String> {
        Ok(self.0.join(path))
    }
}
