#!/bin/bash
# Feeds everything that reads foreign bytes with mutated ones: builds the targets of fuzz/ and runs
# each for a quarter of a minute, two at a time, from its corpus. Exits with 1 if any of them finds
# something, and names the input and the command that repeats it.
#   --long       half an hour each
#   TARGET...    only these
# SECONDS_EACH=N sets another time. New inputs go to a temporary folder and are gone at the end;
# findings stay in fuzz/target/found.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-15}
targets=()
for word in "$@"; do
  case $word in
    --long) seconds=${SECONDS_EACH:-1800} ;;
    -*) printf 'fuzz: no such option: %s\n' "$word"; exit 2 ;;
    *) targets+=("$word") ;;
  esac
done
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(basename -s .rs fuzz/targets/*.rs)
fi

say() { printf 'fuzz: %s\n' "$*"; }

# What cargo-fuzz passes, too, without its sanitizers: those need a nightly compiler. A target must be
# named: without one the flags would go into build scripts, which libFuzzer is not linked to.
host=$(rustc -vV | sed -n 's/^host: //p')
flags='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0
  --cfg fuzzing'
build() {
  # libFuzzer is C++, and Debian's clang alone brings no `c++`.
  command -v c++ >/dev/null || export CXX=clang++
  RUSTFLAGS=$flags cargo build --release --locked --target "$host" --manifest-path fuzz/Cargo.toml \
    --target-dir fuzz/target
}
bin=fuzz/target/$host/release
limits=(-rss_limit_mb=2048 -timeout=10)

# Runs one target; what it says is kept, its last words are told.
run() {
  local target=$1 status=0
  mkdir -p "$temporary/$target"
  TMPDIR=$temporary "$bin/$target" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$found/$target-" "$temporary/$target" "fuzz/corpus/$target" \
    >"$temporary/$target.log" 2>&1 || status=$?
  if [ $status -eq 0 ]; then
    say "$target: $(sed -n 's/^Done \([0-9]* runs in [0-9]* second\).*/\1s/p' "$temporary/$target.log")"
    return 0
  fi
  report "$target"
  return 1
}

report() {
  local target=$1 input
  input=$(sed -n 's/.*Test unit written to //p' "$temporary/$target.log" | tail -n 1)
  say "!!! $target found something (or could not run at all); its last words:"
  grep -v '^#[0-9]' "$temporary/$target.log" | tail -n 25
  say "!!! the input: ${input:-none was kept}"
  say "!!! again with: $bin/$target ${limits[*]} ${input:-fuzz/corpus/$target/*}"
}

began=$SECONDS
build
say "built in $((SECONDS - began)) s; ${#targets[@]} targets, $seconds s each"
found=fuzz/target/found
mkdir -p $found
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

# Two side by side: the machines that this runs on have two processors at least.
failed=0
for ((i = 0; i < ${#targets[@]}; i += 2)); do
  pids=()
  for target in "${targets[@]:i:2}"; do
    run "$target" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
  done
done
exit $failed
