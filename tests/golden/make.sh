#!/bin/bash
# Makes the golden discs of format 2, in format2/: small images that are never made again once they
# are committed. Each set has its source beside it, packed by GNU tar, which knows nothing of
# coldcut; README.md says what each shows. Those of format 1, beside this script, were made by a
# coldcut that wrote it.
#
#   tests/golden/make.sh COLDCUT [NAME...]     COLDCUT is the program; NAME: only these
#
# What is there is left as it is. Needs root: owners are part of what comes back.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
coldcut=$(realpath "${1:?usage: make.sh COLDCUT [NAME...]}")
shift
discs=$here/format2
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

# The same name in both, and content that is in both.
two_trees() {
  mkdir photos letters
  (cd letters && small_tree)
  echo 'not a letter' >photos/letters
  cp letters/letters/1999/numbers.txt photos/first.txt
  ln -s ../letters photos/link
}

# A file that goes over archives and over discs.
long_tree() {
  seq -f 'line %.0f of a file that is longer than a disc' 1 50000 >long.txt
  echo short >short.txt
}

# --- discs -------------------------------------------------------------------------------------

# Runs coldcut in the directory of the disc that is being made. No file is younger than two seconds.
backup() {
  sleep 3
  "$coldcut" --catalog "$work/catalog.sqlite" --staging "$work/staging" backup "$work/source" "$work/shelf" --name golden --yes --quiet "$@"
}

# The source as it is now. *.o is what `history` leaves out; nothing else is called so.
keep() {
  tar --create --format=pax --xattrs --acls --sort=name --numeric-owner --warning=no-file-ignored --exclude='*.o' \
    -C "$work/source" . | bzip2 -9 >"$discs/$name/$1.tar.bz2"
}

# A backup of a source that is changed afterwards: it is kept as `source-NAME`.
run() { # NAME OPTION...
  keep "source-$1"
  backup "${@:2}"
}

# Changes files of the source, with a line of bash.
change() { (cd "$work/source" && eval "$1"); }

discs_of() {
  case $1 in
    plain) # Two runs: something changes, goes, moves.
      run 1
      change 'echo "P.S." >>letters/first.txt; mv copy-of-numbers.txt moved.txt; rm letters/nothing; echo new >new.txt'
      backup
      ;;
    zstd) backup --compress zstd ;;
    passphrase) backup --encrypt --passphrase-file "$work/passphrase" ;;
    certificate) backup --recipient "$cert" ;;
    hidden) backup --recipient "$cert" --hidden-recipients ;;
    split) backup --compress none --archive-size 900K --disc-size 2M ;;
    hostile) backup ;;
    parity) backup --parity 20 --disc-size 3M ;;
    group) backup --compress none --disc-size 2M --parity-discs 1/2 ;;
    signed) backup --sign "$key" ;;
    sources) backup && two_sources "$work/shelf/golden-0001.iso" ;;
    history) several_runs ;;
    branches) two_branches ;;
  esac
}

# Six runs on three discs. Nothing but rows is new in the second, nothing at all in the third, and
# the fourth is held back for the fifth.
several_runs() {
  local all=(--passphrase-file "$work/passphrase" --disc-size 8M --exclude '*.o')
  change 'echo "not stored" >letters/left-out.o
          python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\"letters/socket\")"'
  run 1 "${all[@]}" --encrypt --title 'Letters and numbers' --description $'Two lines\nof text' --contact golden@example.org \
    --rights 'Everybody may read them' --hint 'everybody may know it' --hint-in-clear yes
  change 'chmod 600 letters/first.txt; mv copy-of-numbers.txt letters/moved.txt; touch -h -d 2001-01-01 letters/1999/shortcut'
  run 2 "${all[@]}"
  run 3 "${all[@]}"
  change 'seq 3000 >numbers.txt; rm letters/nothing; rm letters/1999/shortcut; mkdir letters/1999/shortcut'
  run 4 "${all[@]}" --min-fill 90
  change 'echo second >letters/first.txt; mv letters/1999 letters/2000; : >letters/nothing'
  run 5 "${all[@]}"
  change 'rm letters/moved.txt; cp -p letters/2000/numbers.txt again.txt; echo last >last.txt'
  backup "${all[@]}" --rights ''
}

# A catalog is put back, and another second disc is made of it: both are of one set.
two_branches() {
  run 1 --disc-size 3M
  cp "$work/catalog.sqlite" "$work/put-back.sqlite"
  cp -a "$work/source" "$work/first"
  change 'echo one >one.txt; mv letters/first.txt letters/one.txt; rm letters/nothing'
  run one
  mv "$work/shelf/golden-0002.iso" "$work/one-0002.iso"
  rm -r "$work"/catalog.sqlite* "$work/source"
  mv "$work/put-back.sqlite" "$work/catalog.sqlite"
  mv "$work/first" "$work/source"
  change 'echo other >other.txt; mv copy-of-numbers.txt letters; chmod 755 letters/1999'
  backup
  mv "$work/shelf/golden-0002.iso" "$work/other-0002.iso"
  mv "$work"/*-0002.iso "$work/shelf"
}

# No command makes a set of several sources: a disc whose source holds two directories becomes one
# of two sources. It has no catalog, which would know of one.
two_sources() {
  local image=$1 disc=$work/disc listing date
  xorriso -osirrox on -indev "$image" -extract / "$disc" 2>/dev/null
  chmod -R u+w "$disc"
  for listing in INDEX SNAPSHOT; do
    bzip2 -dc "$disc/$listing.tsv.bz2" | awk -F '\t' -v OFS='\t' '
      $1 == "#snapshot" { $4 = "-" }
      $1 == "#source" { print $1, "letters", "/home/ann/letters"; print $1, "photos", "/srv/photos"; next }
      { print }' | bzip2 -9 >"$work/listing"
    mv "$work/listing" "$disc/$listing.tsv.bz2"
  done
  rm "$disc/catalog.sqlite.bz2"
  sed -i 's/^\(listings=.*\) catalog$/\1/' "$disc/DISC.txt" "$disc/README.txt"
  (cd "$disc" && find . -type f ! -name SHA256SUMS -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum >"$work/sums" && mv "$work/sums" SHA256SUMS)
  find "$disc" -type f ! -name '*.sh' -exec chmod 444 {} +
  find "$disc" '(' -type d -o -name '*.sh' ')' -exec chmod 555 {} +
  date=$(sed -n 's/^date=//p' "$disc/DISC.txt" | tr -dc 0-9)
  xorriso -indev "$image" -outdev "$work/new.iso" -joliet on -rm_r '/*' -- -map "$disc" / \
    -volume_date uuid "${date}00" -volume_date all_file_dates "${date}00" 2>/dev/null
  mv "$work/new.iso" "$image"
}

make_one() {
  work=$(mktemp -d)
  mkdir -p "$work/source" "$work/shelf" "$discs/$name"
  printf '%s\n' "$passphrase" >"$work/passphrase"
  (
    cd "$work/source"
    case $name in
      hostile) hostile_tree ;;
      split | group) long_tree ;;
      sources) two_trees ;;
      *) small_tree ;;
    esac
  )
  discs_of "$name"
  keep source
  bzip2 -9 "$work"/shelf/*.iso
  mv "$work"/shelf/*.iso.bz2 "$discs/$name/"
  chmod -R u+w "$work"
  rm -r "$work"
  say "$name: $(du -bs "$discs/$name" | cut -f 1) bytes"
}

[ -e "$key" ] || make_key
[ $# -gt 0 ] || set -- plain zstd passphrase certificate hidden split hostile parity group signed sources history branches
for name in "$@"; do
  if [ -e "$discs/$name" ]; then say "$name is there"; else make_one; fi
done
# Nobody changes them unseen: a test compares.
(cd "$discs" && find . -name '*.bz2' -printf '%P\n' | LC_ALL=C sort | xargs sha256sum) >"$discs/SHA256SUMS"
