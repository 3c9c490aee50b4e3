//! What a run says of itself on the discs: its options, and what it left out. The newest run only:
//! that of a former one is on the discs that it made.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result, odd};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::value::rel_path;
use crate::model::SnapshotSeq;
use crate::model::rows::RunLine;
use rusqlite::{Connection, Row, params};

impl Catalog {
    /// Adds lines of a run, after those that it has said before.
    pub fn say_of_run(&mut self, set: SetId, seq: SnapshotSeq, lines: &[RunLine]) -> Result<()> {
        self.change(set, "recording what a run leaves out", |tx| {
            let sql = "INSERT INTO run_lines(set_id, seq, place, kind, what, why)
                       SELECT ?1, ?2, 1+COALESCE(max(place), 0), ?3, ?4, ?5 FROM run_lines
                       WHERE set_id=?1 AND seq=?2";
            let mut insert = tx.prepare_cached(sql)?;
            for line in lines {
                let (kind, what, why) = columns(line);
                insert.execute(params![set.0, seq.0, kind, what, why])?;
            }
            Ok(())
        })
    }

    /// What a run said of itself, in order; nothing of one that is not the newest.
    pub fn run_lines(&self, set: SetId, seq: SnapshotSeq) -> Result<Vec<RunLine>> {
        self.read("reading what a run left out", |conn| {
            let sql = "SELECT kind, what, why FROM run_lines WHERE set_id=? AND seq=?
                       ORDER BY place";
            conn.prepare(sql)?.query_and_then(params![set.0, seq.0], read)?.collect()
        })
    }
}

/// A newer run has ended.
pub(in crate::catalog) fn drop_former(
    conn: &Connection,
    set: SetId,
    seq: SnapshotSeq,
) -> Result<(), Fault> {
    conn.execute("DELETE FROM run_lines WHERE set_id=? AND seq<?", params![set.0, seq.0])?;
    Ok(())
}

const CHARSET: &str = "charset";
const OPTION: &str = "option";
const EXCLUDED: &str = "excluded";
const SKIPPED: &str = "skipped";

fn columns(line: &RunLine) -> (&'static str, &[u8], Option<&[u8]>) {
    match line {
        RunLine::Charset(name) => (CHARSET, name.as_bytes(), None),
        RunLine::Option { name, value } => (OPTION, name.as_bytes(), Some(value)),
        RunLine::Excluded(what) => (EXCLUDED, what, None),
        RunLine::Skipped { path, why } => (SKIPPED, path.as_bytes(), Some(why.as_bytes())),
    }
}

fn read(row: &Row) -> Result<RunLine, Fault> {
    let (kind, what): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
    let why = row.get::<_, Option<Vec<u8>>>(2)?.unwrap_or_default();
    let words = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| odd("a line of a run that is not text"))
    };
    Ok(match kind.as_str() {
        CHARSET => RunLine::Charset(words(what)?),
        OPTION => RunLine::Option { name: words(what)?, value: why },
        EXCLUDED => RunLine::Excluded(what),
        SKIPPED => RunLine::Skipped { path: rel_path(&what)?, why: words(why)? },
        _ => return Err(odd("a line of a run of an unknown kind")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;

    #[test]
    fn the_newest_run_says_what_it_left_out() {
        let mut bench = CatalogBench::new();
        let (set, first) = (bench.set, SnapshotSeq(1));
        let lines = [
            RunLine::Charset("UTF-8".to_owned()),
            RunLine::Option { name: "one-file-system".to_owned(), value: b"yes".to_vec() },
            RunLine::Excluded(b"*\xff".to_vec()),
            RunLine::Skipped { path: p("a/socket"), why: "a socket".to_owned() },
        ];
        bench.cat().say_of_run(set, first, &lines[..2]).unwrap();
        bench.cat().say_of_run(set, first, &lines[2..]).unwrap();
        assert_eq!(bench.cat().run_lines(set, first).unwrap(), lines);
        bench.cat().finish_snapshot(set, first, NOW, &Default::default()).unwrap();
        assert_eq!(bench.cat().run_lines(set, first).unwrap(), lines);
        let second = bench.cat().begin_snapshot(set, NOW).unwrap();
        bench.cat().finish_snapshot(set, second, NOW, &Default::default()).unwrap();
        assert_eq!(bench.cat().run_lines(set, first).unwrap(), []);
    }
}
