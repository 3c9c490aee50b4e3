//! A drive that is a script: each command has its answers, the last of which stays.

use super::*;
use crate::drive::optical::burner::Optical;
use crate::drive::optical::free::scsi_host;
use crate::drive::optical::medium::MediumState;
use crate::drive::{Drive, DriveError, Slot};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

type Answers = Vec<Result<Vec<u8>, ScsiError>>;

#[derive(Default)]
struct ScriptedLink {
    answers: Mutex<HashMap<u8, Answers>>,
    no_motor: bool,
    eject: Option<bool>,
    claimed: bool,
    user: Option<User>,
    /// Those that claim it one after the other, before that.
    passing: Mutex<Vec<User>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl ScriptedLink {
    fn with(self, opcode: u8, answers: Answers) -> ScriptedLink {
        self.answers.lock().unwrap().insert(opcode, answers.into_iter().rev().collect());
        self
    }
}

impl DriveLink for ScriptedLink {
    fn command(&self, cdb: &[u8], transfer: Transfer, _: Duration) -> Result<usize, ScsiError> {
        self.told.lock().unwrap().push(format!("{:02x}", cdb[0]));
        let mut answers = self.answers.lock().unwrap();
        let unknown = sense(5, 0x20, 0);
        let Some(left) = answers.get_mut(&cdb[0]) else { return Err(unknown) };
        let answer = if left.len() > 1 { left.pop().unwrap() } else { left[0].clone() };
        let answer = answer?;
        let Transfer::FromDrive(room) = transfer else { return Ok(0) };
        let length = answer.len().min(room.len());
        room[..length].copy_from_slice(&answer[..length]);
        Ok(length)
    }
    fn tray(&self) -> Result<Tray, Errno> {
        Err(Errno::ENODEV)
    }
    fn eject(&self) -> Result<bool, Errno> {
        self.told.lock().unwrap().push("eject".to_owned());
        Ok(self.eject.unwrap_or(true))
    }
    fn close_tray(&self) -> Result<bool, Errno> {
        self.told.lock().unwrap().push("close".to_owned());
        Ok(true)
    }
    fn unlock(&self) -> Result<(), Errno> {
        self.told.lock().unwrap().push("unlock".to_owned());
        Err(Errno::EACCES)
    }
    fn lock_while_open(&self) -> Result<(), Errno> {
        self.told.lock().unwrap().push("lock while open".to_owned());
        Ok(())
    }
    fn claim(&self) -> Result<Option<File>, Errno> {
        let is_claimed = self.claimed || !self.passing.lock().unwrap().is_empty();
        if is_claimed { Err(Errno::EBUSY) } else { Ok(None) }
    }
    fn user(&self) -> Option<User> {
        self.user.clone()
    }
    fn claimant(&self) -> Option<User> {
        self.passing.lock().unwrap().pop().or_else(|| self.user.clone())
    }
    fn can_close_tray(&self) -> bool {
        !self.no_motor
    }
    fn size(&self) -> Result<u64, Errno> {
        Err(Errno::EBUSY)
    }
    fn disk_sequence(&self) -> Option<u64> {
        None
    }
}

fn sense(key: u8, asc: u8, ascq: u8) -> ScsiError {
    ScsiError::Sense(Sense { key, asc, ascq, progress: None })
}

fn inquiry(kind: u8) -> Result<Vec<u8>, ScsiError> {
    let mut reply = vec![kind, 0x80, 5, 0x32, 0x5b, 0, 0, 0];
    reply.extend(b"HL-DT-STBD-RE WH16NS60  1.02");
    Ok(reply)
}

fn device(script: ScriptedLink) -> Device {
    let script = script.with(0x12, vec![inquiry(5)]);
    Device::over("/dev/sr9".into(), Box::new(script)).unwrap()
}

#[test]
fn only_optical_drives_are_taken() {
    let disk = ScriptedLink::default().with(0x12, vec![inquiry(0)]);
    let error = Device::over("/dev/sr9".into(), Box::new(disk)).err().unwrap();
    assert!(matches!(error, DeviceError::NotOptical(_)), "{error}");
    for path in ["/dev/null", "/dev/shm", "/etc/passwd"] {
        let error = Device::open(Path::new(path)).err().unwrap();
        assert!(matches!(error, DeviceError::NotOptical(_)), "{path}: {error}");
    }
    let error = Device::open(Path::new("/dev/sr987")).err().unwrap();
    assert!(matches!(error, DeviceError::Missing(_)), "{error}");
}

#[test]
fn news_before_an_answer_are_passed_over() {
    let changed = || Err(sense(6, 0x28, 0));
    let drive = device(ScriptedLink::default().with(0x00, vec![changed(), changed(), Ok(vec![])]));
    let ready = drive.await_ready(Duration::ZERO, &Stop::new()).unwrap();
    assert_eq!(ready, Readiness::Ready);
    // News without an end are an answer, too.
    let drive = device(ScriptedLink::default().with(0x00, vec![changed()]));
    let ready = drive.await_ready(Duration::ZERO, &Stop::new()).unwrap();
    assert!(matches!(ready, Readiness::Unusable(_)), "{ready:?}");
}

#[test]
fn a_drive_that_spins_up_is_waited_for() {
    let starting = || Err(sense(2, 4, 1));
    let drive =
        device(ScriptedLink::default().with(0x00, vec![starting(), starting(), Ok(vec![])]));
    let ready = drive.await_ready(Duration::from_secs(60), &Stop::new()).unwrap();
    assert_eq!(ready, Readiness::Ready);
    let drive = device(ScriptedLink::default().with(0x00, vec![starting()]));
    let ready = drive.await_ready(Duration::ZERO, &Stop::new()).unwrap();
    assert!(matches!(ready, Readiness::StillBusy(_)), "{ready:?}");
}

#[test]
fn an_empty_drive_and_a_disc_upside_down_are_told_apart() {
    let of = |answer| {
        let drive = device(ScriptedLink::default().with(0x00, vec![Err(answer)]));
        drive.await_ready(Duration::from_secs(60), &Stop::new()).unwrap()
    };
    assert_eq!(of(sense(2, 0x3a, 1)), Readiness::NoMedium);
    assert_eq!(of(sense(2, 0x3a, 2)), Readiness::TrayOpen);
    let Readiness::Unusable(why) = of(sense(2, 6, 0)) else { panic!() };
    assert!(why.to_string().contains("upside down"), "{why}");
}

#[test]
fn waiting_ends_with_a_wish_to_stop() {
    let drive = device(ScriptedLink::default().with(0x00, vec![Err(sense(2, 4, 1))]));
    let stop = Stop::new();
    stop.ask(2);
    let error = drive.await_ready(Duration::from_secs(60), &stop).unwrap_err();
    assert!(matches!(error, DeviceError::Stopped(_)), "{error}");
}

#[test]
fn a_drive_that_answers_little_still_says_what_it_holds() {
    let bd_r = vec![0, 0, 0, 4, 0, 0, 0, 0x41];
    let medium =
        |script: ScriptedLink| device(script.with(0x46, vec![Ok(bd_r.clone())])).medium().unwrap();
    let bare = medium(ScriptedLink::default()).unwrap();
    assert_eq!((bare.profile, &bare.state), (Profile::BD_R, &MediumState::Complete));
    let mut disc = vec![0; 34];
    (disc[1], disc[4], disc[6]) = (32, 1, 1);
    let mut track = vec![0; 36];
    track[7] = 1;
    track[16..20].copy_from_slice(&32_768_u32.to_be_bytes());
    let blank = ScriptedLink::default().with(0x51, vec![Ok(disc)]).with(0x52, vec![Ok(track)]);
    let blank = medium(blank).unwrap();
    assert_eq!((blank.state, blank.free), (MediumState::Blank, Sectors(32_768)));
    let none = device(ScriptedLink::default().with(0x46, vec![Ok(vec![0; 8])]));
    assert_eq!(none.medium().unwrap(), None);
}

#[test]
fn a_tray_without_a_motor_and_one_that_is_locked_say_so() {
    let drive = device(ScriptedLink { no_motor: true, ..ScriptedLink::default() });
    assert!(matches!(drive.free().unwrap().close_tray().unwrap_err(), DeviceError::NoMotor(_)));
    // A slot: page 2Ah tells what the kernel does not.
    let mut page = vec![0; 8];
    page.extend([0x2a, 0x20, 0, 0, 0, 0, 0, 0]);
    assert!(!device(ScriptedLink::default().with(0x5a, vec![Ok(page.clone())])).can_close_tray());
    page[14] = 1 << 5;
    assert!(device(ScriptedLink::default().with(0x5a, vec![Ok(page)])).can_close_tray());
    let locked = ScriptedLink { eject: Some(false), ..ScriptedLink::default() };
    let locked = device(locked.with(0x00, vec![Err(sense(5, 0x53, 2))]));
    let error = locked.free().unwrap().eject().unwrap_err();
    assert!(error.to_string().contains("open the tray: the tray is locked"), "{error}");
}

#[test]
fn errors_of_the_system_are_named() {
    let drive = device(ScriptedLink::default());
    assert!(matches!(drive.tray().unwrap_err(), DeviceError::Gone(_)));
    assert!(matches!(drive.size().unwrap_err(), DeviceError::Busy { .. }));
}

#[test]
fn the_host_of_a_drive_is_found_in_its_place() {
    let path = Path::new("/sys/devices/pci0/ata2/host6/target6:0:1/6:0:1:0");
    assert_eq!(scsi_host(path), Some("host6".into()));
    assert_eq!(scsi_host(Path::new("/sys/devices/hosting/x")), None);
}

/// All that a drive may be asked for through the trait.
fn everything(drive: &mut Optical) -> Vec<DriveError> {
    let label = crate::drive::contract::label(1);
    let staged = crate::drive::contract::staged(1);
    let stop = Stop::new();
    vec![
        drive.blank_capacity().unwrap_err(),
        drive.take_blank(&label).unwrap_err(),
        drive.burn(&staged.job, &|_| (), &stop).unwrap_err(),
        drive.find(&label).err().unwrap(),
        drive.discs().err().unwrap(),
        drive.reject(&label).unwrap_err(),
        drive.content().unwrap_err(),
        drive.eject().unwrap_err(),
        drive.find(&label).err().unwrap(),
    ]
}

#[test]
fn a_drive_that_another_program_uses_is_sent_nothing() {
    let burning = Some(User::Program { name: "xorriso".into(), process: 812 });
    for (claimed, user, words) in [
        (true, burning.clone(), "is in use by another program: xorriso, process 812"),
        (true, None, "/dev/sr9 is in use by another program"),
        (true, Some(User::Mount("/mnt".into())), "program: it is mounted at /mnt"),
        (false, burning, "is in use by another program: xorriso, process 812"),
    ] {
        let script = ScriptedLink { claimed, user, ..ScriptedLink::default() };
        let told = script.told.clone();
        let mut drive = Optical::with(device(script));
        told.lock().unwrap().clear();
        for error in everything(&mut drive) {
            assert!(error.is_in_use() && error.to_string().ends_with(words), "{error}");
        }
        assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
    }
}

/// cdrom_id opens a drive with O_EXCL while it looks at it.
#[test]
fn a_drive_that_udev_claims_for_a_moment_is_waited_for() {
    let udev = User::Program { name: "cdrom_id".into(), process: 7 };
    let script = ScriptedLink { passing: Mutex::new(vec![udev]), ..ScriptedLink::default() };
    assert!(device(script).free().is_ok());
}

#[test]
fn the_kernel_is_to_lock_the_tray_and_nothing_that_outlives_this_program() {
    let script = ScriptedLink::default();
    let told = script.told.clone();
    let drive = device(script);
    told.lock().unwrap().clear();
    drive.free().unwrap().keep_shut_while_open();
    assert_eq!(*told.lock().unwrap(), ["unlock", "lock while open"]);
}

#[test]
fn a_free_drive_is_unlocked_before_it_opens() {
    let script = ScriptedLink::default().with(0x00, vec![Ok(vec![])]);
    let told = script.told.clone();
    let drive = device(script);
    told.lock().unwrap().clear();
    drive.free().unwrap().eject().unwrap();
    assert_eq!(*told.lock().unwrap(), ["00", "unlock", "1e", "eject"]);
}

#[test]
fn a_drive_that_spins_up_is_not_waited_for_once_somebody_asked_to_stop() {
    let label = crate::drive::contract::label(1);
    let spins_up = ScriptedLink::default().with(0x00, vec![Err(sense(2, 4, 1))]);
    let (mut drive, stop) = (Optical::with(device(spins_up)), Stop::new());
    drive.heed(&stop);
    stop.ask(15);
    let answers = [
        drive.blank_capacity().err(),
        drive.take_blank(&label).err(),
        drive.content().err(),
        drive.discs().err(),
    ];
    for error in answers {
        assert!(matches!(error, Some(DriveError::Stopped(_))), "{error:?}");
    }
}
