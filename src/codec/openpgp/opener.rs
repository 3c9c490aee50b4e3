//! Opening: from a passphrase or a secret key to the session key of a message.

use super::cfb::Cfb;
use super::error::OpenError;
use super::front::{Envelope, read_front, repeats};
use super::opened::{MessageReader, Tolerance};
use super::random_access::Unlocked;
use super::read_at::{AtReader, ReadAt};
use super::{FileKey, PREFIX};
use crate::port::passphrase::Secret;
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

/// Passphrases of a message; coldcut gives it one, and each that is tried takes about 50 ms.
const MAX_PASSPHRASES: usize = 16;
/// Salts whose derived keys are kept: a derivation takes about 50 ms.
const MAX_DERIVED: usize = 4096;

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
    pub fn open<R: Read>(&self, input: R) -> Result<MessageReader<R>, OpenError> {
        self.open_with(input, Tolerance::None)
    }

    /// The same, but all that can be deciphered is given out; [`MessageReader::integrity`] tells at
    /// the end how far it can be trusted.
    pub fn open_damaged<R: Read>(&self, input: R) -> Result<MessageReader<R>, OpenError> {
        self.open_with(input, Tolerance::Damage)
    }

    fn open_with<R: Read>(
        &self,
        mut input: R,
        tolerance: Tolerance,
    ) -> Result<MessageReader<R>, OpenError> {
        let envelope = self.read_envelope(&mut input, tolerance)?;
        MessageReader::new(input, envelope, tolerance)
    }

    /// Reads a message to its end: whether all of it is what was encrypted, and nothing is behind.
    pub fn prove(&self, mut input: impl Read) -> Result<(), OpenError> {
        io::copy(&mut self.open(&mut input)?, &mut io::sink())?;
        match io::copy(&mut input, &mut io::sink())? {
            0 => Ok(()),
            _ => Err(OpenError::Damaged("there is data after its end")),
        }
    }

    /// Makes ready for reading from anywhere in the content of one of our messages: a damaged place
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
