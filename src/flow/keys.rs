//! What opens and closes a set: from what the person gives to what the codec takes.

use crate::catalog::{KnownSet, SetFacts};
use crate::codec::openpgp::{Locks, Opener, Sealer, make_token};
use crate::model::SetName;
use crate::model::disc::Encryption;
use crate::port::clock::Moment;
use crate::port::operator::Secret;

use super::FlowError;

/// How a passphrase is got: from a file, a command, the environment or a question. The first
/// argument is the prompt, the second asks for it twice.
pub type AskPassphrase<'a> = dyn Fn(&str, bool) -> Result<Secret, FlowError> + 'a;

/// Keys as the person named them.
pub struct KeyRing<'a> {
    pub passphrase: &'a AskPassphrase<'a>,
    /// `--encrypt`.
    pub encrypt: bool,
    /// A passphrase was named explicitly, by file or command.
    pub passphrase_named: bool,
    /// `--recipient`, the files' contents.
    pub recipients: Vec<Vec<u8>>,
    pub hidden: bool,
    /// `--secret-key`, the file's content.
    pub secret_key: Option<Vec<u8>>,
}

/// What a new set is closed with, as the catalog keeps it.
pub struct NewKeys {
    pub encryption: Encryption,
    pub sealer: Option<Sealer>,
    pub certs: Option<Vec<u8>>,
    pub token: Option<Vec<u8>>,
}

/// What opens the discs of a set whose catalog is lost, and what its new catalog keeps of that.
pub struct KnownKeys {
    pub opener: Option<Opener>,
    pub certs: Option<Vec<u8>>,
    pub token: Option<Vec<u8>>,
}

impl KeyRing<'_> {
    /// Decides how a new set is closed. A new passphrase is asked for twice.
    pub fn for_new_set(&self, name: &SetName) -> Result<NewKeys, FlowError> {
        if !self.recipients.is_empty() {
            let locks = Locks::recipients(&self.recipients, self.hidden, Moment::now())?;
            let certs = Some(locks.to_bytes()?);
            return new_keys(Encryption::Recipients, locks, certs);
        }
        if self.encrypt {
            let secret = (self.passphrase)(&format!("Passphrase of the new set {name}"), true)?;
            return new_keys(Encryption::Passphrase, Locks::passphrase(&secret)?, None);
        }
        Ok(NewKeys { encryption: Encryption::None, sealer: None, certs: None, token: None })
    }

    /// What seals the next discs of a known set. Another passphrase than the set's is refused here,
    /// before any work.
    pub fn sealer_for(&self, set: &KnownSet) -> Result<Option<Sealer>, FlowError> {
        let facts = &set.facts;
        match facts.encryption {
            Encryption::None if self.encrypt || !self.recipients.is_empty() => {
                Err(FlowError::NotEncrypted(facts.name.clone()))
            }
            Encryption::None => Ok(None),
            Encryption::Passphrase => {
                let secret = self.checked_passphrase(facts)?;
                Ok(Some(Sealer::new(Locks::passphrase(&secret)?)?))
            }
            Encryption::Recipients => self.recipients_of(facts).map(Some),
        }
    }

    fn recipients_of(&self, facts: &SetFacts) -> Result<Sealer, FlowError> {
        let kept = facts.certs.clone().ok_or_else(|| FlowError::no_keys(&facts.name))?;
        let kept = Locks::recipients(&[kept], facts.hidden, Moment::now())?;
        if !self.recipients.is_empty() {
            let given = Locks::recipients(&self.recipients, facts.hidden, Moment::now())?;
            if given.fingerprints() != kept.fingerprints() {
                return Err(FlowError::OtherRecipients(facts.name.clone()));
            }
        }
        Ok(Sealer::new(kept)?)
    }

    pub(super) fn checked_passphrase(&self, facts: &SetFacts) -> Result<Secret, FlowError> {
        let secret = (self.passphrase)(&format!("Passphrase of set {}", facts.name), false)?;
        let token = facts.token.as_deref().ok_or_else(|| FlowError::no_keys(&facts.name))?;
        if Opener::passphrase(&secret).opens(token)? {
            Ok(secret)
        } else {
            Err(FlowError::WrongPassphrase(facts.name.clone()))
        }
    }

    /// What opens the discs of a set whose encryption is known; nothing for a plain one.
    pub fn opener(
        &self,
        name: &SetName,
        encryption: Encryption,
    ) -> Result<Option<Opener>, FlowError> {
        match encryption {
            Encryption::None => Ok(None),
            Encryption::Passphrase => {
                let secret = (self.passphrase)(&format!("Passphrase of set {name}"), false)?;
                Ok(Some(Opener::passphrase(&secret)))
            }
            Encryption::Recipients => self.key_opener(name).map(Some),
        }
    }

    /// Opens discs that nothing but they themselves tells of. Recipients that are not named again
    /// are not known.
    pub fn for_known_discs(
        &self,
        name: &SetName,
        encryption: Encryption,
    ) -> Result<KnownKeys, FlowError> {
        if encryption == Encryption::Passphrase {
            let secret = (self.passphrase)(&format!("Passphrase of set {name}"), false)?;
            let token = Some(make_token(&Sealer::new(Locks::passphrase(&secret)?)?)?);
            return Ok(KnownKeys { opener: Some(Opener::passphrase(&secret)), certs: None, token });
        }
        let opener = self.opener(name, encryption)?;
        if opener.is_none() || self.recipients.is_empty() {
            return Ok(KnownKeys { opener, certs: None, token: None });
        }
        let locks = Locks::recipients(&self.recipients, self.hidden, Moment::now())?;
        let certs = Some(locks.to_bytes()?);
        let token = Some(make_token(&Sealer::new(locks)?)?);
        Ok(KnownKeys { opener, certs, token })
    }

    /// A secret key that is protected by a password of its own takes the passphrase for it.
    fn key_opener(&self, name: &SetName) -> Result<Opener, FlowError> {
        let key =
            self.secret_key.as_ref().ok_or_else(|| FlowError::NeedsSecretKey(name.clone()))?;
        match Opener::secret_key(key, None) {
            Err(crate::codec::openpgp::OpenError::KeyPassword) => {
                let password = (self.passphrase)("Password of the secret key", false)?;
                Ok(Opener::secret_key(key, Some(&password))?)
            }
            opened => Ok(opened?),
        }
    }
}

fn new_keys(
    encryption: Encryption,
    locks: Locks,
    certs: Option<Vec<u8>>,
) -> Result<NewKeys, FlowError> {
    let sealer = Sealer::new(locks)?;
    let token = Some(make_token(&sealer)?);
    Ok(NewKeys { encryption, sealer: Some(sealer), certs, token })
}
