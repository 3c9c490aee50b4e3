//! The session key of one file: it opens that file and no other.

use super::cfb::Cfb;
use super::error::OpenError;
use super::front::envelope_with;
use super::random_access::Unlocked;
use super::read_at::ReadAt;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use zeroize::Zeroizing;

/// Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct FileKey(pub(super) Zeroizing<[u8; 32]>);

impl FileKey {
    /// As `gpg --override-session-key` takes it: 9 is AES-256 (RFC 4880 9.2).
    pub fn for_gpg(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 + 64));
        text.push_str("9:");
        for byte in self.0.iter() {
            text.extend(
                [byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[digit as usize] as char),
            );
        }
        text
    }

    /// Makes ready for reading from anywhere in the file's content.
    pub fn unlock(&self, source: &impl ReadAt) -> Result<Unlocked, OpenError> {
        let (ciphertext, envelope) = envelope_with(source, Cfb::new(&self.0))?;
        Unlocked::new(ciphertext, &envelope)
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(…)")
    }
}

/// Keys of files by the packets in front of them, which are random and so tell files apart.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<[u8; 32], FileKey>>);

impl Kept {
    pub(super) fn put(&self, packets: &[u8], key: &[u8; 32]) {
        let key = FileKey(Zeroizing::new(*key));
        // A thread that panicked left a map that is whole.
        let mut kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        kept.insert(Sha256::digest(packets).into(), key);
    }

    pub(super) fn find(
        &self,
        message: &impl ReadAt,
        packets_len: u64,
    ) -> io::Result<Option<FileKey>> {
        let mut packets = vec![0; usize::try_from(packets_len).unwrap_or(0)];
        let mut filled = 0;
        while filled < packets.len() {
            match message.read_at(filled as u64, &mut packets[filled..])? {
                0 => return Ok(None),
                read => filled += read,
            }
        }
        let digest: [u8; 32] = Sha256::digest(&packets).into();
        let kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        Ok(kept.get(&digest).cloned())
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}
