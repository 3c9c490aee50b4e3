//! Values of options: each parser's error says what is allowed, because clap shows just that.

use crate::catalog::CopyNo;
use crate::codec::bzip2_frames::Bzip2Coder;
use crate::drive::{Engine, Speed};
use crate::flow::WaitLimit;
use crate::model::disc::{Compression, DiscName, Ratio};
use crate::model::size::{SMALLEST_DISC, parse_disc_size};
use crate::model::{Bytes, DiscList, DiscUuid, Sectors, SetName, SnapshotSeq};
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Below this, headers outweigh what they describe.
pub const SMALLEST_ARCHIVE: Bytes = Bytes(1 << 10);
/// An archive is a file on an ISO 9660 volume, which holds none over 4 GiB - 1; headers and what
/// data that resists adds to it must fit beside.
pub const LARGEST_ARCHIVE: Bytes = Bytes(3900 << 20);

type Parsed<T> = Result<T, String>;

pub fn set_name(text: &str) -> Parsed<SetName> {
    SetName::new(text).ok_or_else(|| {
        format!("a set's name is 1 to {} characters from A-Z a-z 0-9 - _", SetName::MAX)
    })
}

pub fn disc_size(text: &str) -> Parsed<Sectors> {
    parse_disc_size(text)
        .filter(|sectors| sectors.bytes() >= SMALLEST_DISC)
        .ok_or_else(|| "allowed: bd25, bd50, bd100, bd128, dvd, or a size from 2M".to_owned())
}

pub fn archive_size(text: &str) -> Parsed<Bytes> {
    Bytes::parse(text)
        .filter(|size| (SMALLEST_ARCHIVE..=LARGEST_ARCHIVE).contains(size))
        .ok_or_else(|| "allowed: a size from 1K to 3900M, such as 512M".to_owned())
}

pub fn percent(text: &str) -> Parsed<u8> {
    whole_number(text.strip_suffix('%').unwrap_or(text))
        .and_then(|number| u8::try_from(number).ok())
        .filter(|&number| number <= 100)
        .ok_or_else(|| "allowed: a whole number from 0 to 100".to_owned())
}

/// How many recovery discs for how many discs, or none: a value by itself, for clap takes an
/// `Option` in an `Option` for a value that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParityDiscs(pub Option<Ratio>);

pub fn parity_discs(text: &str) -> Parsed<ParityDiscs> {
    if text == "none" {
        return Ok(ParityDiscs(None));
    }
    Ratio::parse(text).map(|ratio| ParityDiscs(Some(ratio))).ok_or_else(|| {
        format!("allowed: `none`, or K/N, such as 1/5: N at most {}, K at most N", Ratio::MOST)
    })
}

pub fn disc_name(text: &str) -> Parsed<DiscName> {
    DiscName::parse(text)
        .ok_or_else(|| "a disc is named by its number, from 1, or by its UUID".to_owned())
}

pub fn discs(text: &str) -> Parsed<DiscList> {
    let wrong = "discs are named by their numbers, from 1: 3, or 1-4,7";
    DiscList::parse(text).ok_or_else(|| wrong.to_owned())
}

pub fn copy(text: &str) -> Parsed<CopyNo> {
    positive(text).map(CopyNo).ok_or_else(|| "a copy is named by its number, from 1".to_owned())
}

pub fn count(text: &str) -> Parsed<u32> {
    positive(text).ok_or_else(|| "allowed: a whole number from 1".to_owned())
}

pub fn age(text: &str) -> Parsed<Duration> {
    const DAY: u64 = 24 * 3600;
    let wrong = || "allowed: hours, days, weeks or years, such as 36h, 30d, 26w, 1y".to_owned();
    let units = [('h', 3600), ('d', DAY), ('w', 7 * DAY), ('y', 365 * DAY)];
    let (unit, seconds) =
        units.into_iter().find(|(unit, _)| text.ends_with(*unit)).ok_or_else(wrong)?;
    let number = whole_number(text.strip_suffix(unit).unwrap_or_default()).ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// An address that only this machine reaches.
pub fn loopback(text: &str) -> Parsed<SocketAddr> {
    let address: Option<SocketAddr> = text.parse().ok();
    let own = address.filter(|address| address.ip().is_loopback());
    own.ok_or_else(|| {
        "allowed: an address of this machine alone, such as 127.0.0.1:7733".to_owned()
    })
}

pub fn snapshot(text: &str) -> Parsed<SnapshotSeq> {
    positive(text)
        .map(SnapshotSeq)
        .ok_or_else(|| "a snapshot is named by its number, from 1; `snapshots` lists them".into())
}

pub fn disc_uuid(text: &str) -> Parsed<DiscUuid> {
    match DiscName::parse(text) {
        Some(DiscName::Uuid(uuid)) => Ok(uuid),
        _ => Err("a disc is named by the disc_uuid in its DISC.txt".to_owned()),
    }
}

pub fn yes_or_no(text: &str) -> Parsed<bool> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("allowed: yes, no".to_owned()),
    }
}

pub fn engine(text: &str) -> Parsed<Engine> {
    Engine::parse(text).ok_or_else(|| format!("allowed: {}", Engine::NAMES.join(", ")))
}

pub fn speed(text: &str) -> Parsed<Speed> {
    Speed::parse(text).ok_or_else(|| "allowed: a speed such as 4, 4x or 2.4x".to_owned())
}

pub fn on_off(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("allowed: on, off".to_owned()),
    }
}

pub fn wait_limit(text: &str) -> Parsed<WaitLimit> {
    if text == "forever" {
        return Ok(WaitLimit::Endless);
    }
    let wrong = |_| "allowed: a time such as 90s, 10m, 2h, or forever".to_owned();
    time(text).map(WaitLimit::AtMost).map_err(wrong)
}

pub fn time(text: &str) -> Parsed<Duration> {
    let wrong = || "allowed: a time such as 90s, 10m, 2h".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number = whole_number(text.strip_suffix(unit).unwrap_or_default()).ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Digits only: `+7` is a number to Rust and a slip of the finger here.
fn whole_number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn positive(text: &str) -> Option<u32> {
    whole_number(text).filter(|&number| number > 0)
}

pub fn compression() -> impl TypedValueParser<Value = Compression> {
    PossibleValuesParser::new(["bzip2", "zstd", "none"])
        .try_map(|word| Compression::from_word(&word).ok_or("allowed: bzip2, zstd, none"))
}

pub fn bzip2_coder() -> impl TypedValueParser<Value = Bzip2Coder> {
    PossibleValuesParser::new(Bzip2Coder::WORDS)
        .try_map(|word| Bzip2Coder::from_word(&word).ok_or("allowed: own, crate"))
}

/// One name, not a path: it is looked for in every directory.
pub fn file_name() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|name| {
        let bytes = name.as_bytes();
        let plain = !bytes.is_empty() && !bytes.contains(&b'/') && bytes != b"." && bytes != b"..";
        if plain { Ok(name) } else { Err("allowed: the name of a file, without a slash") }
    })
}
