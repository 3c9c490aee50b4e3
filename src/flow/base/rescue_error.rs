//! Why a disc is not rescued into this image.

use std::path::PathBuf;

use crate::model::Bytes;
use crate::rescue::map::MapError;

/// Why a disc is not rescued into this image.
#[derive(Debug, thiserror::Error)]
pub enum RescueRefusal {
    #[error("{} has no drive or image to be read from", .0.display())]
    NoSource(PathBuf),
    #[error("{} exists, and no map says what is in it", .0.display())]
    NoMap(PathBuf),
    #[error("{} is missing, though its map is there", .0.display())]
    NoImage(PathBuf),
    #[error("{} is being written by another rescue", .0.display())]
    Busy(PathBuf),
    #[error("{} is also what is to be read", .0.display())]
    IsSource(PathBuf),
    #[error("{} is not the map of a rescue", .path.display())]
    BadMap { path: PathBuf, source: MapError },
    #[error("{from} holds a different disc from the one that {} was started with", .image.display())]
    OtherDisc { from: String, image: PathBuf },
    #[error("{} needs {need} for the image and {free} is free", .dir.display())]
    Full { dir: PathBuf, need: Bytes, free: Bytes },
}
