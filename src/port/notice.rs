//! What the engine reports and a person wants to read even when all goes well: facts, with what
//! they are about. `ui::words` has the sentences, and `docs/json.md` the kinds.

mod burn;
mod catalog;
mod disc;
mod drill;
mod drive;
mod key;
mod listing;
mod paths;
mod recovery;
mod rescue;
mod restore;
mod set;
mod shelf;
mod staging;
mod verify;
mod watch;

pub use burn::BurnNotice;
pub use catalog::CatalogNotice;
pub use disc::{DiscNotice, IdentifiedBy, ProblemKind};
pub use drill::{DrillNotice, SimpleScriptLimit, Untested};
pub use drive::DriveNotice;
pub use key::{KeyNotice, SettingOrigin};
pub use listing::ListingNotice;
pub use recovery::{DiscOrMedium, RecoveryNotice};
pub use rescue::RescueNotice;
pub use restore::RestoreNotice;
pub use set::SetNotice;
pub use shelf::ShelfNotice;
pub use staging::{FillObstacle, StagingNotice};
pub use verify::{DiscVerdict, OpenedFiles, Outlook, VerifyNotice};
pub use watch::WatchNotice;

use serde::Serialize;

macro_rules! rooms {
    ($(#[$about:meta])* $($room:ident($notice:ident)),* $(,)?) => {
        $(#[$about])*
        pub enum Notice {
            $($room($notice)),*
        }

        $(impl From<$notice> for Notice {
            fn from(notice: $notice) -> Notice {
                Notice::$room(notice)
            }
        })*
    };
}

rooms! {
    /// A fact, by the room of the engine that it comes from. Serialised it is an object whose
    /// `kind` no other fact has, whatever room that is from. A `why` is what an error says, and the error.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    #[serde(untagged)]
    Burn(BurnNotice),
    Catalog(CatalogNotice),
    Disc(DiscNotice),
    Drill(DrillNotice),
    Drive(DriveNotice),
    Key(KeyNotice),
    Listing(ListingNotice),
    Recovery(RecoveryNotice),
    Rescue(RescueNotice),
    Restore(RestoreNotice),
    Set(SetNotice),
    Shelf(ShelfNotice),
    Staging(StagingNotice),
    Verify(VerifyNotice),
    Watch(WatchNotice),
}
