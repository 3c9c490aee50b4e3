//! The listings of a disc as the standard tools print them, looked through before a restore.sh
//! reads the same: bash makes more of a number than a number, and drops what is no text.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use super::tools::Tools;
use super::{DrillError, SampleKey, stream};
use crate::codec::openpgp::FileKey;
use crate::format::{FormatError, IndexReader, ListingReader, SizeLimits, longest_text};
use crate::port::cause::Cause;
use crate::port::command::{CommandError, Program};
use crate::port::files::open_own_to_read;
use crate::port::stop::{Heeding, Stop};

/// How long a tool may take to print a listing; a second more for each MiB of it.
const PATIENCE: Duration = Duration::from_secs(600);

/// Which listing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingKind {
    Index,
    Snapshot,
    History,
}

impl ListingKind {
    /// As what reads it calls it.
    fn name(self) -> &'static str {
        match self {
            ListingKind::Index => "INDEX",
            ListingKind::Snapshot => "SNAPSHOT",
            ListingKind::History => "HISTORY",
        }
    }
}

/// Why the text of this listing is none that coldcut writes; `None`: it is. `text` is a place for
/// it.
pub fn oddity(
    listed: ListingKind,
    file: &Path,
    key: &SampleKey,
    text: &Path,
    (limits, stop): (SizeLimits, &Stop),
) -> Result<Option<Cause>, DrillError> {
    let packed = match opened(file, key) {
        Ok((tools, packed)) => {
            let size = limits.packed(packed);
            let wait_limit = PATIENCE + Duration::from_secs(packed >> 20);
            let program = tools.listing(file, None).killed_when_stopped().timeout(wait_limit);
            if let Some(cause) = print(&program, (listed.name(), size), text, stop)? {
                return Ok(Some(cause.about("cannot be opened with standard tools")));
            }
            size
        }
        Err(words) => return Ok(Some(words.into())),
    };
    let read = || {
        let file = open_own_to_read(text)?;
        Ok::<_, io::Error>(BufReader::with_capacity(256 << 10, Heeding::new(file, stop)))
    };
    let odd = read().map_err(Cause::of).and_then(|input| match listed {
        ListingKind::Index => first_error(IndexReader::new(input, packed)),
        ListingKind::Snapshot => first_error(ListingReader::new(input, packed)),
        ListingKind::History => first_error(ListingReader::history(input, packed)),
    });
    stop.check().map_err(DrillError::Stopped)?;
    // No line is longer than the readers take.
    let odd = odd.and_then(|()| header_is_plain(read().map_err(Cause::of)?));
    stop.check().map_err(DrillError::Stopped)?;
    Ok(odd.err())
}

fn opened(file: &Path, key: &SampleKey) -> Result<(Tools, u64), String> {
    let open = || -> io::Result<(File, u64)> {
        let file = open_own_to_read(file)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    };
    let (open, packed) = open().map_err(|error| error.to_string())?;
    let is_sealed = file.extension().is_some_and(|extension| extension == "gpg");
    let tools = match (is_sealed, key) {
        (false, _) => Tools::plain(),
        (true, SampleKey::Passphrase(secret)) => Tools::with_passphrase(secret),
        (true, SampleKey::Files(find)) => {
            let key: Option<FileKey> = find(&open).map_err(|error| error.to_string())?;
            Tools::with_session_key(&key.ok_or("its session key is not available")?)
        }
        (true, SampleKey::None) => return Err("is encrypted, but the set is not".to_owned()),
    };
    Ok((tools, packed))
}

/// The text as the tools print it; why it is not to be had, if so.
fn print(
    program: &Program,
    (what, size): (&'static str, u64),
    text: &Path,
    stop: &Stop,
) -> Result<Option<Cause>, DrillError> {
    let most = longest_text(size);
    let mut out = match File::create_new(text) {
        Ok(out) => out,
        Err(error) => return Ok(Some(Cause::of(error))),
    };
    let (mut printed, mut failed) = (0_u64, None);
    let ended = stream(program, stop, &mut |piece| {
        printed += piece.len() as u64;
        if printed > most {
            failed.get_or_insert_with(|| Cause::of(FormatError::TooMuchText { what, most, size }));
        } else if let Err(error) = out.write_all(piece) {
            failed.get_or_insert_with(|| Cause::of(error));
        }
    });
    match ended {
        Err(DrillError::Run(error @ CommandError::TimedOut { .. })) => Ok(Some(Cause::of(error))),
        Err(error) => Err(error),
        Ok(words) => Ok(failed.or(words.map(Cause::from))),
    }
}

fn first_error<T>(
    rows: Result<impl Iterator<Item = Result<T, FormatError>>, FormatError>,
) -> Result<(), Cause> {
    rows.map_err(Cause::of)?.find_map(Result::err).map_or(Ok(()), |error| Err(Cause::of(error)))
}

/// The lines in front of the rows, of which readers pass over what they do not know: no number of
/// a snapshot or a disc is anything else, and nowhere is a byte that bash drops.
fn header_is_plain(mut input: impl BufRead) -> Result<(), Cause> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        if input.read_until(b'\n', &mut line).map_err(Cause::of)? == 0 {
            return Ok(());
        }
        if line.contains(&0) || (line.starts_with(b"#") && !is_plain_header(&line)) {
            return Err(format!("line {number} is not one that coldcut writes").into());
        }
    }
}

fn is_plain_header(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut fields = line.split(|&byte| byte == b'\t');
    let is_number =
        |field: &[u8]| (1..=9).contains(&field.len()) && field.iter().all(u8::is_ascii_digit);
    const NUMBERED: [&[u8]; 3] = [b"#snapshot", b"#disc", b"#before"];
    let is_numbered = fields.next().is_some_and(|name| NUMBERED.contains(&name));
    let has_number = fields.next().is_some_and(is_number);
    (!is_numbered || has_number) && line.iter().all(|&byte| byte == b'\t' || byte >= b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_that_bash_would_read_otherwise_are_odd() {
        let plain =
            "#coldcut-index\t1\n#set\tx\tuuid\n#disc\t1\tuuid\n#snapshot\t12\tdate\t/a\\tb\nrow\n";
        assert_eq!(header_is_plain(plain.as_bytes()), Ok(()));
        for odd in [
            "#snapshot\ta[$(id)]\tdate\t/a",
            "#snapshot\ta[$(id)]\tdate\t/a\tmore",
            "#snapshot\t+1\tdate\t/a",
            "#snapshot",
            "#before\ta[$(id)]\tuuid\t-",
            "#disc\t-1\tuuid",
            "#snap\0shot\ta[$(id)]\tdate\t/a",
            "#set\tx\u{1b}[2J\tuuid",
            "row with \0",
        ] {
            let text = format!("{plain}{odd}\n");
            let found = header_is_plain(text.as_bytes());
            assert_eq!(found, Err("line 6 is not one that coldcut writes".into()), "{odd:?}");
        }
    }
}
