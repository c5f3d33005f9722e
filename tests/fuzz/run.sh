#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fuzzes the readers of model files:  tests/fuzz/run.sh [SECONDS]      for each of the three, 60 if not given
#
# Builds the targets in build-fuzz/ with clang, runs the seeds, then mutates the small ones. Prints a line for
# each target; the exit code is 1 where one found something, build-fuzz/found/ then has the log and the input. Seeds come
# from the tests' writers and, where DIGFUSION_TEST_DATA is set, from its reference/. What made new ways through
# the code is kept in build-fuzz/corpus/ and is where the next run begins.
set -Eeuo pipefail

seconds=${1:-60}
if [[ ! $seconds =~ ^[1-9][0-9]*$ || $# -gt 1 ]]; then
  echo "Usage: tests/fuzz/run.sh [SECONDS]" >&2
  exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source_dir=$PWD
build_dir=$source_dir/build-fuzz
targets=(torch_zip torch_legacy safetensors)
largest=131072  # of an input, in bytes

fail() {
  echo "tests/fuzz/run.sh: $1" >&2
  exit 2
}

if [[ ! -e $build_dir/build.ninja ]]; then
  for compiler in "${CXX:-}" clang++ clang++-14 clang++-16 clang++-19; do
    if [[ $compiler == *clang* ]] && command -v "$compiler" >/dev/null; then break; fi
    compiler=
  done
  [[ -n $compiler ]] || fail "no clang here: apt-get install clang libclang-rt-dev, or name one in CXX"
  CXX=$compiler meson setup "$build_dir" -Dfuzz=true -Dcuda=disabled >"$build_dir.log" 2>&1 ||
    { cat "$build_dir.log" >&2; fail "meson setup failed: see the lines above"; }
  mv "$build_dir.log" "$build_dir/setup.log"
fi
ninja -C "$build_dir" tests/fuzz/fuzz_seeds "${targets[@]/#/tests/fuzz/fuzz_}" >"$build_dir/build.log" 2>&1 ||
  { cat "$build_dir/build.log" >&2; fail "the build failed: see the lines above"; }

cd "$build_dir"
rm -rf seeds
mkdir -p found
export OMP_WAIT_POLICY=passive
tests/fuzz/fuzz_seeds seeds

# The number behind the last "KEY: " or "stat::KEY: " of a log.
last_number() { sed -nE "s/.*(stat::)?$2: +([0-9]+).*/\2/p" "$1" | tail -n 1; }

found=0
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target"
  log=found/$target.log
  findings=0
  common=(-artifact_prefix="found/$target-" -timeout=30 -rss_limit_mb=4096)
  # Checkpoints as they are, too large to be mutated. None are there without DIGFUSION_TEST_DATA.
  mapfile -t whole < <(find "seeds/$target.whole" -type f 2>/dev/null)
  if [[ ${#whole[@]} -gt 0 ]]; then
    tests/fuzz/fuzz_"$target" "${common[@]}" "${whole[@]}" >"found/$target.whole.log" 2>&1 || findings=$((findings + 1))
  fi
  tests/fuzz/fuzz_"$target" "${common[@]}" -max_len="$largest" -max_total_time="$seconds" -print_final_stats=1 \
    -dict="$source_dir/tests/fuzz/words.dict" "corpus/$target" "seeds/$target" >"$log" 2>&1 || findings=$((findings + 1))
  printf '%-14s %9s executions, %5s edges, %2d findings%s\n' "$target" "$(last_number "$log" number_of_executed_units)" \
    "$(last_number "$log" cov)" "$findings" "$([[ $findings -eq 0 ]] || echo ": see build-fuzz/found/")"
  found=$((found + findings))
done
[[ $found -eq 0 ]]
