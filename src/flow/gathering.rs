//! Images of the discs from which a lost one is made again, where they come through one drive: each is
//! taken into scratch, sector for sector, before the next one is asked for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::catalog::DiscInfo;
use crate::drive::DiscReader;
use crate::format::volume::image_name;
use crate::model::disc::listed;
use crate::model::size::CLUSTER;
use crate::model::{Bytes, DiscNo, SetName};
use crate::port::files::{free_space, make_private_dir};
use crate::port::monitor::{Phase, Progress};
use crate::port::operator::Answer;

use super::mending::Removed;
use super::rows::KnownIn;
use super::spares::{Spares, spares};
use super::{Desk, FlowError};

/// Where the images are; they go with it.
pub struct Gathered {
    dir: Removed,
    set: SetName,
}

/// The group that can make this disc again, if the discs that never came stay away. Only a catalog
/// knows what there is that is not here.
pub fn group_of(
    known: &KnownIn,
    disc: DiscNo,
    away: &BTreeSet<DiscNo>,
) -> Result<Option<Spares>, FlowError> {
    let discs = known.catalog.discs(known.set)?;
    let is_good = |known: &&DiscInfo| {
        known.safe_copies() > 0 && known.number != disc && !away.contains(&known.number)
    };
    let good = discs.iter().filter(is_good);
    let groups = spares(&known.catalog, known.set, &good.map(|disc| disc.number).collect())?;
    Ok(groups.into_iter().find(|spares| spares.makes(disc)))
}

impl Gathered {
    /// Asks whether a person will bring all these discs, and makes the place for their images.
    pub fn begin(
        known: &KnownIn,
        set: &SetName,
        disc: DiscNo,
        sources: &[DiscNo],
        scratch: &Path,
        desk: Desk,
    ) -> Result<Option<Gathered>, FlowError> {
        let discs = known.catalog.discs(known.set)?;
        let size = |number: &DiscNo| {
            let image = discs.iter().find(|disc| disc.number == *number)?.image;
            image.map(|sectors| sectors.bytes().0)
        };
        // The one that is made is as long as its group's longest, at most.
        let sizes: Vec<u64> = sources.iter().filter_map(size).collect();
        let need = sizes.iter().sum::<u64>() + sizes.iter().max().unwrap_or(&0);
        let question = format!(
            "disc {disc} of {set} can be made again from discs {}. Each is copied into {}, which \
             takes {}. Do that?",
            listed(sources),
            scratch.display(),
            Bytes(need)
        );
        if desk.operator.confirm(&question) != Answer::Yes {
            return Ok(None);
        }
        let dir = Removed(scratch.join(format!("gathered-{}", Uuid::new_v4())));
        make_private_dir(&dir.0).map_err(trouble(&dir.0))?;
        let free = free_space(&dir.0).map_err(trouble(&dir.0))?;
        if need > free {
            let (dir, need, free) = (scratch.to_owned(), Bytes(need), Bytes(free));
            return Err(FlowError::StagingFull { dir, need, free });
        }
        Ok(Some(Gathered { dir, set: set.clone() }))
    }

    pub fn dir(&self) -> &Path {
        &self.dir.0
    }

    /// The image of a disc, with zeros for what cannot be read; begun anew if the disc went away.
    pub fn take(&self, disc: DiscNo, medium: &dyn DiscReader, desk: Desk) -> Result<(), FlowError> {
        let path = self.dir.0.join(image_name(&self.set, disc));
        let total = medium.image_sectors().unwrap_or_default().bytes().0;
        desk.monitor.phase(&Phase { what: "reading", disc: Some(disc.0), total: Some(total) });
        let mut image = File::create(&path).map_err(trouble(&path))?;
        let mut buffer = vec![0; 1 << 20];
        let mut at = 0;
        while at < total {
            desk.stop.check()?;
            let most = (total - at).min(buffer.len() as u64) as usize;
            let read = match medium.read_image(Bytes(at), &mut buffer[..most]) {
                Ok(read @ 1..) => read,
                Ok(0) | Err(_) => {
                    if let Some(absence) = medium.absence() {
                        return Err(absence.into());
                    }
                    // Sectors of a cluster fail together.
                    let hole = most.min(CLUSTER.bytes().0 as usize);
                    buffer[..hole].fill(0);
                    hole
                }
            };
            image.write_all(&buffer[..read]).map_err(trouble(&path))?;
            at += read as u64;
            desk.monitor.progress(Progress { done: at, written: None });
        }
        Ok(())
    }
}

fn trouble(path: &Path) -> impl Fn(io::Error) -> FlowError + use<> {
    let path: PathBuf = path.to_owned();
    let what = "cannot take the image of a disc";
    move |source| FlowError::Staging { path: path.clone(), what, source }
}
