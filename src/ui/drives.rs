//! The drives of this system and what is in them, as rows.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::table::{Object, Row};
use crate::drive::{DriveIdentity, KiloBytesPerSecond, Medium, MediumState, Profile};

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

fn state_word(state: &MediumState) -> &'static str {
    match state {
        MediumState::Blank => "blank",
        MediumState::Appendable => "appendable",
        MediumState::Complete => "complete",
        MediumState::Unusable(_) => "unusable",
    }
}

fn state_words(medium: &Medium) -> String {
    match &medium.state {
        MediumState::Unusable(words) => format!("unusable: {words}"),
        MediumState::Blank if medium.spare.is_some() => "blank, with spare areas".to_owned(),
        other => state_word(other).to_owned(),
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
    fn object(&self) -> Value {
        let id = &self.identity;
        let mut object = json!({
            "event": "drive",
            "device": self.device.display().to_string(),
            "vendor": id.vendor,
            "model": id.model,
            "firmware": id.firmware,
            "serial": id.serial,
            "closes_tray": self.can_close_tray,
        });
        let (state, medium) = match &self.content {
            DriveContent::Empty => ("empty", Value::Null),
            DriveContent::TrayOpen => ("tray open", Value::Null),
            DriveContent::Unusable(words) => {
                object["words"] = json!(words);
                ("unusable", Value::Null)
            }
            DriveContent::InUse(words) => {
                object["words"] = json!(words);
                ("in use", Value::Null)
            }
            DriveContent::Medium { medium, volume } => ("loaded", medium_object(medium, volume)),
        };
        object["state"] = json!(state);
        object["medium"] = medium;
        object
    }
}

fn medium_object(medium: &Medium, volume: &Option<String>) -> Value {
    let sectors = |sectors: crate::model::Sectors| sectors.bytes().0;
    json!({
        "kind": medium.profile.to_string(),
        "profile": medium.profile.0,
        "state": state_word(&medium.state),
        "words": match &medium.state {
            MediumState::Unusable(words) => Some(words),
            _ => None,
        },
        "free": sectors(medium.free),
        "used": sectors(medium.used),
        "sessions": medium.sessions,
        "closed": medium.is_closed,
        "layers": medium.layers,
        "maker": medium.maker,
        "speeds_kb": medium.speeds.iter().map(|speed| speed.0).collect::<Vec<_>>(),
        "formatted": medium.formatted,
        "spare_free": medium.spare.map(|(free, _)| sectors(free)),
        "spare": medium.spare.map(|(_, all)| sectors(all)),
        "with_spares": medium.with_spares.map(sectors),
        "volume": volume,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::Profile;

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
        assert_eq!(line(DriveContent::Empty).object()["medium"], Value::Null);
    }
}
