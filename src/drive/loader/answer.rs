//! What a loader prints, as values. It is another program's text, so nothing in it is believed
//! before it was checked.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The version of `docs/loaders.md`.
const CONTRACT: u32 = 1;
/// Of a changer of the largest kind there are a thousand.
const MOST_SLOTS: usize = 10_000;
const LONGEST_NAME: usize = 100;

/// The name of a slot: it can be an argument, and can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SlotName(String);

impl SlotName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SlotName {
    type Error = String;

    fn try_from(name: String) -> Result<SlotName, String> {
        let is_plain = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic())
            && !name.starts_with('-')
            && !["good", "bad"].contains(&name.as_str());
        if is_plain { Ok(SlotName(name)) } else { Err("a slot has an invalid name".to_owned()) }
    }
}

/// Where the disc of a drive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscPosition {
    /// Neither in the drive nor on its way.
    None,
    /// On the open tray.
    Tray,
    /// Behind the closed tray.
    Drive,
    /// In the gripper.
    Lifted,
    Unknown,
}

impl std::fmt::Display for DiscPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DiscPosition::None => "the drive has no disc",
            DiscPosition::Tray => "the disc is on the open tray",
            DiscPosition::Drive => "the disc is in the drive",
            DiscPosition::Lifted => "the loader holds the disc",
            DiscPosition::Unknown => "the loader does not know where the disc is",
        })
    }
}

/// What `load` takes discs from, and `unload` puts them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotPile {
    Input,
    Good,
    Bad,
}

/// A place for discs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LoaderSlot {
    pub slot: SlotName,
    #[serde(default)]
    pub pile: Option<SlotPile>,
    /// `None`: the machine cannot tell.
    #[serde(default)]
    pub disc: Option<bool>,
}

/// A drive that a loader serves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LoaderDrive {
    pub drive: String,
    pub disc: DiscPosition,
    /// Where the disc came from, if that is known.
    #[serde(default)]
    pub slot: Option<SlotName>,
}

/// The answer to `list`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LoaderListing {
    contract: u32,
    pub slots: Vec<LoaderSlot>,
    pub drives: Vec<LoaderDrive>,
}

impl LoaderListing {
    /// The error says what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<LoaderListing, String> {
        let listing: LoaderListing = parse(text)?;
        check_contract(listing.contract)?;
        match listing.slots.len() {
            0..=MOST_SLOTS => Ok(listing),
            slots => Err(format!("{slots} slots are more than the limit of {MOST_SLOTS}")),
        }
    }

    /// Of a drive that the loader does not list it is not known.
    pub fn position(&self, drive: &Path) -> DiscPosition {
        self.drive(drive).map_or(DiscPosition::Unknown, |listed| listed.disc)
    }

    /// Where the disc of a drive came from, if that is known.
    pub fn origin(&self, drive: &Path) -> Option<&SlotName> {
        self.drive(drive)?.slot.as_ref()
    }

    /// The slots of the input that may have a disc, in the loader's order.
    pub fn inputs(&self) -> impl Iterator<Item = &SlotName> {
        let may_have =
            |slot: &&LoaderSlot| slot.pile == Some(SlotPile::Input) && slot.disc != Some(false);
        self.slots.iter().filter(may_have).map(|slot| &slot.slot)
    }

    /// Two names of one node are one drive.
    fn drive(&self, drive: &Path) -> Option<&LoaderDrive> {
        let node = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let wanted = node(drive);
        self.drives.iter().find(|listed| node(Path::new(&listed.drive)) == wanted)
    }
}

/// The answer to `check`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LoaderFacts {
    contract: u32,
    /// Whether it accepts a slot.
    pub chooses: bool,
}

impl LoaderFacts {
    pub fn parse(text: &[u8]) -> Result<LoaderFacts, String> {
        let facts: LoaderFacts = parse(text)?;
        check_contract(facts.contract).map(|()| facts)
    }
}

/// The answer to `load`: nothing, or an object, in which nothing is needed.
pub fn check_loaded(text: &[u8]) -> Result<(), String> {
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    parse::<BTreeMap<String, IgnoredAny>>(text).map(drop)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

fn check_contract(found: u32) -> Result<(), String> {
    match found {
        CONTRACT => Ok(()),
        other => Err(format!("it follows version {other} of the contract, not {CONTRACT}")),
    }
}
