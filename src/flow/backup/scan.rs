//! The scan of the source, compared with what the catalog knows.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::catalog::Catalog;
use crate::flow::backup::compare::{Comparer, ComparisonBase, SourceComparison};
use crate::flow::backup::own_places::leave_out;
use crate::flow::backup::request::BackupRequest;
use crate::flow::{Context, FlowError};
use crate::port::notice::StagingNotice;
use crate::scan::filter::Filter;
use crate::scan::walk::walk;

pub(super) fn scan(
    request: &BackupRequest,
    known: ComparisonBase,
    context: Context,
) -> Result<SourceComparison, FlowError> {
    let mut options = request.filter.clone();
    // A dry run's own copy knows one set, and the shelves of others are left out, too.
    leave_out(request, Catalog::open_if_there(&request.catalog)?.as_ref(), &mut options)?;
    let filter = Filter::new(&options)?;
    let mut comparer = Comparer::new(known, request.rehash, context.monitor);
    walk(&request.source, &filter, context.stop, context.monitor, &mut comparer)?;
    let compared = comparer.finish()?;
    for shelf in &compared.shelves {
        let dir = request.source.join(OsStr::from_bytes(shelf.as_bytes()));
        context.monitor.note(StagingNotice::ImagesLeftOut { dir }.into());
    }
    Ok(compared)
}
