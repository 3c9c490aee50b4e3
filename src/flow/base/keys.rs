//! What opens and closes a set: from what the person gives to what the codec takes.

use std::path::Path;

use crate::catalog::{Access, Catalog, KnownSet, SetFacts};
use crate::codec::openpgp::{Locks, Opener, Sealer, make_token};
use crate::model::SetName;
use crate::model::disc::Encryption;
use crate::port::clock::Moment;
use crate::port::notice::KeyNotice;
pub use crate::port::notice::SettingOrigin;
use crate::port::passphrase::{PassphraseOf, PassphraseRequest, Secret};

use crate::flow::{FlowError, KeyError, choose_set};

/// How a passphrase is got: from a file, a command, the environment or a person.
pub type AskPassphrase<'a> = dyn Fn(PassphraseRequest) -> Result<Secret, FlowError> + 'a;

/// Keys as the person named them.
pub struct KeyRing<'a> {
    pub passphrase: &'a AskPassphrase<'a>,
    /// How often a known passphrase is asked for: a person mistypes it, a file does not.
    pub tries: u32,
    /// `--encrypt`, wherever it stands.
    pub encrypt: bool,
    /// `--no-encrypt`, or `encrypt = false`.
    pub plain: Option<SettingOrigin>,
    /// A source of a passphrase was named: a file, a command, the variable.
    pub named: Option<SettingOrigin>,
    /// `--recipient`, the files' contents.
    pub recipients: Vec<Vec<u8>>,
    /// Where they were named.
    pub recipients_named: SettingOrigin,
    /// `--new-recipients`: others than those of the last run are meant.
    pub new_recipients: bool,
    /// Takes what a person should know of the keys and that ends no run.
    pub note: &'a dyn Fn(KeyNotice),
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
    /// How a new set is closed. Whoever names a passphrase means it: such a set is encrypted unless
    /// somebody says otherwise, for a disc in plain text stays one.
    pub fn of_new_set(&self) -> Encryption {
        let wants_passphrase = self.encrypt || self.named.is_some();
        match (self.plain, self.recipients.is_empty()) {
            (Some(_), _) => Encryption::None,
            (None, false) => Encryption::Recipients,
            (None, true) if wants_passphrase => Encryption::Passphrase,
            (None, true) => Encryption::None,
        }
    }

    /// What closes a new set. A new passphrase is asked for twice.
    pub fn for_new_set(&self, name: &SetName) -> Result<NewKeys, FlowError> {
        match self.of_new_set() {
            Encryption::None => {
                self.note_unused(name, Encryption::None);
                Ok(NewKeys { encryption: Encryption::None, sealer: None, certs: None, token: None })
            }
            Encryption::Recipients => {
                self.note_unused(name, Encryption::Recipients);
                let locks = Locks::recipients(&self.recipients, self.hidden, Moment::now())?;
                let certs = Some(locks.to_bytes()?);
                new_keys(Encryption::Recipients, locks, certs)
            }
            Encryption::Passphrase => {
                let of = PassphraseOf::NewSet { set: name.clone() };
                let secret = (self.passphrase)(PassphraseRequest::first(of))?;
                new_keys(Encryption::Passphrase, Locks::passphrase(&secret)?, None)
            }
        }
    }

    /// What seals the next discs of a known set: its encryption is what it is. What was typed
    /// against it, and another passphrase than the set's, are refused here, before any work.
    pub fn sealer_for(&self, set: &KnownSet) -> Result<Option<Sealer>, FlowError> {
        self.refuse_other(set)?;
        match set.facts.encryption {
            Encryption::None => Ok(None),
            Encryption::Recipients => self.recipients_of(&set.facts).map(Some),
            Encryption::Passphrase => {
                let secret = self.checked_passphrase(set)?;
                Ok(Some(Sealer::new(Locks::passphrase(&secret)?)?))
            }
        }
    }

    /// Refuses what was typed against the set's encryption, as far as no passphrase tells it.
    pub fn refuse_other(&self, set: &KnownSet) -> Result<(), FlowError> {
        let facts = &set.facts;
        let name = || facts.name.clone();
        if facts.encryption == Encryption::None {
            self.refuse_needless(set)?;
            return match self.encrypt || !self.recipients.is_empty() {
                true => Err(KeyError::NotEncrypted(name()).into()),
                false => Ok(()),
            };
        }
        match self.plain {
            Some(SettingOrigin::Typed) => return Err(KeyError::StaysEncrypted(name()).into()),
            Some(origin) => (self.note)(KeyNotice::StaysEncrypted { set: name(), origin }),
            None => {}
        }
        if facts.encryption == Encryption::Recipients {
            return self.recipients_of(facts).map(drop);
        }
        match self.recipients_named {
            _ if self.recipients.is_empty() => {}
            SettingOrigin::Typed => return Err(KeyError::NoRecipients(name()).into()),
            origin => (self.note)(KeyNotice::RecipientsNotUsed { set: name(), origin }),
        }
        Ok(())
    }

    /// A passphrase that was typed for a set that has none is refused; see [`Needless`].
    pub fn refuse_needless(&self, set: &KnownSet) -> Result<(), FlowError> {
        Needless { named: self.named, note: self.note }.refuse(set)
    }

    fn note_unused(&self, name: &SetName, encryption: Encryption) {
        Needless { named: self.named, note: self.note }.say(name, encryption);
    }

    fn recipients_of(&self, facts: &SetFacts) -> Result<Sealer, FlowError> {
        let kept = facts.certs.clone().ok_or_else(|| KeyError::NoKeys(facts.name.clone()))?;
        let kept = Locks::recipients(&[kept], facts.hidden, Moment::now())?;
        if !self.recipients.is_empty() {
            let given = Locks::recipients(&self.recipients, facts.hidden, Moment::now())?;
            if given.fingerprints() != kept.fingerprints() {
                return Err(KeyError::OtherRecipients(facts.name.clone()).into());
            }
        }
        Ok(Sealer::new(kept)?)
    }

    pub(in crate::flow) fn checked_passphrase(&self, set: &KnownSet) -> Result<Secret, FlowError> {
        let facts = &set.facts;
        let token = facts.token.as_deref().ok_or_else(|| KeyError::NoKeys(facts.name.clone()))?;
        self.asked(of_set(&facts.name, set.hint.as_deref()), |secret| {
            match Opener::passphrase(&secret).opens(token)? {
                true => Ok(secret),
                false => Err(KeyError::WrongPassphrase(facts.name.clone()).into()),
            }
        })
    }

    /// Asks for a known passphrase until `take` does not call it wrong, or there were tries enough.
    fn asked<T>(
        &self,
        of: PassphraseOf,
        mut take: impl FnMut(Secret) -> Result<T, FlowError>,
    ) -> Result<T, FlowError> {
        let mut taken = take((self.passphrase)(PassphraseRequest::first(of.clone()))?);
        for _ in 1..self.tries {
            if !taken.as_ref().is_err_and(FlowError::is_wrong_passphrase) {
                break;
            }
            taken = take((self.passphrase)(PassphraseRequest::again(of.clone()))?);
        }
        taken
    }

    /// What opens the discs of a set whose encryption is known; nothing for a plain one. `check`
    /// tries it where it can be tried.
    pub fn opener(
        &self,
        (name, hint): (&SetName, Option<&str>),
        encryption: Encryption,
        check: impl Fn(&Opener) -> Result<(), FlowError>,
    ) -> Result<Option<Opener>, FlowError> {
        match encryption {
            Encryption::None => {
                self.note_unused(name, Encryption::None);
                Ok(None)
            }
            Encryption::Passphrase => self.asked(of_set(name, hint), |secret| {
                let opener = Opener::passphrase(&secret);
                check(&opener).map(|()| Some(opener))
            }),
            Encryption::Recipients => {
                let opener = self.key_opener(name)?;
                check(&opener).map(|()| Some(opener))
            }
        }
    }

    /// What opens discs, as far as somebody named it: nobody is asked.
    pub(in crate::flow) fn at_hand(
        &self,
        name: &SetName,
        encryption: Encryption,
        check: impl Fn(&Opener) -> Result<(), FlowError>,
    ) -> Result<Option<Opener>, FlowError> {
        use crate::codec::openpgp::OpenError;
        let named = || match self.named {
            Some(_) => (self.passphrase)(PassphraseRequest::first(of_set(name, None))).map(Some),
            None => Ok(None),
        };
        let opener = match (encryption, &self.secret_key) {
            (Encryption::Passphrase, _) => named()?.map(|secret| Opener::passphrase(&secret)),
            (Encryption::Recipients, Some(key)) => match Opener::secret_key(key, None) {
                Err(OpenError::KeyPassword) => {
                    named()?.map(|secret| Opener::secret_key(key, Some(&secret))).transpose()?
                }
                opened => Some(opened?),
            },
            (Encryption::None, _) | (Encryption::Recipients, None) => None,
        };
        opener.as_ref().map_or(Ok(()), check)?;
        Ok(opener)
    }

    /// The passphrase of discs that nothing but they themselves tells of, and what it opens.
    pub(in crate::flow) fn passphrase_of_discs(
        &self,
        name: &SetName,
        check: impl Fn(&Opener) -> Result<(), FlowError>,
    ) -> Result<(Secret, Opener), FlowError> {
        self.asked(of_set(name, None), |secret| {
            let opener = Opener::passphrase(&secret);
            check(&opener).map(|()| (secret, opener))
        })
    }

    /// Opens discs that nothing but they themselves tells of. Recipients that are not named again
    /// are not known.
    pub fn for_known_discs(
        &self,
        name: &SetName,
        encryption: Encryption,
        check: impl Fn(&Opener) -> Result<(), FlowError>,
    ) -> Result<KnownKeys, FlowError> {
        if encryption == Encryption::Passphrase {
            return self.asked(of_set(name, None), |secret| {
                let opener = Opener::passphrase(&secret);
                check(&opener)?;
                let token = Some(make_token(&Sealer::new(Locks::passphrase(&secret)?)?)?);
                Ok(KnownKeys { opener: Some(opener), certs: None, token })
            });
        }
        let opener = self.opener((name, None), encryption, check)?;
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
        let key = self.secret_key.as_ref().ok_or_else(|| KeyError::NeedsSecretKey(name.clone()))?;
        match Opener::secret_key(key, None) {
            Err(crate::codec::openpgp::OpenError::KeyPassword) => self
                .asked(PassphraseOf::SecretKey { set: name.clone() }, |password| {
                    Ok(Opener::secret_key(key, Some(&password))?)
                }),
            opened => Ok(opened?),
        }
    }
}

/// With the hint, where one is known: this is the moment that it was given for.
fn of_set(name: &SetName, hint: Option<&str>) -> PassphraseOf {
    PassphraseOf::Set { set: name.clone(), hint: hint.map(str::to_owned) }
}

/// A passphrase where none is needed. For a run that makes discs, one that was typed is a mistake
/// that cannot be undone; one that is always there may be meant for other sets.
pub struct Needless<'a> {
    /// Where a passphrase was named.
    pub named: Option<SettingOrigin>,
    pub note: &'a dyn Fn(KeyNotice),
}

impl Needless<'_> {
    /// For a run that makes discs of this set.
    pub fn refuse(&self, set: &KnownSet) -> Result<(), FlowError> {
        match (set.facts.encryption, self.named) {
            (Encryption::None, Some(SettingOrigin::Typed)) => {
                Err(KeyError::NeedlessPassphrase(set.facts.name.clone()).into())
            }
            _ => {
                self.mention(set);
                Ok(())
            }
        }
    }

    /// For a run that reads.
    pub fn mention(&self, set: &KnownSet) {
        if set.facts.encryption == Encryption::None {
            self.say(&set.facts.name, Encryption::None);
        }
    }

    fn say(&self, name: &SetName, encryption: Encryption) {
        if let Some(origin) = self.named {
            let set = name.clone();
            (self.note)(KeyNotice::PassphraseNotUsed { set, encryption, origin });
        }
    }

    /// The set that a command without keys is about, if the catalog can be read and there is no
    /// doubt which one it is: the command itself tells of all else.
    pub fn set_of(catalog: &Path, name: Option<&SetName>) -> Option<KnownSet> {
        let catalog = Catalog::open(catalog, Access::Read).ok()?;
        choose_set(catalog.sets().ok()?, name).ok()
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
