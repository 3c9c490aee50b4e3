#!/bin/bash
# All that must hold before a change goes in: format, lints, tests. Exits with 0 only if all do.
# With --demo, the demo runs on a small folder, too.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
say() { printf 'test: %s\n' "$*"; }

# Runs a check of cargo's that not every installation has, such as `fmt` or `clippy`.
check() {
  local component=$1
  if ! cargo "$component" --version >/dev/null 2>&1; then
    say "!!! cargo $component is not installed: NOT CHECKED"
    return
  fi
  say "cargo $*"
  cargo "$@" || { failed=1; say "!!! cargo $component found something"; }
}

demo() {
  local folder status=0
  folder=$(mktemp -d)
  mkdir "$folder/sub"
  seq 1 200000 >"$folder/sub/numbers"
  ln -s sub/numbers "$folder/link"
  ./scripts/demo.sh "$folder" || status=1
  rm -r "$folder"
  return $status
}

# The tests of all binaries of a log, added up, as the one last line.
sum_up() {
  awk '/^test result: / {
         for (i = 2; i <= NF; i++) {
           if ($i == "passed;") passed += $(i - 1)
           if ($i == "failed;") failed += $(i - 1)
         }
       }
       END { printf "%d passed, %d failed\n", passed, failed }' "$1"
}

./scripts/setup.sh
check fmt --check
check clippy --all-targets --locked -- -D warnings
if [ "${1:-}" = --demo ]; then
  demo || { failed=1; say "!!! the demo failed"; }
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "cargo test --locked"
# A reader that goes away must not end the tests, hence tee -p; the pipe's first part is the one
# whose exit code counts.
set +e
cargo test --locked --no-fail-fast 2>&1 | tee -p "$log"
[ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
set -e
sum_up "$log"
exit $failed
