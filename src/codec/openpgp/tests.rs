//! Every message is opened by gpg and by sequoia, and what gpg writes is opened here.

use super::sealer::MAX_SEALED;
use super::*;
use crate::port::clock::Moment;
use crate::port::passphrase::Secret;
use sequoia_openpgp as pgp;
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// A time at which the keys of the tests are valid: they are made when the tests run.
fn now() -> Moment {
    Moment(Moment::now().0 + 60)
}

fn secret(text: &[u8]) -> Secret {
    Secret::new(text.to_vec())
}

/// Bytes without a pattern, the same in each run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len).collect()
}

fn sealed(sealer: &Sealer, content: &[u8]) -> Vec<u8> {
    let mut writer = sealer.seal(content.len() as u64, Vec::new()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn passphrase_sealer(text: &[u8]) -> Sealer {
    Sealer::new(Locks::passphrase(&secret(text)).unwrap()).unwrap()
}

fn read_all(mut input: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A home of gpg with keys in it, and its agent, which is stopped at the end.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new() -> Gpg {
        // Short, since the agent's socket has a path of at most 107 bytes.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let mut builder = tempfile::Builder::new();
        Gpg(builder.prefix("g").permissions(private).tempdir_in("/tmp").unwrap())
    }

    /// Runs gpg with `passphrase` on stdin's first line, and a file of `input`.
    fn run(&self, args: &[&str], passphrase: &[u8], input: &[u8]) -> Output {
        let file = self.0.path().join("input");
        std::fs::write(&file, input).unwrap();
        let mut child = Command::new("gpg")
            .env("GNUPGHOME", self.0.path())
            .env("LC_ALL", "C")
            .args(["--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase-fd", "0"])
            .args(["--trust-model", "always"])
            .args(args)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // gpg may end without reading it.
        let _ = stdin.write_all(&[passphrase, b"\n"].concat());
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    fn ok(&self, args: &[&str], passphrase: &[u8], input: &[u8]) -> Vec<u8> {
        let output = self.run(args, passphrase, input);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {args:?}: {stderr}");
        output.stdout
    }

    /// Makes a key without a usage of its own input file.
    fn key(&self, user: &str, primary: &str, subkey: &str, expire: &str, password: &str) {
        let quick = |args: &[&str]| {
            let output = Command::new("gpg")
                .env("GNUPGHOME", self.0.path())
                .args(["--batch", "--pinentry-mode", "loopback", "--passphrase", password])
                .args(args)
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{args:?}: {stderr}");
        };
        quick(&["--quick-generate-key", user, primary, "sign", expire]);
        if !subkey.is_empty() {
            let list = Command::new("gpg")
                .env("GNUPGHOME", self.0.path())
                .args(["--batch", "--with-colons", "--list-keys", user])
                .output()
                .unwrap();
            let list = String::from_utf8(list.stdout).unwrap();
            let fingerprint = list.lines().find(|l| l.starts_with("fpr")).unwrap();
            let fingerprint = fingerprint.split(':').nth(9).unwrap();
            quick(&["--quick-add-key", fingerprint, subkey, "encr", expire]);
        }
    }

    fn export(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .env("GNUPGHOME", self.0.path())
            .args(["--batch", "--pinentry-mode", "loopback", "--passphrase", "keypass"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
        output.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.0.path())
            .args(["--kill", "all"])
            .output();
    }
}

/// Keys of gpg's own making: Curve25519, and RSA whose secret key has a password.
static KEYS: LazyLock<Gpg> = LazyLock::new(|| {
    let gpg = Gpg::new();
    gpg.key("curve@test", "ed25519", "cv25519", "never", "");
    gpg.key("rsa@test", "rsa2048", "rsa2048", "never", "keypass");
    gpg.key("signer@test", "ed25519", "", "never", "");
    gpg
});

fn recipients_sealer(hidden: bool) -> Sealer {
    let armored = KEYS.export(&["--armor", "--export", "curve@test"]);
    let binary = KEYS.export(&["--export", "rsa@test"]);
    Sealer::new(Locks::recipients(&[armored, binary], hidden, now()).unwrap()).unwrap()
}

fn curve_opener() -> Opener {
    Opener::secret_key(&KEYS.export(&["--export-secret-keys", "curve@test"]), None).unwrap()
}

/// Reads with nothing but sequoia.
fn read_by_sequoia(message: &[u8], password: &[u8]) -> Vec<u8> {
    use pgp::parse::{Parse, stream::*};
    struct Helper(pgp::crypto::Password);
    impl VerificationHelper for Helper {
        fn get_certs(&mut self, _: &[pgp::KeyHandle]) -> pgp::Result<Vec<pgp::Cert>> {
            Ok(Vec::new())
        }
        fn check(&mut self, _: MessageStructure) -> pgp::Result<()> {
            Ok(())
        }
    }
    impl DecryptionHelper for Helper {
        fn decrypt(
            &mut self,
            _: &[pgp::packet::PKESK],
            skesks: &[pgp::packet::SKESK],
            _: Option<pgp::types::SymmetricAlgorithm>,
            decrypt: &mut dyn FnMut(
                Option<pgp::types::SymmetricAlgorithm>,
                &pgp::crypto::SessionKey,
            ) -> bool,
        ) -> pgp::Result<Option<pgp::Cert>> {
            let (algorithm, key) = skesks[0].decrypt(&self.0)?;
            assert!(decrypt(algorithm, &key));
            Ok(None)
        }
    }
    let policy = pgp::policy::StandardPolicy::new();
    let helper = Helper(password.into());
    let builder = DecryptorBuilder::from_bytes(message).unwrap();
    let mut decryptor = builder.with_policy(&policy, None, helper).unwrap();
    let content = read_all(&mut decryptor);
    assert!(decryptor.message_processed());
    content
}

#[test]
fn gpg_sequoia_and_we_read_what_was_sealed_by_a_passphrase() {
    // Not UTF-8: a passphrase is bytes.
    let phrase = b"Gr\xfc\xdfe  und \t blanks ";
    let sealer = passphrase_sealer(phrase);
    let gpg = Gpg::new();
    let opener = Opener::passphrase(&secret(phrase));
    for len in [
        0, 1, 2, 3, 15, 16, 17, 65_483, 65_484, 65_503, 65_504, 65_505, 65_506, 65_507, 65_536,
        300_001,
    ] {
        let content = noise(len);
        let message = sealed(&sealer, &content);
        assert_eq!(message.len() as u64, sealer.sealed_size(len as u64));
        let mut opened = opener.open(&message[..]).unwrap();
        assert_eq!(opened.integrity(), Integrity::Unknown);
        assert_eq!(read_all(&mut opened), content);
        assert_eq!(opened.integrity(), Integrity::Good);
        assert_eq!(read_by_sequoia(&message, phrase), content);
        if [0, 3, 300_001].contains(&len) {
            let output = gpg.run(&["--decrypt"], phrase, &message);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.stdout, content, "{stderr}");
            assert!(output.status.success() && !stderr.contains("WARNING"), "{stderr}");
        }
    }
}

#[test]
fn the_packets_are_those_of_the_format() {
    let message = sealed(&passphrase_sealer(b"x"), b"content");
    let list = Gpg::new().ok(&["--list-packets", "--verbose"], b"x", &message);
    let list = String::from_utf8(list).unwrap();
    for wanted in [
        "symkey enc packet: version 4, cipher 9, aead 0,s2k 3, hash 8, seskey 256 bits",
        "count 65011712 (255)",
        "encrypted data packet:\n\tlength: 60\n\tmdc_method: 2",
        "mode b (62), created 0, name=\"\",\n\traw data: 7 bytes",
    ] {
        assert!(list.contains(wanted), "no {wanted:?} in {list}");
    }
}

#[test]
fn content_of_another_length_than_promised_is_an_error() {
    let sealer = passphrase_sealer(b"x");
    let mut writer = sealer.seal(3, Vec::new()).unwrap();
    writer.write_all(b"ab").unwrap();
    assert!(writer.write_all(b"cd").is_err());
    assert!(matches!(writer.finish(), Err(SealError::Length { promised: 3, written: 2 })));
    let most = MAX_SEALED - sealer.sealed_size(0);
    assert_eq!(sealer.sealed_size(most), MAX_SEALED);
    assert!(sealer.seal(most, std::io::sink()).is_ok());
    for length in [most + 1, u64::MAX] {
        assert!(matches!(sealer.seal(length, std::io::sink()), Err(SealError::TooLong(_))));
    }
}

#[test]
fn each_recipient_opens_the_message_with_gpg_and_with_us() {
    for hidden in [false, true] {
        let sealer = recipients_sealer(hidden);
        let content = noise(100_000);
        let message = sealed(&sealer, &content);
        assert_eq!(message.len() as u64, sealer.sealed_size(content.len() as u64));
        for (user, password) in [("curve@test", ""), ("rsa@test", "keypass")] {
            let key = KEYS.export(&["--export-secret-keys", user]);
            let password = secret(password.as_bytes());
            let opener = Opener::secret_key(&key, Some(&password)).unwrap();
            assert_eq!(read_all(opener.open(&message[..]).unwrap()), content, "{user}");
            let gpg = Gpg::new();
            gpg.ok(&["--import"], password.bytes(), &key);
            assert_eq!(gpg.ok(&["--decrypt"], password.bytes(), &message), content, "{user}");
        }
        let list = String::from_utf8(KEYS.ok(&["--list-packets", "--list-only"], b"", &message));
        assert_eq!(
            list.unwrap().matches("keyid 0000000000000000").count(),
            if hidden { 2 } else { 0 }
        );
    }
}

#[test]
fn messages_to_rsa_keys_are_all_of_one_length() {
    let cert = KEYS.export(&["--export", "rsa@test"]);
    let sealer = Sealer::new(Locks::recipients(&[cert], false, now()).unwrap()).unwrap();
    for _ in 0..600 {
        assert_eq!(sealed(&sealer, b"").len() as u64, sealer.sealed_size(0));
    }
}

#[test]
fn certificates_come_back_from_their_bytes() {
    let locks = recipients_sealer(false);
    let bytes = locks.locks().to_bytes().unwrap();
    let again = Locks::recipients(&[bytes], false, now()).unwrap();
    assert_eq!(again.fingerprints(), locks.locks().fingerprints());
    assert_eq!(again.fingerprints().len(), 2);
    assert!(again.fingerprints().iter().all(|f| f.len() == 40));
    assert!(!again.is_passphrase());
}

#[test]
fn certificates_that_cannot_serve_are_named() {
    let error = |inputs: &[Vec<u8>], at| match Locks::recipients(inputs, false, at) {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    };
    let signer = KEYS.export(&["--export", "signer@test"]);
    let no_key = error(&[signer], now());
    assert!(matches!(no_key, LockError::NoEncryptionKey(_)));
    assert!(no_key.to_string().contains("signer@test"), "{no_key}");
    assert!(matches!(error(&[], now()), LockError::NoCertificate(_)));
    assert!(matches!(error(&[b"rubbish".to_vec()], now()), LockError::Unreadable(1, _)));

    let (cert, revocation) = pgp::cert::CertBuilder::general_purpose(Some("gone@test"))
        .set_validity_period(std::time::Duration::from_secs(3600))
        .generate()
        .unwrap();
    use pgp::serialize::SerializeInto;
    let bytes = cert.to_vec().unwrap();
    assert!(Locks::recipients(std::slice::from_ref(&bytes), false, now()).is_ok());
    let later = Moment(now().0 + 4000);
    assert!(
        matches!(error(&[bytes], later), LockError::Expired(name) if name.contains("gone@test"))
    );
    let revoked = cert.insert_packets(vec![pgp::Packet::from(revocation)]).unwrap().0;
    let revoked = revoked.to_vec().unwrap();
    assert!(
        matches!(error(&[revoked], now()), LockError::Revoked(name) if name.contains("gone@test"))
    );
}

#[test]
fn certificates_that_ask_for_new_packets_get_those_that_gpg_reads() {
    use pgp::serialize::SerializeInto;
    let (cert, _) = pgp::cert::CertBuilder::general_purpose(Some("modern@test"))
        .set_features(pgp::types::Features::sequoia().set_seipdv2())
        .unwrap()
        .generate()
        .unwrap();
    let locks = Locks::recipients(&[cert.to_vec().unwrap()], false, now()).unwrap();
    let message = sealed(&Sealer::new(locks).unwrap(), b"content");
    let opener = Opener::secret_key(&cert.as_tsk().to_vec().unwrap(), None).unwrap();
    assert_eq!(read_all(opener.open(&message[..]).unwrap()), b"content");
    let gpg = Gpg::new();
    gpg.ok(&["--import"], b"", &cert.as_tsk().to_vec().unwrap());
    assert_eq!(gpg.ok(&["--decrypt"], b"", &message), b"content");
}

#[test]
fn passphrases_that_gpg_cannot_be_given_are_refused() {
    assert!(matches!(Locks::passphrase(&secret(b"")), Err(LockError::EmptyPassphrase)));
    for bad in [&b"a\nb"[..], b"a\n", b"a\0b"] {
        assert!(matches!(Locks::passphrase(&secret(bad)), Err(LockError::Untypeable(_))));
    }
}

#[test]
fn what_gpg_wrote_is_read() {
    let gpg = Gpg::new();
    // gpg knows the length of a file beforehand, as we do; its literal packet is another one.
    let named = |name| ["-z", "0", "--set-filename", name];
    for len in [0, 10, 300, 9_000, 100_000] {
        let content = noise(len);
        let names = ["a name", "a name that is longer than one of our headers"].map(named);
        for armor in [&["--compress-algo", "none"][..], &names[0], &names[1]] {
            let args = [&["--symmetric", "--output", "-"], armor].concat();
            let message = gpg.ok(&args, b"secret", &content);
            let opener = Opener::passphrase(&secret(b"secret"));
            let opened = opener.open(&message[..]).unwrap();
            assert_eq!(read_all(opened), content, "{len} {armor:?}");
            let mut opened = opener.open_damaged(&message[..]).unwrap();
            assert_eq!(read_all(&mut opened), content, "{len} {armor:?}");
            assert_eq!(opened.integrity(), Integrity::Good);
        }
    }
    let content = noise(50_000);
    let args = ["--encrypt", "--output", "-", "-z", "0", "-r", "curve@test"];
    let message = KEYS.ok(&args, b"", &content);
    assert_eq!(read_all(curve_opener().open(&message[..]).unwrap()), content);
    let compressed = gpg.ok(&["--symmetric", "--output", "-"], b"secret", &[0; 1000]);
    let opened = Opener::passphrase(&secret(b"secret")).open(&compressed[..]);
    assert!(matches!(opened, Err(OpenError::Unsupported(_))));
}

#[test]
fn errors_tell_a_wrong_secret_from_damage_and_from_something_else() {
    let message = sealed(&passphrase_sealer(b"right"), &noise(1000));
    let by_phrase = |phrase: &[u8], message: &[u8]| {
        Opener::passphrase(&secret(phrase)).open(message).map(read_all)
    };
    assert!(matches!(by_phrase(b"wrong", &message), Err(OpenError::WrongPassphrase)));
    assert!(matches!(by_phrase(b"right\n", &message), Err(OpenError::WrongPassphrase)));
    for foreign in [&b""[..], b"PK\x03\x04", &[0; 100], b"\xff\xff", &message[..20]] {
        assert!(matches!(by_phrase(b"right", foreign), Err(OpenError::NotOpenPgp)));
    }
    assert!(matches!(by_phrase(b"right", &message[..70]), Err(OpenError::Damaged(_))));
    assert!(matches!(curve_opener().open(&message[..]), Err(OpenError::NeedsPassphrase)));

    let rsa = KEYS.export(&["--export", "rsa@test"]);
    let locks = Locks::recipients(&[rsa], false, now()).unwrap();
    let message = sealed(&Sealer::new(locks).unwrap(), b"content");
    let other = curve_opener().open(&message[..]).map(|_| ());
    assert!(
        matches!(&other, Err(OpenError::NoMatchingKey(ids)) if ids[0].len() == 16),
        "{other:?}"
    );
    assert!(matches!(by_phrase(b"right", &message), Err(OpenError::NeedsKey)));

    let locked = KEYS.export(&["--export-secret-keys", "rsa@test"]);
    let public = KEYS.export(&["--export", "rsa@test"]);
    let made =
        |key: &[u8], password: Option<&Secret>| Opener::secret_key(key, password).map(|_| ());
    assert!(matches!(made(&locked, None), Err(OpenError::KeyPassword)));
    assert!(matches!(made(&locked, Some(&secret(b"no"))), Err(OpenError::KeyPassword)));
    assert!(matches!(made(&public, None), Err(OpenError::NoSecretKey)));
    assert!(matches!(made(b"rubbish", None), Err(OpenError::UnreadableKey(_))));
}

/// A thousand derivations would take minutes.
#[test]
fn a_message_may_have_a_few_passphrases_and_not_a_thousand() {
    let message = sealed(&passphrase_sealer(b"right"), b"content");
    let mut rest = &message[..];
    let Ok(Some((packet::SKESK, packet::Length::Known(length)))) = packet::read_header(&mut rest)
    else {
        panic!("{message:?}")
    };
    let body = message.len() - rest.len();
    // Version, cipher, kind of derivation and hash are before the salt (RFC 4880 5.3, 3.7.1.3).
    let other = |n: u32| {
        let mut packet = message[..body + length as usize].to_vec();
        packet[body + 4..body + 8].copy_from_slice(&n.to_be_bytes());
        packet
    };
    let with = |others: u32| [(0..others).flat_map(other).collect(), message.clone()].concat();
    let opener = Opener::passphrase(&secret(b"right"));
    assert_eq!(read_all(opener.open(&with(15)[..]).unwrap()), b"content");
    for others in [16, 999] {
        let refused = opener.open(&with(others)[..]).map(|_| ());
        assert!(matches!(refused, Err(OpenError::Unsupported(_))), "{refused:?}");
    }
}

#[test]
fn a_sealer_that_keeps_keys_opens_what_it_sealed_and_nothing_else() {
    let sealer = recipients_sealer(true).keeping_keys();
    let content = noise(70_000);
    let (one, other) = (sealed(&sealer, &content), sealed(&sealer, b"other"));
    let key = sealer.file_key(&&one[..]).unwrap().unwrap();
    let found = read_all(key.unlock(&&one[..]).unwrap().range(&one[..], 60_000, 9_000));
    assert_eq!(found, content[60_000..69_000]);
    assert!(matches!(key.unlock(&&other[..]), Err(OpenError::Damaged(_))));
    let args = ["--override-session-key", &key.for_gpg()[..], "--decrypt"];
    assert_eq!(Gpg::new().ok(&args, b"", &one), content);
    // Sealed by somebody else, too short, or by one that keeps nothing.
    let strange = sealed(&recipients_sealer(true), &content);
    assert!(sealer.file_key(&&strange[..]).unwrap().is_none());
    assert!(sealer.file_key(&&one[..9]).unwrap().is_none());
    assert!(recipients_sealer(true).file_key(&&one[..]).unwrap().is_none());
    assert_eq!(curve_opener().file_key(&&one[..]).unwrap().for_gpg(), key.for_gpg());
    assert!(!format!("{sealer:?} {key:?}").contains(&key.for_gpg()[2..]));
}

#[test]
fn a_lost_sector_costs_its_own_bytes_and_no_more() {
    let sealer = passphrase_sealer(b"x");
    let content = noise(1 << 18);
    let whole = sealed(&sealer, &content);
    let opener = Opener::passphrase(&secret(b"x"));
    let gpg = Gpg::new();
    // The second one lies at the front of the content, the last one in the code.
    for (at, len) in [(100_000, 2048), (200, 1), (131_072, 65_536), (whole.len() - 5, 1)] {
        let mut message = whole.clone();
        message[at..at + len].iter_mut().for_each(|byte| *byte ^= 0x55);

        let mut strict = opener.open(&message[..]).unwrap();
        let error = std::io::copy(&mut strict, &mut std::io::sink()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let mut opened = opener.open_damaged(&message[..]).unwrap();
        let found = read_all(&mut opened);
        assert_eq!(opened.integrity(), Integrity::Damaged);
        assert_eq!(found.len(), content.len());
        // A damaged block spoils itself and the next one.
        let wrong = found.iter().zip(&content).filter(|(a, b)| a != b).count();
        assert!(wrong <= len + 32, "{wrong} wrong bytes of {len} damaged ones");

        let by_gpg = gpg.run(&["--ignore-mdc-error", "--decrypt"], b"x", &message).stdout;
        assert!(by_gpg == found, "gpg gives {} bytes", by_gpg.len());
        let unlocked = opener.unlock(&&message[..]).unwrap();
        assert!(read_all(unlocked.range(&message[..], 0, u64::MAX)) == found);
    }
}

#[test]
fn damage_at_the_very_front_is_tolerated_where_the_session_key_is_whole() {
    let content = noise(5000);
    let mut message = sealed(&passphrase_sealer(b"x"), &content);
    // Session-key packet 48, packet header 6, version 1: the random prefix begins at 55.
    for at in [55 + 14, 55 + 20] {
        message[at] ^= 1;
    }
    let opener = Opener::passphrase(&secret(b"x"));
    assert!(opener.open(&message[..]).is_err());
    let mut opened = opener.open_damaged(&message[..]).unwrap();
    let found = read_all(&mut opened);
    assert_eq!(opened.integrity(), Integrity::Damaged);
    assert_eq!(found[32..], content[32..]);
}

#[test]
fn a_message_that_ends_early_gives_what_it_has() {
    let content = noise(200_000);
    let message = sealed(&passphrase_sealer(b"x"), &content);
    let opener = Opener::passphrase(&secret(b"x"));
    let cut = &message[..150_000];
    assert!(opener.open(cut).unwrap().read_to_end(&mut Vec::new()).is_err());
    let mut opened = opener.open_damaged(cut).unwrap();
    let found = read_all(&mut opened);
    assert_eq!(opened.integrity(), Integrity::Damaged);
    assert!(found.len() > 149_800, "{}", found.len());
    assert!(content.starts_with(&found));
}

#[test]
fn any_piece_is_read_without_the_rest() {
    let content = noise(200_000);
    let message = sealed(&recipients_sealer(false), &content);
    let unlocked = curve_opener().unlock(&&message[..]).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&message).unwrap();
    for offset in [0, 1, 2, 3, 15, 16, 17, 65_000, 65_535, 65_536, 199_999, 200_000, 200_001] {
        for len in [0, 1, 14, 15, 16, 17, 65_537, 200_000, u64::MAX] {
            let start = (offset as usize).min(content.len());
            let wanted =
                &content[start..start + (len.min((content.len() - start) as u64) as usize)];
            assert!(
                read_all(unlocked.range(&message[..], offset, len)) == wanted,
                "{offset} {len}"
            );
            assert!(read_all(unlocked.range(&file, offset, len)) == wanted, "{offset} {len}");
        }
    }
}

#[test]
fn threads_share_sealers_and_openers() {
    fn shared<T: Send + Sync>() {}
    shared::<Sealer>();
    shared::<Opener>();
    shared::<Unlocked>();
    let shown = format!("{:?}", Opener::passphrase(&secret(b"hush")));
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_token_tells_the_right_secret() {
    let token = make_token(&passphrase_sealer(b"right")).unwrap();
    assert!(Opener::passphrase(&secret(b"right")).opens(&token).unwrap());
    assert!(!Opener::passphrase(&secret(b"wrong")).opens(&token).unwrap());
    assert!(!curve_opener().opens(&token).unwrap());
    let token = make_token(&recipients_sealer(true)).unwrap();
    assert!(curve_opener().opens(&token).unwrap());
    assert!(!Opener::passphrase(&secret(b"right")).opens(&token).unwrap());
    let mut damaged = token.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(curve_opener().opens(&damaged).is_err());
}

#[test]
fn no_bytes_make_the_opener_panic() {
    let opener = Opener::passphrase(&secret(b"x"));
    let message = sealed(&passphrase_sealer(b"x"), &noise(100));
    for at in 0..message.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xfe, 0xff] {
            let mut bad = message.clone();
            bad[at] = byte;
            // Another salt costs a derivation of 50 ms each.
            if !(5..14).contains(&at) {
                if let Ok(mut opened) = opener.open_damaged(&bad[..]) {
                    let _ = opened.read_to_end(&mut Vec::new());
                }
                if let Ok(unlocked) = opener.unlock(&&bad[..]) {
                    let _ = unlocked.range(&bad[..], 3, 1000).read_to_end(&mut Vec::new());
                }
            }
        }
    }
}
