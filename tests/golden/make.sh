#!/bin/bash
# Makes the golden discs: small images of format 1 that are never made again once they are
# committed. Each has its source beside it, packed by GNU tar, which knows nothing of coldcut.
#
#   tests/golden/make.sh COLDCUT [NAME...]     COLDCUT is the program; NAME: only these
#
# What is there is left as it is. Needs root: owners are part of what comes back.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
coldcut=$(realpath "${1:?usage: make.sh COLDCUT [NAME...]}")
shift
export LC_ALL=C.UTF-8 TZ=UTC
# Keys of no worth: everybody may read these discs.
passphrase='a passphrase that everybody may know'
key=$here/throwaway.key cert=$here/throwaway.cert

say() { printf 'golden: %s\n' "$*"; }

make_key() {
  local home
  home=$(mktemp -d)
  gpg --homedir "$home" --batch --quiet --passphrase '' --quick-generate-key golden@example.org rsa2048 encr,sign never
  gpg --homedir "$home" --batch --quiet --armor --export-secret-keys >"$key"
  gpg --homedir "$home" --batch --quiet --armor --export >"$cert"
  gpgconf --homedir "$home" --kill all
  rm -r "$home"
}

# --- sources -----------------------------------------------------------------------------------

small_tree() {
  mkdir -p letters/1999 empty
  printf 'Dear reader,\n' >letters/first.txt
  seq 1 2000 >letters/1999/numbers.txt
  : >letters/nothing
  ln letters/first.txt letters/1999/the-same.txt
  ln -s ../letters/first.txt letters/1999/shortcut
  cp letters/1999/numbers.txt copy-of-numbers.txt
  chmod 640 letters/first.txt
  chmod 2750 letters/1999
  chown 1000:100 letters/1999/numbers.txt
  touch -h -d '1999-12-31 23:59:59.123456789' letters/first.txt letters/1999/numbers.txt letters/1999/shortcut
  touch -d '1969-07-20 20:17:40' letters/nothing
}

# Names and attributes that programs stumble over.
hostile_tree() {
  mkdir -p -- '-rf' $'new\nline' $'tab\there' 'trailing space ' 'b\\ackslash' 'quote"s and '\''s' '*' $'\xff\xfe not UTF-8' 'ünïcode' $'u\xcc\x88ni'
  local dir deep=deep
  for dir in *; do printf 'in %q\n' "$dir" >"./$dir/file"; done
  printf 'as long as a name can be\n' >"$(printf 'n%.0s' {1..255})"
  for dir in {1..24}; do deep=$deep/$(printf '%02d-%s' "$dir" "$(printf 'd%.0s' {1..40})"); done
  mkdir -p "$deep"
  echo bottom >"$deep/bottom"
  echo e >$'esc\e[31mred'
  mkfifo pipe
  ln -s $'nowhere\n at all' dangling
  ln -s /etc/passwd absolute
  echo x >attributes
  setfattr -n user.comment -v $'two\nlines' attributes
  setfattr -n user.empty attributes
  setfacl -m u:1000:rw-,g:100:r-- attributes
  mkdir -m 1777 sticky
  echo s >setuid
  chmod 4755 setuid
  truncate -s 3M sparse
  printf 'data' | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none
  touch -d '2200-01-01' setuid
  touch -d '1901-12-14 00:00:01' attributes
}

# A file that goes over archives and over discs.
long_tree() {
  seq -f 'line %.0f of a file that is longer than a disc' 1 80000 >long.txt
  echo short >short.txt
}

# --- discs -------------------------------------------------------------------------------------

# Runs coldcut in the folder of the disc that is being made.
backup() {
  "$coldcut" --catalog "$work/catalog.sqlite" --staging "$work/staging" backup "$work/source" "$work/shelf" --name golden --yes --quiet "$@"
}

discs_of() {
  case $1 in
    plain) # Two runs: something changes, goes, moves.
      backup
      cd "$work/source"
      echo 'P.S.' >>letters/first.txt
      mv copy-of-numbers.txt moved.txt
      rm letters/nothing
      echo new >new.txt
      cd "$work"
      sleep 2
      backup
      ;;
    zstd) backup --compress zstd ;;
    passphrase) backup --encrypt --passphrase-file "$work/passphrase" ;;
    certificate) backup --recipient "$cert" ;;
    hidden) backup --recipient "$cert" --hidden-recipients ;;
    split) backup --compress none --archive-size 900K --disc-size 2560K ;;
    hostile) backup ;;
    parity) backup --parity 20 ;;
    group) backup --compress none --disc-size 2560K --parity-discs 1/2 ;;
    signed) backup --sign "$key" ;;
  esac
}

make_one() {
  local name=$1
  work=$(mktemp -d)
  mkdir "$work/source" "$work/shelf"
  printf '%s\n' "$passphrase" >"$work/passphrase"
  (
    cd "$work/source"
    case $name in
      hostile) hostile_tree ;;
      split | group) long_tree ;;
      *) small_tree ;;
    esac
  )
  sleep 3 # no file is younger than two seconds
  (cd "$work" && discs_of "$name")
  mkdir "$here/$name"
  tar --create --format=pax --xattrs --acls --sort=name --numeric-owner -C "$work/source" . | bzip2 -9 >"$here/$name/source.tar.bz2"
  bzip2 -9 --keep "$work"/shelf/*.iso
  mv "$work"/shelf/*.iso.bz2 "$here/$name/"
  rm -r "$work"
  say "$name: $(du -sk "$here/$name" | cut -f 1) KiB"
}

[ -e "$key" ] || make_key
[ $# -gt 0 ] || set -- plain zstd passphrase certificate hidden split hostile parity group signed
for name in "$@"; do
  if [ -e "$here/$name" ]; then say "$name is there"; else make_one "$name"; fi
done
# Nobody changes them unseen: a test compares.
(cd "$here" && find . -name '*.bz2' -printf '%P\n' | LC_ALL=C sort | xargs sha256sum) >"$here/SHA256SUMS"
