#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sets up the LibTorch that an installed digfusion uses: a link at the one place where digfusion looks for it leads
# to the administrator's folder, or to what was fetched.
set -Eeuo pipefail

program=$(basename "$0")
runtime='@runtime@'         # where digfusion looks
core='@core@'               # the library that needs it
version='@version@'         # major.minor that it was built with
built_variant='@variant@'   # cpu or cuda
variant=$built_variant
state=$(dirname "$runtime")
libtorch_home=$state/fetched
bring_own="name one of your own with $program use DIR"
# shellcheck source-path=SCRIPTDIR source=fetch.sh
source "$(dirname "$(readlink -f "$0")")/@fetch_from_bin@"

provide_pip() { fail "fetching needs pip: apt-get install --no-install-recommends python3-pip, then run this again"; }

usage() {
  local download=$cpu_download disk=$cpu_disk
  if [[ $built_variant == cuda ]]; then download=$cuda_download disk=$cuda_disk; fi
  cat <<USAGE
Sets up the LibTorch (version $version) that digfusion computes with.

Usage: $program COMMAND

Commands:
  status            say which LibTorch is in use, and whether digfusion can run with it
  fetch             fetch LibTorch $torch_version from the Python package index into $libtorch_home
                    ($download to fetch, $disk on disk) and use it
  use DIR           use the LibTorch in DIR, which holds lib/libtorch_cpu.so; it is left as it is
  remove            use none, and delete what was fetched

Options:
  --cpu, --cuda     with fetch: which LibTorch; it must be the one that this digfusion was built for, $built_variant
  --help            this text

All but status need write access to $state, so run them as root. pip reads its usual settings (https_proxy,
PIP_INDEX_URL, PIP_CERT). Exit codes: 0 done, 1 failed or (status) digfusion can't run.
USAGE
}

# Sets `reason` to why digfusion can't run with the LibTorch in DIR; empty if it can.
judge() {
  local dir=$1 found library missing linked
  local libraries=(libtorch_cpu.so libc10.so)
  [[ $built_variant != cuda ]] || libraries+=(libtorch_cuda.so)
  reason=
  for library in "${libraries[@]}"; do
    if [[ ! -r $dir/lib/$library ]]; then
      reason="$dir/lib/$library isn't there, or can't be read"
      return 0
    fi
  done
  found=$(libtorch_version "$dir")
  if [[ -n $found && $found != "$version".* ]]; then
    reason="$dir holds LibTorch $found, and this digfusion was built with $version: use $version, or build digfusion with yours"
    return 0
  fi
  # The dynamic linker has the last word.
  linked=$(LD_LIBRARY_PATH=$dir/lib LC_ALL=C ldd -r "$core" 2>&1 || true)
  missing=$(sed -nE 's/^[[:space:]]*([^ ]+) => not found.*/\1/p' <<<"$linked" | sort -u | paste -sd ' ')
  if [[ -n $missing ]]; then
    reason="libraries that LibTorch needs aren't found: $missing"
  elif grep -q 'undefined symbol: .*__cxx11' <<<"$linked"; then
    reason="$dir is the LibTorch with the old std::string; use the one with the C++11 ABI (cxx11-abi), version $version"
  elif grep -q 'undefined symbol' <<<"$linked"; then
    reason="$dir isn't LibTorch $version: it lacks $(sed -nE 's/.*undefined symbol: ([^ ]+).*/\1/p' <<<"$linked" | head -n 1)"
  elif ! grep -q 'libtorch_cpu.so => ' <<<"$linked"; then
    reason="$core can't be read: ${linked%%$'\n'*}"
  fi
}

require_access() {
  [[ -d $state ]] || mkdir -p "$state" 2>/dev/null || fail "$state can't be made: run this as root (sudo $program …)"
  [[ -w $state ]] || fail "$state can't be written to: run this as root (sudo $program …)"
  umask 022  # every user's digfusion reads it
}

# Replaces the link in one step: a digfusion that starts meanwhile finds the old one or the new one.
point_at() {
  ln -sfn "$1" "$runtime.new"
  mv -fT "$runtime.new" "$runtime"
}

say_in_use() { say "LibTorch $(libtorch_version "$runtime") in $(readlink "$runtime" || echo "$runtime") ($built_variant): digfusion can run"; }

status() {
  [[ -e $runtime || -L $runtime ]] || fail "LibTorch isn't set up: run, as root, $program fetch, or $program use DIR"
  [[ -e $runtime ]] || fail "$(readlink "$runtime"), where LibTorch was, is gone: run, as root, $program fetch, or $program use DIR"
  judge "$runtime"
  [[ -z $reason ]] || fail "$reason"
  say_in_use
}

use() {
  local dir=$1 folder
  [[ -d $dir ]] || fail "$dir: no such folder; name the one that holds lib/libtorch_cpu.so"
  dir=$(cd "$dir" && pwd)
  judge "$dir"
  [[ -z $reason ]] || fail "$reason"
  require_access
  point_at "$dir"
  folder=$dir
  while [[ $folder != / ]]; do
    [[ $(stat -Lc %A "$folder") == *[xt] ]] || say "warning: not every user may enter $folder: chmod o+x $folder"
    folder=$(dirname "$folder")
  done
  say_in_use
}

fetch() {
  [[ $variant == "$built_variant" ]] ||
    fail "this digfusion was built for $built_variant; for $variant build it with pipelines/package.sh --$variant"
  [[ $torch_version == "$version".* ]] ||
    fail "this digfusion was built with LibTorch $version, and only $torch_version can be fetched: $bring_own"
  check_processor
  require_access
  fetch_libtorch
  judge "$libtorch_home/torch"
  [[ -z $reason ]] || fail "$reason"
  point_at "$libtorch_home/torch"
  say_in_use
}

remove() {
  require_access
  rm -rf "$runtime" "$libtorch_home" "$libtorch_home".*
}

command=
arguments=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --cpu) variant=cpu ;;
    --cuda) variant=cuda ;;
    --help | -h) usage && exit 0 ;;
    -*) fail "unknown option $1: see $program --help" ;;
    *) if [[ -z $command ]]; then command=$1; else arguments+=("$1"); fi ;;
  esac
  shift
done
wanted=0
case $command in
  status | fetch | remove) ;;
  use) wanted=1 ;;
  '') fail "no command: give status, fetch, use DIR or remove; see $program --help" ;;
  *) fail "unknown command $command: give status, fetch, use DIR or remove; see $program --help" ;;
esac
[[ ${#arguments[@]} == "$wanted" ]] || fail "$command takes $wanted arguments: see $program --help"
"$command" "${arguments[@]}"
