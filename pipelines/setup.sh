#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The set-up that pipelines/demo.sh and tests/run.sh share: Debian packages, LibTorch, the build.
# Run by itself it installs and builds nothing more:  pipelines/setup.sh [--cpu|--cuda] [--tests] [--libtorch DIR]
#
# What is there already is left alone, so a second run takes no time. Every failure ends in one line that says
# what failed and what to do.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(basename "$0")
build_dir=$root/build
libtorch_home=$root/.libtorch

# --- what is installed: versions, sizes and packages have their only home here
torch_version=2.11.0
torch_python=3.11  # the wheel's Python; any serves, since only its C++ part is used
cpu_download="0.6 GB" cpu_disk="1.3 GB" cpu_free_mb=2500
cuda_download="2.5 GB" cuda_disk="3.9 GB" cuda_free_mb=7000

build_packages=(
  g++ meson ninja-build pkg-config ccache python3
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libglib2.0-dev
  libopencv-dev libcli11-dev nlohmann-json3-dev
)
demo_packages=(
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x
)
test_packages=(libgtest-dev libgmock-dev)

# --- choices, set by take_option
variant=           # cpu, cuda; empty: what the machine has
own_libtorch=${DIGFUSION_LIBTORCH:-}
with_packages=yes  # --no-packages: the user has seen to them
download_dir=      # while LibTorch is being fetched; `fail` removes it

say() { printf '%s\n' "$*" >&2; }

fail() {
  trap - ERR
  [[ -z ${download_dir:-} ]] || rm -rf "$download_dir"
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}
trap 'fail "line $LINENO failed: $BASH_COMMAND; please report this with the lines above"' ERR
trap 'fail "interrupted: run it again to go on"' INT TERM

common_options='  --cpu             for the processor only (0.6 GB to fetch)
  --cuda            for NVIDIA GPUs (2.5 GB to fetch); the default where an NVIDIA driver is present
  --libtorch DIR    use the LibTorch 2.x in DIR (include/, lib/) instead of fetching one
  --no-packages     install no Debian packages
  --help            this text'

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

have() { command -v "$1" >/dev/null 2>&1; }

has_nvidia_driver() {
  [[ -e ${DIGFUSION_NVIDIA_PROC:-/proc/driver/nvidia/version} ]] || { have nvidia-smi && nvidia-smi -L >/dev/null 2>&1; }
}

check_machine() {
  local system machine id version like
  system=$(uname -s) machine=$(uname -m)
  [[ $system == Linux ]] || fail "this is $system, and digfusion needs Linux: use a Debian 12 machine or container"
  if [[ $machine != x86_64 && -z $own_libtorch ]]; then
    fail "no LibTorch is fetched for a $machine processor: bring one of your own with --libtorch DIR"
  fi
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

free_mb() { df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }'; }

# The folder holds what its stamp says: "torch VERSION VARIANT", then sizes and names of its libraries.
libtorch_stamped() {
  local folder=$1 wanted
  [[ -s $folder/stamp ]] || return 1
  wanted=$(head -n 1 "$folder/stamp")
  [[ $wanted == "torch $torch_version $variant" || $wanted == "torch $torch_version cuda" ]] || return 1
  # shellcheck disable=SC2046  # names from our own stamp, without spaces
  (cd "$folder" && stat -c '%s %n' -- $(tail -n +2 stamp | cut -d ' ' -f 2) 2>/dev/null) |
    cmp -s - <(tail -n +2 "$folder/stamp")
}

# Every file of every package is there with the size of its record, and all libraries find theirs.
libtorch_complete() {
  local folder=$1 library
  local libraries=(torch/lib/libtorch_cpu.so torch/lib/libc10.so)
  [[ $variant != cuda ]] || libraries+=(torch/lib/libtorch_cuda.so)
  [[ -s $folder/torch/include/ATen/ATen.h ]] || return 1
  python3 - "$folder" <<'PYTHON' || return 1
import csv, pathlib, sys
folder, files = pathlib.Path(sys.argv[1]), 0
for record in folder.glob("*.dist-info/RECORD"):
    for name, _, size in csv.reader(record.open()):
        # Scripts are moved on installation; a namespace's __init__.py belongs to several packages.
        if size and not name.startswith("..") and not name.endswith("__init__.py"):
            files += 1
            path = folder / name
            if not path.is_file() or path.stat().st_size != int(size):
                sys.exit(f"{name} is missing or not whole")
sys.exit(0 if files else "the packages have no records")
PYTHON
  for library in "${libraries[@]}"; do
    [[ -s $folder/$library ]] || return 1
    if ldd "$folder/$library" | grep 'not found' >&2; then return 1; fi
  done
}

write_stamp() {
  local folder=$1
  (
    cd "$folder"
    local sizes
    sizes=$(find torch/lib nvidia -type f -name '*.so*' -exec stat -c '%s %n' {} + | sort -k 2)
    printf 'torch %s %s\n%s\n' "$torch_version" "$variant" "$sizes" >stamp
  )
}

pip_step() {
  local minor platforms=() log=$download_dir/pip.log reason
  for minor in {28..17}; do platforms+=(--platform "manylinux_2_${minor}_x86_64"); done
  if PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore TMPDIR=$download_dir/tmp python3 -m pip install \
    --no-input --no-cache-dir --no-compile --disable-pip-version-check --log "$log" --target "$download_dir/site" \
    --only-binary=:all: --implementation cp --python-version "$torch_python" "${platforms[@]}" \
    --platform manylinux2014_x86_64 "$@" </dev/null >&2; then
    return 0
  fi
  reason="see the lines above"
  if [[ $(free_mb "$root") -lt 50 ]] || grep -q 'No space left' "$log" 2>/dev/null; then
    reason="the disk is full: free $free_wanted MB in $root and run this again"
  elif grep -q 'CERTIFICATE_VERIFY_FAILED' "$log" 2>/dev/null; then
    reason="the package index's certificate isn't trusted: if a proxy is in between, name its certificate in PIP_CERT"
  elif grep -qE 'NewConnectionError|name resolution|ConnectTimeout|ReadTimeout|ProxyError|Connection (refused|reset|aborted|broken)|ConnectionError' \
    "$log" 2>/dev/null; then
    reason="the Python package index can't be reached: check the network (or the variable https_proxy) and run this again"
  elif grep -q 'No matching distribution' "$log" 2>/dev/null; then
    reason="the package index in use lacks it: unset PIP_INDEX_URL, or bring a LibTorch with --libtorch DIR"
  fi
  fail "pip could not fetch LibTorch $torch_version: $reason"
}

install_libtorch() {
  if [[ -n $own_libtorch ]]; then
    [[ -d $own_libtorch ]] || fail "--libtorch $own_libtorch: no such folder; name the one that holds include/ and lib/"
    own_libtorch=$(cd "$own_libtorch" && pwd)
    [[ -e $own_libtorch/lib/libtorch_cpu.so && -e $own_libtorch/include/ATen/ATen.h ]] ||
      fail "--libtorch $own_libtorch holds no LibTorch: lib/libtorch_cpu.so and include/ATen/ATen.h must be in it"
    return 0
  fi
  ! libtorch_stamped "$libtorch_home" || return 0

  local free_wanted download disk free
  # Two runs at a time would spoil each other's download: the second waits, and then finds the first one's.
  exec 9<"$root/pipelines"
  if have flock && ! flock -n 9; then
    say "Another set-up is fetching LibTorch; waiting for it"
    flock 9
  fi
  if libtorch_stamped "$libtorch_home"; then
    exec 9>&-
    return 0
  fi
  download_dir=$libtorch_home.partial
  rm -rf "$download_dir" "$libtorch_home.old"

  if [[ $variant == cuda ]]; then
    download=$cuda_download disk=$cuda_disk free_wanted=$cuda_free_mb
  else
    download=$cpu_download disk=$cpu_disk free_wanted=$cpu_free_mb
  fi
  free=$(free_mb "$root")
  [[ $free -ge $free_wanted ]] ||
    fail "the disk is too full for LibTorch: $free_wanted MB are needed while installing and $free MB are free in $root"
  python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
  python3 -m pip --version >/dev/null 2>&1 ||
    fail "python3 -m pip doesn't work: install pip for the python3 on PATH (Debian: apt-get install python3-pip)"

  say "LibTorch $torch_version ($variant): fetching $download into $libtorch_home ($disk)"
  mkdir -p "$download_dir/tmp" || fail "$root can't be written to: give yourself write permission, or clone elsewhere"
  pip_step --no-deps "torch==$torch_version"
  # Of what torch asks for only NVIDIA's libraries matter here, and of these libtorch_cpu.so itself needs two.
  local metadata=$download_dir/site/torch-$torch_version.dist-info/METADATA requirements
  mapfile -t requirements < <(sed -nE 's/^Requires-Dist: ((cuda-toolkit|nvidia-)[^; ]*).*/\1/p' "$metadata")
  if [[ $variant == cpu ]]; then
    mapfile -t requirements < <(printf '%s\n' "${requirements[@]}" | sed -nE 's/^cuda-toolkit\[.*\]/cuda-toolkit[cudart,cupti]/p')
  fi
  [[ ${#requirements[@]} -gt 0 ]] || fail "torch $torch_version doesn't say what it needs: please report this"
  pip_step "${requirements[@]}"

  libtorch_complete "$download_dir/site" ||
    fail "LibTorch didn't arrive whole: run this again; if it stays so, bring one of your own with --libtorch DIR"
  write_stamp "$download_dir/site"
  [[ ! -e $libtorch_home ]] || mv "$libtorch_home" "$libtorch_home.old"
  mv "$download_dir/site" "$libtorch_home"
  rm -rf "$download_dir" "$libtorch_home.old"
  download_dir=
  exec 9>&-
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

# configure TESTS: makes the build folder, or changes its options where they differ. Tests, once in, stay in.
configure() {
  local tests=$1 cuda=disabled libtorch='' wanted
  [[ $variant != cuda ]] || cuda=enabled
  if [[ -n $own_libtorch ]]; then cuda=auto libtorch=$own_libtorch; fi
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
      --help | -h)
        printf 'Usage: %s [OPTION]...\nInstalls what digfusion needs: Debian packages and LibTorch.\n\n%s\n%s\n' "$program" \
          "  --tests           also what the tests need" "$common_options"
        exit 0
        ;;
      *) fail "unknown option $1: see $program --help" ;;
    esac
    shift
  done
  set_up "${chosen[@]}"
  say "digfusion's set-up is complete ($variant)"
fi
