//! Why a run was stopped because too much of the source was gone, in words.

use std::path::Path;

use crate::model::{Bytes, Reason, RunRefusal, SnapshotSeq, plural};
use crate::port::clock::Moment;

/// `the source /x is empty; snapshot 6, of 2026-11-22 23:05, had 5 files, 4.2 MB`.
pub fn refusal_words(why: &RunRefusal, source: &Path, last: SnapshotSeq, date: Moment) -> String {
    let files = |count: u64, bytes: Bytes| format!("{}, {bytes}", plural(count, "file", "files"));
    let shown = source.display();
    let had = format!("snapshot {last}, of {}, had", date.local_minute());
    match &why.reason {
        Reason::Empty => {
            format!("the source {shown} is empty, but {had} {}", files(why.of_files, why.of_bytes))
        }
        Reason::Unmounted(dir) => {
            let place = if dir.is_root() { source.to_owned() } else { source.join(dir.as_path()) };
            format!(
                "{} was a mount point and is now an empty directory, but {had} {} in it",
                place.display(),
                files(why.files, why.bytes)
            )
        }
        Reason::Shrunk => format!(
            "{} ({}) {} gone from the source {shown}; {had} {}",
            plural(why.files, "file", "files"),
            why.bytes,
            if why.files == 1 { "is" } else { "are" },
            files(why.of_files, why.of_bytes)
        ),
    }
}
