//! What a burning program is told: which one it is, what a person chose, what is burned and where.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::drive::optical::Profile;
use crate::model::Sectors;

/// Which program burns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    #[default]
    Xorriso,
    Growisofs,
}

impl Engine {
    pub const NAMES: [&str; 2] = ["xorriso", "growisofs"];

    pub fn parse(name: &str) -> Option<Engine> {
        match name {
            "xorriso" => Some(Engine::Xorriso),
            "growisofs" => Some(Engine::Growisofs),
            _ => None,
        }
    }

    /// growisofs would make the volume with genisoimage, which cannot make ours: it is given a
    /// whole image.
    pub fn needs_image(self) -> bool {
        self == Engine::Growisofs
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Engine::NAMES[*self as usize])
    }
}

/// A multiple of the medium's own 1x, in tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    tenths: u32,
}

impl Speed {
    /// `4`, `4x`, `2.4x`.
    pub fn parse(text: &str) -> Option<Speed> {
        let number = text.strip_suffix('x').unwrap_or(text);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| {
            (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole) || !digits(part) || part.len() != 1 {
            return None;
        }
        let tenths = whole.parse::<u32>().ok()? * 10 + part.parse::<u32>().ok()?;
        (tenths > 0).then_some(Speed { tenths })
    }
}

/// `4` or `2.4`, as both programs take it.
impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenths % 10 {
            0 => write!(f, "{}", self.tenths / 10),
            part => write!(f, "{}.{part}", self.tenths / 10),
        }
    }
}

/// What a person chose.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub engine: Engine,
    /// `None`: the program and the drive agree on the fastest.
    pub speed: Option<Speed>,
    pub stream_recording: bool,
    pub defect_management: bool,
}

/// What is burned.
#[derive(Clone, Copy, Debug)]
pub enum BurnSource<'a> {
    /// The volume is made while it is written.
    Tree,
    Image {
        path: &'a Path,
        sectors: Sectors,
    },
}

/// Where it is burned.
#[derive(Clone, Debug)]
pub struct BurnTarget {
    pub device: PathBuf,
    /// For people.
    pub drive: String,
    pub profile: Profile,
    /// Rewritable media must be formatted before their first use.
    pub is_formatted: bool,
    /// What the program says goes here; the file exists only while a burn is not judged.
    pub log: PathBuf,
}

impl BurnTarget {
    /// Where the words of the last burn are kept for somebody who looks for them.
    pub fn last_log(&self) -> PathBuf {
        self.log.with_extension("last.log")
    }
}
