//! Keys.

use crate::model::disc::Encryption;
use crate::model::path::shown_path;
use crate::port::notice::{KeyNotice, SettingOrigin};
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &KeyNotice) -> String {
    match notice {
        KeyNotice::StaysEncrypted { set, origin } => format!(
            "set {set} is encrypted and stays so; `encrypt = false` {} applies only to new sets",
            place(*origin)
        ),
        KeyNotice::RecipientsNotUsed { set, origin } => format!(
            "set {set} is encrypted with a passphrase; the recipients {} are not used",
            place(*origin)
        ),
        KeyNotice::PassphraseNotUsed { set, encryption, origin } => format!(
            "set {set} {}; the passphrase {} is not used",
            encrypted(*encryption),
            place(*origin)
        ),
        KeyNotice::PassphraseFileOpen { file } => {
            format!("others can read the passphrase file {}: `chmod go-r` it", shown_path(file))
        }
        KeyNotice::FilesNotOpened { set, why } => {
            advised(format!("set {set}: {why}; encrypted files are not opened"), why)
        }
    }
}

/// `in the configuration`, for what was said there.
fn place(origin: SettingOrigin) -> &'static str {
    match origin {
        SettingOrigin::Typed => "that was typed",
        SettingOrigin::Environment => "in the environment",
        SettingOrigin::Configuration => "in the configuration",
    }
}

fn encrypted(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "is not encrypted",
        Encryption::Passphrase => "is encrypted with a passphrase",
        Encryption::Recipients => "is encrypted for its recipients only",
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    let set = super::examples::set();
    let origin = SettingOrigin::Configuration;
    examples!(KeyNotice {
        StaysEncrypted { set: set.clone(), origin } =>
            "set films is encrypted and stays so; `encrypt = false` in the configuration applies \
             only to new sets",
        RecipientsNotUsed { set: set.clone(), origin } =>
            "set films is encrypted with a passphrase; the recipients in the configuration are not \
             used",
        PassphraseNotUsed {
            set: set.clone(),
            encryption: Encryption::None,
            origin: SettingOrigin::Environment,
        } => "set films is not encrypted; the passphrase in the environment is not used",
        PassphraseNotUsed {
            set: set.clone(),
            encryption: Encryption::Recipients,
            origin: SettingOrigin::Typed,
        } =>
            "set films is encrypted for its recipients only; the passphrase that was typed is not \
             used",
        PassphraseFileOpen { file: "/k/secret".into() } =>
            "others can read the passphrase file /k/secret: `chmod go-r` it",
        FilesNotOpened { set, why: "it is another key".into() } =>
            "set films: it is another key; encrypted files are not opened",
    })
}
