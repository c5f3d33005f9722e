#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The set-up that pipelines/demo.sh and tests/run.sh share: Debian packages, LibTorch, the build.
# Run by itself it installs and builds nothing more:  pipelines/setup.sh [--cpu|--cuda] [--tests] [--package]
# [--libtorch DIR]
#
# What is there already is left alone, so a second run takes no time. Every failure ends in one line that says
# what failed and what to do.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(basename "$0")
build_dir=$root/build
libtorch_home=$root/.libtorch
bring_own="bring one of your own with --libtorch DIR"
# shellcheck source-path=SCRIPTDIR source=libtorch/fetch.sh
source "$root/pipelines/libtorch/fetch.sh"

# --- what is installed: the packages have their only home here, LibTorch's version and sizes in libtorch/fetch.sh

build_packages=(
  g++ meson ninja-build pkg-config ccache python3
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev libglib2.0-dev
  libopencv-dev libcli11-dev nlohmann-json3-dev libmosquitto-dev
)
demo_packages=(
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x gstreamer1.0-opencv
)
test_packages=(libgtest-dev libgmock-dev libgstrtspserver-1.0-dev libx11-dev xvfb mosquitto gnuplot-nox)
package_packages=(build-essential debhelper help2man)  # for package.sh
package_test_packages=(mmdebstrap)

# --- choices, set by take_option
variant=           # cpu, cuda; empty: what the machine has
own_libtorch=${DIGFUSION_LIBTORCH:-}
with_packages=yes  # --no-packages: the user has seen to them

common_options="  --cpu             for the processor only ($cpu_download to fetch)
  --cuda            for NVIDIA GPUs ($cuda_download to fetch); the default where an NVIDIA driver is present
  --libtorch DIR    use the LibTorch 2.x in DIR (include/, lib/) instead of fetching one
  --no-packages     install no Debian packages
  --help            this text"

# Takes one of the common options; sets `taken` to the number of arguments that it used, 0 if it isn't one.
take_option() {
  taken=1
  case $1 in
    --cpu) variant=cpu ;;
    --cuda) variant=cuda ;;
    --no-packages) with_packages=no ;;
    --libtorch=*) own_libtorch=${1#*=} ;;
    --libtorch)
      [[ $# -ge 2 ]] || fail "--libtorch needs a folder: --libtorch DIR"
      own_libtorch=$2 taken=2
      ;;
    *) taken=0 ;;
  esac
}

has_nvidia_driver() {
  [[ -e ${DIGFUSION_NVIDIA_PROC:-/proc/driver/nvidia/version} ]] || { have nvidia-smi && nvidia-smi -L >/dev/null 2>&1; }
}

check_machine() {
  local system id version like
  system=$(uname -s)
  [[ $system == Linux ]] || fail "this is $system, and digfusion needs Linux: use a Debian 12 machine or container"
  [[ -n $own_libtorch ]] || check_processor
  [[ $with_packages == yes ]] || return 0
  if ! have apt-get || ! have dpkg-query; then
    fail "apt-get isn't here: use Debian 12 or later, or install these yourself and add --no-packages: ${packages[*]}"
  fi
  local release=${DIGFUSION_OS_RELEASE:-/etc/os-release}
  [[ -r $release ]] || return 0
  # shellcheck source=/dev/null
  id=$(. "$release" && echo "${ID:-}")
  # shellcheck source=/dev/null
  version=$(. "$release" && echo "${VERSION_ID:-}")
  # shellcheck source=/dev/null
  like=$(. "$release" && echo "${ID_LIKE:-}")
  case $id in
    debian) [[ -z $version || ${version%%.*} -ge 12 ]] || fail "Debian $version is too old: use Debian 12 or later" ;;
    ubuntu) [[ ${version%%.*} -ge 24 ]] || fail "Ubuntu $version is too old: use Ubuntu 24.04 or Debian 12 or later" ;;
    *) [[ " $like " == *" debian "* || " $like " == *" ubuntu "* ]] ||
      fail "$id is not supported: use Debian 12, or install these yourself and add --no-packages: ${packages[*]}" ;;
  esac
}

# --- Debian packages

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q "$@"; }

# Runs apt with its output shown and kept; on failure says why.
apt_step() {
  local log reason
  log=$(mktemp)
  if apt -y "$@" </dev/null 2>&1 | tee "$log" >&2; then
    rm -f "$log"
    return 0
  fi
  reason="see the lines above, and try: apt-get ${*}"
  if grep -qE 'No space left|enough free space' "$log"; then
    reason="the disk is full: free some space (apt-get clean helps) and run this again"
  elif grep -qE 'Could not get lock|held by process' "$log"; then
    reason="another package manager is running: wait for its end and run this again"
  elif grep -qE 'Unable to locate package|no installation candidate' "$log"; then
    reason="this distribution lacks a package: use Debian 12 with its section main (Ubuntu: universe) enabled"
  elif grep -qE 'Temporary failure|Could not resolve|Could not connect|Failed to fetch|Unable to fetch' "$log"; then
    reason="the package server can't be reached: check the network (or apt's proxy) and run this again"
  fi
  rm -f "$log"
  fail "apt-get ${*: 1:1} failed: $reason"
}

install_packages() {
  [[ $with_packages == yes ]] || return 0
  local missing=() package installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    grep -qxF "$package installed" <<<"$installed" || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  say "Debian packages to install (${#missing[@]}): ${missing[*]}"
  if [[ $(id -u) != 0 ]]; then
    have sudo || fail "installing packages needs root and sudo isn't here: run as root, or: apt-get install ${missing[*]}"
    [[ -t 0 ]] || sudo -n true 2>/dev/null ||
      fail "installing packages needs root and sudo wants a password: run as root, or: apt-get install ${missing[*]}"
  fi
  # A broken foreign source in apt's lists is no reason to stop: the installation itself decides. apt says how much
  # it fetches before it begins.
  apt update </dev/null >&2 || say "apt-get update failed; going on with the lists that are there"
  apt_step install --no-install-recommends "${missing[@]}"
}

# --- LibTorch

provide_pip() { install_packages python3-pip; }

install_libtorch() {
  if [[ -n $own_libtorch ]]; then
    [[ -d $own_libtorch ]] || fail "--libtorch $own_libtorch: no such folder; name the one that holds include/ and lib/"
    own_libtorch=$(cd "$own_libtorch" && pwd)
    [[ -e $own_libtorch/lib/libtorch_cpu.so && -e $own_libtorch/include/ATen/ATen.h ]] ||
      fail "--libtorch $own_libtorch holds no LibTorch: lib/libtorch_cpu.so and include/ATen/ATen.h must be in it"
    return 0
  fi
  fetch_libtorch
}

# --- the build

# As many compilers at a time as there are cores, and 1.5 GB of free memory for each: ATen's headers are large.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
  [[ $memory -ge 1 ]] || memory=1
  echo $((cores < memory ? cores : memory))
}

# Meson's option cuda: a LibTorch of the user's own decides itself.
cuda_option() {
  if [[ -n $own_libtorch ]]; then echo auto; elif [[ $variant == cuda ]]; then echo enabled; else echo disabled; fi
}

# configure TESTS: makes the build folder, or changes its options where they differ. Tests, once in, stay in.
configure() {
  local tests=$1 cuda libtorch=$own_libtorch wanted
  cuda=$(cuda_option)
  if [[ $cuda != disabled ]] && ! have nvcc && [[ -x /usr/local/cuda/bin/nvcc ]]; then
    export PATH=$PATH:/usr/local/cuda/bin
  fi
  # An interrupted first configuration leaves a folder that Meson doesn't take.
  if [[ -d $build_dir/meson-private && ! -e $build_dir/build.ninja ]]; then rm -rf "$build_dir"; fi
  if [[ -e $build_dir/digfusion-tests ]]; then tests=true; fi
  wanted="$root $variant $libtorch $tests $(head -n 1 "$libtorch_home/stamp" 2>/dev/null || true)"
  if [[ ! -e $build_dir/build.ninja ]]; then
    say "Configuring in $build_dir"
    meson setup "$build_dir" "$root" "-Dcuda=$cuda" "-Dlibtorch=$libtorch" "-Dtests=$tests" >&2 ||
      fail "meson setup failed: see the lines above and $build_dir/meson-logs/meson-log.txt"
  elif [[ $wanted != "$(cat "$build_dir/digfusion-setup" 2>/dev/null)" ]]; then
    # Meson remembers what a former LibTorch could do.
    { meson configure --clearcache "$build_dir" &&
      meson configure "$build_dir" "-Dcuda=$cuda" "-Dlibtorch=$libtorch" "-Dtests=$tests"; } >&2 ||
      fail "meson configure failed: see the lines above, or remove $build_dir and run this again"
  fi
  [[ $tests == false ]] || : >"$build_dir/digfusion-tests"
  printf '%s\n' "$wanted" >"$build_dir/digfusion-setup"
}

build() {
  ninja -C "$build_dir" -j "$(jobs)" >&2 || {
    [[ $(free_mb "$build_dir") -ge 50 ]] || fail "the build failed: the disk is full; free some space and run this again"
    fail "the build failed: see the lines above; if the checkout was moved or updated, remove $build_dir and run this again"
  }
}

# set_up PACKAGE...: everything before the build.
set_up() {
  packages=("$@")
  check_machine
  if [[ -z $variant ]]; then
    if has_nvidia_driver; then variant=cuda; else variant=cpu; fi
  fi
  install_packages "${packages[@]}"
  install_libtorch
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  chosen=("${build_packages[@]}" "${demo_packages[@]}")
  while [[ $# -gt 0 ]]; do
    take_option "$@"
    if [[ $taken -gt 0 ]]; then
      shift "$taken"
      continue
    fi
    case $1 in
      --tests) chosen+=("${test_packages[@]}") ;;
      --package) chosen+=("${package_packages[@]}" "${package_test_packages[@]}") ;;
      --help | -h)
        printf 'Usage: %s [OPTION]...\nInstalls what digfusion needs: Debian packages and LibTorch.\n\n%s\n%s\n' "$program" \
          "  --tests           also what the tests need
  --package         also what package.sh and the test of the packages need" "$common_options"
        exit 0
        ;;
      *) fail "unknown option $1: see $program --help" ;;
    esac
    shift
  done
  set_up "${chosen[@]}"
  say "digfusion's set-up is complete ($variant)"
fi
