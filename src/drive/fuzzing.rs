//! A door for the fuzzers of `fuzz/`: what reads foreign bytes here and is nobody else's business. It
//! exists only under the feature `fuzzing`.

use super::engine::{self, Engine, Heard};
use super::optical::medium::{Medium, Replies};
use super::optical::{Sense, mmc};
use super::{Bytes, iso, xorriso};
use crate::model::size::SECTOR;
use crate::port::stop::Stop;

/// What burning programs print, in lines.
pub fn words(data: &[u8]) {
    for engine in [Engine::Xorriso, Engine::Growisofs] {
        let mut heard = Heard::default();
        for line in String::from_utf8_lossy(data).lines() {
            heard.take(engine::hear(engine, line), &|_| ());
        }
    }
    let _ = xorriso::size(data);
}

/// A medium, from sector 16 on: those before are empty on every disc.
pub fn volume(data: &[u8]) {
    let read = |position: u64, buf: &mut [u8]| {
        let inside = position.checked_sub(16 * SECTOR).and_then(|at| usize::try_from(at).ok());
        let rest = inside.and_then(|at| data.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    };
    let Ok(listing) = iso::list(&read, &Stop::new()) else { return };
    for file in listing.files {
        let is_name = |name: &str| !["", ".", ".."].contains(&name) && !name.contains('\0');
        assert!(file.path.split('/').all(is_name));
        assert!(
            file.places().all(|place| place.end <= listing.sectors.bytes().0 || place.is_empty())
        );
        let size = file.size.0;
        for offset in [0, 1, size / 2, size.saturating_sub(1), size, u64::MAX] {
            let _ = file.sector_at(offset);
            if let Some((_, row)) = file.locate(offset) {
                assert!(row > 0 && Bytes(row) <= file.size);
            }
        }
    }
}

/// The sector of an image that names the volume.
pub fn descriptor(data: &[u8]) {
    let _ = iso::size_in(data);
    assert!(iso::volume_id_in(data).is_none_or(|name| !name.contains('\n')));
}

/// What a drive answers to commands: each parser gets all of it, and a medium is made of the answers.
pub fn replies(data: &[u8]) {
    let _ = (mmc::parse_inquiry(data), mmc::parse_serial(data), mmc::parse_has_tray(data));
    let replies = Replies {
        profile: mmc::parse_profile(data),
        disc: mmc::parse_disc_information(data),
        track: mmc::parse_track_information(data),
        formats: mmc::parse_format_capacities(data),
        capacity: mmc::parse_capacity(data),
        maker: mmc::parse_bd_information(data).or_else(|| mmc::parse_dvd_plus_information(data)),
        speeds: mmc::parse_write_speeds(data),
        spare: mmc::parse_spares(data),
    };
    let medium = Medium::from_replies(replies);
    let _ = (medium.is_overwritable(), medium.writable_whole());
    if let Some(sense) = Sense::parse(data) {
        assert!(!sense.to_string().is_empty());
    }
}
