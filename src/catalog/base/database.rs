//! An open catalog: what reads it and what changes it, one transaction at a time.

use crate::catalog::base::dirs::DirStack;
use crate::catalog::base::error::{Fault, Result, explain};
use crate::catalog::base::lock::CatalogLock;
use crate::catalog::base::value::OwnerCache;
use rusqlite::{Connection, TransactionBehavior};
use std::cell::RefCell;
use std::path::PathBuf;

/// An open catalog. With [`Access::Write`] no other process writes it until this is dropped.
pub struct Catalog {
    // Dropped in this order: the database is closed before others are let in.
    pub(in crate::catalog) conn: Connection,
    pub(in crate::catalog) path: PathBuf,
    pub(in crate::catalog) _lock: Option<CatalogLock>,
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

    /// All of `work`, or none of it.
    pub(in crate::catalog) fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        let path = &self.path;
        let run = || {
            if !self.conn.is_autocommit() {
                let within = self.conn.savepoint()?; // of an attempt
                let value = work(&within)?;
                within.commit()?;
                return Ok(value);
            }
            let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        run().map_err(|fault| explain(path, doing, fault))
    }
}
