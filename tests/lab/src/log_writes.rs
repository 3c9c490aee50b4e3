//! The log of the kernel's `dm-log-writes`: all that was written to a disk, in the order in which it
//! became durable. Replayed up to some entry, it is the disk after a power cut at that moment.
//!
//! Format: Linux, drivers/md/dm-log-writes.c, `struct log_write_super` and `struct log_write_entry`;
//! Documentation/admin-guide/device-mapper/log-writes.rst. All numbers are little endian. The log
//! begins with the super block, a sector long; each entry has a sector for its head and, if nothing
//! is discarded, as many sectors of data as were written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1 << 0;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;

/// One write, flush, discard or mark.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Where it was written, in sectors of the disk.
    sector: u64,
    sectors: u64,
    flags: u64,
    /// Where its data is in the log, in bytes.
    data: u64,
    /// What somebody wrote into the log by `dmsetup message`.
    pub mark: Option<String>,
}

impl LogEntry {
    /// What came before is durable from here on.
    pub fn is_barrier(&self) -> bool {
        self.flags & (FLUSH | FUA) != 0
    }
}

pub struct WriteLog {
    file: File,
    sector_size: u64,
    pub entries: Vec<LogEntry>,
}

impl WriteLog {
    /// Reads the heads of a log that is complete.
    ///
    /// # Errors
    /// What is no such log is `InvalidData`.
    pub fn open(path: &Path) -> io::Result<WriteLog> {
        let file = File::open(path)?;
        let mut head = [0; 512];
        file.read_exact_at(&mut head, 0)?;
        let numbers = numbers(&head);
        if numbers[..2] != [MAGIC, VERSION] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no log of dm-log-writes"));
        }
        let (count, sector_size) = (numbers[2], numbers[3] & u64::from(u32::MAX));
        let mut log = WriteLog { file, sector_size, entries: Vec::new() };
        let mut at = sector_size;
        for _ in 0..count {
            let entry = log.entry(at)?;
            let has_data = entry.flags & DISCARD == 0;
            at = entry.data + if has_data { entry.sectors * sector_size } else { 0 };
            log.entries.push(entry);
        }
        Ok(log)
    }

    fn entry(&self, at: u64) -> io::Result<LogEntry> {
        let mut head = vec![0; self.sector_size as usize];
        self.file.read_exact_at(&mut head, at)?;
        let [sector, sectors, flags, length] = numbers(&head);
        let text = || String::from_utf8_lossy(&head[32..][..length as usize]).into_owned();
        let mark = (flags & MARK != 0).then(text);
        Ok(LogEntry { sector, sectors, flags, data: at + self.sector_size, mark })
    }

    /// Does to a disk what this entry did; what was discarded is zeros.
    pub fn replay(&self, entry: &LogEntry, disk: &File) -> io::Result<()> {
        let mut left = entry.sectors * self.sector_size;
        let mut done = 0;
        while left > 0 {
            let mut piece = vec![0; left.min(1 << 20) as usize];
            if entry.flags & DISCARD == 0 {
                self.file.read_exact_at(&mut piece, entry.data + done)?;
            }
            disk.write_all_at(&piece, entry.sector * self.sector_size + done)?;
            done += piece.len() as u64;
            left -= piece.len() as u64;
        }
        Ok(())
    }
}

/// The first four numbers of a head.
fn numbers(head: &[u8]) -> [u64; 4] {
    std::array::from_fn(|at| u64::from_le_bytes(std::array::from_fn(|byte| head[at * 8 + byte])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(numbers: &[u64], text: &str) -> Vec<u8> {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend(text.as_bytes());
        bytes.resize(512, 0);
        bytes
    }

    #[test]
    fn a_log_is_replayed_up_to_where_it_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let log = [
            sector(&[MAGIC, VERSION, 5, 512], ""),
            sector(&[1, 2, 0, 0], ""),
            vec![1; 1024],
            sector(&[0, 0, FLUSH, 0], ""),
            sector(&[0, 0, MARK, 5], "begin"),
            sector(&[2, 1, DISCARD, 0], ""),
            sector(&[0, 1, FUA, 0], ""),
            vec![2; 512],
        ];
        std::fs::write(dir.path().join("log"), log.concat()).unwrap();
        let log = WriteLog::open(&dir.path().join("log")).unwrap();
        assert_eq!(log.entries[2].mark.as_deref(), Some("begin"));
        let barriers: Vec<bool> = log.entries.iter().map(LogEntry::is_barrier).collect();
        assert_eq!(barriers, [false, true, false, false, true]);
        let replayed = |count: usize| {
            let disk = tempfile::tempfile().unwrap();
            disk.set_len(4 * 512).unwrap();
            log.entries[..count].iter().for_each(|entry| log.replay(entry, &disk).unwrap());
            let mut first = [0; 4];
            (0..).zip(&mut first).for_each(|(at, byte)| {
                disk.read_exact_at(std::slice::from_mut(byte), at * 512).unwrap();
            });
            first
        };
        assert_eq!(replayed(2), [0, 1, 1, 0]);
        assert_eq!(replayed(4), [0, 1, 0, 0]);
        assert_eq!(replayed(5), [2, 1, 0, 0]);
    }

    #[test]
    fn what_is_no_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("log"), [0; 4096]).unwrap();
        let refused = WriteLog::open(&dir.path().join("log")).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }
}
