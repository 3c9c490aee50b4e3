//! Contents of files, one after the other as `tar -xO` prints them, compared with their sums.

use sha2::{Digest as _, Sha256};

use crate::model::rows::IndexRow;
use crate::model::{Digest, Kind, RelPath, plural};

struct Awaited {
    path: RelPath,
    size: u64,
    sha256: Option<Digest>,
}

/// Takes what tar prints.
pub(super) struct Comparison {
    awaited: std::vec::IntoIter<Awaited>,
    now: Option<(Awaited, Sha256, u64)>,
    result: ComparisonTally,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ComparisonTally {
    pub files: u64,
    pub bytes: u64,
    pub wrong: Vec<String>,
}

impl Comparison {
    /// Files with content; tar prints nothing for anything else.
    pub(super) fn new<'a>(rows: impl IntoIterator<Item = &'a IndexRow>) -> Comparison {
        let printed = |row: &&IndexRow| row.kind == Kind::File && row.size > 0;
        let awaited: Vec<Awaited> = rows
            .into_iter()
            .filter(printed)
            .map(|row| Awaited { path: row.path.clone(), size: row.size, sha256: row.sha256 })
            .collect();
        let mut comparison = Comparison {
            awaited: awaited.into_iter(),
            now: None,
            result: ComparisonTally::default(),
        };
        comparison.next();
        comparison
    }

    fn next(&mut self) {
        self.now = self.awaited.next().map(|file| (file, Sha256::new(), 0));
    }

    pub(super) fn take(&mut self, mut piece: &[u8]) {
        self.result.bytes += piece.len() as u64;
        while let (Some((file, hash, seen)), false) = (&mut self.now, piece.is_empty()) {
            let left = usize::try_from(file.size - *seen).unwrap_or(usize::MAX);
            let (own, rest) = piece.split_at(left.min(piece.len()));
            hash.update(own);
            *seen += own.len() as u64;
            piece = rest;
            if *seen == file.size {
                self.judge();
            }
        }
        if !piece.is_empty() {
            self.result.wrong = vec!["more content was unpacked than the INDEX lists".to_owned()];
        }
    }

    fn judge(&mut self) {
        let Some((file, hash, _)) = self.now.take() else { return };
        let found = Digest(hash.finalize().into());
        self.result.files += 1;
        if file.sha256 != Some(found) {
            self.result.wrong.push(format!("{}: content differs (SHA-256 mismatch)", file.path));
        }
        self.next();
    }

    pub(super) fn finish(mut self) -> ComparisonTally {
        if let Some((file, _, seen)) = self.now.take() {
            let (path, size) = (&file.path, file.size);
            let more = self.awaited.len();
            let after = match more {
                0 => String::new(),
                more => {
                    let files = plural(more as u64, "file", "files");
                    format!(", and nothing of the {files} after it")
                }
            };
            let words = format!("{path}: only {seen} of {size} bytes were unpacked{after}");
            self.result.wrong.push(words);
        }
        self.result
    }
}
