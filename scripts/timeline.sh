#!/bin/bash
# Draws when each disc of a backup was packed, burned and read back, with a shelf that is as slow as
# a drive; then reckons what the packer's speed means for discs of 25 GB in drives of several speeds.
# What it prints stands in docs/performance.md.
#
#   scripts/timeline.sh [--rate BYTES] [--disc MB] [--discs N] [--kind films|text] [--drives N]
#                       [--coldcut PROGRAM]
#
#   --drives so many shelves at once (1)
#   --rate   bytes a second of the drive, writing and reading (72000000: 16x Blu-ray)
#   --disc   size of a disc in MB (100)
#   --discs  how many discs the source fills (3)
#   --kind   films do not compress; text does, and costs bzip2 its time (films)
set -euo pipefail
cd "$(dirname "$0")/.."

rate=72000000 disc=100 discs=3 kind=films drives=1 coldcut=target/release/coldcut
while (($# > 0)); do
  case $1 in
    --rate) rate=$2 ;; --disc) disc=$2 ;; --discs) discs=$2 ;; --kind) kind=$2 ;;
    --drives) drives=$2 ;; --coldcut) coldcut=$2 ;;
    *) echo "timeline: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ -x $coldcut ]] || { echo "timeline: no $coldcut: cargo build --release" >&2; exit 1; }
coldcut=$(realpath "$coldcut")

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir "$work/source"
shelves=()
for ((n = 1; n <= drives; n++)); do
  shelves+=("$work/shelf$n")
  mkdir "$work/shelf$n"
  printf 'write_rate = %s\nread_rate = %s\n' "$rate" "$rate" >"$work/shelf$n/.shelf.toml"
done

# Content for a bit less than these discs. Text is lines of a log, of which bzip2 leaves 37 %; only
# the first lines of its files differ, for what is the same is stored once.
make_source() {
  local files=$((discs * 10)) bytes n
  bytes=$((disc * 95000))
  case $kind in
    films) for ((n = 0; n < files; n++)); do head -c "$bytes" /dev/urandom >"$work/source/$n"; done ;;
    text)
      head -c "$((disc * 90000))" /dev/urandom | od -An -v -tx1 -w16 | tr -d ' ' |
        sed 's/$/ request served/' >"$work/text"
      for ((n = 0; n < files; n++)); do { echo "$n"; cat "$work/text"; } >"$work/source/$n"; done ;;
    *) echo "timeline: --kind films or text" >&2; exit 2 ;;
  esac
}

# Each event with the time at which it came.
with_times() {
  local line
  while IFS= read -r line; do printf '%s %s\n' "$EPOCHREALTIME" "$line"; done
}

backup() {
  "$coldcut" --json --catalog "$work/catalog.sqlite" --staging "$work/staging" \
    backup --disc-size "${disc}M" --archive-size "$((disc / 10))M" --set timeline \
    "$work/source" "${shelves[@]}" 2>"$work/words" || { cat "$work/words" >&2; return 1; }
}

# A bar for each stretch. Events are one line each, and their keys are sorted.
draw() {
  awk -v rate="$rate" -v disc="$disc" -v drives="$drives" '
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
      printf "%d discs of %d MB, %s of %.1f MB/s, %.1f s in all; a column is %.2f s\n\n", \
        last, disc, drives == 1 ? "a drive" : drives " drives", rate / 1e6, end - first, unit
      phase[1] = "packing"; state[1] = "staged"
      phase[2] = "writing"; state[2] = "burned"
      phase[3] = "verifying"; state[3] = "verified"
      for (n = 1; n <= last; n++)
        for (i = 1; i <= 3; i++) {
          a = from[phase[i], n] - first; b = to[state[i], n] - first
          printf "disc %d %-9s %s %5.1f to %5.1f s\n", n, phase[i], bar(a, b), a, b
          busy[i] += b - a
          if (i == 1 && n < last) { full += disc; seconds += b - a }
        }
      printf "\npacking %.1f s, writing %.1f s, verifying %.1f s: ", busy[1], busy[2], busy[3]
      printf "%.1f s one after the other, %.1f s side by side\n", \
        busy[1] + busy[2] + busy[3], end - first
      if (seconds > 0) reckon(full / seconds)
    }
    # Minutes for each disc of a long row: packing, and burning and reading back at this speed.
    function reckon(packer,    i, n, speed, pack, drive) {
      pack = 25025 / packer / 60
      printf "\nThe packer made %.1f MB/s of discs: 25 GB in %.1f min. Minutes for each disc:\n\n", \
        packer, pack
      print "| drive | burn and read back | one after the other | side by side | two drives side by side |"
      print "|---|---|---|---|---|"
      n = split("4 6 12 16", speed, " ")
      for (i = 1; i <= n; i++) {
        drive = 2 * 25025 / (speed[i] * 4.495625) / 60
        printf "| %dx | %.1f | %.1f | %.1f | %.1f |\n", \
          speed[i], drive, pack + drive, larger(pack, drive), larger(pack, drive / 2)
      }
    }
    function larger(a, b) { return a > b ? a : b }' "$1"
}

make_source
backup | with_times >"$work/events"
draw "$work/events"
