//! A disc: what is on it, and how far it is written. It is in a drive or in nobody's; its content
//! is a sparse file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::sense::{self, SenseData};

pub const SECTOR: u64 = 2048;
/// The error correction block of a BD (BD white paper 1.C) and twice that of a DVD.
pub const CLUSTER: u32 = 32;

/// What kind of disc it is, by its profile in a writer (MMC-6 table 92).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscType {
    BdR,
    BdRe,
    DvdPlusR,
    /// Pressed, or finished by somebody long ago.
    DvdRom,
}

impl DiscType {
    pub fn profile(self) -> u16 {
        match self {
            DiscType::BdR => 0x41,
            DiscType::BdRe => 0x43,
            DiscType::DvdPlusR => 0x1b,
            DiscType::DvdRom => 0x10,
        }
    }

    pub fn is_blu_ray(self) -> bool {
        matches!(self, DiscType::BdR | DiscType::BdRe)
    }

    pub fn parse(word: &str) -> Option<DiscType> {
        match word {
            "bd-r" => Some(DiscType::BdR),
            "bd-re" => Some(DiscType::BdRe),
            "dvd+r" => Some(DiscType::DvdPlusR),
            "dvd-rom" => Some(DiscType::DvdRom),
            _ => None,
        }
    }
}

/// A stretch of sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorRange {
    pub start: u32,
    pub count: u32,
}

impl SectorRange {
    fn first_in(self, start: u32, count: u32) -> Option<u32> {
        let first = self.start.max(start);
        (first < (self.start + self.count).min(start + count)).then_some(first)
    }
}

#[derive(Debug)]
pub struct EmulatedDisc {
    pub id: String,
    pub kind: DiscType,
    /// What it holds without spare areas.
    pub sectors: u32,
    /// Sectors that formatting set aside.
    pub spare: u32,
    pub formatted: bool,
    /// BD-R only: sectors seem to be writable twice (Pseudo Overwrite).
    pub pseudo_overwrite: bool,
    /// Closed sessions: first sector and the one after the last.
    pub sessions: Vec<(u32, u32)>,
    /// Where the open track begins, and where the next write must go.
    pub track: u32,
    pub next: u32,
    /// Where a reserved track ends (MMC-6 6.36): the host promised to write so much.
    pub reserved: Option<u32>,
    pub finalised: bool,
    /// A write failed: the track cannot be ended.
    pub damaged: bool,
    /// Faults of the disc itself.
    pub unreadable: Vec<SectorRange>,
    pub slow: Vec<(SectorRange, u64)>,
    pub flipped: Vec<(u32, usize)>,
    pub write_error: Option<u32>,
    content: File,
}

impl EmulatedDisc {
    pub fn new(dir: &Path, id: &str, kind: DiscType, sectors: u32) -> io::Result<EmulatedDisc> {
        let path = dir.join(format!("{id}.disc"));
        let content =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        content.set_len(u64::from(sectors) * SECTOR)?;
        Ok(EmulatedDisc {
            id: id.to_owned(),
            kind,
            sectors,
            spare: 0,
            formatted: false,
            pseudo_overwrite: false,
            sessions: Vec::new(),
            track: 0,
            next: 0,
            reserved: None,
            finalised: false,
            damaged: false,
            unreadable: Vec::new(),
            slow: Vec::new(),
            flipped: Vec::new(),
            write_error: None,
            content,
        })
    }

    /// Somebody burned this image on it and finalised the disc.
    pub fn burned(mut self, image: &Path) -> io::Result<EmulatedDisc> {
        let bytes = std::fs::read(image)?;
        let sectors = u32::try_from(bytes.len() as u64 / SECTOR).map_err(io::Error::other)?;
        self.content.write_all_at(&bytes, 0)?;
        self.sectors = self.sectors.max(sectors);
        self.sessions.push((0, sectors));
        (self.track, self.next, self.finalised) = (sectors, sectors, true);
        self.formatted |= self.kind == DiscType::BdRe;
        Ok(self)
    }

    /// What can be written with the spare areas set aside.
    pub fn capacity(&self) -> u32 {
        self.sectors - self.spare
    }

    pub fn is_blank(&self) -> bool {
        match self.kind {
            DiscType::BdRe => !self.formatted,
            _ => self.sessions.is_empty() && self.next == 0 && !self.finalised,
        }
    }

    /// Sectors that a track begun now can take.
    pub fn free(&self) -> u32 {
        match self.finalised || self.damaged {
            true => 0,
            false => self.track_end().saturating_sub(self.next),
        }
    }

    /// Where the open track must end.
    pub fn track_end(&self) -> u32 {
        self.reserved.unwrap_or_else(|| self.capacity())
    }

    /// RESERVE TRACK: only before anything is in it, and only what there is room for.
    pub fn reserve(&mut self, sectors: u32) -> Result<(), SenseData> {
        if self.finalised || self.has_open_track() || self.kind == DiscType::BdRe {
            return Err(sense::BAD_FIELD);
        }
        let end = self.track.checked_add(sectors).filter(|end| *end <= self.capacity());
        self.reserved = Some(end.ok_or(sense::FULL)?);
        Ok(())
    }

    pub fn has_open_track(&self) -> bool {
        self.next > self.track
    }

    /// What READ CAPACITY says: up to the end of the last closed session (MMC-6 6.19).
    pub fn readable(&self) -> u32 {
        match self.kind {
            DiscType::BdRe if self.formatted => self.capacity(),
            _ => self.sessions.last().map_or(0, |(_, end)| *end),
        }
    }

    /// The default spare areas: 393,216 of 12,219,392 sectors, as drives give a BD of 25 GB.
    pub fn default_spare(&self) -> u32 {
        (u64::from(self.sectors) * 393_216 / 12_219_392) as u32 / CLUSTER * CLUSTER
    }

    pub fn read(&self, start: u32, count: u32) -> Result<Vec<u8>, SenseData> {
        // Inside of an open track what is recorded can be read; drives refuse all else.
        let end = self.readable().max(self.next);
        let wanted = u64::from(start) + u64::from(count);
        if wanted > u64::from(end) {
            return Err(sense::OUT_OF_RANGE);
        }
        let bad = self.unreadable.iter().filter_map(|bad| bad.first_in(start, count)).min();
        if let Some(bad) = bad {
            return Err(sense::UNREADABLE.at(bad));
        }
        let mut data = vec![0; count as usize * SECTOR as usize];
        self.content
            .read_exact_at(&mut data, u64::from(start) * SECTOR)
            .map_err(|_| sense::UNREADABLE.at(start))?;
        for &(sector, byte) in &self.flipped {
            if (start..start + count).contains(&sector) {
                data[(sector - start) as usize * SECTOR as usize + byte] ^= 1;
            }
        }
        Ok(data)
    }

    /// Milliseconds that reading this takes longer than usual.
    pub fn slowness(&self, start: u32, count: u32) -> u64 {
        let hit = |(slow, _): &&(SectorRange, u64)| slow.first_in(start, count).is_some();
        self.slow.iter().filter(hit).map(|(_, milliseconds)| milliseconds).sum()
    }

    /// MMC-6 6.45, WRITE(10): sequential media take the next writable address only.
    pub fn write(&mut self, start: u32, data: &[u8]) -> Result<(), SenseData> {
        let count = (data.len() as u64 / SECTOR) as u32;
        self.check_write(start, count)?;
        if let Some(bad) = self.write_error.filter(|bad| (start..start + count).contains(bad)) {
            let sound = (bad - start) as usize * SECTOR as usize;
            self.put(start, &data[..sound])?;
            self.damaged = self.kind != DiscType::BdRe;
            return Err(sense::WRITE_ERROR.at(bad));
        }
        self.put(start, data)
    }

    fn check_write(&self, start: u32, count: u32) -> Result<(), SenseData> {
        let end = u64::from(start) + u64::from(count);
        match self.kind {
            DiscType::DvdRom => Err(sense::WRONG_MEDIUM),
            DiscType::BdRe if !self.formatted => Err(sense::NOT_FORMATTED),
            DiscType::BdRe if end > u64::from(self.capacity()) => Err(sense::OUT_OF_RANGE),
            DiscType::BdRe => Ok(()),
            _ if self.finalised || self.damaged => Err(sense::WRITE_PROTECTED),
            _ if start != self.next => Err(sense::WRONG_ADDRESS),
            _ if end > u64::from(self.track_end()) => Err(sense::FULL),
            _ => Ok(()),
        }
    }

    fn put(&mut self, start: u32, data: &[u8]) -> Result<(), SenseData> {
        self.content
            .write_all_at(data, u64::from(start) * SECTOR)
            .map_err(|_| sense::WRITE_ERROR.at(start))?;
        if self.kind != DiscType::BdRe {
            self.next = start + (data.len() as u64 / SECTOR) as u32;
        }
        Ok(())
    }

    /// What is in the drive's memory goes onto the disc, in whole clusters.
    pub fn flush(&mut self) {
        if self.kind != DiscType::BdRe {
            self.next = self.next.next_multiple_of(CLUSTER).min(self.capacity());
        }
    }

    /// CLOSE TRACK, then CLOSE SESSION or finalise (MMC-6 6.3).
    pub fn close(&mut self, finalise: bool) -> Result<(), SenseData> {
        if self.damaged {
            return Err(sense::INCOMPLETE_TRACK);
        }
        self.flush();
        if self.has_open_track() {
            self.sessions.push((self.track, self.next));
            self.track = self.next;
        }
        self.reserved = None;
        self.finalised |= finalise;
        Ok(())
    }

    /// FORMAT UNIT.
    pub fn format(&mut self, spare: u32, pseudo_overwrite: bool) -> Result<(), SenseData> {
        match self.kind {
            DiscType::BdRe => {}
            DiscType::BdR if self.is_blank() => {}
            _ => return Err(sense::WRONG_MEDIUM),
        }
        (self.formatted, self.spare) = (true, spare);
        self.pseudo_overwrite = pseudo_overwrite;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(kind: DiscType) -> (tempfile::TempDir, EmulatedDisc) {
        let dir = tempfile::tempdir().unwrap();
        let disc = EmulatedDisc::new(dir.path(), "x", kind, 128).unwrap();
        (dir, disc)
    }

    const ONE: [u8; 2048] = [7; 2048];

    #[test]
    fn a_write_once_disc_is_written_in_order_and_once() {
        let (_dir, mut disc) = disc(DiscType::BdR);
        assert_eq!(disc.read(0, 1), Err(sense::OUT_OF_RANGE));
        assert_eq!(disc.write(5, &ONE), Err(sense::WRONG_ADDRESS));
        disc.write(0, &ONE).unwrap();
        assert_eq!(disc.write(0, &ONE), Err(sense::WRONG_ADDRESS));
        assert_eq!((disc.readable(), disc.is_blank()), (0, false));
        disc.close(false).unwrap();
        assert_eq!((disc.readable(), disc.free()), (32, 96));
        disc.write(32, &ONE).unwrap();
        disc.close(true).unwrap();
        assert_eq!((disc.readable(), disc.free(), disc.sessions.len()), (64, 0, 2));
        assert_eq!(disc.write(64, &ONE), Err(sense::WRITE_PROTECTED));
        assert_eq!(disc.read(0, 1).unwrap(), ONE);
    }

    #[test]
    fn a_disc_ends_where_it_ends() {
        let (_dir, mut disc) = disc(DiscType::DvdPlusR);
        let all = vec![1; 129 * 2048];
        assert_eq!(disc.write(0, &all), Err(sense::FULL));
        disc.write(0, &all[..128 * 2048]).unwrap();
        assert_eq!(disc.free(), 0);
    }

    #[test]
    fn a_rewritable_disc_is_formatted_first_and_written_anywhere() {
        let (_dir, mut disc) = disc(DiscType::BdRe);
        assert_eq!(disc.write(0, &ONE), Err(sense::NOT_FORMATTED));
        disc.format(32, false).unwrap();
        disc.write(90, &ONE).unwrap();
        assert_eq!(disc.read(90, 1).unwrap(), ONE);
        assert_eq!(disc.write(96, &ONE), Err(sense::OUT_OF_RANGE));
    }

    #[test]
    fn faults_are_where_they_were_put() {
        let (_dir, mut disc) = disc(DiscType::BdR);
        disc.write_error = Some(3);
        let data = vec![9; 8 * 2048];
        assert_eq!(disc.write(0, &data), Err(sense::WRITE_ERROR.at(3)));
        assert_eq!((disc.next, disc.free()), (3, 0));
        assert_eq!(disc.close(true), Err(sense::INCOMPLETE_TRACK));
        disc.unreadable.push(SectorRange { start: 1, count: 1 });
        assert_eq!(disc.read(0, 3), Err(sense::UNREADABLE.at(1)));
        disc.flipped.push((2, 10));
        assert_eq!(disc.read(2, 1).unwrap()[10], 8);
    }
}
