//! An open catalog: what reads it and what changes it, one transaction at a time.

use crate::catalog::base::dirs::DirStack;
use crate::catalog::base::error::{CatalogError, Fault, Result, explain};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::lock::{self, CatalogLock, Held};
use crate::catalog::base::part::Part;
use crate::catalog::base::value::OwnerCache;
use crate::model::DiscNo;
use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Asked while another writer's transaction goes on: whether to wait for its end any longer.
pub type Patience = Box<dyn FnMut() -> bool + Send>;

/// An open catalog. With [`Access::Write`](crate::catalog::Access::Write) no other process writes
/// it until this is dropped.
pub struct Catalog {
    // Dropped in this order: the database is closed before others are let in.
    pub(in crate::catalog) conn: Connection,
    pub(in crate::catalog) path: PathBuf,
    /// `None`: it is only read, or it is a copy that nobody else knows.
    pub(in crate::catalog) lock: Option<Arc<CatalogLock>>,
    pub(in crate::catalog) patience: Option<Patience>,
    /// Both caches hold committed rows only: these are never changed and never removed.
    pub(in crate::catalog) owners: RefCell<OwnerCache>,
    pub(in crate::catalog) dirs: RefCell<DirStack>,
}

impl Catalog {
    pub(in crate::catalog) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        work(&self.conn).map_err(|fault| explain(&self.path, doing, fault))
    }

    /// All that `work` reads is of one moment, whatever others commit meanwhile. Not for writers, which
    /// begin transactions of their own.
    pub fn at_one_moment<T, E: From<CatalogError>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // It is rolled back at the end, as there is nothing to commit.
        let begun = self.conn.unchecked_transaction();
        let _moment = begun.map_err(|error| explain(&self.path, "reading it", error.into()))?;
        work()
    }

    /// Takes a part, so that nobody else changes it until what is given is dropped. Does not wait:
    /// [`CatalogError::PartInUse`]. What is held already, by this catalog or because nobody else
    /// can write, stays held as long as it was before.
    pub fn hold(&self, part: Part) -> Result<Held> {
        match &self.lock {
            Some(lock) => lock.hold(part),
            None => Ok(Held::alone(part)),
        }
    }

    /// Discs of this set that running coldcuts hold, to burn and to verify them.
    pub fn discs_in_work(&self, set: SetId) -> Vec<DiscNo> {
        let held = lock::held(&self.path).into_iter();
        let discs: BTreeSet<DiscNo> = held
            .filter_map(|part| match part {
                Part::Disc(of, disc) if of == set => Some(disc),
                _ => None,
            })
            .collect();
        discs.into_iter().collect()
    }

    /// How long a transaction waits for those of other writers; without this, a few seconds.
    pub fn wait_with(&mut self, patience: Patience) -> Result<()> {
        self.patience = Some(patience);
        // SQLite's own waiting asks nobody, and is short then.
        let set = self.conn.busy_timeout(Duration::from_secs(1));
        set.map_err(|error| explain(&self.path, "opening it", error.into()))
    }

    /// The same as [`write`](Self::write), of the structure of a set, which must be held.
    pub(in crate::catalog) fn change<T>(
        &mut self,
        set: SetId,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        if self.lock.as_ref().is_some_and(|lock| !lock.holds(Part::Set(set))) {
            return Err(CatalogError::NotHeld { path: self.path.clone(), doing });
        }
        self.write(doing, work)
    }

    /// Begins a transaction that writes, as soon as no other one does.
    pub(in crate::catalog) fn begin(&mut self, doing: &'static str) -> Result<()> {
        loop {
            let begun = self.conn.execute_batch("BEGIN IMMEDIATE");
            let error = match begun {
                Ok(()) => return Ok(()),
                Err(error) => explain(&self.path, doing, error.into()),
            };
            let waits = self
                .patience
                .as_mut()
                .is_some_and(|patience| matches!(error, CatalogError::Busy { .. }) && patience());
            if !waits {
                return Err(error);
            }
        }
    }

    /// All of `work`, or none of it.
    pub(in crate::catalog) fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        if !self.conn.is_autocommit() {
            return self.write_within(doing, work); // of an attempt
        }
        self.begin(doing)?;
        let done = work(&self.conn).and_then(|value| {
            self.conn.execute_batch("COMMIT")?;
            Ok(value)
        });
        if done.is_err() && !self.conn.is_autocommit() {
            // If even this fails, the connection is of no use, and says so at the next step.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done.map_err(|fault| explain(&self.path, doing, fault))
    }

    fn write_within<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        let run = || {
            let within = self.conn.savepoint()?;
            let value = work(&within)?;
            within.commit()?;
            Ok(value)
        };
        run().map_err(|fault| explain(&self.path, doing, fault))
    }
}
