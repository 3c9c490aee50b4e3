//! Sealing: content of a length known beforehand becomes one OpenPGP message.

use super::cfb::{BLOCK, Cfb};
use super::file_key::{FileKey, Kept};
use super::read_at::ReadAt;
use super::{BoxedError, Locks, MDC_HEAD, OVERHEAD, PREFIX, literal_head, packet};
use sequoia_openpgp::crypto::SessionKey;
use sha1::{Digest as _, Sha1};
use std::io::{self, Write};
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// No file on a disc is longer (ISO 9660), and no five-octet length says more.
pub const MAX_SEALED: u64 = u32::MAX as u64;

const CHUNK: usize = 1 << 16;

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("{0} bytes are too many for one encrypted file: the limit is 4 GiB - 1")]
    TooLong(u64),
    #[error("an encrypted file got {written} bytes instead of the announced {promised}")]
    Length { promised: u64, written: u64 },
    #[error("cannot encrypt a session key")]
    SessionKey(#[source] BoxedError),
    #[error("cannot get random bytes")]
    Random(#[source] io::Error),
    #[error("cannot write encrypted data")]
    Write(#[from] io::Error),
}

/// Seals the files of one set, several at a time if need be: clones share the locks.
#[derive(Clone, Debug)]
pub struct Sealer {
    locks: Arc<Locks>,
    packets_len: u64,
    /// Only where somebody wants to open again what was sealed, and has no other key.
    kept: Option<Arc<Kept>>,
}

impl Sealer {
    pub fn new(locks: Locks) -> Result<Sealer, SealError> {
        let key = random_key()?;
        let probe = session_key_packets(&locks, &key)?;
        Ok(Sealer { locks: Arc::new(locks), packets_len: probe.len() as u64, kept: None })
    }

    /// Remembers the session key of each file that is sealed from now on, in memory alone: a run
    /// that seals for recipients has no other key with which it could try what it made. One that
    /// has the passphrase needs none of them.
    pub fn keeping_keys(self) -> Sealer {
        let kept = (!self.locks.is_passphrase()).then(Arc::default);
        Sealer { kept, ..self }
    }

    /// The key of a file that this sealed, if it was to remember it.
    pub fn file_key(&self, message: &impl ReadAt) -> io::Result<Option<FileKey>> {
        let Some(kept) = &self.kept else { return Ok(None) };
        kept.find(message, self.packets_len)
    }

    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// How long the sealed file will be for so much content, to the byte.
    pub fn sealed_size(&self, length: u64) -> u64 {
        // 6: the header of the encrypted packet.
        length.saturating_add(self.packets_len + 6 + OVERHEAD)
    }

    /// Begins a message of exactly `length` bytes of content under a new session key.
    pub fn seal<W: Write>(&self, length: u64, mut out: W) -> Result<SealedWriter<W>, SealError> {
        let Halves { front, plain, cipher } = self.seal_apart(length)?;
        out.write_all(&front)?;
        Ok(SealedWriter { out, plain, cipher })
    }

    /// The same for two threads: one makes the plaintext, the other enciphers it.
    pub fn seal_apart(&self, length: u64) -> Result<Halves, SealError> {
        if self.sealed_size(length) > MAX_SEALED {
            return Err(SealError::TooLong(length));
        }
        let length = u32::try_from(length).map_err(|_| SealError::TooLong(length))?;
        let key = random_key()?;
        let mut front = session_key_packets(&self.locks, &key)?;
        if let Some(kept) = &self.kept {
            kept.put(&front, &key);
        }
        front.extend(packet::header(packet::SEIP, length + OVERHEAD as u32));
        // Version 1 of the packet.
        front.push(1);
        let mut chunk = Vec::with_capacity(CHUNK);
        chunk.extend(random_prefix()?);
        chunk.extend(literal_head(length));
        let plain = PlaintextBody { hash: Sha1::new(), chunk, promised: length.into(), written: 0 };
        Ok(Halves { front, plain, cipher: Cipher { cfb: Cfb::new(&key) } })
    }
}

/// A message that is being sealed, in the order in which its parts meet: what stands before the
/// encrypted packet's body; who makes that body; who enciphers it.
pub struct Halves {
    pub front: Vec<u8>,
    pub plain: PlaintextBody,
    pub cipher: Cipher,
}

/// The body of the encrypted packet before encryption: a random prefix, the content in its literal
/// packet, and a hash over all of it.
pub struct PlaintextBody {
    hash: Sha1,
    chunk: Vec<u8>,
    promised: u64,
    written: u64,
}

impl PlaintextBody {
    /// Takes content, and hands on what is ready in chunks for [`Cipher::encrypt`].
    pub fn write(
        &mut self,
        content: &[u8],
        ready: &mut dyn FnMut(Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        if content.len() as u64 > self.promised - self.written {
            let text = "more content than was announced for an encrypted file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.written += content.len() as u64;
        self.push(content, ready)
    }

    /// Hands on what is left and the modification detection code (RFC 4880 5.14). An error if the
    /// content was not as long as promised.
    pub fn finish(
        mut self,
        ready: &mut dyn FnMut(Vec<u8>) -> io::Result<()>,
    ) -> Result<(), SealError> {
        if self.written != self.promised {
            return Err(SealError::Length { promised: self.promised, written: self.written });
        }
        // The code covers its own packet's header.
        self.push(&MDC_HEAD, ready)?;
        self.hash.update(&self.chunk);
        self.chunk.extend(self.hash.finalize());
        Ok(ready(self.chunk)?)
    }

    fn push(
        &mut self,
        mut bytes: &[u8],
        ready: &mut dyn FnMut(Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = rest;
            if self.chunk.len() == CHUNK {
                self.hash.update(&self.chunk);
                ready(std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK)))?;
            }
        }
        Ok(())
    }
}

/// Enciphers what [`PlaintextBody`] hands on, in its order.
pub struct Cipher {
    cfb: Cfb,
}

impl Cipher {
    pub fn encrypt(&mut self, chunk: &mut [u8]) {
        self.cfb.encrypt(chunk);
    }
}

fn random_key() -> Result<Zeroizing<[u8; 32]>, SealError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut key[..]).map_err(|e| SealError::Random(e.into()))?;
    Ok(key)
}

/// A random block and its last two bytes once more (RFC 4880 5.13).
fn random_prefix() -> Result<[u8; PREFIX], SealError> {
    let mut prefix = [0; PREFIX];
    getrandom::fill(&mut prefix[..BLOCK]).map_err(|e| SealError::Random(e.into()))?;
    prefix.copy_within(BLOCK - 2..BLOCK, BLOCK);
    Ok(prefix)
}

fn session_key_packets(locks: &Locks, key: &[u8; 32]) -> Result<Vec<u8>, SealError> {
    let session_key = SessionKey::from(&key[..]);
    locks.session_key_packets(&session_key).map_err(|e| SealError::SessionKey(e.into()))
}

/// Takes the content of a sealed file. [`SealedWriter::finish`] must end it: without, gpg refuses
/// the file as tampered with.
pub struct SealedWriter<W: Write> {
    out: W,
    plain: PlaintextBody,
    cipher: Cipher,
}

impl<W: Write> SealedWriter<W> {
    /// Writes what is left and the modification detection code. An error if the content was not as
    /// long as promised.
    pub fn finish(self) -> Result<W, SealError> {
        let SealedWriter { mut out, plain, mut cipher } = self;
        plain.finish(&mut |chunk| encipher(&mut cipher, chunk, &mut out))?;
        Ok(out)
    }
}

fn encipher(cipher: &mut Cipher, mut chunk: Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    cipher.encrypt(&mut chunk);
    out.write_all(&chunk)
}

impl<W: Write> std::fmt::Debug for SealedWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedWriter({} of {})", self.plain.written, self.plain.promised)
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let SealedWriter { out, plain, cipher } = self;
        plain.write(buf, &mut |chunk| encipher(cipher, chunk, out))?;
        Ok(buf.len())
    }

    /// What is not a whole chunk stays until there is one.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// 32 random bytes, sealed: whoever opens them has the right passphrase or key.
pub fn make_token(sealer: &Sealer) -> Result<Vec<u8>, SealError> {
    let mut secret = random_key()?;
    let mut writer = sealer.seal(secret.len() as u64, Vec::new())?;
    writer.write_all(&secret[..])?;
    secret.zeroize();
    writer.finish()
}
