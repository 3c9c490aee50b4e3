//! Copies that are on their way: a copy gets its number before the first byte is written, so that
//! whoever comes after a run that was killed knows that there may be a medium more.

use crate::catalog::base::carrier;
use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::Result;
use crate::catalog::base::ids::{CopyNo, SetId};
use crate::catalog::tables::copies::{insert, one_copy};
use crate::catalog::tables::discs::check_closed;
use crate::model::{Carrier, DiscNo};
use crate::port::clock::Moment;
use rusqlite::params;

impl Catalog {
    /// A medium is about to be written; it counts for nothing until it is verified. Its number is
    /// the next one, and not less than `least`; whoever else begins one gets another.
    pub fn begin_copy(
        &mut self,
        set: SetId,
        disc: DiscNo,
        least: CopyNo,
        medium: &Carrier,
        at: Moment,
    ) -> Result<CopyNo> {
        self.write("recording a burn", |tx| {
            check_closed(tx, set, disc)?;
            let sql = "SELECT COALESCE(max(copy), 0) + 1 FROM copies WHERE set_id=? AND disc=?";
            let next: u32 = tx.query_row(sql, params![set.0, disc.0], |row| row.get(0))?;
            let copy = CopyNo(next.max(least.0));
            insert(tx, set, disc, copy, medium, "", at)?;
            Ok(copy)
        })
    }

    /// The medium was written, and is known better now.
    pub fn end_burn(
        &mut self,
        set: SetId,
        disc: DiscNo,
        copy: CopyNo,
        medium: &Carrier,
        at: Moment,
    ) -> Result<()> {
        self.write("recording a burn", |tx| {
            let sql = "UPDATE copies SET burned=?4 WHERE set_id=?1 AND disc=?2 AND copy=?3";
            one_copy(tx.execute(sql, params![set.0, disc.0, copy.0, at.0])?, disc, copy)?;
            carrier::write(tx, set, disc, copy, medium)
        })
    }

    /// There is no such medium: the burn did not begin, or left nothing that could be read. Only a
    /// copy that nobody ever read is forgotten.
    pub fn drop_copy(&mut self, set: SetId, disc: DiscNo, copy: CopyNo) -> Result<()> {
        self.write("forgetting a burn", |tx| {
            let sql = "DELETE FROM copies WHERE set_id=?1 AND disc=?2 AND copy=?3
                       AND state='burned'";
            one_copy(tx.execute(sql, params![set.0, disc.0, copy.0])?, disc, copy)
        })
    }
}
