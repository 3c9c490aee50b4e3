#!/bin/bash
# Draws when each disc of a backup was packed, burned and read back, with a shelf that is as slow as
# a drive. What it prints stands in docs/performance.md.
#
#   scripts/timeline.sh [--rate BYTES] [--disc MB] [--discs N] [--kind films|text] [--coldcut PROGRAM]
#
#   --rate   bytes a second of the drive, writing and reading (72000000: 16x Blu-ray)
#   --disc   size of a disc in MB (300)
#   --discs  how many discs the source fills (3)
#   --kind   films do not compress; text does, and costs bzip2 its time (films)
set -euo pipefail
cd "$(dirname "$0")/.."

rate=72000000 disc=300 discs=3 kind=films coldcut=target/release/coldcut
while (($# > 0)); do
  case $1 in
    --rate) rate=$2 ;; --disc) disc=$2 ;; --discs) discs=$2 ;; --kind) kind=$2 ;;
    --coldcut) coldcut=$2 ;;
    *) echo "timeline: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ -x $coldcut ]] || { echo "timeline: no $coldcut: cargo build --release" >&2; exit 1; }
coldcut=$(realpath "$coldcut")

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir "$work/source" "$work/shelf"
printf 'write_rate = %s\nread_rate = %s\n' "$rate" "$rate" >"$work/shelf/.shelf.toml"

# Content for a bit less than these discs. Text is base64: bzip2 makes three quarters of it.
make_source() {
  local files=$((discs * 10)) bytes n
  bytes=$((disc * 1000000 / 10 * 97 / 100))
  for ((n = 0; n < files; n++)); do
    case $kind in
      films) head -c "$bytes" /dev/urandom ;;
      text) head -c "$bytes" /dev/urandom | base64 ;;
    esac >"$work/source/$n"
  done
}

# Each event with the time at which it came.
with_times() {
  local line
  while IFS= read -r line; do printf '%s %s\n' "$EPOCHREALTIME" "$line"; done
}

backup() {
  "$coldcut" --json --catalog "$work/catalog.sqlite" --staging "$work/staging" \
    backup --disc-size "${disc}M" --archive-size "$((disc / 10))M" --name timeline \
    "$work/source" "$work/shelf" 2>"$work/words" || { cat "$work/words" >&2; return 1; }
}

# A bar for each stretch. Events are one line each, and their keys are sorted.
draw() {
  awk -v rate="$rate" -v disc="$disc" '
    function number(key) {
      if (!match($0, "\"" key "\":[0-9]+")) return ""
      return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
    }
    function word(key) {
      if (!match($0, "\"" key "\":\"[a-z]+\"")) return ""
      return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
    }
    function bar(from, to,    text, i) {
      text = ""
      for (i = 0; i < width; i++)
        text = text ((i + 0.5) * unit >= from && (i + 0.5) * unit < to ? "#" : ".")
      return text
    }
    { time = $1 }
    word("event") == "phase" && (n = number("disc")) != "" {
      if (!((word("phase"), n) in from)) from[word("phase"), n] = time
      if (first == "") first = time
      if (n > last) last = n
    }
    word("event") == "disc" { to[word("state"), number("disc")] = time; end = time }
    END {
      width = 60; unit = (end - first) / width
      printf "%d discs of %d MB, a drive of %.1f MB/s, %.1f s in all; a column is %.2f s\n\n", \
        last, disc, rate / 1e6, end - first, unit
      phase[1] = "packing"; state[1] = "staged"
      phase[2] = "writing"; state[2] = "burned"
      phase[3] = "verifying"; state[3] = "verified"
      for (n = 1; n <= last; n++)
        for (i = 1; i <= 3; i++) {
          a = from[phase[i], n] - first; b = to[state[i], n] - first
          printf "disc %d %-9s %s %5.1f to %5.1f s\n", n, phase[i], bar(a, b), a, b
          busy[i] += b - a
        }
      printf "\npacking %.1f s, writing %.1f s, verifying %.1f s: ", busy[1], busy[2], busy[3]
      printf "%.1f s one after the other, %.1f s side by side\n", \
        busy[1] + busy[2] + busy[3], end - first
    }' "$1"
}

make_source
backup | with_times >"$work/events"
draw "$work/events"
