//! The rows of INDEX, which wait beside their archives until the disc is closed: a file an archive.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::PackError;
use super::archive::SealedArchive;
use crate::format::index_line;
use crate::model::Format;
use crate::port::files::{unless_missing, write_atomic};

/// Where the rows of INDEX wait until their disc is closed, one file an archive.
pub(super) const ROWS: &str = ".rows";

/// Keeps an archive's rows of INDEX beside it, durable before the archive counts.
pub fn keep_rows(dir: &Path, archive: &SealedArchive, format: Format) -> Result<(), PackError> {
    let mut text = Vec::new();
    for member in &archive.members {
        index_line(&member.row, format, &mut text);
    }
    put_rows(dir, archive.number.0, &text)
}

/// The same with rows as they stand in an INDEX.
pub fn put_rows(dir: &Path, archive: u32, text: &[u8]) -> Result<(), PackError> {
    let path = rows_file(dir, archive);
    let written = crate::port::files::make_private_dir(&dir.join(ROWS))
        .and_then(|()| write_atomic(&path, text, 0o600));
    written.map_err(PackError::staging(&path))
}

/// The disc in `dir` is closed: its INDEX has the rows, and they are in clear here.
pub fn drop_rows(dir: &Path) -> io::Result<()> {
    unless_missing(fs::remove_dir_all(dir.join(ROWS)))
}

/// Whether this is a file of rows of the disc in `dir`.
pub fn is_rows_file(dir: &Path, path: &Path) -> bool {
    path.starts_with(dir.join(ROWS))
}

/// The rows of one archive of the disc in `dir`.
pub fn rows_file(dir: &Path, archive: u32) -> PathBuf {
    dir.join(ROWS).join(format!("{archive:08}.tsv"))
}

pub(super) fn rows_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|e| e == "tsv"));
    files.sort();
    Ok(files)
}
