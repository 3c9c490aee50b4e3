//! Whether a listing is that of its disc.

use crate::format::{DiscTxt, ListingHeader};
use crate::restore::index::ListingError;

/// A listing of another set, disc or run than that of its disc is not its own. One whose first lines
/// are damaged is of its disc's newest snapshot.
pub(in crate::flow) fn refuse_other(
    header: Option<&ListingHeader>,
    txt: &DiscTxt,
    name: &str,
) -> Result<(), ListingError> {
    let Some(header) = header else { return Ok(()) };
    let other = header.disc.filter(|disc| *disc != (txt.id.number, txt.id.uuid));
    let what = match other {
        _ if header.set_uuid != txt.id.set_uuid => {
            format!("belongs to another set, {} ({})", header.set, header.set_uuid)
        }
        Some((disc, uuid)) => format!("belongs to disc {disc} ({uuid}), not to this disc"),
        None if header.snapshot.seq != txt.snapshot => {
            let (found, of) = (header.snapshot.seq, txt.snapshot);
            format!("is of snapshot {found}, but the disc is of snapshot {of}")
        }
        None if header.format != txt.format => {
            format!("is of format {}, but the disc is not", header.format.number())
        }
        None => return Ok(()),
    };
    Err(ListingError::Elsewhere { name: name.to_owned(), what })
}
