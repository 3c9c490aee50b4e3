//! What a set is sealed with: a passphrase, or certificates of those who may open it.

use super::BoxedError;
use crate::port::clock::Moment;
use crate::port::passphrase::Secret;
use sequoia_openpgp::cert::{CertParser, ValidCert};
use sequoia_openpgp::crypto::mpi::{Ciphertext, PublicKey};
use sequoia_openpgp::crypto::{Password, S2K, SessionKey};
use sequoia_openpgp::packet::key::{PublicParts, UnspecifiedRole};
use sequoia_openpgp::packet::{Key, Packet, pkesk::PKESK3, skesk::SKESK4};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto;
use sequoia_openpgp::types::{RevocationStatus, SymmetricAlgorithm};
use sequoia_openpgp::{Cert, Error, Result as PgpResult};
use std::time::{Duration, SystemTime};

const AES: SymmetricAlgorithm = SymmetricAlgorithm::AES256;
/// Only a modulus that was made to annoy needs more.
const MAX_TRIES: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    #[error("the passphrase contains a {0}, which cannot be typed when gpg asks for it")]
    Untypeable(&'static str),
    #[error("cannot read the certificate in input {0}")]
    Unreadable(usize, #[source] BoxedError),
    #[error("input {0} holds no certificate")]
    NoCertificate(usize),
    #[error("certificate {0} is revoked")]
    Revoked(String),
    #[error("certificate {0} has expired")]
    Expired(String),
    #[error("certificate {0} has no valid key that can encrypt (none, expired or revoked)")]
    NoEncryptionKey(String),
    #[error("certificate {0} is not valid")]
    Invalid(String, #[source] BoxedError),
}

type RecipientKey = Key<PublicParts, UnspecifiedRole>;

/// The key material that seals every file of a set.
pub struct Locks(LockKind);

enum LockKind {
    Passphrase(Password),
    Recipients { certs: Vec<Cert>, keys: Vec<RecipientKey>, hidden: bool },
}

impl Locks {
    /// The bytes of the passphrase as they are, whatever character set they are in.
    /// One that gpg could not be given (empty, or with a line's end or NUL in it) is refused:
    /// the discs could not be opened by hand.
    pub fn passphrase(secret: &Secret) -> Result<Locks, LockError> {
        let bytes = secret.bytes();
        match bytes {
            [] => Err(LockError::EmptyPassphrase),
            _ if bytes.contains(&b'\n') => Err(LockError::Untypeable("line break")),
            _ if bytes.contains(&0) => Err(LockError::Untypeable("NUL byte")),
            _ => Ok(Locks(LockKind::Passphrase(Password::from(bytes)))),
        }
    }

    /// Certificates, armored or binary, one or several in each input: whoever holds the secret key
    /// of any can open the files. Every valid key for storage or transport is used. With `hidden`
    /// the files do not tell key ids.
    pub fn recipients(inputs: &[Vec<u8>], hidden: bool, now: Moment) -> Result<Locks, LockError> {
        let mut certs = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            certs.extend(parse_certs(input, index + 1)?);
        }
        if certs.is_empty() {
            return Err(LockError::NoCertificate(inputs.len()));
        }
        let mut keys = Vec::new();
        for cert in &certs {
            keys.extend(encryption_keys(cert, time_of(now))?);
        }
        Ok(Locks(LockKind::Recipients { certs, keys, hidden }))
    }

    pub fn is_passphrase(&self) -> bool {
        matches!(self.0, LockKind::Passphrase(_))
    }

    /// The passphrase, for a program that opens what was sealed; `None` for recipients.
    pub fn secret(&self) -> Option<Secret> {
        match &self.0 {
            LockKind::Passphrase(password) => {
                Some(password.map(|bytes| Secret::new(bytes.to_vec())))
            }
            LockKind::Recipients { .. } => None,
        }
    }

    /// Fingerprints of the certificates in hexadecimal; none for a passphrase.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certs().iter().map(|cert| cert.fingerprint().to_hex()).collect()
    }

    /// The certificates in words: fingerprints, with their first user ids; none for a passphrase.
    pub fn names(&self) -> Vec<String> {
        self.certs().iter().map(name_of).collect()
    }

    /// Ids of the keys that open the files, as `gpg` shows them; none for a passphrase or hidden
    /// recipients.
    pub fn key_ids(&self) -> Vec<String> {
        match &self.0 {
            LockKind::Recipients { keys, hidden: false, .. } => {
                keys.iter().map(|key| key.keyid().to_hex()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The certificates in binary, one after the other, as [`Locks::recipients`] reads them;
    /// empty for a passphrase. No secret is in them.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LockError> {
        let mut bytes = Vec::new();
        for cert in self.certs() {
            let named = |cause: BoxedError| LockError::Invalid(name_of(cert), cause);
            bytes.extend(cert.to_vec().map_err(|e| named(e.into()))?);
        }
        Ok(bytes)
    }

    fn certs(&self) -> &[Cert] {
        match &self.0 {
            LockKind::Passphrase(_) => &[],
            LockKind::Recipients { certs, .. } => certs,
        }
    }

    /// The session-key packets of a message. They are of the same length for every message.
    pub(super) fn session_key_packets(&self, session_key: &SessionKey) -> PgpResult<Vec<u8>> {
        match &self.0 {
            LockKind::Passphrase(password) => passphrase_packet(session_key, password),
            LockKind::Recipients { keys, hidden, .. } => {
                let mut packets = Vec::new();
                for key in keys {
                    packets.extend(recipient_packet(session_key, key, *hidden)?);
                }
                Ok(packets)
            }
        }
    }
}

/// No secret is shown.
impl std::fmt::Debug for Locks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            LockKind::Passphrase(_) => f.write_str("Locks(passphrase)"),
            LockKind::Recipients { .. } => write!(f, "Locks({})", self.fingerprints().join(", ")),
        }
    }
}

/// RFC 4880 5.3. The salt is new each time: the session key is enciphered with an IV of zeros, so
/// that a key used twice would give away how two session keys differ.
fn passphrase_packet(session_key: &SessionKey, password: &Password) -> PgpResult<Vec<u8>> {
    // Iterated and salted, SHA-256, the largest count that OpenPGP knows.
    let skesk = SKESK4::with_password(AES, AES, S2K::default(), session_key, password)?;
    Packet::from(skesk).to_vec()
}

/// RFC 4880 5.1, version 3, with the key's id or, hidden, with zeros.
///
/// An RSA ciphertext is a number, and its leading zeros are not written. It is computed again until
/// there are none (one in 256 has), so that a file's size is known before it is sealed.
fn recipient_packet(
    session_key: &SessionKey,
    key: &RecipientKey,
    hidden: bool,
) -> PgpResult<Vec<u8>> {
    for _ in 0..MAX_TRIES {
        let mut pkesk = PKESK3::for_recipient(AES, session_key, key)?;
        if is_full_length(pkesk.esk(), key.mpis()) {
            if hidden {
                pkesk.set_recipient(None);
            }
            return Packet::from(pkesk).to_vec();
        }
    }
    let id = key.fingerprint();
    Err(Error::InvalidOperation(format!("the modulus of key {id} is hardly ever filled")).into())
}

fn is_full_length(ciphertext: &Ciphertext, key: &PublicKey) -> bool {
    match (ciphertext, key) {
        (Ciphertext::RSA { c }, PublicKey::RSA { n, .. }) => c.value().len() == n.value().len(),
        // Those of elliptic curves are of one length (RFC 6637 6, RFC 9580 5.1.6).
        _ => true,
    }
}

fn parse_certs(input: &[u8], number: usize) -> Result<Vec<Cert>, LockError> {
    let unreadable = |cause: BoxedError| LockError::Unreadable(number, cause);
    let parser = CertParser::from_bytes(input).map_err(|e| unreadable(e.into()))?;
    let certs: PgpResult<Vec<Cert>> = parser.collect();
    let certs = certs.map_err(|e| unreadable(e.into()))?;
    if certs.is_empty() {
        return Err(LockError::NoCertificate(number));
    }
    Ok(certs.into_iter().map(Cert::strip_secret_key_material).collect())
}

fn encryption_keys(cert: &Cert, now: SystemTime) -> Result<Vec<RecipientKey>, LockError> {
    let policy = StandardPolicy::at(now);
    if let RevocationStatus::Revoked(_) = cert.revocation_status(&policy, now) {
        return Err(LockError::Revoked(name_of(cert)));
    }
    let valid = cert.with_policy(&policy, now);
    let valid = valid.map_err(|e| LockError::Invalid(name_of(cert), e.into()))?;
    if valid.alive().is_err() {
        return Err(LockError::Expired(name_of(cert)));
    }
    match usable_keys(&valid) {
        keys if keys.is_empty() => Err(LockError::NoEncryptionKey(name_of(cert))),
        keys => Ok(keys),
    }
}

fn usable_keys(valid: &ValidCert<'_>) -> Vec<RecipientKey> {
    let usable = valid.keys().supported().alive().revoked(false);
    // The two conditions are joined by "or".
    let usable = usable.for_storage_encryption().for_transport_encryption();
    usable.map(|key| key.key().clone().role_into_unspecified()).collect()
}

/// Fingerprint and, if there is one, user id.
fn name_of(cert: &Cert) -> String {
    let fingerprint = cert.fingerprint().to_hex();
    match cert.userids().next() {
        Some(user) => {
            let user = crate::model::path::shown(user.userid().value());
            format!("{fingerprint} ({user})")
        }
        None => fingerprint,
    }
}

pub(super) fn time_of(moment: Moment) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(moment.0).unwrap_or(0));
    SystemTime::UNIX_EPOCH + seconds
}
