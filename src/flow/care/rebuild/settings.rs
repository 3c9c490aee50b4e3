//! What a new catalog keeps of a set's settings. A catalog on a disc can be anybody's, and what it
//! says of keys decides who can read the next backup: nothing of that is taken over unseen.

use crate::catalog::{Catalog, KnownSet, SetId};
use crate::codec::openpgp::Locks;
use crate::model::DiscNo;
use crate::model::disc::Encryption;
use crate::port::clock::Moment;
use crate::port::notice::SetNotice;
use crate::port::question::{Answer, Question};

use crate::flow::base::keys::KnownKeys;
use crate::flow::base::recipients::fingerprints;
use crate::flow::{Context, FlowError, KeyError};

/// The settings of a set that was taken over from the catalog of a disc.
pub struct SetSettings<'a> {
    /// As that catalog has them.
    pub told: &'a KnownSet,
    pub disc: DiscNo,
    /// As the catalog has them that is replaced.
    pub former: Option<&'a KnownSet>,
    /// What the person named.
    pub keys: &'a KnownKeys,
    /// All discs that are used carry a signature that counts.
    pub is_signed: bool,
    pub context: Context<'a>,
}

impl SetSettings<'_> {
    /// Writes into the new catalog what counts, and says what that is.
    pub fn settle(&self, catalog: &mut Catalog, set: SetId) -> Result<(), FlowError> {
        match self.former {
            Some(former) => {
                catalog.keep_settings(set, former)?;
                if former.sealed_for.is_none() {
                    // The next backup asks, if it is for others than the last.
                    let before = former.facts.certs.as_deref().and_then(read);
                    if let Some(before) = before.as_ref().and_then(fingerprints) {
                        catalog.set_sealed_for(set, &before)?;
                    }
                }
            }
            None => self.say_settings(),
        }
        match self.told.facts.encryption {
            Encryption::None => catalog.set_keys(set, None, None)?,
            // It was made with the passphrase that opens the discs.
            Encryption::Passphrase => catalog.set_keys(set, None, self.keys.token.as_deref())?,
            Encryption::Recipients => self.settle_recipients(catalog, set)?,
        }
        Ok(())
    }

    fn settle_recipients(&self, catalog: &mut Catalog, set: SetId) -> Result<(), FlowError> {
        let told = self.told.facts.certs.as_deref().and_then(read);
        if let Some(certs) = &self.keys.certs {
            let named = read(certs);
            if let (Some(told), Some(named)) = (&told, &named) {
                if fingerprints(told) != fingerprints(named) {
                    let (set, disc) = (self.told.facts.name.clone(), self.disc);
                    let recipients = told.names();
                    let notice = SetNotice::RecipientsNotTaken { set, disc, recipients };
                    self.context.monitor.note(notice.into());
                }
            }
            return Ok(catalog.set_keys(set, Some(certs), self.keys.token.as_deref())?);
        }
        match (self.former, told) {
            (Some(_), _) => Ok(()),
            (None, Some(told)) => self.vouch(&told),
            // Expired, revoked or damaged: the next backup asks for others.
            (None, None) => Ok(catalog.set_keys(set, None, None)?),
        }
    }

    /// Certificates that nothing but a disc names are shown, and taken over if somebody knows them.
    fn vouch(&self, told: &Locks) -> Result<(), FlowError> {
        let (disc, set, recipients) = (self.disc, self.told.facts.name.clone(), told.names());
        if self.is_signed {
            let notice = SetNotice::RecipientsSigned { set, disc, recipients };
            self.context.monitor.note(notice.into());
            return Ok(());
        }
        let (name, names) = (set.clone(), recipients.clone());
        let question = Question::TrustRecipients { set, disc, recipients };
        match self.context.operator.ask(question) {
            Answer::Yes => Ok(()),
            _ => Err(KeyError::UnknownRecipients { set: name, disc, recipients: names }.into()),
        }
    }

    /// None of these gives anything away, but the next backup goes by them.
    fn say_settings(&self) {
        let KnownSet { facts, hint, copies, .. } = self.told;
        let notice = SetNotice::SettingsTaken {
            set: facts.name.clone(),
            disc: self.disc,
            source: facts.source.clone(),
            copies: *copies,
            recovery_percent: facts.parity,
            recovery_discs: facts.parity_discs,
            hint: hint.clone(),
        };
        self.context.monitor.note(notice.into());
    }
}

/// Certificates as a catalog has them; those that cannot be used are none.
fn read(certs: &[u8]) -> Option<Locks> {
    Locks::recipients(&[certs.to_vec()], false, Moment::now()).ok()
}
