//! One coldcut at a time works with a catalog: whoever comes second waits for his turn, as long as he
//! was told to, or ends before anything is begun.

use std::path::Path;
use std::time::Duration;

use crate::catalog::{Access, Catalog, CatalogError};
use crate::port::clock::pause;
use crate::port::notice::CatalogNotice;

use crate::flow::{Context, FlowError, chain};

/// Between two looks whether the other one is done.
const LOOK: Duration = Duration::from_millis(500);

/// The catalog, to be written by nobody else until it is dropped.
pub fn open_to_write(path: &Path, context: Context) -> Result<Catalog, FlowError> {
    in_turn(context, || Catalog::open(path, Access::Write))
}

/// Tries until no other coldcut has the catalog, for as long as [`Context::turn`] says.
pub fn in_turn<T>(
    context: Context,
    mut open: impl FnMut() -> Result<T, CatalogError>,
) -> Result<T, FlowError> {
    let deadline = context.turn.deadline();
    let mut is_told = false;
    loop {
        match open() {
            Err(CatalogError::Locked { path, pid }) if deadline.is_over() => {
                return Err(FlowError::OthersTurn { path, pid });
            }
            Err(CatalogError::Locked { path: catalog, pid }) => {
                if !is_told {
                    context.monitor.note(CatalogNotice::CatalogInUse { catalog, pid }.into());
                    is_told = true;
                }
                pause(LOOK, context.stop)?;
            }
            opened => return Ok(opened?),
        }
    }
}

/// A run that changed the catalog ended well: a copy of it is kept. Without it the run is as good.
pub(in crate::flow) fn ended_well(catalog: &Catalog, context: Context) {
    if let Err(error) = catalog.keep_last() {
        context.monitor.note(CatalogNotice::NoCatalogCopy { why: chain(&error) }.into());
    }
}
