//! What a run says of itself when it begins to report, and how the catalog is named that it works
//! with: only the service of the same catalog listens.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::port::files::dir_of;

/// The protocol that a run asks for; another one will have another name.
pub const PROTOCOL: &str = "coldcut-report-1";
/// The longest line that either side sends: more is not an event of coldcut's.
pub const LONGEST_LINE: usize = 64 << 10;
/// The service sends an empty line at once, and another whenever it said nothing for this long.
pub const BEAT: Duration = Duration::from_secs(15);
/// A service that says nothing for this long is gone.
pub const SILENCE: Duration = BEAT.saturating_mul(3);

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Of eight hexadecimal digits, made by the run: it stays the same if the service is restarted.
    pub run: String,
    pub command: String,
    pub pid: u32,
    /// As [`catalog_name`] makes it.
    pub catalog: String,
}

impl Hello {
    pub fn new(command: &'static str, catalog: &Path) -> Hello {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Hello {
            run: id[..8].to_owned(),
            command: command.to_owned(),
            pid: std::process::id(),
            catalog: catalog_name(catalog),
        }
    }

    pub fn target(&self) -> String {
        let command = self.command.replace(' ', "+");
        let Hello { run, pid, catalog, .. } = self;
        format!("/api/report?run={run}&command={command}&pid={pid}&catalog={catalog}")
    }
}

/// Whether this can be a run's own name; it becomes a part of the questions' names.
pub fn is_run_id(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The catalog by its place, without symbolic links, in hexadecimal: a path is bytes. It need not be
/// there yet.
pub fn catalog_name(catalog: &Path) -> String {
    let place = place_of(catalog);
    place.as_os_str().as_bytes().iter().fold(String::new(), |mut hex, byte| {
        // A text takes all that is written to it.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn place_of(catalog: &Path) -> PathBuf {
    let name = catalog.file_name().unwrap_or(OsStr::new(""));
    catalog.canonicalize().unwrap_or_else(|_| match dir_of(catalog).canonicalize() {
        Ok(dir) => dir.join(name),
        Err(_) => std::path::absolute(catalog).unwrap_or_else(|_| catalog.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_has_one_name_whichever_way_leads_to_it_and_before_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let names = || [&real, &link].map(|dir| catalog_name(&dir.join("c\u{e9}.sqlite")));
        let [one, other] = names();
        assert_eq!(one, other);
        std::fs::write(real.join("c\u{e9}.sqlite"), "").unwrap();
        assert_eq!(names(), [one.clone(), one.clone()]);
        assert_ne!(one, catalog_name(&real.join("d.sqlite")));
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn every_run_has_a_name_of_its_own() {
        let hello = || Hello::new("catalog rebuild", Path::new("/c"));
        assert!(is_run_id(&hello().run), "{}", hello().run);
        assert_ne!(hello().run, hello().run);
        assert!(hello().target().contains("command=catalog+rebuild&"), "{}", hello().target());
        assert!(!is_run_id("../../ab") && !is_run_id(""));
    }
}
