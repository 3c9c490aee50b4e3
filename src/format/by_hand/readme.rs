//! README.txt, written for one disc of one set: what a stranger needs to get the files back, with
//! commands that can be copied. Lines are at most 80 columns wide.

use super::Facts;
use crate::model::disc::Encryption;

/// The whole text.
pub(super) fn text(facts: &Facts) -> String {
    [
        super::title::text(facts),
        needs(facts),
        what_is_here(facts),
        BY_SCRIPT.to_owned(),
        IMAGES.to_owned(),
        archives(facts),
        names(facts),
        elsewhere(facts),
        limits(facts),
        check(facts),
        repair(facts),
    ]
    .concat()
}

/// The programs, and the secret, without which nothing comes back.
fn needs(facts: &Facts) -> String {
    let mut programs = vec!["bash", "GNU tar", "bzip2", "GNU coreutils", "awk"];
    if facts.zstd {
        programs.push("zstd");
    }
    if facts.encryption.is_on() {
        programs.push("gpg");
    }
    format!(
        "This is a backup that needs no special software. Any Linux with these programs\nrestores it: {}.\nSo does coldcut, the program that made it.\n{}\n",
        programs.join(", "),
        secret(facts)
    )
}

fn secret(facts: &Facts) -> String {
    let keys = match facts.encryption {
        Encryption::None => return String::new(),
        Encryption::Passphrase => "The files are encrypted with a passphrase.".to_owned(),
        Encryption::Recipients if facts.key_ids.is_empty() => {
            "The files are encrypted. Each of the set's secret keys opens them; which keys\nthese are is hidden."
                .to_owned()
        }
        Encryption::Recipients => {
            format!(
                "The files are encrypted. Any of these secret keys opens them:\n  {}",
                facts.key_ids.join("\n  ")
            )
        }
    };
    keys + "\n"
}

fn what_is_here(facts: &Facts) -> String {
    let gpg = gpg_suffix(facts);
    let listing = if facts.has_snapshot {
        format!(
            "  SNAPSHOT.tsv.bz2{gpg}\n                 every file of the newest snapshot, and on which disc it is\n"
        )
    } else {
        "  (SNAPSHOT.tsv, the list of all files, is on another disc: the last one has it.)\n"
            .to_owned()
    };
    let parity = match facts.parity {
        0 => String::new(),
        percent => format!("  parity/        recovery data for {percent} % of this disc\n"),
    };
    format!(
        "What is on this disc:

  archives/      the files, in tar archives
  INDEX.tsv.bz2{gpg}
                 which file is in which archive of this disc
{listing}  restore.sh     restores the files from all discs
  FORMAT.txt     describes all of this, byte by byte
  SHA256SUMS     checksums
{parity}
The discs of a set belong together: keep all of them.

"
    )
}

const BY_SCRIPT: &str = "The easy way: restore.sh
------------------------

  bash restore.sh TARGET DISC...

TARGET is a new directory; each DISC is a directory with the content of a disc,
/media/cdrom for example, or a directory that holds such directories. Give as
many as you can at once; without any, it asks for one disc after the other. It
asks for the passphrase, if there is one (or give -p FILE: its first line).

It checks every file, and lists what is missing and which disc has it. Run it
again with other discs, or with another copy of a damaged one, and it adds what
is missing. `-s N` restores snapshot N, an older one. `--ignore-damage` gets the
most from a disc that cannot be read everywhere. `--help` lists all options.

Discs with a file simple-restore.sh: it does the same for undamaged discs and
the newest snapshot, and is short enough to be read before it is run.

";

const IMAGES: &str = "An image of a disc (a file disc.iso)
------------------------------------

  mount -o loop,ro disc.iso /mnt      Linux, as root
  xorriso -osirrox on -indev disc.iso -extract / disc      Linux, as any user

Windows and macOS open it with a double click; 7-Zip opens it, too.

";

/// How an archive of the set is decrypted, for whoever types the passphrase once.
fn decrypt(facts: &Facts, file: &str) -> String {
    match facts.encryption {
        Encryption::None => format!("cat {file}"),
        Encryption::Passphrase => format!("g {file}"),
        Encryption::Recipients => format!("gpg -d {file}"),
    }
}

/// Asks for a passphrase once.
const ASK: &str = "  read -rs P
  g() {
    gpg --batch --pinentry-mode loopback --passphrase-fd 3 -d \"$1\" 3<<<\"$P\"
  }
";

fn archives(facts: &Facts) -> String {
    let gpg = gpg_suffix(facts);
    let zstd = if facts.zstd { format!(" *.zst{gpg}) zstd -dc ;;") } else { String::new() };
    let (first, about) = match facts.encryption {
        Encryption::None => ("", ""),
        Encryption::Passphrase => {
            (ASK, "The first line waits for the passphrase, which is not shown, and Enter.\n")
        }
        Encryption::Recipients => {
            ("", "gpg asks for the key's passphrase once, and keeps it for a while.\n")
        }
    };
    format!(
        "By hand, 1: unpack the archives
-------------------------------

In bash, in a new directory with room for twice what the discs hold, for each
disc (one without a directory archives has listings only):

{first}  for a in /media/cdrom/archives/*; do
    n=${{a##*/}}; n=${{n%%.*}}; mkdir $n
    {decrypt} |
      case $a in *.bz2{gpg}) bzip2 -dc ;;{zstd} *) cat ;; esac |
      tar -x -p -C $n -f -
  done

{about}Each archive has a directory of its own now, because a name can be in several of
them with different content. tar may complain of a link whose file is in another
archive; step 2 makes it.

",
        decrypt = decrypt(facts, "\"$a\"")
    )
}

fn names(facts: &Facts) -> String {
    let gpg = gpg_suffix(facts);
    let ask = if facts.encryption == Encryption::Passphrase { ASK } else { "" };
    format!(
        "By hand, 2: give the files their names
--------------------------------------

In the same directory, with the last disc. This writes the commands that make
the newest snapshot in the directory out; read them, and run them:

{ask}  {decrypt} |
    bzip2 -dc | awk -F'\\t' '
{AWK_NAMES}' > names.sh
  bash names.sh

and this compares every file with its checksum:

  {decrypt} |
    bzip2 -dc | awk -F'\\t' '
{AWK_SUMS}' > sums
  cd out; sha256sum -c --quiet ../sums

It does not set modes, times and owners: these are fields 7 to 12 of SNAPSHOT
(FORMAT.txt, section 7). A file in parts (.coldcut-parts) is joined from them.

",
        decrypt = decrypt(facts, &format!("/media/cdrom/SNAPSHOT.tsv.bz2{gpg}"))
    )
}

/// Reads SNAPSHOT.tsv; prints commands for bash.
const AWK_NAMES: &str = r#"    function q(s) { gsub(/\047/, "\\\047", s); return "$\047" s "\047" }
    /^#/ { next }
    $1 == "d" { print "mkdir -p out/" q($2) }
    $1 == "f" {
      from = ""
      n = $5 == "-" ? 0 : split($5, part, ",")
      for (i = 1; i <= n; i++) {
        split(part[i], at, ":")
        from = from sprintf(" %08d/", at[2]) q($6 == "=" ? $2 : $6)
        if ($6 ~ /^\.coldcut-parts\//) from = from sprintf("/%04d", i)
      }
      print (n ? "cat" from : ":") " > out/" q($2)
    }
    $1 == "l" { print "ln -s -- " q($13) " out/" q($2) }
    $1 == "p" { print "mkfifo out/" q($2) }
    $1 == "h" { link[++links] = "ln -P out/" q($13) " out/" q($2) }
    END { for (i = 1; i <= links; i++) print link[i] }"#;

/// Reads SNAPSHOT.tsv; prints what `sha256sum -c` reads.
const AWK_SUMS: &str = r#"    $1 == "f" {
      gsub(/\\t/, "\t", $2); gsub(/^\\055$/, "-", $2); gsub(/^\\075$/, "=", $2)
      gsub(/\r/, "\\r", $2)
      print ($2 ~ /\\/ ? "\\" : "") $4 "  ./" $2
    }"#;

fn elsewhere(facts: &Facts) -> String {
    let closed = facts.encryption.is_on();
    let (windows, mac) = if closed { (" and Gpg4win", " and GPG Suite") } else { ("", "") };
    let decrypt = if closed {
        "Decrypt a file whose name ends with .gpg first: with the program's own menu, or\n  gpg -o NNNNNNNN.tar.bz2 -d NNNNNNNN.tar.bz2.gpg\n"
    } else {
        ""
    };
    let zstd = if facts.zstd { " (for .zst version 24 or newer)" } else { "" };
    format!(
        "Windows and macOS
-----------------

On Windows 10 or newer restore.sh works in the Windows Subsystem for Linux. With
free programs alone, the files are opened like this.
Windows: 7-Zip{zstd}{windows};
macOS: Keka or The Unarchiver{mac}.
{decrypt}Unpack each archive in a folder of its own; `tar -xf NNNNNNNN.tar.bz2` (bsdtar,
which Windows and macOS have) does it as well. Then unpack SNAPSHOT.tsv.bz2, and
open SNAPSHOT.tsv with an editor or a spreadsheet: for each file, column 5 is
DISC:ARCHIVE, column 6 is its name in this archive (=: the same as column 2),
and column 2 is the name that it has now.

What remains to be done by hand: renaming files, copying what is there twice,
joining files in parts (`copy /b 0001+0002 FILE`, or `cat 0001 0002 > FILE`),
links, and names with characters that Windows cannot have.

"
    )
}

fn limits(facts: &Facts) -> String {
    let long = if facts.long_paths && !facts.encryption.is_on() {
        "This set has such paths."
    } else {
        "Most sets have no such path."
    };
    format!(
        "Limits: tar cannot unpack paths of more than 4,096 bytes; coldcut can.
{long}
Owners and devices are restored only by root. What cannot be read is all that is
lost: an archive is a sequence of small independent pieces, and restore.sh
skips the broken ones.

"
    )
}

fn check(facts: &Facts) -> String {
    let signature = if facts.signed { "\n  gpg --verify SHA256SUMS.sig SHA256SUMS" } else { "" };
    format!("Is this disc as it was written?\n\n  sha256sum -c SHA256SUMS{signature}\n")
}

/// Unreadable places become zeros, so that par2 finds all that comes after them.
fn repair(facts: &Facts) -> String {
    if facts.parity == 0 {
        return String::new();
    }
    format!(
        "
Repairing this disc
-------------------

Up to {percent} % of it may be lost, wherever that is. The program par2 (Debian:
apt install par2) repairs a copy, in a new directory with room for twice this
disc:

  mkdir archives parity format
  for f in $(cd /media/cdrom && ls -d *.* SHA256SUMS */*); do
    cp /media/cdrom/$f $f ||
      dd if=/media/cdrom/$f of=$f bs=2048 conv=noerror,sync
  done
  par2 repair -B \"$PWD/\" parity/disc.par2

The directory is as good as the disc then: give it to restore.sh, or use it for
\"By hand\". Where not even the list of files can be read, copy the whole disc
into a file disc.iso with ddrescue, and repair that. Less of the disc may be
damaged then (FORMAT.txt, section 12, \"Without the directory\"):

  ln -s disc.iso disc.par2
  par2 repair -B \"$PWD/\" disc.par2 disc.iso
",
        percent = facts.parity
    )
}

fn gpg_suffix(facts: &Facts) -> &'static str {
    if facts.encryption.is_on() { ".gpg" } else { "" }
}
