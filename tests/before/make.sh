#!/bin/bash
# Makes `state.tar.bz2`: a catalog, a shelf, a staging area and their sources as an earlier coldcut
# left them, which every later one has to take over. It is never made again once it is committed.
#
#   tests/before/make.sh COLDCUT     COLDCUT is the earlier program
#
# Shelves are typed as they were typed then: once from where the person stood, once whole.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
coldcut=$(realpath "${1:?usage: make.sh COLDCUT}")
export LC_ALL=C.UTF-8 TZ=UTC COLDCUT_CONFIG=/dev/null
[ ! -e "$here/state.tar.bz2" ] || { echo "before: it is there"; exit 0; }
# Where it was made is part of what the catalog knows.
work=/tmp/coldcut-before
mkdir "$work"
cd "$work"
mkdir photos letters films papers shelf other

run() { "$coldcut" --catalog catalog.sqlite --staging staging --yes --quiet "$@"; }
backup() { run backup --disc-size 2560K --no-drill "$@"; }
# Stored as it is, so that discs are full and this archive is small all the same.
long() { seq -f "line %.0f of $1" 1 1000000 | head -c "$2" || true; }

printf 'a passphrase that everybody may know\n' >passphrase
for n in 1 2 3 4 5; do long "photo $n" 500000 >"photos/$n.jpg"; done
for n in 1 2 3; do seq "$n" 20000 >"letters/$n.txt"; done
long film 700000 >films/film.mkv
seq 3000 >papers/tax.txt
sleep 3 # no file is younger than two seconds

# photos, in the clear: discs 1 and 2 on the shelf, and a second copy of disc 1 on another; disc 3
# is closed and waits in the staging area.
backup photos shelf --compress none
run copy 1 "$work/other" --name photos
long 'photo 6' 300000 >photos/6.jpg
rm photos/2.jpg
sleep 3
backup photos --stage

# letters, encrypted: disc 1 on the shelf; disc 2 is open, and waits for more.
backup letters shelf --encrypt --passphrase-file passphrase
seq 4 40000 >letters/4.txt
sleep 3
backup letters --stage --min-fill 99 --passphrase-file passphrase

# films: two copies of each disc, a recovery disc for every two of them; the group is in work.
backup films shelf --compress none --copies 2 --parity-discs 1/2

# papers: a file could not be read, which exit code 3 told.
echo secret >papers/unreadable
chmod 000 papers/unreadable
chown -R 65534:65534 .
status=0
setpriv --reuid 65534 --regid 65534 --clear-groups "$coldcut" --catalog catalog.sqlite \
  --staging staging --yes --quiet backup --disc-size 2560K --no-drill papers shelf || status=$?
[ "$status" -eq 3 ]
chown -R 0:0 .

rm -f catalog.sqlite.lock
tar --create --sort=name --numeric-owner . | bzip2 -9 >"$here/state.tar.bz2"
cd /
rm -r "$work"
