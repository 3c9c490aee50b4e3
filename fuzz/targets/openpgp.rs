//! OpenPGP: messages, certificates, secret keys, signatures. The key is a throw-away one.
#![no_main]

use std::io::Read;
use std::sync::LazyLock;

use coldcut::fuzzing::{Checker, Locks, Moment, Opener};

static OPENER: LazyLock<Opener> =
    LazyLock::new(|| Opener::secret_key(include_bytes!("../throwaway.key"), None).unwrap());
static CHECKER: LazyLock<Checker> =
    LazyLock::new(|| Checker::new(include_bytes!("../throwaway.key")).unwrap());

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&what, data)) = data.split_first() else { return };
    match what % 4 {
        0 => {
            if let Ok(mut opened) = OPENER.open_damaged(data) {
                let _ = opened.read_to_end(&mut Vec::new());
            }
            if let Ok(unlocked) = OPENER.unlock(&data) {
                let _ = unlocked.range(data, 3, 1000).read_to_end(&mut Vec::new());
            }
        }
        1 => drop(Locks::recipients(&[data.to_vec()], false, Moment(1_800_000_000))),
        2 => drop(Opener::secret_key(data, None)),
        _ => assert!(CHECKER.check(b"nobody signed this", data).is_err()),
    }
});
