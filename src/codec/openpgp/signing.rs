//! Detached signatures (format 4.1): made with a secret key, checked with its certificate.

use super::BoxedError;
use super::locks::time_of;
use crate::port::clock::Moment;
use crate::port::passphrase::Secret;
use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::crypto::{KeyPair, Password};
use sequoia_openpgp::packet::key::{SecretParts, UnspecifiedRole};
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::{Key, Packet, Signature};
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto;
use sequoia_openpgp::types::{HashAlgorithm, RevocationStatus, SignatureType};
use std::sync::Mutex;

/// Numbers in a signature lose leading zeros, so that two are rarely of one length.
const SLACK: u64 = 64;

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("cannot read the signing key")]
    Unreadable(#[source] BoxedError),
    #[error("the file holds no secret key that can sign now (none, expired or revoked)")]
    NoKey,
    #[error("the signing key is protected and its password is missing or wrong")]
    Password,
    #[error("cannot sign")]
    Sign(#[source] BoxedError),
}

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("cannot read the certificate")]
    Certificate(#[source] BoxedError),
    #[error("the file holds no certificate")]
    NoCertificate,
    #[error("the signature cannot be read")]
    Unreadable,
    #[error("it is signed by another key: {0}")]
    OtherKey(String),
    #[error("the signature is wrong: what was signed was changed")]
    Wrong,
    #[error("the key {0} could not sign at the time that the signature names, or was revoked")]
    Key(String),
}

/// Signs the discs of one run.
pub struct Signer {
    pair: Mutex<KeyPair>,
    longest: u64,
    certificate: Vec<u8>,
}

impl Signer {
    /// The first key of the file, armored or binary, that can sign at this time. GnuPG 2.2 must
    /// read what it makes, so it is one of version 4.
    pub fn new(bytes: &[u8], password: Option<&Secret>, now: Moment) -> Result<Signer, SignError> {
        let mut is_locked = false;
        for cert in CertParser::from_bytes(bytes).map_err(|e| SignError::Unreadable(e.into()))? {
            let cert = cert.map_err(|e| SignError::Unreadable(e.into()))?;
            for key in signing_keys(&cert, now) {
                match unprotected(key, password) {
                    Some(key) => return Signer::with(key, &cert, now),
                    None => is_locked = true,
                }
            }
        }
        Err(if is_locked { SignError::Password } else { SignError::NoKey })
    }

    fn with(
        key: Key<SecretParts, UnspecifiedRole>,
        cert: &Cert,
        now: Moment,
    ) -> Result<Signer, SignError> {
        let pair = key.into_keypair().map_err(|e| SignError::Sign(e.into()))?;
        // A certificate is written without its secrets.
        let certificate = sequoia_openpgp::serialize::SerializeInto::to_vec(&cert.armored());
        let certificate = certificate.map_err(|e| SignError::Sign(e.into()))?;
        let mut signer = Signer { pair: Mutex::new(pair), longest: 0, certificate };
        signer.longest = signer.sign(b"", now)?.len() as u64 + SLACK;
        Ok(signer)
    }

    /// What its signatures are checked by, armored.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// No signature is longer.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// Whether a signature, binary or armored, names this key as its maker. Nothing is checked.
    pub fn is_named_by(&self, signatures: &[u8]) -> bool {
        let pair = self.pair.lock().unwrap_or_else(|e| e.into_inner());
        let own = pair.public().key_handle();
        let names = |signature: &Signature| {
            signature.get_issuers().iter().any(|issuer| issuer.aliases(&own))
        };
        parse(signatures).iter().any(names)
    }

    /// A binary signature over a document (RFC 4880 5.2.1, type 0x00).
    pub fn sign(&self, document: &[u8], now: Moment) -> Result<Vec<u8>, SignError> {
        let failed = |e: sequoia_openpgp::anyhow::Error| SignError::Sign(e.into());
        // A thread that panicked left a key that is whole.
        let mut pair = self.pair.lock().unwrap_or_else(|e| e.into_inner());
        let signature = SignatureBuilder::new(SignatureType::Binary)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(time_of(now))
            .and_then(|builder| builder.sign_message(&mut *pair, document))
            .map_err(failed)?;
        Packet::from(signature).to_vec().map_err(failed)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

fn signing_keys(cert: &Cert, now: Moment) -> Vec<Key<SecretParts, UnspecifiedRole>> {
    let (policy, now) = (StandardPolicy::at(time_of(now)), time_of(now));
    let Ok(valid) = cert.with_policy(&policy, now) else { return Vec::new() };
    let is_revoked = matches!(valid.revocation_status(), RevocationStatus::Revoked(_));
    if valid.alive().is_err() || is_revoked {
        return Vec::new();
    }
    let keys = valid.keys().supported().alive().revoked(false).for_signing().secret();
    let keys = keys.filter(|key| key.key().version() == 4);
    keys.map(|key| key.key().clone().role_into_unspecified()).collect()
}

fn unprotected(
    key: Key<SecretParts, UnspecifiedRole>,
    password: Option<&Secret>,
) -> Option<Key<SecretParts, UnspecifiedRole>> {
    if key.has_unencrypted_secret() {
        return Some(key);
    }
    key.decrypt_secret(&Password::from(password?.bytes())).ok()
}

/// Certificates of those whose signatures count.
#[derive(Clone, Debug)]
pub struct Checker(Vec<Cert>);

impl Checker {
    pub fn new(bytes: &[u8]) -> Result<Checker, CheckError> {
        let parser =
            CertParser::from_bytes(bytes).map_err(|e| CheckError::Certificate(e.into()))?;
        let certs = parser.collect::<sequoia_openpgp::Result<Vec<Cert>>>();
        let certs = certs.map_err(|e| CheckError::Certificate(e.into()))?;
        match certs.is_empty() {
            true => Err(CheckError::NoCertificate),
            false => Ok(Checker(certs)),
        }
    }

    /// One right signature, binary or armored, is enough. A key that expired since, or gave way to
    /// another one, could sign then; one that is revoked as compromised never could.
    pub fn check(&self, document: &[u8], signatures: &[u8]) -> Result<(), CheckError> {
        let mut worst = CheckError::Unreadable;
        for signature in parse(signatures) {
            match self.check_one(document, &signature) {
                Ok(()) => return Ok(()),
                Err(error) => worst = error,
            }
        }
        Err(worst)
    }

    fn check_one(&self, document: &[u8], signature: &Signature) -> Result<(), CheckError> {
        let issuers = signature.get_issuers();
        let name = issuers.first().map_or("unknown".to_owned(), |issuer| issuer.to_hex());
        let is_document = signature.typ() == SignatureType::Binary;
        let Some(time) = signature.signature_creation_time().filter(|_| is_document) else {
            return Err(CheckError::Unreadable);
        };
        let policy = StandardPolicy::at(time);
        let mut is_known = false;
        for cert in &self.0 {
            let has_key = cert
                .keys()
                .any(|key| issuers.iter().any(|issuer| issuer.aliases(key.key().key_handle())));
            is_known |= has_key;
            let Ok(valid) = cert.with_policy(&policy, time) else { continue };
            let is_revoked = matches!(valid.revocation_status(), RevocationStatus::Revoked(_));
            if !has_key || is_revoked || valid.alive().is_err() {
                continue;
            }
            let keys = valid.keys().supported().alive().revoked(false).for_signing();
            let keys: Vec<_> = keys.key_handles(issuers.iter()).collect();
            if keys.iter().any(|key| signature.verify_message(key.key(), document).is_ok()) {
                return Ok(());
            }
            if !keys.is_empty() {
                return Err(CheckError::Wrong);
            }
        }
        Err(if is_known { CheckError::Key(name) } else { CheckError::OtherKey(name) })
    }
}

fn parse(bytes: &[u8]) -> Vec<Signature> {
    let mut found = Vec::new();
    let mut rest = PacketParser::from_bytes(bytes);
    while let Ok(PacketParserResult::Some(parser)) = rest {
        let Ok((packet, next)) = parser.next() else { break };
        if let Packet::Signature(signature) = packet {
            found.push(signature);
        }
        rest = Ok(next);
    }
    found
}
