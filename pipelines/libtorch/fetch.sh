# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# LibTorch's version, and fetching it from the Python package index: for the build (../setup.sh) and for an installed
# digfusion (digfusion-libtorch), which source this. Every failure ends in one line that says what failed and what to do.
#
# They set first: program, the name in messages; variant, cpu or cuda; libtorch_home, the folder that fetch_libtorch
# makes (its parent is there); bring_own, how to use a LibTorch of one's own; and a function provide_pip, which is
# called where python3 has no pip.
# shellcheck disable=SC2154  # what they set

torch_version=2.11.0
torch_python=3.11  # the wheel's Python; any serves, since only its C++ part is used
cpu_download="0.6 GB" cpu_disk="1.3 GB" cpu_free_mb=2500
cuda_download="2.5 GB" cuda_disk="3.9 GB" cuda_free_mb=7000

download_dir=  # while LibTorch is being fetched; `fail` removes it

say() { printf '%s\n' "$*" >&2; }

fail() {
  trap - ERR
  [[ -z ${download_dir:-} ]] || rm -rf "$download_dir"
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}
trap 'fail "line $LINENO failed: $BASH_COMMAND; please report this with the lines above"' ERR
trap 'fail "interrupted: run it again to go on"' INT TERM

have() { command -v "$1" >/dev/null 2>&1; }

free_mb() { df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }'; }

# The version of the LibTorch in DIR, as the Python package or pytorch.org's archive say it; empty if neither does.
libtorch_version() {
  local dir=$1
  if [[ -r $dir/version.py ]]; then
    sed -nE "s/^__version__ = '([^']+)'.*/\1/p" "$dir/version.py"
  elif [[ -r $dir/build-version ]]; then
    head -n 1 "$dir/build-version"
  fi
}

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
    cd "$folder" || exit 1
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
  if [[ $(free_mb "$parent") -lt 50 ]] || grep -q 'No space left' "$log" 2>/dev/null; then
    reason="the disk is full: free $free_wanted MB in $parent and run this again"
  elif grep -q 'CERTIFICATE_VERIFY_FAILED' "$log" 2>/dev/null; then
    reason="the package index's certificate isn't trusted: if a proxy is in between, name its certificate in PIP_CERT"
  elif grep -qE 'NewConnectionError|name resolution|ConnectTimeout|ReadTimeout|ProxyError|Connection (refused|reset|aborted|broken)|ConnectionError' \
    "$log" 2>/dev/null; then
    reason="the Python package index can't be reached: check the network (or the variable https_proxy) and run this again"
  elif grep -q 'No matching distribution' "$log" 2>/dev/null; then
    reason="the package index in use lacks it: unset PIP_INDEX_URL, or $bring_own"
  fi
  fail "pip could not fetch LibTorch $torch_version: $reason"
}

check_processor() {
  local machine
  machine=$(uname -m)
  [[ $machine == x86_64 ]] || fail "no LibTorch is fetched for a $machine processor: $bring_own"
}

# Makes libtorch_home, unless it is there and whole. What was there stays until its successor has arrived.
fetch_libtorch() {
  ! libtorch_stamped "$libtorch_home" || return 0

  local parent free_wanted download disk free
  parent=$(dirname "$libtorch_home")
  # Two runs at a time would spoil each other's download: the second waits, and then finds the first one's.
  exec 9<"$parent"
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
  free=$(free_mb "$parent")
  [[ $free -ge $free_wanted ]] ||
    fail "the disk is too full for LibTorch: $free_wanted MB are needed while installing and $free MB are free in $parent"
  python3 -m pip --version >/dev/null 2>&1 || provide_pip
  python3 -m pip --version >/dev/null 2>&1 ||
    fail "python3 -m pip doesn't work: install pip for the python3 on PATH (Debian: apt-get install python3-pip)"

  say "LibTorch $torch_version ($variant): fetching $download into $libtorch_home ($disk)"
  mkdir -p "$download_dir/tmp" || fail "$parent can't be written to"
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
    fail "LibTorch didn't arrive whole: run this again; if it stays so, $bring_own"
  write_stamp "$download_dir/site"
  [[ ! -e $libtorch_home ]] || mv "$libtorch_home" "$libtorch_home.old"
  mv "$download_dir/site" "$libtorch_home"
  rm -rf "$download_dir" "$libtorch_home.old"
  download_dir=
  exec 9>&-
}

