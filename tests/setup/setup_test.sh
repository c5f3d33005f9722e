#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The set-up (pipelines/setup.sh, demo.sh, tests/run.sh) on machines that are made up of fake commands: what it
# installs, what it leaves alone, and the one line in which every failure ends. Needs no network. Speaks TAP.
# Usage: setup_test.sh SOURCE_ROOT
set -uo pipefail
source_root=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0 failures=0

# --- machines

# The commands that every machine has; those of fakes/ come on top.
mkdir "$scratch/tools"
for tool in bash env sh awk basename cat chmod cmp cp cut date dirname false find flock grep head ln ls mkdir mktemp mv \
  nproc rm sed sleep sort stat tail tee touch tr true uniq wc; do
  ln -s "$(type -P "$tool")" "$scratch/tools/$tool"
done
REAL_PYTHON=$(python3 -c 'import sys; print(sys.executable)')
export REAL_PYTHON

# A checkout on a Debian 12 machine of a common user who may use sudo: nothing installed, everything reachable.
new_machine() {
  machine=$(mktemp -d "$scratch/machine.XXXX")
  mkdir -p "$machine/fakes" "$machine/checkout/tests" "$machine/home"
  cp -r "$source_root/pipelines" "$machine/checkout/"
  cp "$source_root/tests/run.sh" "$source_root/tests/summary.py" "$machine/checkout/tests/"
  cp "$here"/fakes/* "$machine/fakes/"
  printf 'ID=debian\nVERSION_ID="12"\n' >"$machine/os-release"
  : >"$machine/calls"
  : >"$machine/packages"
}

# run NAME=VALUE... COMMAND...: in the checkout, with nothing of this machine's environment.
# Leaves status, output (both streams) and its last line.
run() {
  output=$(cd "$machine/checkout" && env -i PATH="$machine/fakes:$scratch/tools" HOME="$machine/home" LC_ALL=C \
    MACHINE="$machine" REAL_PYTHON="$REAL_PYTHON" DIGFUSION_OS_RELEASE="$machine/os-release" \
    DIGFUSION_NVIDIA_PROC="$machine/nvidia" "$@" 2>&1 </dev/null)
  status=$?
  last=${output##*$'\n'}
}

calls() { grep -c "^$1" "$machine/calls"; }

# --- TAP

begin() {
  title=$1 ok=yes reasons=()
  new_machine
}

expect() {
  local what=$1
  shift
  "$@" || { ok=no && reasons+=("$what"); }
}

fails_with() {
  expect "the exit code is not 0" test "$status" -ne 0
  expect "the last line holds '$1'" contains "$last" "$1"
}

succeeds() { expect "the exit code is 0" test "$status" -eq 0; }
contains() { [[ $1 == *"$2"* ]]; }
absent() { [[ ! -e $1 ]]; }

end() {
  number=$((number + 1))
  if [[ $ok == yes ]]; then
    echo "ok $number - $title"
    return
  fi
  failures=$((failures + 1))
  echo "not ok $number - $title"
  printf '# expected: %s\n' "${reasons[@]}"
  while IFS= read -r line; do echo "# output: $line"; done <<<"$output"
}

# --- Debian packages

begin 'a bare machine gets its packages and LibTorch'
run pipelines/setup.sh
succeeds
expect 'packages installed in one go' test "$(calls 'apt-get .*install.* g++')" -eq 1
expect 'recommended packages left out' test "$(calls 'apt-get .*install.*--no-install-recommends')" -ge 1
expect 'says which packages' contains "$output" 'Debian packages to install'
expect 'a stamped LibTorch' grep -q '^torch 2.* cpu$' "$machine/checkout/.libtorch/stamp"
expect 'nothing half-made left' absent "$machine/checkout/.libtorch.partial"
end

begin 'a second run repeats nothing'
run pipelines/setup.sh
: >"$machine/calls"
run pipelines/setup.sh
succeeds
expect 'no apt-get' test "$(calls apt-get)" -eq 0
expect 'no pip' test "$(calls pip)" -eq 0
expect 'no sudo' test "$(calls sudo)" -eq 0
end

begin 'only missing packages are installed'
printf '%s\n' g++ meson >"$machine/packages"
run pipelines/setup.sh
succeeds
expect 'not those that are there' test "$(calls 'apt-get .*install.* \(g++\|meson\)')" -eq 0
expect 'the others' test "$(calls 'apt-get .*install.* ninja-build')" -ge 1
end

begin 'tests need packages that the demonstration does not'
run pipelines/setup.sh
expect 'no GoogleTest' test "$(calls 'apt-get .*libgtest-dev')" -eq 0
run pipelines/setup.sh --tests
succeeds
expect 'GoogleTest' test "$(calls 'apt-get .*libgtest-dev')" -ge 1
end

begin 'the packages need more'
run pipelines/setup.sh
expect 'no debhelper' test "$(calls 'apt-get .*debhelper')" -eq 0
run pipelines/setup.sh --package
succeeds
expect 'debhelper' test "$(calls 'apt-get .*debhelper')" -ge 1
expect 'mmdebstrap' test "$(calls 'apt-get .*mmdebstrap')" -ge 1
end

begin 'root needs no sudo'
rm "$machine/fakes/sudo"
run FAKE_UID=0 pipelines/setup.sh
succeeds
end

begin 'no sudo and not root'
rm "$machine/fakes/sudo"
run pipelines/setup.sh
fails_with 'run as root'
end

begin 'sudo that wants a password and has no terminal'
run FAKE_SUDO=password pipelines/setup.sh
fails_with 'sudo wants a password: run as root'
end

begin 'no apt-get'
rm "$machine/fakes/apt-get"
run pipelines/setup.sh
fails_with 'use Debian 12 or later, or install these yourself'
end

begin 'packages seen to by the user'
rm "$machine/fakes/apt-get" "$machine/fakes/dpkg-query"
run pipelines/setup.sh --no-packages
succeeds
end

for distribution in 'ID=fedora' 'ID=arch' $'ID=debian\nVERSION_ID="11"' $'ID=ubuntu\nVERSION_ID="22.04"\nID_LIKE=debian'; do
  begin "unsupported: ${distribution//$'\n'/ }"
  echo "$distribution" >"$machine/os-release"
  run pipelines/setup.sh
  fails_with 'use'
  expect 'names a distribution that is supported' contains "$last" 'Debian 12'
  expect 'nothing was installed' test "$(calls apt-get)" -eq 0
  end
done

for distribution in $'ID=debian' $'ID=debian\nVERSION_ID="13"' $'ID=ubuntu\nVERSION_ID="24.04"' $'ID=linuxmint\nID_LIKE="ubuntu debian"'; do
  begin "supported: ${distribution//$'\n'/ }"
  echo "$distribution" >"$machine/os-release"
  run pipelines/setup.sh
  succeeds
  end
done

begin 'another processor'
run FAKE_MACHINE=riscv64 pipelines/setup.sh
fails_with 'riscv64 processor: bring one of your own with --libtorch'
end

begin 'another system'
run FAKE_SYSTEM=Darwin pipelines/setup.sh
fails_with 'needs Linux'
end

declare -A apt_reason=([network]='check the network' [full]='the disk is full' [lock]='another package manager'
  [unknown]='this distribution lacks a package' [other]='see the lines above')
for kind in "${!apt_reason[@]}"; do
  begin "apt-get install fails: $kind"
  run FAKE_APT="$kind" pipelines/setup.sh
  fails_with "${apt_reason[$kind]}"
  expect 'LibTorch not begun' test "$(calls pip)" -eq 0
  end
done

begin 'a broken package source does not stop the installation'
run FAKE_APT=update pipelines/setup.sh
succeeds
end

# --- LibTorch

begin 'the disk is too full for LibTorch'
run FAKE_FREE_MB=900 pipelines/setup.sh
fails_with '900 MB are free'
expect 'no download' test "$(calls pip)" -eq 0
end

declare -A pip_reason=([network]='check the network' [certificate]='PIP_CERT' [full]='the disk is full' [unknown]='unset PIP_INDEX_URL')
for kind in "${!pip_reason[@]}"; do
  begin "pip fails: $kind"
  run FAKE_PIP="$kind" pipelines/setup.sh
  fails_with "${pip_reason[$kind]}"
  expect 'no LibTorch' absent "$machine/checkout/.libtorch"
  end
done

for kind in midway killed truncated missing unlinked; do
  begin "a download that ends badly ($kind) is not believed by the next run"
  run FAKE_PIP="$kind" pipelines/setup.sh
  expect 'the first run fails' test "$status" -ne 0
  expect 'no LibTorch' absent "$machine/checkout/.libtorch"
  run pipelines/setup.sh
  succeeds
  expect 'a stamped LibTorch' test -s "$machine/checkout/.libtorch/stamp"
  expect 'of whole files' test "$(stat -c %s "$machine/checkout/.libtorch/torch/lib/libtorch_cpu.so")" -eq 4000
  expect 'nothing of the first run' absent "$machine/checkout/.libtorch/torch/left-over"
  end
done

begin 'a download that was not whole says so in its last line'
run FAKE_PIP=truncated pipelines/setup.sh
fails_with "didn't arrive whole"
end

begin 'a LibTorch that was damaged since is fetched again'
run pipelines/setup.sh
: >"$machine/checkout/.libtorch/torch/lib/libtorch_cpu.so"
run pipelines/setup.sh
succeeds
expect 'whole again' test "$(stat -c %s "$machine/checkout/.libtorch/torch/lib/libtorch_cpu.so")" -eq 4000
end

begin 'a folder without a stamp is replaced'
mkdir -p "$machine/checkout/.libtorch/torch/lib"
echo old >"$machine/checkout/.libtorch/torch/left-over"
run pipelines/setup.sh
succeeds
expect 'the old files are gone' absent "$machine/checkout/.libtorch/torch/left-over"
end

begin 'a failed replacement keeps what was there'
run pipelines/setup.sh --cpu
run FAKE_PIP=network pipelines/setup.sh --cuda
fails_with 'check the network'
run pipelines/setup.sh --cpu
succeeds
expect 'the CPU install is still there' grep -q ' cpu$' "$machine/checkout/.libtorch/stamp"
end

begin 'two set-ups at a time fetch once'
# shellcheck disable=SC2016  # expanded by the inner shell
run FAKE_PIP_SECONDS=1 bash -c 'pipelines/setup.sh --cpu & sleep 0.5; pipelines/setup.sh --cpu; status=$?; wait $! && exit $status'
succeeds
expect 'one of them waits' contains "$output" 'waiting for it'
expect 'torch fetched once' test "$(calls 'pip .*torch==')" -eq 1
end

begin 'pip is installed where it is missing'
run FAKE_PIP_MISSING=1 pipelines/setup.sh
succeeds
expect 'python3-pip' test "$(calls 'apt-get .*install.* python3-pip')" -ge 1
end

begin 'a CPU-only install takes two of the CUDA libraries'
run pipelines/setup.sh --cpu
succeeds
expect 'cudart and cupti' test "$(calls 'pip .*cuda-toolkit\[cudart,cupti\]==13.0.2$')" -eq 1
expect 'no cuDNN' test "$(calls 'pip .*cudnn')" -eq 0
end

begin 'an install with CUDA takes all of them, and serves without CUDA as well'
run pipelines/setup.sh --cuda
succeeds
expect 'cuDNN' test "$(calls 'pip .*nvidia-cudnn-cu13==9')" -eq 1
expect 'no Triton' test "$(calls 'pip .*triton')" -eq 0
: >"$machine/calls"
run pipelines/setup.sh --cpu
succeeds
expect 'nothing fetched for --cpu' test "$(calls pip)" -eq 0
end

begin 'CUDA is the default where an NVIDIA driver is present'
echo 'NVRM version' >"$machine/nvidia"
run pipelines/setup.sh
succeeds
expect 'a CUDA install' grep -q ' cuda$' "$machine/checkout/.libtorch/stamp"
end

begin "a user's own LibTorch is used as it is"
mkdir -p "$machine/own torch/lib" "$machine/own torch/include/ATen"
touch "$machine/own torch/lib/libtorch_cpu.so" "$machine/own torch/include/ATen/ATen.h"
run tests/run.sh --libtorch "$machine/own torch"
expect 'nothing fetched' test "$(calls pip)" -eq 0
expect 'Meson is told' test "$(calls "meson setup .*-Dlibtorch=$machine/own torch")" -eq 1
run pipelines/setup.sh --libtorch "$machine/nothing"
fails_with 'no such folder'
run pipelines/setup.sh --libtorch "$machine/home"
fails_with 'holds no LibTorch'
end

# --- the build

begin 'the build is configured once, and again when the options change'
run tests/run.sh
succeeds
run tests/run.sh
succeeds
expect 'one set-up' test "$(calls 'meson setup')" -eq 1
expect 'no change' test "$(calls 'meson configure')" -eq 0
run tests/run.sh --cuda
succeeds
expect 'CUDA switched on' test "$(calls 'meson configure .*-Dcuda=enabled')" -eq 1
end

begin 'a demonstration after the tests keeps the tests in the build'
run tests/run.sh
run pipelines/demo.sh
succeeds
expect 'not configured again' test "$(calls 'meson configure')" -eq 0
end

begin 'the configuration fails'
run FAKE_MESON=setup tests/run.sh
fails_with 'meson setup failed: see'
run tests/run.sh
succeeds
end

begin 'the compiler fails'
run FAKE_NINJA=1 tests/run.sh
fails_with 'the build failed: see the lines above'
run FAKE_NINJA=1 pipelines/demo.sh
fails_with 'the build failed: see the lines above'
end

begin 'the disk fills while building'
run pipelines/setup.sh --tests
run FAKE_NINJA=1 FAKE_FREE_MB=3 tests/run.sh
fails_with 'the disk is full'
end

# --- the demonstration

begin 'the demonstration leaves a video and a picture'
run pipelines/demo.sh
succeeds
expect 'a video' test -s "$machine/checkout/fused.mp4"
expect 'a picture' test -s "$machine/checkout/fused.png"
expect 'progress with the rate and the time left' grep -qE 'frame [0-9]+, [0-9]+\.[0-9] fps, 0:0[0-9] left \([0-9]+ %\)' <<<"$output"
expect 'all frames are counted' grep -q '^50 frames in ' <<<"$output"
end

begin 'two files, with spaces and quotes in their names'
echo v >"$machine/a visible's.mp4"
echo i >"$machine/an infrared.mp4"
run pipelines/demo.sh "$machine/a visible's.mp4" "$machine/an infrared.mp4" "$machine/my output.mkv"
succeeds
expect 'the output' test -s "$machine/my output.mkv"
expect 'no picture' absent "$machine/checkout/fused.png"
expect 'the right container' test "$(calls 'gst-launch.*matroskamux')" -eq 1
end

begin 'a pipeline that fails says why and leaves no output'
run FAKE_GST=error pipelines/demo.sh
fails_with 'fusing failed: Could not open the core (no such file)'
expect 'no video' absent "$machine/checkout/fused.mp4"
expect 'no partial video' test -z "$(find "$machine/checkout" -maxdepth 1 -name '.fused*')"
end

begin 'a pipeline without a frame is a failure'
run FAKE_GST=empty pipelines/demo.sh
fails_with 'no frame came out'
end

begin 'no encoder'
run FAKE_GST=no-encoder pipelines/demo.sh
fails_with 'gstreamer1.0-plugins-ugly'
end

begin 'the other encoder'
run FAKE_GST=openh264 pipelines/demo.sh
succeeds
expect 'OpenH264' test "$(calls 'gst-launch.*openh264enc')" -eq 1
end

begin 'mistaken arguments are told before anything is installed'
run pipelines/demo.sh nothing.mp4 nowhere.mp4
fails_with "nothing.mp4 can't be read"
run pipelines/demo.sh --fast
fails_with 'unknown option --fast'
run pipelines/demo.sh one.mp4
fails_with 'VISIBLE INFRARED'
echo v >"$machine/v.mp4"
run pipelines/demo.sh "$machine/v.mp4" "$machine/v.mp4" out.avi
fails_with '.mp4, .mov or .mkv'
run pipelines/demo.sh "$machine/v.mp4" "$machine/v.mp4" "$machine/v.mp4"
fails_with 'is an input as well'
run pipelines/demo.sh "$machine/v.mp4" "$machine/v.mp4" "$machine/no/such/folder.mp4"
fails_with "can't be written"
run pipelines/demo.sh --display
fails_with 'needs a screen'
run pipelines/setup.sh --wrong
fails_with 'unknown option --wrong'
run pipelines/package.sh --output
fails_with '--output needs a folder'
expect 'nothing was installed' test ! -s "$machine/calls"
end

begin 'a window, where there is a screen'
run DISPLAY=:0 pipelines/demo.sh --display
succeeds
expect 'a window' test "$(calls 'gst-launch.*autovideosink')" -eq 1
expect 'no file' absent "$machine/checkout/fused.mp4"
end

begin 'a window that the user closes is no failure'
run DISPLAY=:0 FAKE_GST=closed pipelines/demo.sh --display
succeeds
end

begin 'help installs nothing'
for script in pipelines/demo.sh pipelines/package.sh pipelines/setup.sh tests/run.sh; do
  run "$script" --help
  succeeds
  expect 'a usage' contains "$output" 'Usage: '
  expect 'the options' contains "$output" '--cuda'
done
expect 'nothing was installed' test ! -s "$machine/calls"
end

# --- the tests' summary

begin 'the summary counts cases, programs without cases, crashes and time-outs'
run tests/run.sh
succeeds
expect 'all passed' test "$last" = '6 passed, 0 failed, 2 skipped'
run FAKE_TESTS=failing tests/run.sh
expect 'the exit code is not 0' test "$status" -ne 0
expect 'failures counted' test "$last" = '4 passed, 3 failed, 1 skipped'
end

begin 'arguments reach meson test, and data that is there is found'
mkdir -p "$machine/shared/data"
run tests/run.sh --suite core
succeeds
expect 'the suite' test "$(calls 'meson test .*--suite core$')" -eq 1
expect 'the data' test "$(calls "data $machine/shared$")" -eq 1
end

echo "1..$number"
[[ $failures == 0 ]]
