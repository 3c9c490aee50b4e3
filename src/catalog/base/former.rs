//! Where contents were before they were stored once more, and their return to it.

use crate::catalog::base::error::Fault;
use crate::catalog::base::ids::ContentId;
use crate::model::DiscNo;
use rusqlite::{Connection, params};

/// The content leaves the place where it is; that is history from now on.
pub(in crate::catalog) fn leave(conn: &Connection, content: ContentId) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM former_parts WHERE content=?",
        "INSERT INTO former_parts(content, part, archive, frame_offset, frame_length, tar_offset,
             file_offset, length, parts_id, member)
         SELECT p.content, p.part, p.archive, p.frame_offset, p.frame_length, p.tar_offset,
             p.file_offset, p.length, c.parts_id,
             (SELECT m.path FROM members m WHERE m.content=p.content)
         FROM parts p JOIN contents c ON c.id=p.content WHERE p.content=?",
        "DELETE FROM parts WHERE content=?",
        "DELETE FROM members WHERE content=?",
        "UPDATE contents SET gone=NULL, parts_id=NULL WHERE id=?",
    ] {
        conn.prepare_cached(sql)?.execute([content.0])?;
    }
    Ok(())
}

/// The parts that were just stored under an id of their own become those of the content.
pub(in crate::catalog) fn take_parts(
    conn: &Connection,
    content: ContentId,
    stored: ContentId,
) -> Result<(), Fault> {
    let sql = "SELECT parts_id FROM contents WHERE id=?";
    let parts_id: Option<i64> = conn.query_row(sql, [stored.0], |row| row.get(0))?;
    let both = [content.0, stored.0];
    conn.execute("UPDATE parts SET content=?1 WHERE content=?2", both)?;
    for table in ["members", "former_parts"] {
        conn.execute(&format!("DELETE FROM {table} WHERE content=?"), [stored.0])?;
    }
    conn.execute("DELETE FROM contents WHERE id=?", [stored.0])?;
    conn.execute("UPDATE contents SET parts_id=?2 WHERE id=?1", params![content.0, parts_id])?;
    Ok(())
}

/// Contents whose former place has a part on a disc that is not safe.
const NOT_ELSEWHERE: &str = "SELECT f.content FROM former_parts f
    JOIN contents c ON c.id=f.content
    LEFT JOIN archives a ON a.set_id=c.set_id AND a.number=f.archive
    LEFT JOIN discs d ON d.set_id=a.set_id AND d.number=a.disc
    WHERE d.state IS NOT 'verified'";

/// Of the contents that are looked at as lost with these discs, those are not whose former place is
/// on others.
pub(in crate::catalog) fn forget_those_elsewhere(
    conn: &Connection,
    discs: &[DiscNo],
) -> Result<(), Fault> {
    let numbers: Vec<String> = discs.iter().map(|disc| disc.0.to_string()).collect();
    let numbers = numbers.join(",");
    conn.execute_batch(&format!(
        "DELETE FROM lost WHERE id IN (SELECT content FROM former_parts)
         AND id NOT IN ({NOT_ELSEWHERE} OR d.number IN ({numbers}))"
    ))?;
    Ok(())
}

/// Contents that lose their place, in a table of this connection, return to the former one, if
/// that is safe, and leave the table.
pub(in crate::catalog) fn return_those_elsewhere(
    conn: &Connection,
    table: &str,
) -> Result<(), Fault> {
    return_to_former(conn, table, &format!("AND id NOT IN ({NOT_ELSEWHERE})"))
}

/// The same, safe or not: a disc that never was is no reason to forget where a lost content was.
pub(in crate::catalog) fn return_all(conn: &Connection, table: &str) -> Result<(), Fault> {
    return_to_former(conn, table, "")
}

fn return_to_former(conn: &Connection, table: &str, only: &str) -> Result<(), Fault> {
    conn.execute_batch(&format!(
        "CREATE TEMP TABLE IF NOT EXISTS returned(id INTEGER PRIMARY KEY); DELETE FROM returned;
         INSERT INTO returned SELECT id FROM {table}
             WHERE id IN (SELECT content FROM former_parts) {only};
         DELETE FROM parts WHERE content IN (SELECT id FROM returned);
         INSERT INTO parts(content, part, archive, frame_offset, frame_length, tar_offset,
                 file_offset, length)
             SELECT content, part, archive, frame_offset, frame_length, tar_offset, file_offset,
                 length FROM former_parts WHERE content IN (SELECT id FROM returned);
         UPDATE contents SET parts_id=
                 (SELECT max(f.parts_id) FROM former_parts f WHERE f.content=contents.id)
             WHERE id IN (SELECT id FROM returned);
         DELETE FROM members WHERE content IN (SELECT id FROM returned);
         INSERT INTO members(content, path) SELECT content, member FROM former_parts
             WHERE part=0 AND member IS NOT NULL AND content IN (SELECT id FROM returned);
         UPDATE entries SET moved=1 WHERE content IN (SELECT id FROM returned);
         UPDATE contents SET gone=1
             WHERE id IN (SELECT id FROM returned) AND id IN ({NOT_ELSEWHERE});
         DELETE FROM former_parts WHERE content IN (SELECT id FROM returned);
         DELETE FROM {table} WHERE id IN (SELECT id FROM returned);"
    ))?;
    Ok(())
}
