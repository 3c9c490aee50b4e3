//! The `#` lines that open a listing (format 5): which disc it is on, and which snapshots, discs and
//! sources its rows mean.

use super::escape::{escape_guarded_into, escape_into};
use crate::model::rows::RunLine;
use crate::model::{Digest, DiscIdentity, DiscNo, DiscUuid, Format, SnapshotSeq, SnapshotUuid};

/// What each kind of listing calls itself in its first line.
pub(super) const INDEX: &str = "index";
pub(super) const SNAPSHOT: &str = "snapshot";
pub(super) const HISTORY: &str = "history";

/// A `#snapshot` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotLine {
    pub seq: SnapshotSeq,
    pub date: String,
    /// The source's absolute path, as bytes.
    pub source: Vec<u8>,
    /// `None`: it is not known.
    pub uuid: Option<SnapshotUuid>,
}

/// A `#before` line: a disc of the set that was closed before this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeforeLine {
    pub disc: DiscNo,
    pub uuid: DiscUuid,
    /// Of its SHA256SUMS; `None`: it is not known.
    pub sums: Option<Digest>,
}

/// A `#source` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The first component of its paths; `None`: it is the only one, and its paths begin in it.
    pub name: Option<Vec<u8>>,
    pub path: Vec<u8>,
}

/// All that the first lines of a disc's listings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    pub format: Format,
    pub id: DiscIdentity,
    /// The one that SNAPSHOT is of.
    pub snapshot: SnapshotSeq,
    /// All of the set until then, the oldest first.
    pub snapshots: Vec<SnapshotLine>,
    /// The lowest number first.
    pub before: Vec<BeforeLine>,
    pub sources: Vec<SourceLine>,
    /// Of the run that made the snapshot.
    pub run: Vec<RunLine>,
}

impl Heading {
    /// The first lines of INDEX.
    pub fn index(&self) -> Vec<u8> {
        let mut out = self.opening(INDEX);
        if self.format == Format::One {
            out.extend_from_slice(self.disc_line().as_bytes());
        }
        self.snapshots.iter().for_each(|line| snapshot_into(line, self.format, &mut out));
        self.closing(false, &mut out);
        out
    }

    /// The first lines of SNAPSHOT.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = self.opening(SNAPSHOT);
        let its_own = self.snapshots.iter().filter(|line| line.seq == self.snapshot);
        its_own.for_each(|line| snapshot_into(line, self.format, &mut out));
        self.closing(true, &mut out);
        out
    }

    /// The first lines of HISTORY, which only discs of format 2 have.
    pub fn history(&self) -> Vec<u8> {
        let mut out = self.opening(HISTORY);
        self.snapshots.iter().for_each(|line| snapshot_into(line, self.format, &mut out));
        self.closing(false, &mut out);
        out
    }

    fn opening(&self, what: &str) -> Vec<u8> {
        let Heading { format, id: DiscIdentity { set, set_uuid, .. }, .. } = self;
        let mut text = format!("#coldcut-{what}\t{}\n#set\t{set}\t{set_uuid}\n", format.number());
        if *format != Format::One {
            text.push_str(&self.disc_line());
        }
        text.into_bytes()
    }

    fn disc_line(&self) -> String {
        format!("#disc\t{}\t{}\n", self.id.number, self.id.uuid)
    }

    /// What discs of format 1 have not. `whole`: all that the run says of itself.
    fn closing(&self, whole: bool, out: &mut Vec<u8>) {
        if self.format == Format::One {
            return;
        }
        for BeforeLine { disc, uuid, sums } in &self.before {
            let sums = sums.map_or("-".to_owned(), |sums| sums.to_string());
            out.extend_from_slice(format!("#before\t{disc}\t{uuid}\t{sums}\n").as_bytes());
        }
        for SourceLine { name, path } in &self.sources {
            line_into("source", &[name.as_deref(), Some(path)], out);
        }
        line_into("digest", &[Some(b"sha256")], out);
        let kinds = if whole { 0..4 } else { 0..1 };
        for kind in kinds {
            let lines = self.run.iter().filter(|line| place_of(line) == kind);
            lines.for_each(|line| run_line_into(line, out));
        }
    }
}

fn snapshot_into(line: &SnapshotLine, format: Format, out: &mut Vec<u8>) {
    let SnapshotLine { seq, date, source, uuid } = line;
    out.extend_from_slice(format!("#snapshot\t{seq}\t{date}\t").as_bytes());
    escape_into(source, out);
    if format != Format::One {
        let uuid = uuid.map_or("-".to_owned(), |uuid| uuid.to_string());
        out.extend_from_slice(format!("\t{uuid}").as_bytes());
    }
    out.push(b'\n');
}

/// Where the lines of a kind stand among those that a run says of itself.
fn place_of(line: &RunLine) -> usize {
    match line {
        RunLine::Charset(_) => 0,
        RunLine::Option { .. } => 1,
        RunLine::Excluded(_) => 2,
        RunLine::Skipped { .. } => 3,
    }
}

fn run_line_into(line: &RunLine, out: &mut Vec<u8>) {
    match line {
        RunLine::Charset(name) => line_into("charset", &[Some(name.as_bytes())], out),
        RunLine::Option { name, value } => {
            line_into("option", &[Some(name.as_bytes()), Some(value)], out);
        }
        RunLine::Excluded(what) => line_into("excluded", &[Some(what)], out),
        RunLine::Skipped { path, why } => {
            line_into("skipped", &[Some(path.as_bytes()), Some(why.as_bytes())], out);
        }
    }
}

/// `-` for what is absent, or empty: no field is.
fn line_into(name: &str, fields: &[Option<&[u8]>], out: &mut Vec<u8>) {
    out.push(b'#');
    out.extend_from_slice(name.as_bytes());
    for field in fields {
        out.push(b'\t');
        match field.filter(|field| !field.is_empty()) {
            None => out.push(b'-'),
            Some(value) => escape_guarded_into(value, out),
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{RelPath, SetName, SetUuid};
    use uuid::Uuid;

    /// Disc 4 of a set `s` with two snapshots.
    pub fn example(format: Format) -> Heading {
        let line = |seq: u32, source: &[u8]| SnapshotLine {
            seq: SnapshotSeq(seq),
            date: format!("2026-01-0{seq}T00:00:00Z"),
            source: source.to_vec(),
            uuid: (format != Format::One && seq == 2)
                .then_some(SnapshotUuid(Uuid::from_u128(seq.into()))),
        };
        let before = |disc: u32, sums| BeforeLine {
            disc: DiscNo(disc),
            uuid: DiscUuid(Uuid::from_u128(disc.into())),
            sums,
        };
        Heading {
            format,
            id: DiscIdentity {
                set: SetName::new("s").unwrap(),
                set_uuid: SetUuid(Uuid::from_u128(1)),
                number: DiscNo(4),
                uuid: DiscUuid(Uuid::from_u128(2)),
            },
            snapshot: SnapshotSeq(2),
            snapshots: vec![line(1, b"/a\nb"), line(2, b"/\xff")],
            before: vec![before(1, None), before(3, Some(Digest::EMPTY))],
            sources: vec![SourceLine { name: None, path: b"/\xff".to_vec() }],
            run: vec![
                RunLine::Charset("UTF-8".to_owned()),
                RunLine::Option { name: "one-file-system".to_owned(), value: b"yes".to_vec() },
                RunLine::Excluded(b"*.o".to_vec()),
                RunLine::Skipped {
                    path: RelPath::new(b"s\tk").unwrap(),
                    why: "a socket".to_owned(),
                },
            ],
        }
    }

    const UUIDS: [&str; 3] = [
        "00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-000000000002",
        "00000000-0000-0000-0000-000000000003",
    ];

    #[test]
    fn the_lines_stand_in_the_order_of_the_page() {
        let [one, two, three] = UUIDS;
        let text = String::from_utf8_lossy(&example(Format::Two).snapshot()).into_owned();
        let before = format!("#before\t1\t{one}\t-\n#before\t3\t{three}\t{}\n", Digest::EMPTY);
        let expected = format!(
            "#coldcut-snapshot\t2\n#set\ts\t{one}\n#disc\t4\t{two}\n\
             #snapshot\t2\t2026-01-02T00:00:00Z\t/\u{fffd}\t{two}\n{before}\
             #source\t-\t/\u{fffd}\n#digest\tsha256\n#charset\tUTF-8\n\
             #option\tone-file-system\tyes\n#excluded\t*.o\n#skipped\ts\\tk\ta socket\n"
        );
        assert_eq!(text, expected);
        let history = String::from_utf8_lossy(&example(Format::Two).history()).into_owned();
        assert!(history.contains("#snapshot\t1\t2026-01-01T00:00:00Z\t/a\\nb\t-\n"), "{history}");
        assert!(history.contains("#charset") && !history.contains("#option"), "{history}");
    }

    #[test]
    fn a_disc_of_format_1_has_the_lines_of_format_1() {
        let [one, two, _] = UUIDS;
        let index = String::from_utf8_lossy(&example(Format::One).index()).into_owned();
        let expected = format!(
            "#coldcut-index\t1\n#set\ts\t{one}\n#disc\t4\t{two}\n\
             #snapshot\t1\t2026-01-01T00:00:00Z\t/a\\nb\n\
             #snapshot\t2\t2026-01-02T00:00:00Z\t/\u{fffd}\n"
        );
        assert_eq!(index, expected);
        let snapshot = String::from_utf8_lossy(&example(Format::One).snapshot()).into_owned();
        let expected = format!(
            "#coldcut-snapshot\t1\n#set\ts\t{one}\n#snapshot\t2\t2026-01-02T00:00:00Z\t/\u{fffd}\n"
        );
        assert_eq!(snapshot, expected);
    }
}
