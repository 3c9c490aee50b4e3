//! The standard tools as the discs' README.txt uses them: a bash script for each thing that is
//! tried, an empty environment, secrets on standard input.

use std::ffi::OsString;
use std::path::Path;

use super::DrillError;
use crate::codec::openpgp::FileKey;
use crate::model::disc::{Compression, Encryption};
use crate::port::command::{Program, ProgramExit};
use crate::port::passphrase::Secret;

/// A tool is missing; its name is the last line on standard error.
pub(super) const NO_TOOL: ProgramExit = ProgramExit::Code(77);

/// That the tools are there which open an archive of this kind, before anything is packed that they
/// are to open. The scripts look again.
pub fn check_tools(encryption: Encryption, compression: Compression) -> Result<(), DrillError> {
    let gpg = encryption.is_on().then_some("gpg");
    let zstd = (compression == Compression::Zstd).then_some("zstd");
    let tools = ["bash", "tar", "bzip2", "head", "tail", "cat"].into_iter().chain(gpg).chain(zstd);
    tools.into_iter().try_for_each(|tool| Ok(Program::new("", [tool]).look_for()?))
}

/// In front of each script. `opened` prints a file, decrypted if need be; the flags of gpg are
/// those of restore.sh: neither key ring nor agent.
const COMMON: &str = r#"
set -u +o pipefail
exec 3<&0 </dev/null
file=$1 how=$2 kind=$3
shift 3
needs=(tar bzip2 head tail cat)
[[ $how == plain ]] || needs+=(gpg)
[[ $kind != zstd ]] || needs+=(zstd)
for tool in "${needs[@]}"; do
    [[ -n $(type -P "$tool") ]] || { echo "$tool" >&2; exit 77; }
done
by_gpg() {
    gpg --batch --no-tty --quiet --no-options --homedir /nonexistent --no-permission-warning \
        --no-autostart --no-keyring --no-random-seed-file --trust-model always "$@" --decrypt -- "$file"
}
opened() {
    case $how in
        plain) cat -- "$file" ;;
        passphrase) by_gpg --pinentry-mode loopback --passphrase-fd 3 ;;
        session) by_gpg --override-session-key-fd 3 ;;
    esac
}
expand() {
    case $kind in
        bzip2) bzip2 -dc ;;
        zstd) zstd -dcq ;;
        none) cat ;;
    esac
}
"#;

/// $1: so many bytes are expanded, the rest is only opened; empty: all.
const LISTING: &str = r#"
if [[ -z $1 ]]; then
    opened | expand
    states=("${PIPESTATUS[@]}")
    ((states[0] == 0 && states[1] == 0))
else
    opened | { head -c "$1" | expand 2>/dev/null; cat >/dev/null; }
    ((PIPESTATUS[0] == 0))
fi
"#;

/// Pairs of offset and length in the opened archive. What is encrypted is read to its end, so that
/// gpg checks all of it.
const ARCHIVE: &str = r#"
failed=0 at=0 reader=
[[ $how == plain ]] || { exec 4< <(opened); reader=$!; }
piece() {
    if [[ $how == plain ]]; then
        tail -c "+$(($1 + 1))" -- "$file" | head -c "$2"
    else
        head -c "$(($1 - at))" <&4 >/dev/null
        head -c "$2" <&4
    fi
}
while (($# > 1)); do
    piece "$1" "$2" | {
        expand | tar -x -O -f -
        states=("${PIPESTATUS[@]}")
        cat >/dev/null
        ((states[0] == 0 && states[1] == 0))
    } || failed=1
    at=$(($1 + $2))
    shift 2
done
if [[ $how != plain ]]; then
    cat <&4 >/dev/null
    wait "$reader" || failed=1
fi
exit "$failed"
"#;

/// gpg is left alone as soon as enough came out.
const HEAD: &str = r#"
opened 2>/dev/null | head -c "$1"
"#;

/// Frames on standard input.
const FRAMES: &str = r#"
expand <&3 | tar -x -O -f -
states=("${PIPESTATUS[@]}")
((states[0] == 0 && states[1] == 0))
"#;

/// One frame on standard input.
const FRAME: &str = r#"
expand <&3
"#;

/// The beginning of tar data on standard input: the names in it.
const NAMES: &str = r#"
tar -t -f - <&3 2>/dev/null
exit 0
"#;

/// How encrypted files are opened.
pub(super) struct Tools {
    how: &'static str,
    secret: Option<Secret>,
}

impl Tools {
    pub(super) fn plain() -> Tools {
        Tools { how: "plain", secret: None }
    }

    pub(super) fn with_passphrase(secret: &Secret) -> Tools {
        let line = [secret.bytes(), b"\n"].concat();
        Tools { how: "passphrase", secret: Some(Secret::new(line)) }
    }

    pub(super) fn with_session_key(key: &FileKey) -> Tools {
        let line = [key.for_gpg().as_bytes(), b"\n"].concat();
        Tools { how: "session", secret: Some(Secret::new(line)) }
    }

    pub(super) fn listing(&self, file: &Path, cut: Option<u64>) -> Program {
        let cut = cut.map_or(String::new(), |cut| cut.to_string());
        self.script(LISTING, file, Compression::Bzip2, &[cut])
    }

    pub(super) fn archive(
        &self,
        file: &Path,
        compression: Compression,
        pieces: &[(u64, u64)],
    ) -> Program {
        let words: Vec<String> = pieces
            .iter()
            .flat_map(|(offset, length)| [offset, length].map(u64::to_string))
            .collect();
        self.script(ARCHIVE, file, compression, &words)
    }

    pub(super) fn head(&self, file: &Path, length: u64) -> Program {
        self.script(HEAD, file, Compression::None, &[length.to_string()])
    }

    /// Frames that were cut out and decrypted already, unpacked.
    pub(super) fn frames(compression: Compression, bytes: Secret) -> Program {
        Tools::given(bytes).script(FRAMES, Path::new("-"), compression, &[])
    }

    /// One of them, expanded.
    pub(super) fn frame(compression: Compression, bytes: Secret) -> Program {
        Tools::given(bytes).script(FRAME, Path::new("-"), compression, &[])
    }

    pub(super) fn names(tar_data: Secret) -> Program {
        Tools::given(tar_data).script(NAMES, Path::new("-"), Compression::None, &[])
    }

    fn given(bytes: Secret) -> Tools {
        Tools { how: "plain", secret: Some(bytes) }
    }

    fn script(&self, body: &str, file: &Path, kind: Compression, words: &[String]) -> Program {
        let script = format!("{COMMON}{body}");
        let mut argv: Vec<OsString> =
            ["bash", "--noprofile", "--norc", "-c", &script, "drill"].map(Into::into).into();
        argv.push(file.into());
        argv.extend([self.how, kind.word()].map(OsString::from));
        argv.extend(words.iter().map(OsString::from));
        let program = Program::new("apt install bash", argv).only_env(&["PATH"]).dies_with_us();
        match &self.secret {
            Some(secret) => program.input(secret.clone()),
            None => program,
        }
    }
}
