#!/bin/bash
# Prints the map of the code: each folder, its files, and the first sentence of what each file says
# that it is (`//!`).
#
#   scripts/map.sh [FOLDER]           all of src, or one folder: scripts/map.sh src/flow
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-src}
if [ $# -gt 1 ] || [ ! -d "$folder" ]; then
  echo "usage: scripts/map.sh [FOLDER]" >&2
  exit 2
fi

first_sentence() {
  awk '
    !/^\/\/! / { exit }
    { text = text (NR > 1 ? " " : "") substr($0, 5) }
    match(text, /[.?](  *|$)/) { text = substr(text, 1, RSTART); exit }
    END { print text }
  ' "$1"
}

last=
while IFS=$'\t' read -r dir file; do
  [ "$dir" = "$last" ] || printf '\n%s\n' "$dir"
  last=$dir
  printf '  %-24s %s\n' "$file" "$(first_sentence "$dir/$file")"
done < <(find "$folder" -name '*.rs' -printf '%h\t%f\n' | LC_ALL=C sort)
