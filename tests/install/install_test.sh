#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `meson install` leaves works by itself, in any folder: installed below a temporary folder and with the build
# folder out of sight, plugin and program fuse a picture. Speaks TAP.
# Usage: install_test.sh BUILD_ROOT MESON PREFIX
set -uo pipefail
build=$1 meson=$2
scratch=$(mktemp -d)
aside=$build.aside-for-the-install-test
number=0 failures=0

restore() {
  if [[ -d $aside && ! -e $build ]]; then mv "$aside" "$build"; fi
}
trap 'restore; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP

# report NAME OK [FILE with what was printed]
report() {
  number=$((number + 1))
  if [[ $2 == yes ]]; then
    echo "ok $number - $1"
  else
    failures=$((failures + 1))
    echo "not ok $number - $1"
    [[ $# -lt 3 ]] || while IFS= read -r line; do echo "# $line"; done <"$3"
  fi
}

# Runs a command with the build folder hidden: by a mount that only the command sees or, where the system lets
# nobody mount, by renaming it for as long as that takes.
# shellcheck disable=SC2016  # expanded by the inner shell
without_build() {
  if unshare -rm sh -c 'mount -t tmpfs none "$0"' "$scratch" 2>/dev/null; then
    unshare -rm sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$build" "$@"
    return
  fi
  [[ ! -e $aside ]] || {
    echo "$aside is in the way: an earlier test was killed; rename it back or remove it"
    return 1
  }
  mv "$build" "$aside"
  "$@"
  local status=$?
  restore
  return "$status"
}

client=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/client.cpp
cd "$scratch" || exit 1
log=$scratch/log
if ! DESTDIR=$scratch/root "$meson" install -C "$build" --no-rebuild --quiet >"$log" 2>&1; then
  report 'meson install' no "$log"
  echo "1..$number"
  exit 1
fi
report 'meson install' yes
# Moved once more: nothing may hang on the folder's name.
mkdir -p "$scratch/elsewhere"
prefix=$scratch/elsewhere/prefix
mv "$scratch/root$3" "$prefix"

plugin=$(find "$prefix" -name libgstdigfusion.so -print -quit)
[[ -n $plugin ]] && ok=yes || ok=no
report 'the plugin is installed' "$ok"

ok=yes
while IFS= read -r -d '' file; do
  if readelf -d "$file" 2>/dev/null | grep -E 'R(UN)?PATH' | grep -qF "$build"; then
    ok=no
    echo "# $file looks for libraries in the build folder"
  fi
done < <(find "$prefix" -type f \( -name '*.so*' -o -path '*/bin/*' \) -print0)
report 'no installed file looks into the build folder' "$ok"

# Nothing of the caller's environment may help.
clean=(env -u LD_LIBRARY_PATH -u LD_PRELOAD -u DIGFUSION_CORE -u DIGFUSION_WEIGHTS "GST_REGISTRY=$scratch/registry.bin"
  "GST_PLUGIN_PATH=$(dirname "$plugin")" timeout 120)
caps='width=96,height=64,framerate=25/1'
without_build "${clean[@]}" gst-launch-1.0 digtestsrc name=s num-buffers=1 pattern=night \
  s.visible ! "video/x-raw,format=I420,$caps" ! tee name=v \
  s.infrared ! "video/x-raw,format=GRAY8,$caps" ! tee name=i \
  v. ! queue ! f.visible i. ! queue ! f.infrared \
  v. ! queue ! videoconvert ! pngenc ! filesink location=visible.png \
  i. ! queue ! pngenc ! filesink location=infrared.png \
  digfusion name=f ! videoconvert ! pngenc ! filesink location=fused.png >"$log" 2>&1
status=$?
ok=yes
[[ $status == 0 && -s visible.png && -s infrared.png && -s fused.png ]] || ok=no
report 'the installed plugin fuses a frame' "$ok" "$log"

# On a failure the element passes the visible picture on, with a warning.
ok=yes
if grep -q '^WARNING' "$log" || cmp -s visible.png fused.png; then ok=no; fi
report 'and does not merely pass the visible picture on' "$ok" "$log"

ok=yes
without_build "${clean[@]}" "$prefix/bin/digfusion" fuse --visible visible.png --infrared infrared.png \
  --output program.png >"$log" 2>&1 || ok=no
[[ -s program.png ]] || ok=no
report 'the installed program fuses a picture' "$ok" "$log"

pkg_config=(pkg-config "--define-variable=prefix=$prefix")
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name digfusion.pc -print -quit)")
export PKG_CONFIG_PATH
libdir=$("${pkg_config[@]}" --variable=libdir digfusion)
ok=yes
# shellcheck disable=SC2046  # options, apart from each other
g++ -std=c++20 -Wall -Wextra -Werror "$client" -o client $("${pkg_config[@]}" --cflags --libs digfusion) \
  "-Wl,-rpath,$libdir" >"$log" 2>&1 && without_build "${clean[@]}" ./client >>"$log" 2>&1 || ok=no
report 'a program is compiled, linked and run through digfusion.pc' "$ok" "$log"

ok=yes
[[ -e $("${pkg_config[@]}" --variable=plugindir digfusion)/libgstdigfusion.so &&
  -e $("${pkg_config[@]}" --variable=datadir digfusion)/denoiser.safetensors ]] || ok=no
grep -q "abi_version = $(pkg-config --variable=abi_version digfusion);" \
  "$("${pkg_config[@]}" --variable=includedir digfusion)/digfusion/core/interface/interface.h" || ok=no
report 'digfusion.pc names the folders and the interface version' "$ok"

ok=yes
[[ -e $build/build.ninja ]] || ok=no
report 'the build folder is in its place' "$ok"

echo "1..$number"
[[ $failures == 0 ]]
