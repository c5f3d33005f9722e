#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds and runs every test, after installing what is missing (pipelines/setup.sh).
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=../pipelines/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../pipelines/setup.sh"

usage() {
  cat <<USAGE
Usage: $program [OPTION]... [ARGUMENT OF meson test]...

Runs every test, or those that are named ($program --list shows the names; --suite NAME takes a suite).
The last line is "N passed, N failed, N skipped", and the exit code is 0 if none failed.

$common_options
USAGE
}

arguments=()
while [[ $# -gt 0 ]]; do
  take_option "$@"
  if [[ $taken -gt 0 ]]; then
    shift "$taken"
    continue
  fi
  case $1 in
    --help | -h) usage && exit 0 ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

set_up "${build_packages[@]}" "${demo_packages[@]}" "${test_packages[@]}"
configure true
build

# Pictures and videos that aren't part of the project; tests that need them are skipped without.
if [[ -z ${DIGFUSION_TEST_DATA:-} && -d $root/../shared/data ]]; then
  DIGFUSION_TEST_DATA=$(cd "$root/../shared" && pwd)
  export DIGFUSION_TEST_DATA
fi
[[ -n ${DIGFUSION_TEST_DATA:-} ]] || say "DIGFUSION_TEST_DATA isn't set: tests that need real pictures are skipped"

# A machine that runs CI may be much slower than its owner's.
if [[ ${CI:-} == true ]]; then arguments=(--timeout-multiplier 4 "${arguments[@]}"); fi

# A crashed program would be counted by the results that GoogleTest left of its former run.
rm -f "$build_dir"/*.xml "$build_dir/meson-logs/testlog.json" "$build_dir/meson-logs/testlog.junit.xml"
status=0
meson test -C "$build_dir" --no-rebuild --print-errorlogs "${arguments[@]}" </dev/null || status=$?
[[ -e $build_dir/meson-logs/testlog.json ]] || exit "$status"  # --list, or a wrong argument
python3 "$root/tests/summary.py" "$build_dir/meson-logs" || status=1
exit "$status"
