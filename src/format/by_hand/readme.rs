//! README.txt, written for one disc of one set: what a stranger needs to get the files back, with
//! commands that can be copied.

use super::Facts;
use crate::model::disc::Encryption;

/// The whole text.
pub(super) fn text(facts: &Facts) -> String {
    [
        super::title::text(facts),
        needs(facts),
        what_is_here(facts),
        by_script(facts),
        one_archive(facts),
        all_archives(facts),
        names(facts),
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
        "This is a backup that needs no special software. Any Linux with {} restores it;\nso does the program that made it, coldcut.\n{}\n",
        programs.join(", "),
        secret(facts)
    )
}

const PASSPHRASE: &str = "The files are encrypted with a passphrase.";

/// Whether a README.txt says that its disc is encrypted with a passphrase.
pub fn names_a_passphrase(readme: &[u8]) -> bool {
    String::from_utf8_lossy(readme).contains(PASSPHRASE)
}

fn secret(facts: &Facts) -> String {
    let keys = match facts.encryption {
        Encryption::None => return String::new(),
        Encryption::Passphrase => PASSPHRASE.to_owned(),
        Encryption::Recipients if facts.key_ids.is_empty() => {
            "The files are encrypted. Each of the set's secret keys opens them; their ids are not told."
                .to_owned()
        }
        Encryption::Recipients => {
            format!("The files are encrypted. Any of these secret keys opens them: {}", facts.key_ids.join(" "))
        }
    };
    let since = match facts.keys_since {
        Some(disc) => format!(
            "\nThe set's keys were changed: from disc {disc} on they are those of this disc."
        ),
        None => String::new(),
    };
    format!("{keys}{since}\n")
}

fn what_is_here(facts: &Facts) -> String {
    let gpg = gpg_suffix(facts);
    let listing = if facts.has_snapshot {
        format!(
            "  SNAPSHOT.tsv.bz2{gpg}   every file of the set's newest snapshot, and on which disc it is\n"
        )
    } else {
        "  (The list of all files, SNAPSHOT.tsv, is on another disc: the last one has it.)\n"
            .to_owned()
    };
    let parity = match facts.parity {
        0 => String::new(),
        percent => format!("  parity/                recovery data for {percent} % of this disc\n"),
    };
    format!(
        "What is on this disc:

  archives/              the files, in tar archives
  INDEX.tsv.bz2{gpg}      which file is in which archive of this disc
{listing}  restore.sh             puts the files of all discs together again
  FORMAT.txt             describes all of this, byte by byte
  SHA256SUMS             check sums
{parity}
"
    )
}

fn by_script(facts: &Facts) -> String {
    let secret = if facts.encryption.is_on() { " -p PASSPHRASE_FILE" } else { "" };
    format!(
        "The easy way: restore.sh
------------------------

  bash restore.sh{secret} TARGET DISC_DIR...

TARGET is a new directory; each DISC_DIR is where a disc, or a copy of what is on one, can be read:
/media/cdrom, for example. Give as many as you can reach at once; without any it asks for one disc
after another. It checks every file, and lists what is missing and which disc has it. Run it again
with other discs, or with another copy of a damaged one, and it adds what is missing.
`-s N` restores an older snapshot. `--ignore-damage` gets the most from a disc that cannot be read
everywhere.

"
    )
}

fn one_archive(facts: &Facts) -> String {
    let archive = format!("archives/NNNNNNNN.tar.bz2{}", gpg_suffix(facts));
    let steps = if facts.encryption.is_on() {
        format!("  gpg -o NNNNNNNN.tar.bz2 -d {archive}\n  tar -xpjf NNNNNNNN.tar.bz2\n")
    } else {
        format!("  bzip2 -dc {archive} > NNNNNNNN.tar\n  tar -xpf NNNNNNNN.tar\n")
    };
    let zstd =
        if facts.zstd { ", and for a name with .tar.zst zstd -dc instead of bzip2" } else { "" };
    format!(
        "By hand, 1: one archive
-----------------------

{steps}
(Files that do not get smaller are in archives without .bz2: leave that step out{zstd}.)

"
    )
}

fn all_archives(facts: &Facts) -> String {
    let decrypt = if facts.encryption.is_on() { "gpg -d \"$a\"" } else { "cat \"$a\"" };
    let gpg = gpg_suffix(facts);
    let zstd = if facts.zstd { format!(" *.zst{gpg}) zstd -dc ;;") } else { String::new() };
    format!(
        "By hand, 2: all archives of a disc, into the current directory
--------------------------------------------------------------

  for a in /media/cdrom/archives/*; do
    {decrypt} |
      case $a in *.bz2{gpg}) bzip2 -dc ;;{zstd} *) cat ;; esac |
      tar -x -p --acls --xattrs --xattrs-include='*' -f -
  done

Do this for all discs, the lowest number first; one without a directory archives has listings only.
It yields every stored file under the path that it had when it was stored. So files that were
deleted later are there, too, and files that were moved or copied later have their old names only;
see 3. The options behind -p bring ACLs and extended attributes.

"
    )
}

fn names(facts: &Facts) -> String {
    let decrypt = if facts.encryption.is_on() {
        "gpg -d SNAPSHOT.tsv.bz2.gpg | bzip2 -dc"
    } else {
        "bzip2 -dc SNAPSHOT.tsv.bz2"
    };
    format!(
        "By hand, 3: the names
---------------------

On the last disc. This prints which files are to be renamed, copied or joined; in names, \\\\ stands
for a backslash, \\t for a tabulator and \\n for a line break:

  {decrypt} | {AWK_NAMES}

Files that were longer than an archive, or met the end of a disc, are in parts
.coldcut-parts/ID/0001, 0002 and so on, spread over the discs. To join them, disc by disc:

  cat .coldcut-parts/ID/0001 .coldcut-parts/ID/0002 > FILE

"
    )
}

/// Reads SNAPSHOT.tsv; prints verb, member and path.
const AWK_NAMES: &str = r#"awk -F'\t' '$1=="f"{has[$2];if($6!="="&&$6!="-"){to[++n]=$2;from[n]=$6;used[$6]++}}END{for(i=1;i<=n;i++)print((from[i]~/^\.coldcut-parts\//?"join":from[i] in has||used[from[i]]>1?"copy":"rename")"\t"from[i]"\t"to[i])}'"#;

fn limits(facts: &Facts) -> String {
    let long = if facts.long_paths && !facts.encryption.is_on() {
        "This set has such paths."
    } else {
        "Most sets have no such path."
    };
    format!(
        "Limits: tar cannot unpack paths of more than 4,096 bytes; coldcut can. {long}
Owners and devices come back only if root restores. What cannot be read is the only thing that is
lost: an archive is a row of small independent pieces, and --ignore-damage skips the broken ones.

"
    )
}

fn check(facts: &Facts) -> String {
    let signature = if facts.signed { "\n  gpg --verify SHA256SUMS.sig SHA256SUMS" } else { "" };
    format!("Is this disc as it was written?\n\n  sha256sum -c SHA256SUMS{signature}\n")
}

/// Unreadable places become zeros, so that par2 finds all that is behind them.
fn repair(facts: &Facts) -> String {
    if facts.parity == 0 {
        return String::new();
    }
    format!(
        "
Repairing this disc
-------------------

Up to {percent} % of it may be lost, wherever that is. The program par2 (Debian: apt install par2) repairs
a copy, in a new directory that has room for this disc twice:

  mkdir archives parity
  for f in $(cd /media/cdrom && ls -d *.* SHA256SUMS archives/* parity/*); do
    cp /media/cdrom/$f $f || dd if=/media/cdrom/$f of=$f bs=2048 conv=noerror,sync
  done
  par2 repair -B \"$PWD/\" parity/disc.par2

The directory is as good as the disc then: give it to restore.sh, or do \"By hand\" in it. Where not
even the list of files can be read, copy the whole disc into a file disc.iso with ddrescue, and:

  ln -s disc.iso disc.par2
  par2 repair -B \"$PWD/\" disc.par2 disc.iso
",
        percent = facts.parity
    )
}

fn gpg_suffix(facts: &Facts) -> &'static str {
    if facts.encryption.is_on() { ".gpg" } else { "" }
}
