//! AES-256 in cipher feedback mode, a buffer at a time.
//!
//! Since the ciphertext of one block is the IV of the next, a stream can be taken up at any block.

use aes::Aes256;
use cfb_mode::cipher::{InnerIvInit, KeyInit};

pub(super) const BLOCK: usize = 16;

/// A key made ready, and the ciphertext block before the next bytes.
#[derive(Clone)]
pub(super) struct Cfb {
    cipher: Aes256,
    iv: [u8; BLOCK],
}

impl Cfb {
    pub(super) fn new(key: &[u8; 32]) -> Cfb {
        Cfb { cipher: Aes256::new(key.into()), iv: [0; BLOCK] }
    }

    /// The same key, taken up after the ciphertext block `iv`.
    pub(super) fn behind(&self, iv: [u8; BLOCK]) -> Cfb {
        Cfb { cipher: self.cipher.clone(), iv }
    }

    /// Enciphers whole blocks; the last call may have less than a block at its end.
    pub(super) fn encrypt(&mut self, buf: &mut [u8]) {
        let mode = cfb_mode::Encryptor::inner_iv_init(self.cipher.clone(), &self.iv.into());
        mode.encrypt(buf);
        self.keep_last_block(buf);
    }

    /// Deciphers whole blocks; the last call may have less than a block at its end.
    pub(super) fn decrypt(&mut self, buf: &mut [u8]) {
        let mode = cfb_mode::Decryptor::inner_iv_init(self.cipher.clone(), &self.iv.into());
        self.keep_last_block(buf);
        mode.decrypt(buf);
    }

    fn keep_last_block(&mut self, ciphertext: &[u8]) {
        if let Some(last) = ciphertext.len().checked_sub(BLOCK) {
            self.iv.copy_from_slice(&ciphertext[last..]);
        }
    }
}

impl std::fmt::Debug for Cfb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cfb(…)")
    }
}
