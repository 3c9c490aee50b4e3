//! SHA256SUMS: what `sha256sum -c` reads.

use super::FormatError;
use crate::model::path::shown;
use crate::model::{Digest, RelPath};

/// Files of a disc with their digests; paths relative to the disc's root.
pub type Sums = Vec<(RelPath, Digest)>;

/// The text of SHA256SUMS, sorted by path. The names on a disc are coldcut's own and hold
/// nothing that `sha256sum` would escape.
pub fn write_sums(sums: &[(RelPath, Digest)]) -> Vec<u8> {
    let mut sorted: Vec<&(RelPath, Digest)> = sums.iter().collect();
    sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut text = Vec::new();
    for (path, digest) in sorted {
        text.extend_from_slice(format!("{digest}  ").as_bytes());
        text.extend_from_slice(path.as_bytes());
        text.push(b'\n');
    }
    text
}

/// The same, of paths as a disc has them.
pub fn list_sums<'a>(files: impl Iterator<Item = (&'a str, Digest)>) -> Vec<u8> {
    let rows = files.filter_map(|(path, sha256)| Some((RelPath::new(path.as_bytes())?, sha256)));
    write_sums(&rows.collect::<Sums>())
}

/// Reads SHA256SUMS. A line that is not one of ours is an error, never passed over: what it names
/// would go unchecked.
pub fn parse_sums(text: &[u8]) -> Result<Sums, FormatError> {
    let Some(text) = text.strip_suffix(b"\n") else {
        return if text.is_empty() { Ok(Sums::new()) } else { Err(FormatError::CutOff) };
    };
    let damaged = |number: usize, source| FormatError::Line {
        what: "SHA256SUMS",
        number: number as u64 + 1,
        source: Box::new(source),
    };
    text.split(|&b| b == b'\n')
        .enumerate()
        .map(|(number, line)| parse_line(line).map_err(|e| damaged(number, e)))
        .collect()
}

/// `DIGEST  PATH`, or `DIGEST *PATH` as `sha256sum -b` writes it.
fn parse_line(line: &[u8]) -> Result<(RelPath, Digest), FormatError> {
    let parts = line.split_at_checked(64).and_then(|(digest, rest)| {
        let path = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
        Some((RelPath::new(path)?, Digest::from_hex(digest)?))
    });
    parts.ok_or_else(|| FormatError::Field { name: "digest and path", value: shown(line) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn sums_are_sorted_and_come_back() {
        let sums = vec![(path("b"), Digest([1; 32])), (path("archives/1"), Digest::EMPTY)];
        let text = write_sums(&sums);
        assert!(text.starts_with(b"e3b0c442"));
        let back = parse_sums(&text).unwrap();
        assert_eq!(back, vec![sums[1].clone(), sums[0].clone()]);
        assert_eq!(parse_sums(b"").unwrap(), Sums::new());
    }

    #[test]
    fn sha256sum_reads_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("empty"), b"").unwrap();
        std::fs::write(dir.path().join("SUMS"), write_sums(&[(path("empty"), Digest::EMPTY)]))
            .unwrap();
        let status = std::process::Command::new("sha256sum")
            .args(["--strict", "--quiet", "-c", "SUMS"])
            .current_dir(dir.path())
            .status();
        assert!(status.unwrap().success());
    }

    #[test]
    fn a_damaged_line_is_named_by_its_number() {
        let mut text = write_sums(&[(path("a"), Digest::EMPTY)]);
        text.extend_from_slice(b"nonsense\n");
        let error = parse_sums(&text).unwrap_err();
        assert_eq!(error.to_string(), "line 2 of SHA256SUMS is damaged");
        for bad in ["x", "\n", "é\n"] {
            assert!(parse_sums(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let outside = format!("{}  ../x\n", Digest::EMPTY);
        assert!(parse_sums(outside.as_bytes()).is_err());
    }
}
