#!/bin/bash
# All that must hold before a change goes in: format, lints, tests, fuzzers, dependencies, and the
# suite of the laboratory, where qemu can be had. Exits with 0 only if all do.
#   --demo     the demo runs on a small folder, too
#   --no-fuzz  without the fuzzers
#   --no-lab   without the laboratory
#   --long     the long forms: hundreds of kills, an end before every step, a power cut at every sync,
#              the whole damage matrix, dozens of histories, half an hour a fuzzer, each command in
#              each state of a drive
# shellcheck disable=SC2317 # `part` runs functions by their names
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
say() { printf 'test: %s\n' "$*"; }
fail() { failed=1; say "!!! $*"; }

# Runs a part and keeps what it took for the table at the end.
table=()
part() {
  local name=$1 began=$SECONDS
  shift
  "$@"
  table+=("$(printf '%-12s %5d:%02d' "$name" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)))")
}

# Runs a check of cargo's that not every installation has, such as `fmt` or `clippy`.
check() {
  local component=$1
  if ! cargo "$component" --version >/dev/null 2>&1; then
    say "!!! cargo $component is not installed: NOT CHECKED"
    return
  fi
  say "cargo $*"
  cargo "$@" || fail "cargo $component found something"
}

demo() {
  local folder status=0
  folder=$(mktemp -d)
  mkdir "$folder/sub"
  seq 1 200000 >"$folder/sub/numbers"
  ln -s sub/numbers "$folder/link"
  ./scripts/demo.sh "$folder" || status=1
  rm -r "$folder"
  [ "$status" -eq 0 ] || fail "the demo failed"
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

# Programs of a few long tests, during which a processor would be idle: they run beside all others.
readonly few_and_long=(crash_points damage_matrix drill encryption fills histories kill_loop power_cuts whole_way)

begin_few_and_long() {
  few_log=$(mktemp)
  say "cargo test, beside the others: ${few_and_long[*]}"
  cargo test --locked --no-fail-fast "${few_and_long[@]/#/--test=}" >"$few_log" 2>&1 &
  in_few=$!
}

end_few_and_long() {
  local status=0
  wait "$in_few" || status=$?
  tee -pa "$log" <"$few_log"
  rm -f "$few_log"
  [ "$status" -eq 0 ] || failed=1
}

# The tests run coldcut thousands of times, and the laboratory in an emulator: a little optimization
# costs minutes once and saves many more, but for unit tests, which run once. Of debug information,
# what a backtrace needs.
export CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only
unit_tests() { CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo test --locked --lib; }

tests() {
  local name others=()
  for name in $(basename -s .rs tests/*.rs); do
    [[ " ${few_and_long[*]} " == *" $name "* ]] || others+=("--test=$name")
  done
  logged cargo test --locked --no-run "${others[@]}" "${few_and_long[@]/#/--test=}" || failed=1
  begin_few_and_long
  logged unit_tests || failed=1
  logged cargo test --locked --no-fail-fast "${others[@]}" || failed=1
  # The suite's own tests run in the guest only.
  logged cargo test --locked --no-fail-fast -p coldcut-lab --lib || failed=1
  # Whole blocks of bzip2 take minutes where nothing is optimized.
  if [ ${#long[@]} -gt 0 ]; then
    logged cargo test --release --locked --lib codec::bzip2:: -- --ignored || failed=1
  fi
  end_few_and_long
}

fuzz() {
  say "scripts/fuzz.sh ${long[*]}"
  ./scripts/fuzz.sh "${long[@]}" || fail "the fuzzers found something"
}

# Not Debian's, and not ours: built without optimization, which takes four minutes instead of ten,
# and beside the tests, which leave as much. The newest that this project's oldest compiler builds.
readonly deny_version=0.18.3
export PATH="$PWD/target/tools/bin:$PATH"
install_deny() {
  cargo deny --version >/dev/null 2>&1 ||
    nice -n 19 cargo install --debug --locked --quiet --root target/tools \
      --target-dir target/tools/build cargo-deny --version "$deny_version"
}

# Advisories come from a database that must be fetched; the rest is in Cargo.lock and the sources.
# tests/dependencies.rs has checked the most important of it already.
deny() {
  if ! wait "$installing"; then
    say "!!! cargo deny cannot be installed here: NOT CHECKED"
    return
  fi
  # The crates of other systems are looked at, too, and nothing is fetched then.
  cargo fetch --locked --quiet || fail "crates cannot be fetched"
  check deny --offline check bans licenses sources
  if ! cargo deny fetch db >/dev/null 2>&1; then
    say "!!! the database of advisories cannot be had here: KNOWN HOLES OF DEPENDENCIES NOT CHECKED"
    return
  fi
  check deny check advisories
}

# The suite against drives mostly waits, so it runs beside the tests; what it says is shown at its
# end. Where it cannot run nothing failed, and nobody may miss that. The tests begin when it has built
# what it needs: a program is not replaced while they run it.
begin_laboratory() {
  lab_log=$(mktemp)
  say "./scripts/lab.sh, beside the tests"
  ./scripts/lab.sh "${long[@]}" >"$lab_log" 2>&1 &
  in_laboratory=$!
  while kill -0 "$in_laboratory" 2>/dev/null && ! grep -q 'booting the guest' "$lab_log"; do
    sleep 1
  done
}

laboratory() {
  local status=0
  wait "$in_laboratory" || status=$?
  tee -pa "$log" <"$lab_log"
  rm -f "$lab_log"
  case $status in
    0) ;;
    77) lab_missing=1 ;;
    *) fail "the laboratory failed" ;;
  esac
}

with_demo=0 with_fuzz=1 with_lab=1 lab_missing=0 long=()
for word in "$@"; do
  case $word in
    --demo) with_demo=1 ;;
    --no-fuzz) with_fuzz=0 ;;
    --no-lab) with_lab=0 ;;
    --long) long=(--long) ;;
    *) say "no such option: $word"; exit 2 ;;
  esac
done
if [ ${#long[@]} -gt 0 ]; then
  export KILLS=${KILLS:-300} MATRIX=${MATRIX:-all} CRASH_POINTS=${CRASH_POINTS:-all}
  export POWER_CUTS=${POWER_CUTS:-all}
  export HISTORIES=${HISTORIES:-34} FILLS=${FILLS:-40} REPEAT=${REPEAT:-20}
fi

./scripts/setup.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT
part fmt check fmt --all --check
part clippy check clippy --workspace --all-targets --locked -- -D warnings
if [ $with_demo -eq 1 ]; then
  part demo demo
fi
install_deny &
installing=$!
if [ $with_lab -eq 1 ]; then
  part "lab's build" begin_laboratory
fi
part tests tests
if [ $with_fuzz -eq 1 ]; then
  part fuzz fuzz
else
  say "!!! THE FUZZERS DID NOT RUN"
fi
part deny deny
if [ $with_lab -eq 1 ]; then
  part laboratory laboratory
fi
if [ $with_lab -eq 0 ] || [ $lab_missing -eq 1 ]; then
  say "!!! THE LABORATORY DID NOT RUN: nothing was burned in a drive"
fi

say "part           min:s"
printf 'test: %s\n' "${table[@]}" "$(printf '%-12s %5d:%02d' total $((SECONDS / 60)) $((SECONDS % 60)))"
sum_up "$log"
exit $failed
