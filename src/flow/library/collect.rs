//! Images of the discs from which a lost one is rebuilt, where they come through one drive: each is
//! taken into scratch, sector for sector, before the next one is asked for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::catalog::DiscInfo;
use crate::drive::DiscReader;
use crate::format::volume::image_name;
use crate::model::size::{CLUSTER, SECTOR};
use crate::model::{Bytes, DiscList, DiscNo, SetName};
use crate::port::event::Activity;
use crate::port::files::{create_own, free_space, make_private_dir};
use crate::port::monitor::NewTask;
use crate::port::question::{Answer, Question};

use crate::flow::library::listings::KnownIn;
use crate::flow::library::recovery_status::{RecoveryStatus, recovery_status};
use crate::flow::library::repair::Removed;
use crate::flow::{Context, FlowError, SelectionError};

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
) -> Result<Option<RecoveryStatus>, FlowError> {
    let discs = known.catalog.discs(known.set)?;
    let is_good = |known: &&DiscInfo| {
        known.safe_copies() > 0 && known.number != disc && !away.contains(&known.number)
    };
    let good = discs.iter().filter(is_good);
    let groups =
        recovery_status(&known.catalog, known.set, &good.map(|disc| disc.number).collect())?;
    Ok(groups.into_iter().find(|recovery_status| recovery_status.makes(disc)))
}

impl Gathered {
    /// Asks whether a person will bring all these discs, and makes the place for their images.
    pub fn begin(
        known: &KnownIn,
        set: &SetName,
        disc: DiscNo,
        sources: &[DiscNo],
        scratch: &Path,
        context: Context,
    ) -> Result<Option<Gathered>, FlowError> {
        let discs = known.catalog.discs(known.set)?;
        let size = |number: &DiscNo| {
            let image = discs.iter().find(|disc| disc.number == *number)?.image();
            image.map(|sectors| sectors.bytes().0)
        };
        // The one that is made is as long as its group's longest, at most.
        let sizes: Vec<u64> = sources.iter().filter_map(size).collect();
        let need = sizes.iter().sum::<u64>() + sizes.iter().max().unwrap_or(&0);
        let unsized_discs: Vec<DiscNo> =
            sources.iter().copied().filter(|source| size(source).is_none()).collect();
        let question = Question::ReconstructDisc {
            set: set.clone(),
            disc,
            sources: DiscList::of(sources),
            dir: scratch.to_owned(),
            need: Bytes(need),
            unsized_discs: DiscList::of(&unsized_discs),
        };
        if context.operator.ask(question) != Answer::Yes {
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

    /// The image of a disc, with zeros for what cannot be read; started again if the disc went
    /// away.
    pub fn take(
        &self,
        disc: DiscNo,
        medium: &dyn DiscReader,
        context: Context,
    ) -> Result<(), FlowError> {
        let path = self.dir.0.join(image_name(&self.set, disc));
        let total = medium.image_sectors().ok_or(SelectionError::SizeUnknown(disc))?.bytes().0;
        let task = context.monitor.begin(NewTask::new(Activity::Reading).disc(disc).total(total));
        let mut image = create_own(&path).map_err(trouble(&path))?;
        let mut buffer = vec![0; 1 << 20];
        let (mut at, mut holes) = (0, Vec::new());
        while at < total {
            context.stop.check()?;
            let most = (total - at).min(buffer.len() as u64) as usize;
            let read = match read_image(medium, at, &mut buffer[..most])? {
                Some(read) => read,
                None => {
                    // Sectors of a cluster fail together.
                    let cluster = CLUSTER.bytes().0;
                    let hole = (cluster - at % cluster).min(most as u64) as usize;
                    holes.push(at..at + hole as u64);
                    buffer[..hole].fill(0);
                    hole
                }
            };
            image.write_all(&buffer[..read]).map_err(trouble(&path))?;
            at += read as u64;
            task.done(at);
        }
        medium.try_skipped();
        holes.into_iter().try_for_each(|hole| fill(&image, &path, hole, medium, context))
    }
}

/// Comes back to what was skipped, when all else is there: sector by sector.
fn fill(
    image: &File,
    path: &Path,
    hole: Range<u64>,
    medium: &dyn DiscReader,
    context: Context,
) -> Result<(), FlowError> {
    let mut sector = [0; SECTOR as usize];
    for at in hole.clone().step_by(sector.len()) {
        context.stop.check()?;
        let wanted = (hole.end - at).min(SECTOR) as usize;
        if let Some(read) = read_image(medium, at, &mut sector[..wanted])? {
            image.write_all_at(&sector[..read], at).map_err(trouble(path))?;
        }
    }
    Ok(())
}

/// `None` where the image cannot be read; an error if it is not there any more.
fn read_image(
    medium: &dyn DiscReader,
    at: u64,
    buffer: &mut [u8],
) -> Result<Option<usize>, FlowError> {
    match (medium.read_image(Bytes(at), buffer), medium.absence()) {
        (Ok(read @ 1..), _) => Ok(Some(read)),
        (_, Some(absence)) => Err(absence.into()),
        _ => Ok(None),
    }
}

fn trouble(path: &Path) -> impl Fn(io::Error) -> FlowError + use<> {
    let path: PathBuf = path.to_owned();
    let what = "cannot copy the image of a disc";
    move |source| FlowError::Staging { path: path.clone(), what, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ScratchedDisc;
    use crate::flow::WaitLimit;
    use crate::port::operator::Nobody;
    use crate::port::recorder::Recorder;
    use crate::port::stop::Stop;

    #[test]
    fn an_image_that_is_gathered_lacks_only_the_sectors_that_cannot_be_read() {
        let scratched = ScratchedDisc::new(&[("archives/1.tar", 0..700)], &[105, 107, 330]);
        let dir = tempfile::tempdir().unwrap();
        let set = SetName::new("films").unwrap();
        let gathered = Gathered { dir: Removed(dir.path().to_owned()), set: set.clone() };
        let (monitor, operator, stop) = (Recorder::default(), Nobody, Stop::new());
        let wait_limit = WaitLimit::Endless;
        let context = Context {
            monitor: &monitor,
            operator: &operator,
            stop: &stop,
            wait_limit,
            turn: wait_limit,
            overwrite: false,
            limits: Default::default(),
        };
        gathered.take(DiscNo(1), &scratched.disc, context).unwrap();
        let mut wanted = ScratchedDisc::content(0..700);
        for bad in [105, 107, 330] {
            wanted[bad * SECTOR as usize..][..SECTOR as usize].fill(0);
        }
        let taken = std::fs::read(dir.path().join(image_name(&set, DiscNo(1)))).unwrap();
        assert!(taken == wanted);
        assert_eq!(scratched.failures(), 3 + 2 + 1, "a place, one near it, and 107 alone");
    }
}
