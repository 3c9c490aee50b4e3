//! Opening: from a passphrase or a secret key to the session key of a message.

use super::cfb::Cfb;
use super::opened::{Opened, Tolerance};
use super::packet::{self, Body, Length};
use super::random_access::{AtReader, ReadAt, Unlocked};
use super::{Cause, FileKey, PREFIX};
use crate::port::operator::Secret;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::crypto::{Password, S2K, SessionKey};
use sequoia_openpgp::packet::key::{SecretParts, UnspecifiedRole};
use sequoia_openpgp::packet::{Key, PKESK, Packet, SKESK};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::types::SymmetricAlgorithm;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Mutex;
use zeroize::Zeroizing;

/// No session-key packet is longer: RSA of 16,384 bits takes 2 KiB.
const MAX_KEY_PACKET: u64 = 1 << 16;
/// Recipients of a message; more are a trap.
const MAX_KEY_PACKETS: usize = 1000;
/// Passphrases of a message; coldcut gives it one, and each that is tried takes about 50 ms.
const MAX_PASSPHRASES: usize = 16;
/// Salts whose derived keys are kept: a derivation takes about 50 ms.
const MAX_DERIVED: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("this is not the passphrase")]
    WrongPassphrase,
    #[error("it is sealed for keys, not by a passphrase: give the secret key")]
    NeedsKey,
    #[error("it is sealed by a passphrase, not for keys: give the passphrase")]
    NeedsPassphrase,
    #[error("it is sealed for other keys: {}", .0.join(", "))]
    NoMatchingKey(Vec<String>),
    #[error(
        "the key file holds no secret key that decrypts: export it with `gpg --export-secret-keys`"
    )]
    NoSecretKey,
    #[error("cannot read the key file")]
    UnreadableKey(#[source] Cause),
    #[error("the secret key is protected and its password is missing or wrong")]
    KeyPassword,
    #[error("it is not an OpenPGP message")]
    NotOpenPgp,
    #[error(
        "it is an OpenPGP message of a kind that coldcut never writes ({0}): decrypt it with gpg"
    )]
    Unsupported(&'static str),
    #[error("the encrypted data is damaged: {0}")]
    Damaged(&'static str),
    #[error("cannot read encrypted data")]
    Read(#[from] io::Error),
}

impl OpenError {
    /// The message may be whole: it is for somebody else.
    pub fn is_of_another_key(&self) -> bool {
        use OpenError::{NeedsKey, NeedsPassphrase, NoMatchingKey, WrongPassphrase};
        matches!(self, WrongPassphrase | NoMatchingKey(_) | NeedsKey | NeedsPassphrase)
    }
}

type SecretKey = Key<SecretParts, UnspecifiedRole>;

/// Opens what was sealed with a passphrase or for a key.
pub struct Opener {
    means: Means,
    derived: Mutex<HashMap<S2K, SessionKey>>,
}

enum Means {
    Passphrase(Password),
    Keys(Vec<SecretKey>),
}

/// A session key, and whether something vouches for it beside the two bytes of the prefix.
struct Candidate {
    key: Zeroizing<[u8; 32]>,
    vouched: bool,
}

/// A message read up to its first 18 encrypted bytes, and the key that fits them.
pub(super) struct Envelope {
    pub(super) cfb: Cfb,
    pub(super) prefix: [u8; PREFIX],
    pub(super) length: Length,
}

impl Opener {
    pub fn passphrase(secret: &Secret) -> Opener {
        Opener::new(Means::Passphrase(Password::from(secret.bytes())))
    }

    /// Secret keys, armored or binary, as `gpg --export-secret-keys` writes them. Keys that have
    /// expired or were revoked since open what was sealed for them all the same.
    pub fn secret_key(bytes: &[u8], password: Option<&Secret>) -> Result<Opener, OpenError> {
        let password = password.map(|secret| Password::from(secret.bytes()));
        let (mut keys, mut locked) = (Vec::new(), false);
        for cert in CertParser::from_bytes(bytes).map_err(|e| OpenError::UnreadableKey(e.into()))? {
            let cert = cert.map_err(|e| OpenError::UnreadableKey(e.into()))?;
            for key in cert.keys().secret().filter(|key| key.key().pk_algo().for_encryption()) {
                match unprotected(key.key().clone().role_into_unspecified(), password.as_ref()) {
                    Some(key) => keys.push(key),
                    None => locked = true,
                }
            }
        }
        match (keys.is_empty(), locked) {
            (true, true) => Err(OpenError::KeyPassword),
            (true, false) => Err(OpenError::NoSecretKey),
            (false, _) => Ok(Opener::new(Means::Keys(keys))),
        }
    }

    fn new(means: Means) -> Opener {
        Opener { means, derived: Mutex::default() }
    }

    /// The content of a message. The reader fails at the end if the message was damaged on its
    /// way: trust nothing before it returned 0.
    pub fn open<R: Read>(&self, input: R) -> Result<Opened<R>, OpenError> {
        self.open_with(input, Tolerance::None)
    }

    /// The same, but all that can be deciphered is given out; [`Opened::integrity`] tells at the
    /// end how far it can be trusted.
    pub fn open_damaged<R: Read>(&self, input: R) -> Result<Opened<R>, OpenError> {
        self.open_with(input, Tolerance::Damage)
    }

    fn open_with<R: Read>(
        &self,
        mut input: R,
        tolerance: Tolerance,
    ) -> Result<Opened<R>, OpenError> {
        let envelope = self.read_envelope(&mut input, tolerance)?;
        Opened::new(input, envelope, tolerance)
    }

    /// Reads a message to its end: whether all of it is what was encrypted, and nothing is behind.
    pub fn prove(&self, mut input: impl Read) -> Result<(), OpenError> {
        io::copy(&mut self.open(&mut input)?, &mut io::sink())?;
        match io::copy(&mut input, &mut io::sink())? {
            0 => Ok(()),
            _ => Err(OpenError::Damaged("there is data after its end")),
        }
    }

    /// Makes ready for reading from anywhere in the content of a message of ours: a damaged place
    /// costs what stands there. Nothing vouches for what is read: check its digest.
    pub fn unlock(&self, source: &impl ReadAt) -> Result<Unlocked, OpenError> {
        let mut input = AtReader { source, at: 0 };
        let envelope = self.read_envelope(&mut input, Tolerance::Damage)?;
        Unlocked::new(input.at - PREFIX as u64, &envelope)
    }

    /// The session key of a file, as gpg takes it.
    pub fn file_key(&self, source: &impl ReadAt) -> Result<FileKey, OpenError> {
        let mut input = AtReader { source, at: 0 };
        let (packets, prefix, _) = read_front(&mut input)?;
        self.matching_key(&packets, &prefix, Tolerance::None).map(FileKey)
    }

    /// Whether this opens a token of [`super::make_token`]. A damaged token is an error.
    pub fn opens(&self, token: &[u8]) -> Result<bool, OpenError> {
        match self.prove(token) {
            Ok(()) => Ok(true),
            Err(error) if error.is_of_another_key() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read_envelope(
        &self,
        input: &mut impl Read,
        tolerance: Tolerance,
    ) -> Result<Envelope, OpenError> {
        let (packets, prefix, length) = read_front(input)?;
        let cfb = Cfb::new(&*self.matching_key(&packets, &prefix, tolerance)?);
        Ok(Envelope { cfb, prefix, length })
    }

    fn matching_key(
        &self,
        packets: &[Packet],
        prefix: &[u8; PREFIX],
        tolerance: Tolerance,
    ) -> Result<Zeroizing<[u8; 32]>, OpenError> {
        let candidates = match &self.means {
            Means::Passphrase(password) => self.by_passphrase(packets, password)?,
            Means::Keys(keys) => by_keys(packets, keys)?,
        };
        let fits = |candidate: &&Candidate| repeats(&Cfb::new(&candidate.key), prefix);
        let best = candidates.iter().find(fits).or_else(|| {
            let vouched = candidates.iter().find(|candidate| candidate.vouched);
            vouched.filter(|_| tolerance == Tolerance::Damage)
        });
        match (best, &self.means) {
            (Some(candidate), _) => Ok(candidate.key.clone()),
            (None, Means::Passphrase(_)) => Err(OpenError::WrongPassphrase),
            (None, Means::Keys(_)) => Err(OpenError::Damaged("its first bytes")),
        }
    }

    fn by_passphrase(
        &self,
        packets: &[Packet],
        password: &Password,
    ) -> Result<Vec<Candidate>, OpenError> {
        let skesks = || {
            packets.iter().filter_map(|packet| match packet {
                Packet::SKESK(SKESK::V4(skesk)) => Some(skesk),
                _ => None,
            })
        };
        match skesks().count() {
            0 => return Err(OpenError::NeedsKey),
            1..=MAX_PASSPHRASES => {}
            _ => return Err(OpenError::Unsupported("with more than 16 passphrases")),
        }
        let mut candidates = Vec::new();
        for skesk in skesks() {
            let esk = skesk.esk().map_err(|_| OpenError::Unsupported("way to derive a key"))?;
            let derived = self.derive(skesk.symmetric_algo(), skesk.s2k(), password)?;
            candidates.extend(session_key(&derived, esk));
        }
        Ok(candidates)
    }

    /// The key that a passphrase and a salt make.
    fn derive(
        &self,
        algorithm: SymmetricAlgorithm,
        s2k: &S2K,
        password: &Password,
    ) -> Result<Zeroizing<[u8; 32]>, OpenError> {
        // Argon2 could ask for any amount of memory.
        if algorithm != SymmetricAlgorithm::AES256 || !matches!(s2k, S2K::Iterated { .. }) {
            return Err(OpenError::Unsupported("cipher or way to derive a key"));
        }
        // A thread that panicked left a map that is whole.
        let mut derived = self.derived.lock().unwrap_or_else(|e| e.into_inner());
        if derived.len() >= MAX_DERIVED {
            derived.clear();
        }
        let key = match derived.get(s2k) {
            Some(key) => key.clone(),
            None => {
                let key = s2k.derive_key(password, 32);
                let key = key.map_err(|_| OpenError::Unsupported("way to derive a key"))?;
                derived.insert(s2k.clone(), key.clone());
                key
            }
        };
        as_key(&key).ok_or(OpenError::Unsupported("length of a key"))
    }
}

/// No secret is shown.
impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(…)")
    }
}

/// The session key behind the derived one: enciphered, its first byte names the cipher (RFC 4880
/// 5.3); or, without any, the derived key itself.
fn session_key(derived: &[u8; 32], esk: Option<&[u8]>) -> Option<Candidate> {
    let Some(esk) = esk else {
        return Some(Candidate { key: Zeroizing::new(*derived), vouched: false });
    };
    let mut plain = Zeroizing::new(esk.to_vec());
    Cfb::new(derived).decrypt(&mut plain);
    let (&algorithm, key) = plain.split_first()?;
    let ours = algorithm == u8::from(SymmetricAlgorithm::AES256);
    as_key(key).filter(|_| ours).map(|key| Candidate { key, vouched: true })
}

fn as_key(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    bytes.try_into().ok().map(Zeroizing::new)
}

fn by_keys(packets: &[Packet], keys: &[SecretKey]) -> Result<Vec<Candidate>, OpenError> {
    let pkesks = || {
        packets.iter().filter_map(|packet| match packet {
            Packet::PKESK(pkesk) => Some(pkesk),
            _ => None,
        })
    };
    if pkesks().next().is_none() {
        return Err(OpenError::NeedsPassphrase);
    }
    let opened = pkesks().flat_map(|pkesk| keys.iter().filter_map(|key| by_key(pkesk, key)));
    let mut candidates = Vec::new();
    for (algorithm, key) in opened {
        if algorithm.is_some_and(|algorithm| algorithm != SymmetricAlgorithm::AES256) {
            return Err(OpenError::Unsupported("cipher"));
        }
        candidates.extend(as_key(&key).map(|key| Candidate { key, vouched: true }));
    }
    if candidates.is_empty() {
        let name = |pkesk: &PKESK| pkesk.recipient().map_or("hidden".to_owned(), |id| id.to_hex());
        return Err(OpenError::NoMatchingKey(pkesks().map(name).collect()));
    }
    Ok(candidates)
}

fn by_key(pkesk: &PKESK, key: &SecretKey) -> Option<(Option<SymmetricAlgorithm>, SessionKey)> {
    // A packet that names nobody is tried with every key.
    if !pkesk.recipient().is_none_or(|id| id.aliases(key.key_handle())) {
        return None;
    }
    pkesk.decrypt(&mut key.clone().into_keypair().ok()?, None)
}

fn unprotected(key: SecretKey, password: Option<&Password>) -> Option<SecretKey> {
    if key.has_unencrypted_secret() {
        return Some(key);
    }
    key.decrypt_secret(password?).ok()
}

/// RFC 4880 5.13: the last two bytes of the first block are repeated behind it.
fn repeats(cfb: &Cfb, prefix: &[u8; PREFIX]) -> bool {
    let mut plain = *prefix;
    cfb.clone().decrypt(&mut plain);
    plain[PREFIX - 4..PREFIX - 2] == plain[PREFIX - 2..]
}

/// All in front of the content: session-key packets, the first encrypted bytes, and the length of
/// what follows these.
fn read_front(input: &mut impl Read) -> Result<(Vec<Packet>, [u8; PREFIX], Length), OpenError> {
    let (packets, length) = read_key_packets(input)?;
    let mut body = Body::new(input, length);
    let mut start = [0; 1 + PREFIX];
    body.read_exact(&mut start).map_err(|_| OpenError::Damaged("it ends too early"))?;
    let [version, prefix @ ..] = start;
    if version != 1 {
        return Err(OpenError::Unsupported("version of the encrypted packet"));
    }
    Ok((packets, prefix, body.length()))
}

/// A message whose session key is known, and where its ciphertext begins.
pub(super) fn envelope_with(source: &impl ReadAt, cfb: Cfb) -> Result<(u64, Envelope), OpenError> {
    let mut input = AtReader { source, at: 0 };
    let (_, prefix, length) = read_front(&mut input)?;
    if !repeats(&cfb, &prefix) {
        return Err(OpenError::Damaged("its first bytes"));
    }
    Ok((input.at - PREFIX as u64, Envelope { cfb, prefix, length }))
}

/// The session-key packets, and the length of the encrypted packet behind them.
fn read_key_packets(input: &mut impl Read) -> Result<(Vec<Packet>, Length), OpenError> {
    let mut packets = Vec::new();
    loop {
        let (tag, length) = match packet::read_header(input) {
            Ok(Some(header)) => header,
            Err(e) if !is_foreign(&e) => return Err(e.into()),
            _ => return Err(OpenError::NotOpenPgp),
        };
        match (tag, length) {
            (packet::SEIP, _) => return Ok((packets, length)),
            (packet::PKESK | packet::SKESK | packet::MARKER, Length::Known(length)) => {
                if packets.len() >= MAX_KEY_PACKETS {
                    return Err(OpenError::Unsupported("for more than 1,000 keys"));
                }
                if length > MAX_KEY_PACKET {
                    return Err(OpenError::Unsupported("with a session key of more than 64 KiB"));
                }
                packets.push(read_packet(input, tag, length)?);
            }
            (9, _) => return Err(OpenError::Unsupported("encryption without integrity")),
            (20, _) => return Err(OpenError::Unsupported("AEAD")),
            _ => return Err(OpenError::NotOpenPgp),
        }
    }
}

fn is_foreign(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn read_packet(input: &mut impl Read, tag: u8, length: u64) -> Result<Packet, OpenError> {
    let mut bytes = packet::header(tag, length as u32).to_vec();
    input.take(length).read_to_end(&mut bytes)?;
    Packet::from_bytes(&bytes).map_err(|_| OpenError::NotOpenPgp)
}
