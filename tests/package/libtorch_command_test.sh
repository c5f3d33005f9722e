#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# digfusion-libtorch, the command that sets LibTorch up for an installed digfusion, with the folders of an installation
# below a temporary one and the build's core. Fetching is made up (../setup/fakes). Speaks TAP.
# Usage: libtorch_command_test.sh SOURCE_ROOT CORE LIBTORCH VERSION
set -uo pipefail
source_root=$1 core=$2 libtorch=$3 version=$4
fakes=$(cd "$(dirname "${BASH_SOURCE[0]}")/../setup/fakes" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0 failures=0
runtime=$scratch/state/libtorch

# install VERSION: the command, as the package of a digfusion that was built with this LibTorch has it.
install() {
  rm -rf "${scratch:?}"/*
  mkdir -p "$scratch/bin" "$scratch/state" "$scratch/fakes"
  cp "$source_root/pipelines/libtorch/fetch.sh" "$scratch/fetch.sh"
  sed -e "s|@runtime@|$runtime|" -e "s|@core@|$core|" -e "s|@version@|$1|" -e 's|@variant@|cpu|' \
    -e 's|@fetch_from_bin@|../fetch.sh|' "$source_root/pipelines/libtorch/digfusion-libtorch.sh" >"$scratch/bin/digfusion-libtorch"
  chmod +x "$scratch/bin/digfusion-libtorch"
}

# run ARGUMENT...: leaves status, output (both streams) and its last line.
run() {
  output=$(PATH=$scratch/fakes:$PATH MACHINE=$scratch "$scratch/bin/digfusion-libtorch" "$@" 2>&1 </dev/null)
  status=$?
  last=${output##*$'\n'}
}

# report NAME COMMAND...: ok if the command succeeds
report() {
  local name=$1
  shift
  number=$((number + 1))
  if "$@"; then
    echo "ok $number - $name"
    return
  fi
  failures=$((failures + 1))
  echo "not ok $number - $name"
  while IFS= read -r line; do echo "# exit code $status: $line"; done <<<"$output"
}
fails_with() { [[ $status -ne 0 && $last == *"$1"* ]]; }
succeeds() { [[ $status -eq 0 ]]; }
says() { [[ $output == *"$1"* ]]; }

# a_libtorch NAME VERSION: a folder that says it is this version, with the real libraries
a_libtorch() {
  mkdir -p "$scratch/$1/lib"
  ln -s "$libtorch"/lib/*.so* "$scratch/$1/lib/"
  echo "__version__ = '$2'" >"$scratch/$1/version.py"
}

install "$version"
run status
report 'without LibTorch the status says what to do' fails_with 'digfusion-libtorch fetch, or digfusion-libtorch use DIR'

run use "$libtorch"
report 'a LibTorch of the right version is taken' succeeds
report 'and the link leads to it' test "$(readlink "$runtime")" = "$libtorch"
run status
report 'and the status is good' succeeds
report 'and names its folder' says "$libtorch"

run use "$scratch/nothing"
report 'a folder that is not there' fails_with 'no such folder'
run use "$scratch/bin"
report 'a folder without LibTorch' fails_with "libtorch_cpu.so isn't there"
a_libtorch other 2.0.1
run use "$scratch/other"
report 'another version' fails_with "holds LibTorch 2.0.1, and this digfusion was built with $version"
report 'and the former one stays in use' test "$(readlink "$runtime")" = "$libtorch"

mkdir -p "$scratch/old/lib"
for library in torch_cpu c10; do gcc -shared -o "$scratch/old/lib/lib$library.so" -Wl,-soname,"lib$library.so" -x c /dev/null; done
run use "$scratch/old"
report 'a LibTorch with the old std::string' fails_with 'cxx11-abi'
gcc -shared -o "$scratch/old/lib/libtorch_cpu.so" -Wl,-soname,libtorch_cpu.so -Wl,--no-as-needed -L"$scratch/old/lib" -lc10 -x c /dev/null
gcc -shared -o "$scratch/old/lib/libgone.so" -Wl,-soname,libgone.so -x c /dev/null
gcc -shared -o "$scratch/old/lib/libc10.so" -Wl,-soname,libc10.so -Wl,--no-as-needed -x c /dev/null -L"$scratch/old/lib" -lgone
rm "$scratch/old/lib/libgone.so"
run use "$scratch/old"
report 'a LibTorch that lacks libraries' fails_with "aren't found: libgone.so"

a_libtorch gone "$version.0"
run use "$scratch/gone"
report 'a warning where not every user may enter a folder' says "not every user may enter $scratch"
rm -r "$scratch/gone"
run status
report 'a LibTorch that went away' fails_with "$scratch/gone, where LibTorch was, is gone"

run remove
report 'remove' succeeds
report 'leaves nothing' test -z "$(ls -A "$scratch/state")"

if [[ $(id -u) != 0 ]]; then
  chmod a-w "$scratch/state"
  run use "$libtorch"
  report 'without write access' fails_with 'run this as root'
  chmod u+w "$scratch/state"
fi

# --- fetching

install "$version"
run fetch --cuda
report 'a digfusion for the processor fetches no CUDA' fails_with 'was built for cpu'
install 2.0
run fetch
report 'only the version that can be fetched is' fails_with 'was built with LibTorch 2.0, and only'

install "$version"
# The fetched libraries are of zeros, so the judgement of the linker is made up as well.
ln -s "$fakes"/{pip,python3,df} "$scratch/fakes/"
printf '#!/bin/sh\necho "	libtorch_cpu.so => there"\n' >"$scratch/fakes/ldd"
chmod +x "$scratch/fakes/ldd"
REAL_PYTHON=$(python3 -c 'import sys; print(sys.executable)')
export REAL_PYTHON
FAKE_PIP=network run fetch
report 'a fetch that fails says why' fails_with 'check the network'
report 'and leaves nothing' test -z "$(ls -A "$scratch/state")"
run fetch
report 'a fetch' succeeds
report 'is in use' test "$(readlink "$runtime")" = "$scratch/state/fetched/torch"
: >"$scratch/calls"
run fetch
report 'a second one repeats nothing' test ! -s "$scratch/calls"
: >"$scratch/packages"
rm -rf "$scratch/state/fetched"
FAKE_PIP_MISSING=1 run fetch
report 'without pip it says how to install it' fails_with 'apt-get install --no-install-recommends python3-pip'
run remove
report 'what was fetched can be removed' test -z "$(ls -A "$scratch/state")"

# --- the command line

run
report 'no command' fails_with 'give status, fetch, use DIR or remove'
run install
report 'a wrong command' fails_with 'unknown command install'
run use
report 'no folder' fails_with 'use takes 1'
run --help
report 'help' says 'Usage: digfusion-libtorch COMMAND'

echo "1..$number"
[[ $failures == 0 ]]
