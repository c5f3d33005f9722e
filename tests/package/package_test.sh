#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Debian packages: built in a clean root of this machine's distribution, installed in another, used as
# docs/install.md says, and purged. Needs root, mmdebstrap and a package mirror. Speaks TAP.
# Usage: package_test.sh SOURCE_ROOT LIBTORCH
set -uo pipefail
source_root=$1 libtorch=$2
scratch=$(mktemp -d)
# What was mounted is seen by the commands in the roots alone, so nothing but files is left to remove.
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
log=$scratch/log
number=0 failures=0

# report NAME OK [FILE with what was printed]
report() {
  number=$((number + 1))
  if [[ $2 == yes ]]; then
    echo "ok $number - $1"
    return
  fi
  failures=$((failures + 1))
  echo "not ok $number - $1"
  [[ $# -lt 3 ]] || tail -n 60 "$3" | while IFS= read -r line; do echo "# $line"; done
}

# succeeds NAME COMMAND...; fails NAME TEXT COMMAND...: the command fails and prints TEXT
succeeds() {
  local name=$1 ok=yes
  shift
  "$@" >"$log" 2>&1 </dev/null || ok=no
  report "$name" "$ok" "$log"
  [[ $ok == yes ]]
}
fails() {
  local name=$1 text=$2 ok=yes
  shift 2
  if "$@" >"$log" 2>&1 </dev/null || ! grep -qF -- "$text" "$log"; then ok=no; fi
  report "$name" "$ok" "$log"
}

skip_all() { echo "1..0 # SKIP $1" && exit 0; }

end() {
  echo "1..$number"
  [[ $failures == 0 ]]
  exit
}

# --- clean roots

[[ $(id -u) == 0 ]] || skip_all 'making a clean root needs root'
command -v mmdebstrap >/dev/null || skip_all 'mmdebstrap is not here: apt-get install mmdebstrap'
unshare --mount --pid --fork mount --bind "$scratch" "$scratch" 2>/dev/null || skip_all 'this machine lets nobody mount'
free=$(df -Pk "$scratch" | awk 'NR == 2 { print int($4 / 1024) }')
[[ $free -ge 5000 ]] || skip_all "5000 MB are needed in $scratch and $free are free (TMPDIR names another place)"

# The machine's own package sources, as apt sees them, without those of others; and how apt reaches them.
origin=$(sed -nE 's/^NAME="?([A-Za-z]+).*/\1/p' /etc/os-release)
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# shellcheck disable=SC2016  # apt's variables
apt-get indextargets --format '$(ORIGIN)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  sed -n "s/^$origin|//p" | sort -u >"$scratch/sources.list"
[[ -s $scratch/sources.list ]] || skip_all "apt has no package lists of $origin: apt-get update"
apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries)' >"$scratch/apt.conf"

# Compiled files of earlier runs, which ccache knows by their contents.
cache=$(ccache --get-config cache_dir 2>/dev/null || true)
[[ -d $cache ]] || cache=$scratch/ccache

# Runs a command in a root, with the network, LibTorch (at /opt/libtorch) and ccache's folder, but without the caller's
# environment. All its processes end with it.
# shellcheck disable=SC2016  # expanded by the inner shell
inside() {
  local root=$1
  shift
  unshare --mount --pid --fork --kill-child sh -c '
    root=$1 libtorch=$2 cache=$3 && shift 3 &&
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
    mount --bind "$libtorch" "$root/opt/libtorch" && mount -o remount,bind,ro "$root/opt/libtorch" &&
    mount --bind "$cache" "$root/opt/ccache" &&
    exec chroot "$root" "$@"' sh "$root" "$(dirname "$libtorch")" "$cache" \
    env -i CCACHE_DIR=/opt/ccache PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} "$@"
}

begin=$SECONDS
if ! mmdebstrap --variant=apt --aptopt="$scratch/apt.conf" --dpkgopt=force-unsafe-io \
  "$codename" "$scratch/clean" - <"$scratch/sources.list" >"$log" 2>&1; then
  ! grep -qE 'Temporary failure|Could not (resolve|connect)|Failed to fetch|Unable to fetch' "$log" ||
    skip_all "the package mirror can't be reached"
  report 'a clean root' no "$log"
  end
fi
cp /etc/resolv.conf "$scratch/clean/etc/"
mkdir -p "$cache" "$scratch/clean/opt/libtorch" "$scratch/clean/opt/ccache"
printf '#!/bin/sh\nexit 101\n' >"$scratch/clean/usr/sbin/policy-rc.d"  # no services
chmod +x "$scratch/clean/usr/sbin/policy-rc.d"
inside "$scratch/clean" apt-get -q update >"$log" 2>&1 || true
cp -a "$scratch/clean" "$scratch/build"
echo "# a clean root of $origin $codename: $((SECONDS - begin)) s"

# --- the build

# shellcheck source-path=SCRIPTDIR source=../../pipelines/setup.sh
mapfile -t wanted < <(source "$source_root/pipelines/setup.sh" && printf '%s\n' "${build_packages[@]}" "${package_packages[@]}" lintian)
begin=$SECONDS
succeeds 'what the build needs can be installed' \
  inside "$scratch/build" apt-get -qy install --no-install-recommends "${wanted[@]}" || end
mkdir "$scratch/build/digfusion"
tar -C "$source_root" --exclude=./.git --exclude='./.libtorch*' --exclude='./build*' -cf - . | tar -C "$scratch/build/digfusion" -xf -
echo "# the packages that the build needs: $((SECONDS - begin)) s"

begin=$SECONDS
succeeds 'the packages are built in a clean root' inside "$scratch/build" \
  /digfusion/pipelines/package.sh --no-packages --libtorch "/opt/libtorch/$(basename "$libtorch")" --output /packages || end
echo "# the build: $((SECONDS - begin)) s"
debs=$scratch/build/packages

succeeds 'lintian finds nothing' \
  inside "$scratch/build" sh -c 'lintian --allow-root --fail-on error,warning --display-info --suppress-tags initial-upload-closes-no-bugs /packages/*.deb'
dpkg-deb --contents "$debs"/digfusion_*.deb >"$scratch/contents"
grep -qE '/lib(torch|c10|caffe2|cu|gomp)[^/]*\.so' "$scratch/contents" && ok=no || ok=yes
report 'LibTorch is in no package' "$ok" "$scratch/contents"

# --- the installation, in a root that has all that the package depends on and nothing more

begin=$SECONDS
clean=$scratch/clean
cp "$debs"/digfusion_*.deb "$clean/opt/digfusion.deb"
mapfile -t dependencies < <(inside "$clean" apt-get -s install --no-install-recommends /opt/digfusion.deb gstreamer1.0-tools |
  sed -nE 's/^Inst ([^ ]+) .*/\1/p' | grep -vx digfusion)
succeeds 'what it depends on can be installed' \
  inside "$clean" apt-get -qy install --no-install-recommends "${dependencies[@]}" || end
# shellcheck disable=SC2016  # expanded by the inner shell
succeeds 'what it recommends exists' inside "$clean" sh -c '
  recommended=$(dpkg-deb --field /opt/digfusion.deb Recommends | tr -d ,) && [ "$recommended" ] && apt-get -s install $recommended'

# Paths, kinds, modes and owners of all files, but for what package managers and the dynamic linker keep of their own
# doings, and what is written while running (gst-inspect-1.0 makes the folder for the user's own presets).
snapshot() {
  find "$clean" -mindepth 1 \( -path "$clean/var/log" -o -path "$clean/var/cache" -o -path "$clean/var/lib/apt" \
    -o -path "$clean/tmp" -o -path "$clean/root/.cache" -o -path "$clean/root/.local" \) -prune -o \
    ! -path "$clean/var/lib/dpkg/*-old" -printf '%P %y %m %u:%g %l\n' | sort
}
snapshot >"$scratch/before"
succeeds 'it installs, with no other package' inside "$clean" apt-get -qy install --no-install-recommends /opt/digfusion.deb || end
grep -qE ', 1 newly installed' "$log" && ok=yes || ok=no
report 'and apt added nothing to its dependencies' "$ok" "$log"
echo "# the installation: $((SECONDS - begin)) s"

# --- before LibTorch is set up

succeeds 'GStreamer knows the elements without LibTorch' inside "$clean" sh -c 'gst-inspect-1.0 digfusion && gst-inspect-1.0 digtestsrc'
fuse=(gst-launch-1.0 digtestsrc name=s num-buffers=3
  s.visible ! 'video/x-raw,width=96,height=64' ! f.visible s.infrared ! 'video/x-raw,width=96,height=64' ! f.infrared
  digfusion name=f max-failures=0 ! fakesink)
for command in 'digfusion-libtorch fetch' 'digfusion-libtorch use DIR'; do
  fails "a pipeline says what to do: $command" "$command" inside "$clean" "${fuse[@]}"
  fails "the program says what to do: $command" "$command" inside "$clean" digfusion --version
  fails "so does the status: $command" "$command" inside "$clean" digfusion-libtorch status
done
fails 'a folder without LibTorch is refused' "/usr/lib/libtorch_cpu.so isn't there" inside "$clean" digfusion-libtorch use /usr

# --- with LibTorch

in_use=/opt/libtorch/$(basename "$libtorch")
succeeds 'the administrator names a LibTorch' inside "$clean" digfusion-libtorch use "$in_use"
succeeds 'which is then in use' inside "$clean" digfusion-libtorch status
grep -qF "$in_use" "$log" && ok=yes || ok=no
report 'as the status says' "$ok" "$log"
version=$(dpkg-deb --field "$clean/opt/digfusion.deb" Version)
succeeds 'the program runs' inside "$clean" digfusion --version
grep -qF "$version" "$log" && ok=yes || ok=no
report 'and has the version of the package' "$ok" "$log"
succeeds 'a pipeline fuses' inside "$clean" env OMP_WAIT_POLICY=passive "${fuse[@]}"
succeeds 'as a common user, too' inside "$clean" setpriv --reuid=nobody --regid=nogroup --clear-groups \
  env OMP_WAIT_POLICY=passive HOME=/tmp "${fuse[@]}"
succeeds 'the benchmark runs' inside "$clean" digfusion bench --size 96x64 --frames 3 --seconds 0.1
grep -q 'digfusion-bench-element' "$log" && ok=no || ok=yes
report 'and measures the element as well' "$ok" "$log"
while IFS= read -r command; do
  name=$(basename "$command")
  succeeds "$name --help" inside "$clean" "$command" --help
  [[ -s $clean/usr/share/man/man1/$name.1.gz ]] && ok=yes || ok=no
  report "$name has a manual page" "$ok" "$scratch/contents"
done < <(sed -nE 's|.* \./(usr/bin/[^ ]+)( .*)?$|/\1|p' "$scratch/contents")

# --- for developers, in the root that has a compiler

# shellcheck disable=SC2016
succeeds 'the development package installs' \
  inside "$scratch/build" sh -c 'apt-get -qy install --no-install-recommends /packages/*.deb && digfusion-libtorch use "$1"' sh "$in_use"
# shellcheck disable=SC2016  # expanded by the inner shell
succeeds 'a program is compiled, linked and run through digfusion.pc' inside "$scratch/build" sh -c '
  g++ -std=c++20 -Wall -Wextra -Werror /digfusion/tests/install/client.cpp -o client $(pkg-config --cflags --libs digfusion) && ./client'
# shellcheck disable=SC2016
succeeds 'digfusion.pc names the folders and the interface version' inside "$scratch/build" sh -c '
  test -e "$(pkg-config --variable=plugindir digfusion)/libgstdigfusion.so" &&
  test -e "$(pkg-config --variable=datadir digfusion)/denoiser.safetensors" &&
  grep "abi_version = $(pkg-config --variable=abi_version digfusion);" /usr/include/digfusion/core/interface/interface.h'

# --- the end

succeeds 'it is purged' inside "$clean" apt-get -qy purge digfusion
snapshot >"$scratch/after"
diff "$scratch/before" "$scratch/after" >"$log" && ok=yes || ok=no
report 'nothing is left' "$ok" "$log"
[[ -e $libtorch/lib/libtorch_cpu.so ]] && ok=yes || ok=no
report "the administrator's LibTorch is untouched" "$ok"
end
