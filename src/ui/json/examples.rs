//! An example of each object, with everything filled, and the section of `docs/json.md` that
//! describes it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, to_value};

use super::care::*;
use super::discs::*;
use super::drives::*;
use super::event::{DiscProgressObject, ErrorObject, Event, Summary};
use super::keysheet::KeysheetObject;
use super::raw_text::RawText;
use super::rebuild::*;
use super::restore::*;
use super::sets::*;
use super::snapshots::*;
use super::status::*;
use super::storing::*;
use super::tally::TallyObject;
use super::words::*;
use crate::port::event::TaskId;

pub struct Example {
    /// Chapter and heading: ``Results: `discs` ``.
    pub section: String,
    /// Of the type.
    pub name: String,
    pub value: Value,
}

impl Example {
    /// Keys that a chapter names once for all its objects.
    pub fn implied(&self) -> std::collections::BTreeSet<String> {
        let implied: &[&str] = match self.section.starts_with("Summaries: ") {
            true => &["event", "command"],
            false => &[],
        };
        implied.iter().map(|key| (*key).to_owned()).collect()
    }
}

fn name_of<T>() -> String {
    std::any::type_name::<T>().rsplit("::").next().unwrap().to_owned()
}

fn object<T: Serialize>(section: &str, object: T) -> Example {
    Example { section: section.to_owned(), name: name_of::<T>(), value: to_value(object).unwrap() }
}

fn event<T: Clone>(name: &str, object: &T, event: impl Fn(T) -> Event) -> Example {
    let section = match name {
        "drives" => "Results: `drives`".to_owned(),
        "error" => "Errors: `error`".to_owned(),
        _ => format!("Events: `{name}`"),
    };
    let value = to_value(event(object.clone())).unwrap();
    Example { section, name: name_of::<T>(), value }
}

fn summary<T: Clone>(command: &str, object: &T, summary: impl Fn(T) -> Summary) -> Example {
    let value = to_value(Event::Summary(summary(object.clone()))).unwrap();
    Example { section: format!("Summaries: {command}"), name: name_of::<T>(), value }
}

fn word() -> String {
    "word".to_owned()
}

fn date() -> String {
    "2026-11-22T23:05:33Z".to_owned()
}

pub fn examples() -> Vec<Example> {
    let all = [snapshots(), discs(), sets(), status(), drives(), storing(), care(), others()];
    all.into_iter().flatten().collect()
}

fn snapshots() -> Vec<Example> {
    let snapshot = SnapshotObject {
        id: 1,
        set: word(),
        date: date(),
        source: RawText::new("source", b"/a"),
        paths: 1,
        size: 1,
        waiting: 1,
    };
    let path = PathObject {
        path: RawText::new("path", b"a"),
        kind: 'l',
        size: 1,
        sha256: Some(word()),
        mode: word(),
        uid: 1,
        gid: 1,
        mtime: word(),
        discs: vec![1],
        waiting: true,
        note: Some(word()),
        link: Some(RawText::new("link", b"b")),
    };
    let loss = LossObject {
        id: 1,
        set: word(),
        date: date(),
        files: 1,
        size: 1,
        for_good: 1,
        for_good_size: 1,
    };
    vec![
        object("Results: `snapshots`", snapshot),
        object("Results: `ls`, `find`", path),
        object("Results: `lost`, `retire`", loss),
    ]
}

fn carrier() -> CarrierKeys {
    CarrierKeys {
        medium: word(),
        kind: Some(word()),
        maker: Some(word()),
        drive: Some(word()),
        shelf: RawText::new("shelf", b"/shelf"),
        folder: RawText::new("folder", b"/folder"),
    }
}

fn copy() -> CopyObject {
    CopyObject {
        copy: 1,
        state: CopyStateWord::Ok,
        place: word(),
        burned: date(),
        verified: Some(date()),
        carrier: carrier(),
    }
}

fn disc() -> DiscObject {
    DiscObject {
        id: 1,
        set: word(),
        uuid: word(),
        state: DiscStateWord::Verified,
        date: Some(date()),
        used: 1,
        capacity: 1,
        snapshot: 1,
        copies: 1,
        verified: Some(date()),
        drilled: Some(date()),
        media: vec![copy()],
        covers: vec![1],
    }
}

fn discs() -> Vec<Example> {
    let due = DueObject {
        id: 1,
        set: word(),
        copy: 1,
        verified: Some(date()),
        suspect: Some(word()),
        place: Some(word()),
        carrier: carrier(),
    };
    let located = LocatedObject { set: word(), disc: 1, copy: 1, place: word() };
    let keysheet = KeysheetObject {
        id: word(),
        set: word(),
        uuid: word(),
        source: RawText::new("source", b"/a"),
        encryption: EncryptionWord::Passphrase,
        newest: Some(1),
        key_ids: vec![word()],
        hint: Some(word()),
        discs: vec![disc()],
        text: word(),
    };
    vec![
        object("Results: `discs`", disc()),
        object("Results: `media` of `discs`", copy()),
        object("Results: `check --dry-run`", due),
        object("Results: `keysheet`", keysheet),
        event("located", &located, Event::Located),
    ]
}

fn sets() -> Vec<Example> {
    let set = SetObject {
        id: word(),
        set: word(),
        uuid: word(),
        source: RawText::new("source", b"/a"),
        encryption: EncryptionWord::None,
        snapshots: 1,
        date: Some(date()),
        discs: 1,
        staged: 1,
    };
    let rename = RenameSummary { set: word(), before: word() };
    let forget =
        ForgetSummary { set: word(), discs: vec![1], staged: vec![1], staged_removed: true };
    vec![
        object("Results: `set list`", set),
        summary("`set rename`", &rename, Summary::SetRename),
        summary("`set forget`", &forget, Summary::SetForget),
    ]
}

fn safety() -> SafetyKeys {
    let path = RawText::new("path", b"a");
    SafetyKeys {
        is_safe: Some(true),
        dangers: vec![word()],
        unknown: vec![word()],
        newest_age: Some(1),
        unfinished: true,
        stopped: Some(word()),
        failed_paths: Some(1),
        stale_paths: 1,
        unreadable: vec![UnreadableObject { path, what: word(), rule: word() }],
        files_by_copies: BTreeMap::from([(2, 40)]),
        copies_wanted: 1,
        may_lose: vec![1],
        only_copy: vec![1],
        no_good_copy: vec![1],
        missing_copies: vec![MissingCopyObject { disc: 1, copy: 1 }],
        oldest_check: Some(date()),
        drilled: vec![DrilledAtObject { disc: 1, at: Some(date()) }],
        groups: vec![GroupObject {
            discs: vec![1],
            recovery: vec![2],
            lost: vec![1],
            may_lose: Some(1),
        }],
    }
}

fn status() -> Vec<Example> {
    let SafetyKeys { unreadable, missing_copies, drilled, groups, .. } = safety();
    let places = PlacesObject {
        catalog: RawText::new("catalog", b"/c"),
        catalog_exists: true,
        staging: RawText::new("staging", b"/s"),
    };
    let set = SetStatusObject {
        id: word(),
        set: word(),
        uuid: word(),
        source: RawText::new("source", b"/a"),
        encryption: EncryptionWord::Recipients,
        snapshots: 1,
        newest: Some(1),
        date: Some(date()),
        safe: 1,
        staged: 1,
        waiting: 1,
        waiting_size: 1,
        rows_waiting: 1,
        wanted: Some(word()),
        in_progress: vec![1],
        safety: safety(),
    };
    let path = PathStatusObject {
        path: RawText::new("path", b"a"),
        size: 1,
        copies: 1,
        discs: vec![1],
        verified: Some(date()),
        places: vec![word()],
        stale: Some(word()),
    };
    vec![
        object("Results: `status`, the first object", places),
        object("Results: `status`, each set", set),
        object("Results: `unreadable` of `status`", unreadable[0].clone()),
        object("Results: `missing_copies` of `status`", missing_copies[0].clone()),
        object("Results: `drilled` of `status`", drilled[0].clone()),
        object("Results: `groups` of `status`", groups[0].clone()),
        object("Results: `status PATH...`", path),
    ]
}

fn drives() -> Vec<Example> {
    let medium = MediumObject {
        kind: word(),
        profile: 0x41,
        state: MediumStateWord::Unusable,
        words: Some(word()),
        free: 1,
        used: 1,
        sessions: 1,
        closed: true,
        layers: Some(1),
        maker: Some(word()),
        speeds_kb: vec![1],
        formatted: Some(true),
        spare: Some(1),
        spare_free: Some(1),
        with_spares: Some(1),
        volume: Some(word()),
    };
    let drive = DriveObject {
        device: RawText::new("device", b"/dev/sr0"),
        vendor: word(),
        model: word(),
        firmware: word(),
        serial: word(),
        closes_tray: true,
        state: DriveStateWord::Loaded,
        words: Some(word()),
        medium: Some(medium.clone()),
    };
    vec![event("drives", &drive, Event::Drive), object("Results: `medium` of `drives`", medium)]
}

const COUNT: TallyObject = TallyObject { count: 1, size: 1 };

fn checked() -> CheckedDiscObject {
    CheckedDiscObject {
        set: word(),
        disc: 1,
        finding: FindingWord::Ok,
        faults: 1,
        repairable: Some(true),
        against: AgainstWord::OwnList,
        opened: Some(true),
    }
}

fn storing() -> Vec<Example> {
    let plan = BackupPlanObject {
        discs: 1,
        capacity: 1,
        fills_up: Some(1),
        on_discs: 1,
        staging: 1,
        minutes: BTreeMap::from([("4x".to_owned(), 24)]),
    };
    let excluded = ExcludedObject { rule: word(), count: 1, size: 1 };
    let hollow = HollowObject { rule: word(), count: 1 };
    let backup = BackupSummaryObject {
        dry_run: true,
        snapshot: Some(1),
        stored: COUNT,
        unchanged: COUNT,
        excluded: vec![excluded.clone()],
        hollow: vec![hollow.clone()],
        failed: COUNT,
        waiting: COUNT,
        rows_waiting: 1,
        recoded_frames: 1,
        discs: vec![1],
        plan: Some(plan.clone()),
    };
    let burn = BurnSummary { discs: vec![1], incomplete: vec![1] };
    let flush = FlushSummary { disc: Some(1), recovery_discs: vec![1], recovery_discs_wait: true };
    let burned = DiscOfSetObject { set: word(), disc: 1 };
    let watch = WatchSummary {
        burned: vec![burned.clone()],
        failures: 1,
        damaged: 1,
        checked: vec![checked()],
    };
    let migrate = MigrateSummary {
        set: word(),
        migrated: COUNT,
        failed: 1,
        discs: vec![1],
        emptied: vec![1],
    };
    vec![
        object("Summaries: Counts", COUNT),
        summary("`backup`", &backup, Summary::Backup),
        object("Summaries: `excluded` of `backup`", excluded),
        object("Summaries: `hollow` of `backup`", hollow),
        object("Summaries: `plan` of `backup`", plan),
        summary("`burn`", &burn, Summary::Burn),
        event("stack", &StackObject { discs: 3, good: 2, rejected: vec![2] }, Event::Stack),
        event("burned", &BurnedObject { disc: 1, size: 1 }, Event::Burned),
        event("copied", &CopiedObject { set: word(), disc: 1, copies: 1 }, Event::Copied),
        summary("`flush`", &flush, Summary::Flush),
        summary("`watch`", &watch, Summary::Watch),
        object("Summaries: `burned` of `watch`", burned),
        summary("`migrate`", &migrate, Summary::Migrate),
    ]
}

fn check() -> Vec<Example> {
    let reading = ReadingObject { date: date(), slow: 1, slowest_ms: 1, unreadable: 1 };
    let copy = CheckedCopyObject {
        set: word(),
        disc: 1,
        copy: 1,
        finding: FindingWord::Unreadable,
        faults: 1,
        ages: true,
        trend: vec![reading.clone()],
    };
    let due = DueCopyObject { set: word(), disc: 1, copy: 1, place: Some(word()) };
    let check = CheckSummary {
        copies: vec![copy.clone()],
        missing: vec![due.clone()],
        elsewhere: vec![due.clone()],
        refused: vec![due.clone()],
    };
    vec![
        summary("`check`", &check, Summary::Check),
        object("Summaries: `copies` of `check`", copy),
        object("Summaries: `trend` of `check`", reading),
        object("Summaries: `missing` of `check`", due),
    ]
}

fn care() -> Vec<Example> {
    let verify = VerifySummary {
        discs: vec![checked()],
        missing_discs: vec![1],
        gone_discs: vec![None, Some(1)],
        unreadable: 1,
        refused: 1,
    };
    let drilled = DrilledDiscObject {
        set: word(),
        disc: 1,
        files: 1,
        bytes: 1,
        faults: 1,
        skipped: vec![word()],
        against: AgainstWord::Signature,
        script: Some(ScriptWord::Coldcut),
        script_differs: Some(true),
    };
    let drill = DrillSummary { discs: vec![drilled.clone()] };
    let rescue = RescueSummary {
        size: 1,
        rescued: 1,
        mended: true,
        files: Some(1),
        damaged: Some(1),
        refused: 1,
    };
    let given_up = GivenUpObject { disc: 1, copies: vec![1], good_left: 1, staged: true };
    let give_up = GiveUpSummary {
        discs: vec![given_up.clone()],
        newest: COUNT,
        for_good: COUNT,
        made_again: vec![1],
    };
    let both = "`lost`, `retire`";
    // One table for both.
    assert_eq!(
        summary(both, &give_up, Summary::Lost).value.as_object().unwrap().len(),
        summary(both, &give_up, Summary::Retire).value.as_object().unwrap().len()
    );
    let mut all = vec![
        summary("`verify`", &verify, Summary::Verify),
        object("Summaries: `discs` of `verify`", checked()),
        summary("`drill`", &drill, Summary::Drill),
        object("Summaries: `discs` of `drill`", drilled),
        summary("`rescue`", &rescue, Summary::Rescue),
        summary(both, &give_up, Summary::Lost),
        object("Summaries: `discs` of `lost`, `retire`", given_up),
    ];
    all.extend(check());
    all
}

fn others() -> Vec<Example> {
    let withheld = WithheldObject { set_id: 1, attributes: 1, devices: 1 };
    let drive = DrivePlanObject { drive: "/dev/sr0".into(), discs: vec![1] };
    let drives = vec![drive.clone()];
    let plan = RestorePlanObject { discs: vec![1], bytes: 1, seconds: 1, changes: 1, drives };
    let restore = RestoreSummaryObject {
        dry_run: true,
        snapshot: Some(1),
        restored: COUNT,
        kept: COUNT,
        failed: COUNT,
        missing_discs: vec![1],
        later_discs: true,
        withheld: withheld.clone(),
        plan: Some(plan.clone()),
    };
    let twin = TwinObject { disc: 1, uuid: word() };
    let set = RebuiltSetObject {
        set: word(),
        uuid: word(),
        snapshots: 1,
        newest: Some(1),
        catalog_of: Some(1),
        discs: vec![1],
        missing_discs: vec![1],
        twins: vec![twin.clone()],
        not_verified: vec![1],
        readings_not_counted: 1,
        lost_files: 1,
        pieced: true,
        unreadable: 1,
    };
    let rebuild = RebuildSummary { sets: vec![set.clone()], unreadable: 1, refused: 1 };
    let progress = DiscProgressObject {
        phase: "backup",
        task: TaskId(1),
        total: Some(1),
        done: 1,
        begun: 1,
        verified: 1,
        estimated: true,
    };
    let error = ErrorObject { kind: "failed", exit: 1, text: word() };
    vec![
        event("progress", &progress, Event::Progress),
        event("error", &error, Event::Error),
        summary("`restore`", &restore, Summary::Restore),
        object("Summaries: `withheld` of `restore`", withheld),
        object("Summaries: `plan` of `restore`", plan),
        object("Summaries: `drives` of `plan` of `restore`", drive),
        summary("`catalog rebuild`", &rebuild, Summary::CatalogRebuild),
        object("Summaries: `sets` of `catalog rebuild`", set),
        object("Summaries: `twins` of `catalog rebuild`", twin),
    ]
}
