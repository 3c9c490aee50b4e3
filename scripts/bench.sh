#!/bin/bash
# Compares coldcut with what people would use instead: each row in one run, command against
# command in turn, medians. Writes the table into docs/performance.md and draws docs/performance.svg.
#
#   scripts/bench.sh [ROW...]         all rows, or those with these numbers: scripts/bench.sh 1 2 6
#   PAIRS=5                           so many runs of each command
#   BENCH_DIR=/var/tmp/coldcut-bench  data and results: 20 GB are needed, a local disk
#
# Needs root where Debian packages are missing. Takes about an hour; results of rows that are not
# asked for stay as they were measured last.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly pairs=${PAIRS:-5}
readonly bench=${BENCH_DIR:-/var/tmp/coldcut-bench}
readonly work=$bench/work results=$bench/results page=docs/performance.md chart=docs/performance.svg
readonly peers=(tar lbzip2 bzip2 gnupg coreutils restic borgbackup dar par2 xorriso strace time zstd)

say() { printf 'bench: %s\n' "$*" >&2; }

install_peers() {
  local package missing=()
  for package in "${peers[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

# --- data -------------------------------------------------------------------------------------

# Bytes that do not compress, the same each time.
noise() { # SEED BYTES
  openssl enc -aes-128-ctr -nosalt -pbkdf2 -iter 1 -pass "pass:noise $1" </dev/zero 2>/dev/null | head -c "$2" || true
}

# Copies the files that are named on standard input, and of those with the same content keeps one:
# coldcut, restic and borg would store it once, and the tools each time.
copy_once() { # DIR
  tar cf - --no-recursion -T - 2>/dev/null | tar xf - -C "$1"
  find "$1" -type f -exec sha256sum {} + | LC_ALL=C sort | awk 'seen[$1]++ { print substr($0, 67) }' |
    tr '\n' '\0' | xargs -0 -r rm
}

# 580 MB in at most 22,000 files of sources, texts and binaries, as a Debian with Rust has them.
make_text() {
  local roots=() root
  for root in "${CARGO_HOME:-$HOME/.cargo}"/registry/src /usr/include /usr/share /usr/bin /usr/lib; do
    [ -d "$root" ] && roots+=("$root")
  done
  # Shares of each root, so that no kind of file crowds out the others.
  for root in "${roots[@]}"; do
    find "$root" -xdev -type f -size -20M ! -name '*.gz' ! -name '*.xz' ! -name '*.png' ! -name '*.jar' \
      -printf '%s\t%p\n' | LC_ALL=C sort -k 2 |
      awk -F '\t' '{ size += $1; if (size > 116000000 || ++files > 4400) exit; print $2 }'
  done | copy_once "$1"
}

# 4 GiB of all that is installed on this machine, whatever it is, in an order that mixes it.
make_mixed() {
  find /usr /opt "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}" -xdev -type f -size -500M \
    -printf '%s\t%p\n' 2>/dev/null | LC_ALL=C sort -k 2 | shuf --random-source=<(yes) |
    awk -F '\t' '(size += $1) > 4294967296 { exit } { print $2 }' | copy_once "$1"
}

make_photos() {
  local i
  mkdir -p "$1"/{photos,films}
  for i in $(seq 1 80); do noise "photo $i" $((3000000 + i * 50000)) >"$1/photos/$i.jpg"; done
  for i in 1 2 3; do noise "film $i" 133000000 >"$1/films/$i.mp4"; done
}

# Files of 20 to 400 bytes, 30 in a directory.
make_small() { # DIR COUNT
  python3 - "$1" "$2" <<'PY'
import os, sys
top, count = sys.argv[1], int(sys.argv[2])
for first in range(0, count, 30):
    folder = f"{top}/{first // 3000:04}/{first // 30:06}"
    os.makedirs(folder)
    for i in range(first, min(first + 30, count)):
        text = f"file {i} of {count}\n" * (1 + i * 7919 % 20)
        with open(f"{folder}/note {i:07}.txt", "w") as out:
            out.write(text)
PY
}

data() { # NAME: makes it once, gives its directory
  local name=$1 dir=$bench/data/$1
  if [ ! -e "$dir.made" ]; then
    say "making $name"
    rm -rf "$dir"
    mkdir -p "$dir"
    case $name in
      text) make_text "$dir" ;;
      mixed) make_mixed "$dir" ;;
      photos) make_photos "$dir" ;;
      small-*) make_small "$dir" "${name#small-}" ;;
      sparse) truncate -s 20G "$dir/disk.img"; noise sparse 50000000 | dd of="$dir/disk.img" bs=1M seek=9000 conv=notrunc status=none ;;
    esac
    sync
    touch "$dir.made"
    sleep 3 # a file that is younger than two seconds would be read twice
  fi
  printf '%s\n' "$dir"
}

warm() { find "$1" -type f -print0 | xargs -0 -r cat >/dev/null; }

# --- commands ----------------------------------------------------------------------------------

export COLDCUT_CATALOG=$work/catalog.sqlite COLDCUT_STAGING=$work/staging COLDCUT_CONFIG=/dev/null
export RESTIC_REPOSITORY=$work/restic RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$work/restic-cache
export BORG_REPO=$work/borg BORG_PASSPHRASE=bench BORG_BASE_DIR=$work/borg-base GNUPGHOME=$work/gnupg

fresh() {
  gpgconf --kill all 2>/dev/null || true
  rm -rf "$work"
  mkdir -p "$work/out" "$work/gnupg"
  chmod 700 "$work/gnupg"
  echo bench >"$work/pass"
  chmod 600 "$work/pass"
}

coldcut() { "$built" "$@"; }
# Without the drill: none of the others tries what it made. The rows of a whole run have it.
stage() { coldcut backup "$1" --stage --no-drill --encrypt --passphrase-file "$work/pass" --quiet --yes "${@:2}"; }
to_shelf() { coldcut backup "$1" "$work/shelf" --encrypt --passphrase-file "$work/pass" --quiet --yes "${@:2}"; }
encrypt() { gpg --batch --quiet --pinentry-mode loopback --passphrase-file "$work/pass" --cipher-algo AES256 --compress-algo none -c -o "$1"; }
decrypt() { gpg --batch --quiet --pinentry-mode loopback --passphrase-file "$work/pass" -d "$1"; }
by_tools() {
  (cd "$1" && find . -type f -print0 | xargs -0 sha256sum) >"$work/out/SHA256SUMS"
  tar cf - -C "$1" . | lbzip2 -n2 | encrypt "$work/out/all.tar.bz2.gpg"
}
by_restic() { restic init -q && restic backup -q "$1"; }
by_borg() { borg init -e repokey-blake2 && borg create --compression zstd,3 ::one "$1"; }
by_dar() { dar -Q -q -c "$work/out/dar" -R "$1" -zzstd -K aes:bench -w; }

# Seconds that a command takes, by the clock and by the processors: its own and its children's.
clocks() {
  local TIMEFORMAT='%R %U %S'
  { time { "$@" >"$bench/last.log" 2>&1; }; } 2>"$bench/clocks" ||
    { say "failed: $*"; tail -5 "$bench/last.log" >&2; exit 1; }
  awk '{ printf "%.3f %.3f\n", $1, $2 + $3 }' "$bench/clocks"
}
seconds() { clocks "$@" | cut -d ' ' -f 1; }

# Peak memory of a command in MB (10^6).
memory() {
  /usr/bin/time -f %M -o "$bench/memory" "$@" >"$bench/last.log" 2>&1
  awk '{ printf "%.0f\n", $1 * 1024 / 1e6 }' "$bench/memory"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Runs commands in turn, each on a fresh directory, and gives each one's median.
in_turn() { # COMMAND... (each one word: a function or a quoted line)
  local i command n=0
  rm -f "$bench"/times.*
  for i in $(seq 1 "$pairs"); do
    n=0
    for command in "$@"; do
      ${before:-fresh}
      # shellcheck disable=SC2086 # a line is several words
      clocks $command >>"$bench/times.$n"
      n=$((n + 1))
    done
  done
  for n in $(seq 0 $(($# - 1))); do cut -d ' ' -f 1 "$bench/times.$n" | median; done
}

# What the command of this number took in the row that was measured last.
took() { # NUMBER
  printf '%s s (%s s)' "$(cut -d ' ' -f 1 "$bench/times.$1" | median)" "$(cut -d ' ' -f 2 "$bench/times.$1" | median)"
}

# For the chart: bytes a second of each program. The result of a row that is not asked for stays.
bars() { # GROUP DATA NAME... (in the order of the commands)
  local group=$1 size n=0 name
  size=$(du -sb "$2" | cut -f 1)
  shift 2
  for name in "$@"; do
    awk -v group="$group" -v name="$name" -v size="$size" -v time="$(cut -d ' ' -f 1 "$bench/times.$n" | median)" \
      'BEGIN { printf "%s\t%s\t%.1f\n", group, name, size / time / 1e6 }'
    n=$((n + 1))
  done >"$results/bars $group"
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
least() { printf '%s\n' "$@" | sort -n | head -1; }

# What says that a row was measured with fewer or more pairs than the page names.
few() { [ "$pairs" = 5 ] || printf ' (%s)' "$pairs $([ "$pairs" = 1 ] && echo run || echo pairs)"; }

# A row of the table: number, what, ours, the other, what is compared, the target's bound.
row() { # NUMBER WHAT OURS PEER VALUE BOUND UNIT
  local met
  met=$(awk -v v="$5" -v b="$6" 'BEGIN { print (v <= b) ? "yes" : "**no**" }')
  printf '| %s | %s | %s | %s | %s | <= %s%s | %s |\n' "$1" "$2$(few)" "$3" "$4" "$5$7" "$6" "$7" "$met" >>"$results/$row_of"
  say "row $1: $2: $3 against $4: $5$7 (<= $6$7) $met"
}

note() { printf '| %s | %s | %s | %s | %s | | |\n' "$1" "$2$(few)" "$3" "$4" "$5" >>"$results/$row_of"; }

# --- rows --------------------------------------------------------------------------------------

row_1() {
  local src times
  src=$(data text); warm "$src"
  mapfile -t times < <(in_turn "stage $src" "by_tools $src")
  bars "stored, bzip2" "$src" coldcut "sha256sum, tar, lbzip2, gpg"
  row 1 "staged, bzip2, compressible" "$(took 0)" "sha256sum, tar, lbzip2, gpg: $(took 1)" "$(ratio "${times[0]}" "${times[1]}")" 0.80 " x"
}

row_2() {
  local src times
  src=$(data photos); warm "$src"
  mapfile -t times < <(in_turn "stage $src" "by_tools $src" "by_borg $src" "by_restic $src")
  bars "stored, does not compress" "$src" coldcut "sha256sum, tar, lbzip2, gpg" borg restic
  row 2 "staged, does not compress" "$(took 0)" "sha256sum, tar, lbzip2, gpg: $(took 1)" "$(ratio "${times[0]}" "${times[1]}")" 0.08 " x"
  row 3 "the same" "$(took 0)" "borg: $(took 2)" "$(ratio "${times[0]}" "${times[2]}")" 1.1 " x"
  note "" "the same" "$(took 0)" "restic: $(took 3)" "$(ratio "${times[0]}" "${times[3]}") x"
}

row_4() {
  local src times best
  src=$(data text); warm "$src"
  mapfile -t times < <(in_turn "stage $src --compress zstd" "by_restic $src" "by_borg $src" "by_dar $src")
  bars "stored, zstd" "$src" coldcut restic borg "dar"
  best=$(least "${times[1]}" "${times[2]}")
  row 4 "staged, zstd, compressible" "$(took 0)" "restic $(took 1), borg $(took 2)" "$(ratio "${times[0]}" "$best")" 1.0 " x"
  note "" "the same" "$(took 0)" "dar, zstd: $(took 3)" "$(ratio "${times[0]}" "${times[3]}") x"
}

row_5() {
  local src ours theirs
  src=$(data text); fresh
  coldcut backup "$src" --stage --quiet --yes
  ours=$(find "$work/staging" -path '*/archives/*' -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')
  theirs=$(tar cf - -C "$src" . | bzip2 -9 | wc -c)
  row 5 "archives' size, bzip2" "$ours bytes" "tar, bzip2 -9 in one stream: $theirs bytes" "$(ratio "$ours" "$theirs")" 0.990 " x"
}

row_mixed() {
  local src times what
  src=$(data mixed)
  what="staged, bzip2, $(du -sb "$src" | awk '{ printf "%.1f GB", $1 / 1e9 }') of mixed real data"
  mapfile -t times < <(in_turn "stage $src" "by_tools $src" "by_restic $src")
  note "" "$what" "$(took 0)" "tools $(took 1), restic $(took 2)" "$(ratio "${times[0]}" "${times[1]}") x tools"
}

# The whole command to a shelf: image and read-back are in it.
row_whole() {
  local src times
  src=$(data text); warm "$src"
  mapfile -t times < <(in_turn "to_shelf $src" "by_tools $src" "by_restic $src" "by_borg $src")
  note "" "whole run to a shelf, bzip2, compressible" "$(took 0)" "tools $(took 1), restic $(took 2), borg $(took 3)" "$(ratio "${times[0]}" "${times[1]}") x tools"
  src=$(data photos); warm "$src"
  mapfile -t times < <(in_turn "to_shelf $src" "by_tools $src" "by_restic $src" "by_borg $src")
  note "" "whole run to a shelf, does not compress" "$(took 0)" "tools $(took 1), restic $(took 2), borg $(took 3)" "$(ratio "${times[0]}" "${times[1]}") x tools"
}

find_all() { find "$1" -printf '%p %s %T@ %i\n' >/dev/null; }
row_6() {
  local src times
  src=$(data small-300000); fresh
  stage "$src"; by_restic "$src"
  find_all "$src"
  mapfile -t times < <(before=true in_turn "stage $src" "restic backup -q $src" "find_all $src")
  row 6 "nothing changed, 300,000 files" "$(took 0)" "restic: $(took 1)" "$(ratio "${times[0]}" "${times[1]}")" 0.3 " x"
  row 6 "the same" "$(took 0)" "find -printf: $(took 2)" "$(ratio "${times[0]}" "${times[2]}")" 3 " x"
}

catalog_bytes() { stat -c %s "$COLDCUT_CATALOG"; }
row_7() {
  local src first second
  src=$(data small-1000000); fresh
  say "a first run over 1,000,000 files"
  stage "$src"; first=$(catalog_bytes)
  # 1 % of the files, one in each hundred, with new content.
  find "$src" -name '*00.txt' -print0 | while IFS= read -r -d '' file; do echo "changed $RANDOM" >>"$file"; done
  stage "$src"; second=$(catalog_bytes)
  rm -f "$src.made" # it is made anew for others
  row 7 "catalog, 1,000,000 files" "$first bytes" "" "$((first / 1000000))" 190 " bytes a file"
  row 7 "one more snapshot, 1 % changed" "$((second - first)) bytes" "" "$(ratio "$((second - first))" 1000000)" 30 " bytes a file"
}

row_8() {
  local src
  src=$(data small-1000000); fresh
  row 8 "peak memory, 1,000,000 files" "" "" "$(memory "$built" backup "$src" --stage --quiet --yes)" 300 " MB"
  src=$(data sparse); fresh
  row 8 "peak memory, a sparse file of 20 GB" "" "" "$(memory "$built" backup "$src" --stage --quiet --yes)" 300 " MB"
}

# The archives of a shelf's first image, as the tools take them.
archives_of() {
  mkdir -p "$work/disc"
  xorriso -no_rc -osirrox on -indev "stdio:$1" -extract / "$work/disc" 2>/dev/null >/dev/null
  chmod -R u+w "$work/disc"
}
clear_out() { rm -rf "$work/out"; mkdir -p "$work/out"; }
restored() { coldcut restore "$work/shelf" "$work/out" --passphrase-file "$work/pass" --quiet --yes; }
restored_by_tools() {
  local archive
  for archive in "$work"/disc/archives/*.tar.bz2.gpg; do decrypt "$archive" | lbzip2 -d | tar xf - -C "$work/out"; done
  for archive in "$work"/disc/archives/*.tar.gpg; do [ -e "$archive" ] && decrypt "$archive" | tar xf - -C "$work/out"; done
  return 0
}
row_9() {
  local src times
  src=$(data text); fresh
  to_shelf "$src"; archives_of "$(echo "$work"/shelf/*.iso)"
  mapfile -t times < <(before=clear_out in_turn restored restored_by_tools)
  bars "restored, bzip2" "$src" coldcut "gpg, lbzip2, tar"
  row 9 "restore, everything, from a shelf" "$(took 0)" "gpg -d, lbzip2 -d, tar x: $(took 1)" "$(ratio "${times[0]}" "${times[1]}")" 0.85 " x"
}

row_10() {
  local src image read
  src=$bench/data/one-gib
  [ -e "$src.made" ] || { rm -rf "$src"; mkdir -p "$src"; for i in $(seq 1 200); do noise "part $i" 5368709 >"$src/$i"; done; echo small >"$src/small"; touch "$src.made"; }
  fresh
  coldcut backup "$src" "$work/shelf" --quiet --yes
  image=$(echo "$work"/shelf/*.iso)
  strace -f -y -e trace=read,pread64,preadv -o "$bench/reads" "$built" restore "$work/shelf" "$work/out" --path small --quiet --yes >/dev/null
  read=$(awk -v image="$image" 'index($0, "<" image ">") && $NF ~ /^[0-9]+$/ { s += $NF } END { printf "%.2f", s / 1048576 }' "$bench/reads")
  cmp -s "$src/small" "$work/out/small" || { say "the file did not come back"; exit 1; }
  row 10 "one file out of a 1 GiB archive, read of the disc" "$read MiB" "" "$read" 4 " MiB"
}

verified() { coldcut verify "$1" --quiet; }
row_11() {
  local src image times
  src=$(data photos); fresh
  to_shelf "$src"
  image=$(echo "$work"/shelf/*.iso)
  cat "$image" >/dev/null
  mapfile -t times < <(before=true in_turn "verified $work/shelf" "sha256sum $image")
  row 11 "verify a disc image" "$(took 0)" "sha256sum: $(took 1)" "$(ratio "${times[0]}" "${times[1]}")" 1.0 " x"
}

# What was planned (the catalog), what xorriso expects and what was written; the burn compares too.
row_12() {
  local src image planned written off
  src=$(data photos); fresh
  to_shelf "$src" --disc-size 300M
  off=0
  for image in "$work"/shelf/*.iso; do
    written=$(stat -c %s "$image")
    planned=$(coldcut discs --json | python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row.get("id") == int(sys.argv[1]): print(row["used"])' "$(basename "$image" .iso | sed 's/.*-0*//')")
    off=$((off + (planned > written ? planned - written : written - planned)))
  done
  row 12 "image size predicted against written" "$(find "$work/shelf" -name '*.iso' | wc -l) discs" "" "$off" 0 " bytes off"
}

row_13() {
  local n src times=() least
  for n in 10000 100000 1000000; do
    src=$(data "small-$n"); warm "$src"; fresh
    times+=("$(ratio "$(seconds stage "$src")" "$(awk -v n="$n" 'BEGIN { print n / 1e6 }')")")
  done
  # The smallest run is mostly what every run costs: the best of the smaller ones is the measure.
  least=$(least "${times[0]}" "${times[1]}")
  row 13 "first run, 10,000, 100,000, 1,000,000 files" "${times[0]}, ${times[1]}, ${times[2]} µs a file" "" "$(ratio "${times[2]}" "$least")" 1.2 " x"
}

restored_plain() { coldcut restore "$work/shelf" "$work/out" --quiet --yes; }
by_script() { bash "$work/disc/restore.sh" "$work/out" "$work/disc"; }
row_14() {
  local src times
  src=$(data small-100000); fresh
  coldcut backup "$src" "$work/shelf" --quiet --yes
  archives_of "$(echo "$work"/shelf/*.iso)"
  mapfile -t times < <(before=clear_out in_turn by_script restored_plain)
  row 14 "restore.sh, 100,000 small files" "$(took 0)" "coldcut's own restore: $(took 1)" "$(ratio "${times[0]}" "${times[1]}")" 3 " x"
}

# Eight discs onto so many shelves, each as slow as a drive of 6x (27 MB/s) in both directions.
to_slow_shelves() { # SOURCE COUNT
  local n shelves=()
  for n in $(seq 1 "$2"); do
    shelves+=("$work/slow$n")
    mkdir -p "$work/slow$n"
    printf 'write_rate = 27000000\nread_rate = 27000000\n' >"$work/slow$n/.shelf.toml"
  done
  coldcut backup "$1" "${shelves[@]}" --no-drill --disc-size 105M --archive-size 25M --quiet --yes
  [ "$(find "${shelves[@]}" -name '*.iso' | wc -l)" = 8 ]
}
row_15() {
  local src times
  src=$(data photos); warm "$src"
  mapfile -t times < <(in_turn "to_slow_shelves $src 1" "to_slow_shelves $src 2" "to_slow_shelves $src 4")
  # 1.9 and 3.5 times as fast.
  row 15 "8 discs on 2 drives of 6x" "$(took 1)" "1 drive: $(took 0)" "$(ratio "${times[1]}" "${times[0]}")" 0.526 " x"
  row 15 "8 discs on 4 drives of 6x" "$(took 2)" "1 drive: $(took 0)" "$(ratio "${times[2]}" "${times[0]}")" 0.285 " x"
}

# MB/s of one thread, by processor time, in frames of 900,000 bytes: ours and the crate's in one process,
# in turn (the test prints them); the programs on the same bytes, by their user time.
user_time() {
  local TIMEFORMAT=%U
  { time "$@" >/dev/null 2>&1; } 2>&1
}
filtered() { "$@" <"$from"; }
speeds_of() { # NAME COMMAND...: of packing and of unpacking
  local from=$bench/sample pack unpack
  "${@:2}" -9 <"$from" >"$from.bz2"
  pack=$(for _ in $(seq 1 "$pairs"); do user_time filtered "${@:2}" -9; done | median)
  from=$from.bz2
  unpack=$(for _ in $(seq 1 "$pairs"); do user_time filtered "${@:2}" -d; done | median)
  awk -v n="$1" -v s="$(stat -c %s "$bench/sample")" -v p="$pack" -v u="$unpack" \
    'BEGIN { printf "%s %.1f %.1f\n", n, s / p / 1e6, s / u / 1e6 }'
}
row_codec() {
  local src own_pack own_unpack crate_pack crate_unpack lbzip2_pack lbzip2_unpack libbz2_pack libbz2_unpack
  src=$(data text)
  # Every tenth frame of it, 40 MB.
  tar cf - -C "$src" . | python3 -c '
import sys
while frame := sys.stdin.buffer.read(9000000): sys.stdout.buffer.write(frame[:900000])' >"$bench/sample"
  BZIP2_SAMPLE=$bench/sample cargo test --release --locked --lib bzip2_speed -- --ignored --nocapture >"$bench/last.log" 2>&1 ||
    { say "the measuring test failed"; tail -5 "$bench/last.log" >&2; exit 1; }
  read -r _ own_pack own_unpack < <(grep '^own ' "$bench/last.log")
  read -r _ crate_pack crate_unpack < <(grep '^crate ' "$bench/last.log")
  read -r _ lbzip2_pack lbzip2_unpack < <(speeds_of lbzip2 lbzip2 -n1)
  read -r _ libbz2_pack libbz2_unpack < <(speeds_of libbz2 bzip2)
  row "" "bzip2 encoder, one thread" "$own_pack MB/s" "crate: $crate_pack MB/s" "$(ratio "$crate_pack" "$own_pack")" 0.5 " of the time"
  row "" "the same" "$own_pack MB/s" "lbzip2: $lbzip2_pack MB/s, bzip2: $libbz2_pack MB/s" "$(ratio "$lbzip2_pack" "$own_pack")" 0.8 " of lbzip2's"
  row "" "bzip2 decoder, one thread" "$own_unpack MB/s" "crate: $crate_unpack MB/s" "$(ratio "$crate_unpack" "$own_unpack")" 0.5 " of the time"
  row "" "the same" "$own_unpack MB/s" "lbzip2: $lbzip2_unpack MB/s, bzip2: $libbz2_unpack MB/s" "$(ratio "$lbzip2_unpack" "$own_unpack")" 0.667 " of lbzip2's"
}

# --- the page ----------------------------------------------------------------------------------

machine() {
  printf '%s, %s processors, %s, Linux %s, %s' \
    "$(date +%Y-%m-%d)" "$(nproc)" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" "$(uname -r)" \
    "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
}

# Bars, one group for each row that has them; the text colours suit light and dark pages.
draw_chart() {
  cat "$results"/bars* 2>/dev/null | python3 -c '
import sys
from html import escape
rows = [line.rstrip("\n").split("\t") for line in sys.stdin]
if not rows: sys.exit()
most = max(float(row[2]) for row in rows)
out, y, group = [], 10, None
for row in rows:
    if row[0] != group:
        group, y = row[0], y + 26
        out.append(f"<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{escape(group)}</text>")
        y += 8
    width = max(1, 380 * float(row[2]) / most)
    colour = "#1f7a8c" if row[1] == "coldcut" else "#9aa5ab"
    out.append(f"<text x=\"210\" y=\"{y + 13}\" text-anchor=\"end\">{escape(row[1])}</text>")
    out.append(f"<rect x=\"218\" y=\"{y + 1}\" width=\"{width:.0f}\" height=\"15\" rx=\"2\" fill=\"{colour}\"/>")
    out.append(f"<text x=\"{226 + width:.0f}\" y=\"{y + 13}\">{float(row[2]):.0f} MB/s</text>")
    y += 20
print(f"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"700\" height=\"{y + 16}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#7a8389\">")
print("<title>MB of files a second, by program</title>")
print("\n".join(out))
print("</svg>")' >"$bench/chart"
  [ ! -s "$bench/chart" ] || cp "$bench/chart" "$chart"
}

write_page() {
  local table
  table=$(mktemp)
  {
    printf 'Measured on %s; medians of 5 pairs, or of as many as the row says.\n\n' "$(machine)"
    printf 'In brackets: processor time. The chart: MB of files a second.\n\n![The same as a chart](performance.svg)\n\n'
    echo '| row | what | coldcut | other program | compared | target | met |'
    echo '|---|---|---|---|---|---|---|'
    for name in "${all[@]}"; do cat "$results/$name" 2>/dev/null || true; done
  } >"$table"
  sed -i -e '/^<!-- table -->$/,/^<!-- end -->$/{//!d}' -e "/^<!-- table -->\$/r $table" "$page"
  rm "$table"
  say "written into $page"
}

readonly all=(1 2 4 5 mixed codec whole 6 7 8 9 10 11 12 13 14 15)
install_peers
say "building"
cargo build --release --locked
built=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/coldcut
readonly built
mkdir -p "$bench/data" "$results"
[ $# -gt 0 ] || set -- "${all[@]}"
for row_of in "$@"; do
  [ "$row_of" = 3 ] && row_of=2
  rm -f "$results/$row_of"
  "row_$row_of"
done
draw_chart
write_page
