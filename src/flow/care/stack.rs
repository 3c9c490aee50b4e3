//! A stack of discs, verified one after the other as the drive's loader brings them.

use crate::drive::{Drive, Pile};
use crate::flow::base::unfulfilled::Unfulfilled;
use crate::flow::care::verify::{VerifyReport, VerifyRequest, verify_from};
use crate::flow::library::insertion::put_away;
use crate::flow::{Context, FlowError, chain};
use crate::port::notice::DriveNotice;

/// Verifies the disc in the drive, if there is one, and then all that its loader has. Each goes on
/// the pile that it belongs on; what is not a coldcut disc goes on the reject pile.
pub fn verify_stack(
    request: &VerifyRequest,
    drive: &mut (dyn Drive + 'static),
    context: Context,
) -> Result<VerifyReport, FlowError> {
    drive.settle(&|notice| context.monitor.note(notice.into()), context.stop)?;
    let mut all = VerifyReport::default();
    loop {
        match verify_from(request, Some(&mut *drive), context) {
            Ok(report) => {
                put_away(drive, report.pile(), context)?;
                all.add(report);
            }
            Err(FlowError::NeverCame { how: Unfulfilled::LoaderEmpty, .. }) => return Ok(all),
            // It is of another set than the one that was named, say.
            Err(error @ (FlowError::Discs(_) | FlowError::Selection(_))) => {
                context.monitor.note(DriveNotice::Ejecting { why: chain(&error).into() }.into());
                put_away(drive, Pile::Bad, context)?;
            }
            Err(error) => return Err(error),
        }
    }
}
