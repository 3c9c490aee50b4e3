//! `coldcut watch`: stays with a drive. A blank gets the next staged disc, a coldcut disc is
//! verified, anything else is ejected. All that it touches is packed already, so it needs no
//! passphrase.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::catalog::{Catalog, KnownSet};
use crate::drive::{Absence, Drive, DriveError, Pile};
use crate::model::{DiscIdentity, DiscNo, InUse, SetName};
use crate::port::cause::Cause;
use crate::port::clock::{Deadline, pause};
use crate::port::disc_count::DiscCount;
use crate::port::notice::{
    CatalogNotice, DiscNotice, DriveNotice, Notice, StagingNotice, WatchNotice,
};
use crate::port::wanted::{DiscChoice, InsertRequest, WantedMedium};

use crate::flow::WaitLimit;
use crate::flow::base::turn::open_to_record;
use crate::flow::burn::dispatcher::TRIES;
use crate::flow::burn::records::{Copies, OwnCatalog, waiting};
use crate::flow::burn::recovery_groups::Grouping;
use crate::flow::burn::station::{Drives, Station, Turn, TurnEnd};
use crate::flow::care::verify::{CheckedDisc, VerifyRequest, verify_from};
use crate::flow::drill::{drill_without_keys, refuse_unreadable};
use crate::flow::library::insertion::{Came, comes_back, put_away};
use crate::flow::library::inventory::Trust;
use crate::flow::service::watched_discs::{NextDisc, Share, TakenDisc, WatchedDiscs};
use crate::flow::staging::area::{Staging, label};
use crate::flow::staging::lost::lost_discs;
use crate::flow::{Context, FlowError};

/// Between two looks for discs that were staged meanwhile.
const LOOK: Duration = Duration::from_secs(20);

pub struct WatchRequest {
    /// The drives' paths, for people.
    pub devices: Vec<PathBuf>,
    pub catalog: PathBuf,
    pub staging: PathBuf,
    pub scratch: PathBuf,
    /// End when nothing is left to burn.
    pub until_done: bool,
    /// Which discs count that are verified.
    pub trust: Trust,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchReport {
    /// Set and number of the discs that were burned and verified.
    pub burned: Vec<(String, u32)>,
    /// Something failed and was told.
    pub failures: u64,
    /// Coldcut discs that proved damaged.
    pub damaged: u64,
    /// What was verified.
    pub checked: Vec<CheckedDisc>,
    /// The drive's loader has no more discs, and something is still staged.
    pub is_short_of_discs: bool,
}

/// What is in the drive, as far as watching goes.
enum WatchedMedium {
    Nothing,
    Blank,
    /// Which it is.
    Written(Written),
}

/// A written disc in the drive. Another disc of the same name is told apart by its insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    /// For people.
    words: String,
    insertion: Option<u64>,
}

/// Runs until it is stopped, or (if so asked) until all that was staged is safe.
pub fn watch(
    request: &WatchRequest,
    drives: &mut [Drives],
    context: Context,
) -> Result<WatchReport, FlowError> {
    // What is in the drive counts; nobody is asked within a step.
    let none = WaitLimit::AtMost(Duration::ZERO);
    let context = Context { wait_limit: none, turn: none, ..context };
    let all = request.devices.iter().zip(drives).enumerate();
    let discs = &WatchedDiscs::default();
    thread::scope(|scope| {
        let watches = all.map(|(at, (device, drives))| {
            let watch = Watch::new(request, (at, device), discs, context);
            scope.spawn(move || watch.run_among(drives, request.devices.len()))
        });
        // All of them are begun before one is waited for.
        let watches: Vec<_> = watches.collect();
        let ended = watches.into_iter().map(|watch| watch.join());
        let ended = ended.map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        together(ended.collect())
    })
}

/// What several watches did: a drive that went away is a failure, and the end only if it was the
/// last.
fn together(ended: Vec<(WatchReport, Result<(), FlowError>)>) -> Result<WatchReport, FlowError> {
    let mut all = WatchReport::default();
    let (mut first, mut is_one_well) = (None, false);
    for (report, end) in ended {
        all.burned.extend(report.burned);
        all.checked.extend(report.checked);
        all.failures += report.failures;
        all.damaged += report.damaged;
        all.is_short_of_discs |= report.is_short_of_discs;
        match end {
            Ok(()) => is_one_well = true,
            Err(FlowError::Stopped(stopped)) => return Err(stopped.into()),
            Err(error) => {
                all.failures += 1;
                first = first.or(Some(error));
            }
        }
    }
    first.filter(|_| !is_one_well).map_or(Ok(all), Err)
}

/// What a watch that waits says of that.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WaitReason {
    Wanted(WantedMedium),
    NothingStaged,
    LoaderEmpty,
    /// By another program.
    DriveInUse,
    /// By another coldcut.
    InUse(InUse),
}

struct Watch<'a> {
    request: &'a WatchRequest,
    /// Which of several watches this is: the first one says what is lost.
    number: usize,
    device: &'a Path,
    discs: &'a WatchedDiscs,
    context: Context<'a>,
    report: WatchReport,
    /// What was said last: nobody wants to read it twice.
    said: Option<WaitReason>,
    /// Discs whose staging is gone, as far as that was told.
    lost: Vec<(SetName, DiscNo)>,
    /// The written disc that was dealt with and still is there.
    done: Option<Written>,
}

impl<'a> Watch<'a> {
    fn new(
        request: &'a WatchRequest,
        (number, device): (usize, &'a Path),
        discs: &'a WatchedDiscs,
        context: Context<'a>,
    ) -> Watch<'a> {
        Watch {
            request,
            number,
            device,
            discs,
            context,
            report: WatchReport::default(),
            said: None,
            lost: Vec::new(),
            done: None,
        }
    }

    /// To its end, which is said where others go on.
    fn run_among(mut self, drives: &mut Drives, of: usize) -> (WatchReport, Result<(), FlowError>) {
        let end = self.run(drives);
        self.discs.has_medium(self.number); // it asks for none any more
        match &end {
            Ok(()) | Err(FlowError::Stopped(_)) => {}
            Err(error) if of > 1 => {
                let (drive, why) = (drives.burner.title(), crate::flow::chain(error).into());
                self.context.monitor.note(DriveNotice::GoesOnWithout { drive, why }.into());
            }
            Err(_) => {}
        }
        (self.report, end)
    }

    fn run(&mut self, drives: &mut Drives) -> Result<(), FlowError> {
        let monitor = self.context.monitor;
        drives.burner.settle(&|notice| monitor.note(notice.into()), self.context.stop)?;
        loop {
            self.context.stop.check()?;
            let waiting = self.waiting()?;
            if waiting.is_empty() && self.request.until_done {
                return Ok(());
            }
            let content = match content(&mut *drives.burner) {
                Err(error) if error.is_in_use() => {
                    let notice = DriveNotice::DriveInUse { why: Cause::of(error) };
                    self.idle(WaitReason::DriveInUse, notice.into())?;
                    continue;
                }
                content => content?,
            };
            match content {
                WatchedMedium::Blank if waiting.is_empty() => {
                    self.idle(WaitReason::NothingStaged, WatchNotice::NothingStaged.into())?;
                }
                WatchedMedium::Blank => {
                    let discs = self.discs.for_blank(self.number, &waiting);
                    self.burn(&discs, drives)?
                }
                WatchedMedium::Written(disc) if self.done.as_ref() == Some(&disc) => {
                    pause(LOOK, self.context.stop).map_err(FlowError::from)?;
                }
                WatchedMedium::Written(disc) => match inside(&waiting, &mut *drives.burner) {
                    Err(error) if comes_back(&error) => {
                        monitor.note(DiscNotice::DiscGone { why: Cause::of(error) }.into());
                    }
                    Err(error) => return Err(error),
                    Ok(Some(next)) => self.burn(&[next], drives)?,
                    Ok(None) => self.check(disc, drives)?,
                },
                WatchedMedium::Nothing if drives.are_served() => {
                    self.fetch(&waiting, drives)?;
                    if self.report.is_short_of_discs && self.request.until_done {
                        return Ok(());
                    }
                }
                WatchedMedium::Nothing => self.call(&waiting, drives)?,
            }
        }
    }

    /// The discs that are to be burned or read back, of all sets, in their order.
    fn waiting(&mut self) -> Result<Vec<NextDisc>, FlowError> {
        let Some(catalog) = Catalog::open_if_there(&self.request.catalog)? else {
            return Ok(Vec::new());
        };
        let staging = Staging::open(&self.request.staging)?;
        let mut all = Vec::new();
        for set in catalog.sets()? {
            self.tell_lost(&catalog, &set, &staging)?;
            for disc in waiting(&catalog, &set, &staging)? {
                let copies = match self.discs.copies(set.id, disc.number) {
                    Some(in_work) => in_work,
                    None => Copies::of(&catalog.copies(set.id, disc.number)?),
                };
                all.push(NextDisc { set: set.clone(), disc, copies });
            }
        }
        Ok(all)
    }

    fn tell_lost(
        &mut self,
        catalog: &Catalog,
        set: &KnownSet,
        staging: &Staging,
    ) -> Result<(), FlowError> {
        if self.number > 0 {
            return Ok(());
        }
        for disc in lost_discs(catalog, set, staging)? {
            let lost = (set.facts.name.clone(), disc.number);
            if !self.lost.contains(&lost) {
                let (set, disc) = (Some(lost.0.clone()), disc.number);
                self.context.monitor.note(StagingNotice::StagedDiscLost { set, disc }.into());
                self.report.failures += 1;
                self.lost.push(lost);
            }
        }
        Ok(())
    }

    /// Waits a while, and says why if that was not said before.
    fn idle(&mut self, why: WaitReason, notice: Notice) -> Result<(), FlowError> {
        if self.is_new(why) {
            self.context.monitor.note(notice);
        }
        Ok(pause(LOOK, self.context.stop)?)
    }

    fn is_new(&mut self, said: WaitReason) -> bool {
        let said = Some(said);
        let is_new = self.said != said;
        self.said = said;
        is_new
    }

    /// Asks for what is wanted next, and waits a while for anything to be inserted.
    fn call(&mut self, waiting: &[NextDisc], drives: &mut Drives) -> Result<(), FlowError> {
        self.done = None;
        let drive = &mut *drives.burner;
        let wanted = self.discs.ask(self.number, waiting);
        let wanted =
            wanted.unwrap_or_else(|| WantedMedium::any(None, DiscChoice::ToVerifyWhileIdle));
        let title = drive.title();
        let request = InsertRequest { drive: title.clone(), wanted: wanted.clone() };
        if self.is_new(WaitReason::Wanted(wanted)) {
            self.context.operator.summon(&request);
        }
        let slot = drive.slot().ok_or(FlowError::NoSlot(title))?;
        if slot.await_medium(&Deadline::after(LOOK), self.context.stop)? {
            self.context.operator.dismiss(&request);
            drives.came = Came::AsAsked;
        }
        Ok(())
    }

    /// The loader brings the next disc, if one is needed; while it has none, it is asked again now
    /// and then.
    fn fetch(&mut self, waiting: &[NextDisc], drives: &mut Drives) -> Result<(), FlowError> {
        self.done = None;
        match self.discs.ask(self.number, waiting) {
            Some(_) => {}
            None if waiting.is_empty() => {
                return self.idle(WaitReason::NothingStaged, WatchNotice::NothingToLoad.into());
            }
            None => return Ok(pause(LOOK, self.context.stop)?),
        }
        let drive = drives.burner.title();
        let slot = drives.burner.slot().ok_or_else(|| FlowError::NoSlot(drive.clone()))?;
        let has_come = slot.await_medium(&Deadline::never(), self.context.stop)?;
        self.report.is_short_of_discs = !has_come;
        if has_come || self.request.until_done {
            return Ok(());
        }
        self.idle(WaitReason::LoaderEmpty, WatchNotice::LoaderEmpty { drive }.into())
    }

    /// Makes a copy of the first of these discs that lacks one which nobody makes.
    fn burn(&mut self, discs: &[&NextDisc], drives: &mut Drives) -> Result<(), FlowError> {
        let staging = Staging::open(&self.request.staging)?;
        let mut catalog = match open_to_record(&self.request.catalog, self.context) {
            Err(FlowError::OthersTurn { what, pid }) => return self.wait_for(what, pid),
            opened => opened?,
        };
        let share = match self.discs.take(&catalog, discs, self.context)? {
            TakenDisc::Share(share) => share,
            TakenDisc::InWork => return Ok(pause(LOOK, self.context.stop)?),
            TakenDisc::InUse(what, pid) => return self.wait_for(what, pid),
        };
        self.discs.has_medium(self.number);
        self.said = None;
        let disc = share.order.disc.number;
        let Some(next) = discs.iter().find(|next| next.is_of(&share)) else { return Ok(()) };
        match self.drill_and_burn(&mut catalog, &staging, &next.set, &share, drives) {
            Ok(false) => {}
            Ok(true) => {
                crate::flow::base::turn::ended_well(&catalog, self.context);
                self.report.burned.push((next.set.facts.name.to_string(), disc.0));
            }
            Err(error) if ends_watch(&error) => return Err(error),
            Err(error) => self.tell(error, drives)?,
        }
        Ok(())
    }

    fn wait_for(&mut self, what: InUse, pid: Option<u32>) -> Result<(), FlowError> {
        let notice = CatalogNotice::of_in_use(what.clone(), pid);
        self.idle(WaitReason::InUse(what), notice.into())
    }

    /// One try to make one copy. Whether the disc is safe now.
    fn drill_and_burn(
        &self,
        catalog: &mut Catalog,
        staging: &Staging,
        set: &KnownSet,
        share: &Share,
        drives: &mut Drives,
    ) -> Result<bool, FlowError> {
        let (context, disc) = (self.context, &share.order.disc);
        share.once(|| {
            drill_without_keys(catalog, staging, set, disc, context)?;
            refuse_unreadable(catalog, set, disc)?;
            context.monitor.count_discs(DiscCount::begin);
            Ok(())
        })?;
        let mut records = OwnCatalog { catalog, set: set.id };
        let turn = Turn::Burn { look: true };
        let mut station = Station { staging, set, drives, context };
        match station.turn(&share.order, &share.copies, turn, &mut records)? {
            TurnEnd::Failed { why, is_blank_lost } => {
                let is_last = share.lose(is_blank_lost) >= TRIES;
                return if is_last { Err(why.of(disc.number)) } else { Ok(false) };
            }
            TurnEnd::Good | TurnEnd::HandedOver(_) => share.is_good(),
        }
        let is_safe = share.is_safe();
        if is_safe {
            context.monitor.count_discs(|count| count.end(true));
            // Those of a group that is full now wait like any other disc.
            Grouping::new(staging, set, context).make_due(catalog)?;
        }
        Ok(is_safe)
    }

    /// A failure ends this disc's turn and not the watch; the medium is ejected, so that it is
    /// not tried for ever. Where none is in the drive any more, the next request says all.
    fn tell(&mut self, error: FlowError, drives: &mut Drives) -> Result<(), FlowError> {
        let why = match error {
            FlowError::NeverCame { source, .. } => *source,
            error if error.is_in_use() => error,
            error => {
                self.report.failures += 1;
                error
            }
        };
        if matches!(content(&mut *drives.burner)?, WatchedMedium::Nothing)
            && why.is_about_the_medium()
        {
            return Ok(());
        }
        self.context.monitor.note(WatchNotice::TurnFailed { why: Cause::of(why) }.into());
        self.hand_out(Pile::Bad, drives)
    }

    fn hand_out(&mut self, pile: Pile, drives: &mut Drives) -> Result<(), FlowError> {
        drives.forget_how_it_came();
        put_away(&mut *drives.burner, pile, self.context)
    }

    /// The disc in the drive is not blank: a coldcut disc is verified.
    fn check(&mut self, disc: Written, drives: &mut Drives) -> Result<(), FlowError> {
        self.said = None;
        let request = VerifyRequest {
            trust: self.request.trust.clone(),
            from: self.device.to_owned(),
            catalog: self.request.catalog.clone(),
            name: None,
            scratch: self.request.scratch.clone(),
            keys: None,
            is_of_stack: false,
        };
        let mut pile = Pile::Bad;
        match verify_from(&request, Some(&mut *drives.burner), self.context) {
            Ok(report) => {
                pile = report.pile();
                for checked in &report.discs {
                    self.context.monitor.note(checked.notice().into());
                }
                if report.discs.is_empty() {
                    let content = disc.words.clone();
                    self.context.monitor.note(WatchNotice::OfNoUse { content }.into());
                }
                self.report.damaged += u64::from(!report.is_sound());
                self.report.checked.extend(report.discs);
            }
            Err(error) if ends_watch(&error) => return Err(error),
            // It was taken out, which was said, and may be put in again.
            Err(_) if matches!(content(&mut *drives.burner)?, WatchedMedium::Nothing) => {
                return Ok(());
            }
            Err(error) => {
                let why = match error {
                    FlowError::NeverCame { source, .. } => Cause::of(*source),
                    error => Cause::of(error),
                };
                let content = disc.words.clone();
                self.context.monitor.note(WatchNotice::NotVerified { content, why }.into());
            }
        }
        self.done = Some(disc);
        self.hand_out(pile, drives)
    }
}

/// A wish to stop, or a drive that went away while it read: there is nothing to watch any more.
fn ends_watch(error: &FlowError) -> bool {
    error.absence().is_some_and(Absence::leaves_no_drive) || matches!(error, FlowError::Stopped(_))
}

fn content(drive: &mut dyn Drive) -> Result<WatchedMedium, FlowError> {
    if is_blank(drive)? {
        return Ok(WatchedMedium::Blank);
    }
    let title = drive.title();
    let slot = drive.slot().ok_or(FlowError::NoSlot(title))?;
    let Some(words) = slot.content()? else { return Ok(WatchedMedium::Nothing) };
    Ok(WatchedMedium::Written(Written { words, insertion: slot.insertion() }))
}

fn is_blank(drive: &mut dyn Drive) -> Result<bool, FlowError> {
    match drive.blank_capacity() {
        Ok(capacity) => Ok(capacity.is_some()),
        Err(error) if error.is_about_the_medium() => Ok(false),
        Err(DriveError::Stopped(stopped)) => Err(stopped.into()),
        Err(error) => Err(error.into()),
    }
}

/// The disc that waits to be read back and is in the drive.
fn inside<'a>(
    waiting: &'a [NextDisc],
    drive: &mut dyn Drive,
) -> Result<Option<&'a NextDisc>, FlowError> {
    if waiting.is_empty() {
        return Ok(None);
    }
    let found = drive.discs()?;
    let labels: Vec<DiscIdentity> =
        found.discs.iter().flat_map(|disc| DiscIdentity::candidates(&**disc)).collect();
    match found.discs.iter().find_map(|disc| disc.absence()) {
        Some(absence) => Err(absence.into()),
        None => Ok(waiting.iter().find(|next| labels.contains(&label(&next.set, &next.disc)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::DeviceError;
    use crate::drive::fake::{Act, image_on};
    use crate::flow::tests::media::FlowBench;
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn with_two_staged_discs() -> FlowBench {
        let bench = FlowBench::new();
        for (n, name) in ["film0", "film1"].into_iter().enumerate() {
            let mut state = n as u64 + 1;
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                (state >> 56) as u8
            })
            .take(2_500_000)
            .collect();
            fs::write(bench.path("source").join(name), noise).unwrap();
        }
        bench.backup(1, None);
        bench
    }

    /// It is said once, counts as a failure, and costs no blank; the next disc is burned.
    #[test]
    fn a_disc_that_is_lost_in_staging_is_named_and_the_next_one_is_burned() {
        let bench = with_two_staged_discs();
        let set = fs::read_dir(bench.path("staging")).unwrap().map(|entry| entry.unwrap().path());
        let set = set.into_iter().find(|path| path.join("0001").exists()).unwrap();
        fs::remove_dir_all(set.join("0001")).unwrap();
        let one = bench.path("one");
        bench.tray.will_get(&[&one]);
        let report = bench.watch(&bench.person).unwrap();
        assert_eq!(report.burned, [("films".to_owned(), 2)]);
        assert_eq!(report.failures, 1);
        assert!(image_on(&one).is_some());
        let notes = bench.monitor.words();
        let said = notes.iter().filter(|note| {
            note.starts_with("films: disc 1 is no longer complete in the staging area")
        });
        assert_eq!(said.count(), 1, "{notes:?}");
    }

    /// Another program uses the drive when the first disc should be ejected, and somebody swaps it
    /// for one of the same name before the drive is looked at again.
    #[test]
    fn a_copy_in_place_of_one_that_was_verified_is_verified_too() {
        let bench = with_two_staged_discs();
        let (one, two) = (bench.path("one"), bench.path("two"));
        bench.tray.will_get(&[&one, &one, &two]);
        let ejects = AtomicU32::new(0);
        bench.tray.at_each_act(move |tray, act| {
            if !matches!(act, Act::Eject) || ejects.fetch_add(1, Ordering::Relaxed) != 1 {
                return Ok(());
            }
            tray.put_in(&one);
            Err(DeviceError::Busy { path: "/dev/fake".into(), by: None }.into())
        });
        let report = bench.watch(&bench.person).unwrap();
        assert_eq!(report.checked.len(), 2, "{:?}", bench.monitor.words());
        assert_eq!(report.burned.len(), 2);
    }

    /// Whatever it is: nobody wants to read twice in a row what is waited for.
    #[test]
    fn what_is_waited_for_is_said_when_it_changes() {
        let bench = FlowBench::new();
        let request = WatchRequest {
            devices: vec!["/dev/fake".into()],
            catalog: bench.path("catalog.sqlite"),
            staging: bench.path("staging"),
            scratch: bench.path("scratch"),
            until_done: false,
            trust: Trust::default(),
        };
        let discs = WatchedDiscs::default();
        let mut watch = Watch::new(&request, (0, Path::new("/dev/fake")), &discs, bench.context());
        let wanted = |which| WaitReason::Wanted(WantedMedium::any(None, which));
        for (said, is_new) in [
            (WaitReason::NothingStaged, true),
            (WaitReason::NothingStaged, false),
            (WaitReason::InUse(InUse::Catalog("/c".into())), true),
            (wanted(DiscChoice::ToVerify), true),
            (wanted(DiscChoice::ToVerify), false),
            (wanted(DiscChoice::ToDrill), true),
            (WaitReason::NothingStaged, true),
        ] {
            assert_eq!(watch.is_new(said.clone()), is_new, "{said:?}");
        }
    }
}
