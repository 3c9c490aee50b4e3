//! The drives of this system and what is in them, as rows.

use std::path::PathBuf;

use super::json::drives::{DriveObject, MediumObject};
use super::json::event::Event;
use super::json::raw_text::RawText;
use super::json::words::{DriveStateWord, MediumStateWord};
use super::table::{Object, Row};
use crate::drive::{DriveIdentity, KiloBytesPerSecond, Medium, MediumState, Profile};
use crate::model::Sectors;

/// One drive.
#[derive(Clone, Debug)]
pub struct DriveLine {
    pub device: PathBuf,
    pub identity: DriveIdentity,
    pub can_close_tray: bool,
    pub content: DriveContent,
}

/// What is in it.
#[derive(Clone, Debug)]
pub enum DriveContent {
    Empty,
    TrayOpen,
    /// A disc is there and cannot be used, or the drive cannot: why.
    Unusable(String),
    /// Another program uses the drive, which is left alone: which.
    InUse(String),
    Medium {
        medium: Box<Medium>,
        /// The name of the volume on it.
        volume: Option<String>,
    },
}

impl Row for DriveLine {
    const HEADINGS: &'static [&'static str] =
        &["DEVICE", "DRIVE", "MEDIUM", "STATE", "FREE", "USED", "SPEEDS", "MAKER", "VOLUME"];
    const NUMBERS: &'static [usize] = &[4, 5];
    const MINOR: &'static [usize] = &[7, 6, 5];

    fn cells(&self) -> Vec<String> {
        let id = &self.identity;
        let drive = format!("{} {} {}", id.vendor, id.model, id.firmware).trim().to_owned();
        let mut cells = vec![self.device.display().to_string(), drive];
        let bare = |words: &str| ["-", words, "", "", "", "", ""].map(str::to_owned);
        cells.extend(match &self.content {
            DriveContent::Empty => bare("empty"),
            DriveContent::TrayOpen => bare("tray open"),
            DriveContent::Unusable(words) | DriveContent::InUse(words) => bare(words),
            DriveContent::Medium { medium, volume } => medium_cells(medium, volume.as_deref()),
        });
        cells
    }
}

fn medium_cells(medium: &Medium, volume: Option<&str>) -> [String; 7] {
    [
        medium.profile.to_string(),
        state_words(medium),
        medium.free.bytes().to_string(),
        medium.used.bytes().to_string(),
        speed_words(medium.profile, &medium.speeds),
        medium.maker.clone().unwrap_or_default(),
        volume.unwrap_or_default().to_owned(),
    ]
}

fn state_words(medium: &Medium) -> String {
    match &medium.state {
        MediumState::Blank if medium.spare.is_some() => "blank, with spare areas".to_owned(),
        MediumState::Blank => "blank".to_owned(),
        MediumState::Appendable => "appendable".to_owned(),
        MediumState::Complete => "complete".to_owned(),
        MediumState::Unusable(words) => format!("unusable: {words}"),
    }
}

/// `6x 4x 2x`.
fn speed_words(profile: Profile, speeds: &[KiloBytesPerSecond]) -> String {
    let words = speeds.iter().map(|speed| {
        let times = f64::from(speed.0) / profile.one_x();
        let whole = (times - times.round()).abs() < 0.05;
        if whole { format!("{times:.0}x") } else { format!("{times:.1}x") }
    });
    words.collect::<Vec<_>>().join(" ")
}

impl Object for DriveLine {
    type Json = Event;

    fn object(&self) -> Event {
        let id = &self.identity;
        let (state, words, medium) = match &self.content {
            DriveContent::Empty => (DriveStateWord::Empty, None, None),
            DriveContent::TrayOpen => (DriveStateWord::TrayOpen, None, None),
            DriveContent::Unusable(words) => (DriveStateWord::Unusable, Some(words), None),
            DriveContent::InUse(words) => (DriveStateWord::InUse, Some(words), None),
            DriveContent::Medium { medium, volume } => {
                (DriveStateWord::Loaded, None, Some(medium_object(medium, volume)))
            }
        };
        Event::Drive(DriveObject {
            device: RawText::path("device", &self.device),
            vendor: id.vendor.clone(),
            model: id.model.clone(),
            firmware: id.firmware.clone(),
            serial: id.serial.clone(),
            closes_tray: self.can_close_tray,
            state,
            words: words.cloned(),
            medium,
        })
    }
}

fn medium_object(medium: &Medium, volume: &Option<String>) -> MediumObject {
    let size = |sectors: Sectors| sectors.bytes().0;
    let (state, words) = match &medium.state {
        MediumState::Blank => (MediumStateWord::Blank, None),
        MediumState::Appendable => (MediumStateWord::Appendable, None),
        MediumState::Complete => (MediumStateWord::Complete, None),
        MediumState::Unusable(words) => (MediumStateWord::Unusable, Some(words.clone())),
    };
    MediumObject {
        kind: medium.profile.to_string(),
        profile: medium.profile.0,
        state,
        words,
        free: size(medium.free),
        used: size(medium.used),
        sessions: medium.sessions,
        closed: medium.is_closed,
        layers: medium.layers,
        maker: medium.maker.clone(),
        speeds_kb: medium.speeds.iter().map(|speed| speed.0).collect(),
        formatted: medium.formatted,
        spare: medium.spare.map(|(_, all)| size(all)),
        spare_free: medium.spare.map(|(free, _)| size(free)),
        with_spares: medium.with_spares.map(size),
        volume: volume.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::Profile;
    use serde_json::{Value, to_value};

    #[test]
    fn speeds_show_as_multiples_of_the_mediums_own() {
        let speeds = [26973, 17982, 10789].map(KiloBytesPerSecond);
        assert_eq!(speed_words(Profile::BD_R, &speeds), "6x 4x 2.4x");
        assert_eq!(speed_words(Profile::BD_R, &[]), "");
    }

    #[test]
    fn an_empty_drive_has_as_many_cells_as_a_full_one() {
        let line = |content| DriveLine {
            device: "/dev/sr0".into(),
            identity: DriveIdentity::default(),
            can_close_tray: true,
            content,
        };
        let medium = Box::new(Medium::from_replies(Default::default()));
        for content in [
            DriveContent::Empty,
            DriveContent::TrayOpen,
            DriveContent::Unusable("why".into()),
            DriveContent::Medium { medium, volume: None },
        ] {
            assert_eq!(line(content).cells().len(), DriveLine::HEADINGS.len());
        }
        let empty = to_value(line(DriveContent::Empty).object()).unwrap();
        assert_eq!((&empty["event"], &empty["medium"]), (&"drive".into(), &Value::Null));
    }
}
