#!/bin/bash
# All that must hold before a change goes in: format, lints, tests, and the suite of the
# laboratory, where qemu can be had. Exits with 0 only if all do.
#   --demo     the demo runs on a small folder, too
#   --no-lab   without the laboratory
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

# Runs tests and keeps what they say for the sum. A reader that goes away must not end them, hence
# tee -p; the pipe's first part is the one whose exit code counts.
logged() {
  say "$*"
  set +e
  "$@" 2>&1 | tee -pa "$log"
  local status=${PIPESTATUS[0]}
  set -e
  return "$status"
}

# The suite against drives. Where it cannot run nothing failed, and nobody may miss that.
laboratory() {
  local status=0
  logged ./scripts/lab.sh || status=$?
  case $status in
    0) ;;
    77) lab_missing=1 ;;
    *) failed=1; say "!!! the laboratory failed" ;;
  esac
}

with_demo=0 with_lab=1 lab_missing=0
for word in "$@"; do
  case $word in
    --demo) with_demo=1 ;;
    --no-lab) with_lab=0 ;;
    *) say "no such option: $word"; exit 2 ;;
  esac
done

./scripts/setup.sh
check fmt --all --check
check clippy --workspace --all-targets --locked -- -D warnings
if [ $with_demo -eq 1 ]; then
  demo || { failed=1; say "!!! the demo failed"; }
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The suite's own tests run in the guest only.
logged cargo test --locked --no-fail-fast || failed=1
logged cargo test --locked --no-fail-fast -p coldcut-lab --lib || failed=1
if [ $with_lab -eq 1 ]; then
  laboratory
fi
if [ $with_lab -eq 0 ] || [ $lab_missing -eq 1 ]; then
  say "!!! THE LABORATORY DID NOT RUN: nothing was burned in a drive"
fi
sum_up "$log"
exit $failed
