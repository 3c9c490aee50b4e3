#!/bin/bash
# Puts a folder onto a shelf of small encrypted discs, verifies them, and gets it back twice: with
# coldcut, and with the restore.sh of the discs alone. Then all three are compared.
#
#   scripts/demo.sh [--keep] [DIR]
#
# Works below ${TMPDIR:-/tmp} and removes what it made, unless --keep is given. DIR is only read.
set -euo pipefail

step() { printf '\n== %s\n' "$*"; }
say() { printf '   %s\n' "$*"; }
show() { printf '   $ %s\n' "$*"; "$@"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

keep=no
if [ "${1:-}" = --keep ]; then
  keep=yes
  shift
fi
[ $# -le 1 ] || die "usage: scripts/demo.sh [--keep] [DIR]"

# A folder of some megabytes that anybody can read: the first that is there.
default_folder() {
  local folder
  for folder in /usr/share/perl /usr/lib/*-linux-gnu/perl-base /usr/include/linux; do
    if [ -d "$folder" ]; then
      printf '%s\n' "$folder"
      return
    fi
  done
  die "name a folder: scripts/demo.sh DIR"
}

folder=$(realpath -- "${1:-$(default_folder)}")
[ -d "$folder" ] || die "no such folder: $folder"
cd "$(dirname "$0")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/coldcut-demo.XXXXXX")
# gpg's agent belongs to this home, so that it can be ended without touching anybody else's.
export GNUPGHOME=$work/gnupg
unset COLDCUT_CATALOG COLDCUT_STAGING COLDCUT_PASSPHRASE

clean_up() {
  gpgconf --kill all >/dev/null 2>&1 || true
  if [ $keep = no ]; then
    chmod -R u+rwX "$work" 2>/dev/null || true
    rm -rf "$work"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -m 700 "$GNUPGHOME"
mkdir "$work/shelf" "$work/mnt"

# Everything about the files below a folder that a restore must bring back, NUL-separated. Owners
# only for root: nobody else can give files away.
listing() {
  local owner=
  [ "$(id -u)" -ne 0 ] || owner='%U:%G '
  (
    cd "$1"
    find . -mindepth 1 -type d -printf "%P %y %m $owner%T@\\0"
    find . -mindepth 1 ! -type d -printf "%P %y %m $owner%T@ %s %l\\0"
  ) | sort -z
  (cd "$1" && find . -type f -print0 | sort -z | xargs -0 -r sha256sum -z --)
}

compare() {
  if cmp -s "$work/listing" <(listing "$1"); then
    say "$2: the same, to the last bit, mode, time and link"
  else
    diff <(tr '\0' '\n' <"$work/listing") <(listing "$1" | tr '\0' '\n') | head -20 || true
    die "$2 differs from $folder"
  fi
}

# Small discs, so that there are several; 3 MB holds the listings of a few thousand files.
disc_megabytes() {
  local megabytes
  megabytes=$(($(du -s --block-size=1M -- "$folder" | cut -f 1) / 8))
  printf '%s\n' $((megabytes < 3 ? 3 : megabytes))
}

step "Building coldcut (the first time takes some minutes)"
./scripts/setup.sh
show cargo build --release --locked --quiet
coldcut=${CARGO_TARGET_DIR:-target}/release/coldcut

step "A passphrase, as a file that only you can read"
(umask 077 && head -c 24 /dev/urandom | base64 >"$work/passphrase")
say "$work/passphrase"

mine=(--catalog "$work/catalog.sqlite" --staging "$work/staging" --set demo)
secret=(--passphrase-file "$work/passphrase")

step "Backing up $folder to a shelf: a folder that stands for a drive with a stack of blanks"
size=$(disc_megabytes)M
show "$coldcut" backup "${mine[@]}" --encrypt "${secret[@]}" --disc-size "$size" \
  "$folder" "$work/shelf"
say "Each image is a whole disc that can be burned as it is:"
(cd "$work/shelf" && ls -l -- *.iso)

step "Verifying every disc against its checksums: no passphrase is needed for that"
show "$coldcut" verify "${mine[@]}" "$work/shelf"

step "Restoring with coldcut"
show "$coldcut" restore "${mine[@]}" "${secret[@]}" "$work/shelf" "$work/with-coldcut"

step "Restoring without coldcut: bash, tar, bzip2, gpg, coreutils and awk"
discs=()
for image in "$work"/shelf/*.iso; do
  disc=$work/mnt/$(basename "$image" .iso)
  xorriso -osirrox on -indev "$image" -extract / "$disc" 2>"$work/xorriso.log" ||
    die "xorriso cannot read $image: $(cat "$work/xorriso.log")"
  discs+=("$disc")
done
say "The discs' contents are in $work/mnt, as if they were mounted there."
# By the last disc's script, which knows the newest snapshot; nothing of coldcut is within reach.
show env -i PATH=/usr/bin:/bin HOME="$work" GNUPGHOME="$GNUPGHOME" \
  bash "${discs[-1]}/restore.sh" -p "$work/passphrase" "$work/by-hand" "${discs[@]}"

step "Comparing"
listing "$folder" >"$work/listing"
say "the folder: $(find "$folder" -mindepth 1 -printf x | wc -c) paths, $(du -sh -- "$folder" | cut -f 1)"
compare "$work/with-coldcut" "restored with coldcut"
compare "$work/by-hand" "restored by hand"

step "Done"
if [ $keep = yes ]; then
  say "All of it is in $work"
else
  say "Removing $work (--keep leaves it)"
fi
