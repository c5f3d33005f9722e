#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds the Debian packages, after installing what is missing (setup.sh).
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

usage() {
  cat <<USAGE
Usage: $program [OPTION]...

Builds digfusion_VERSION_ARCHITECTURE.deb (plugin, core, programs) and libdigfusion-dev_VERSION_ARCHITECTURE.deb
(headers, digfusion.pc). LibTorch is needed for that and isn't put into them: docs/install.md says how an installed
digfusion gets its own, which must have the same major and minor version.

  --output DIR      where the packages go (default: the current folder)
$common_options

Environment: DEBFULLNAME, DEBEMAIL name the maintainer; DEB_BUILD_OPTIONS as in Debian.
USAGE
}

output=.
while [[ $# -gt 0 ]]; do
  take_option "$@"
  if [[ $taken -gt 0 ]]; then
    shift "$taken"
    continue
  fi
  case $1 in
    --output=*) output=${1#*=} ;;
    --output)
      [[ $# -ge 2 ]] || fail "--output needs a folder: --output DIR"
      output=$2
      shift
      ;;
    --help | -h) usage && exit 0 ;;
    *) fail "unknown option $1: see $program --help" ;;
  esac
  shift
done
{ mkdir -p "$output" 2>/dev/null && [[ -w $output ]]; } || fail "--output $output can't be written to: name another folder"
output=$(cd "$output" && pwd)

set_up "${build_packages[@]}" "${package_packages[@]}"
libtorch=${own_libtorch:-$libtorch_home/torch}

# --- the tree with debian/ at its top
version=$(sed -nE "s/^ *version: *'([^']+)'.*/\1/p" "$root/meson.build" | head -n 1)
[[ -n $version ]] || fail "meson.build tells no version: please report this"
maintainer="${DEBFULLNAME:-digfusion maintainers} <${DEBEMAIL:-maintainers@digfusion.invalid}>"
work=$root/build-package
tree=$work/digfusion-$version
rm -rf "$work"
mkdir -p "$tree"
tar -C "$root" --exclude=./.git --exclude='./.libtorch*' --exclude='./build*' --exclude=__pycache__ -cf - . | tar -C "$tree" -xf - ||
  fail "$work can't be filled: see the lines above"
cp -r "$root/pipelines/debian" "$tree/debian"

# LIST...: package names as a control file lists them. meson needs no ccache, and build-essential has g++.
list() { printf '%s\n' "$@" | grep -vxE 'ccache|g\+\+|build-essential' | paste -sd ' ' | sed 's/ /, /g'; }
# The entry of this version in CHANGELOG.md, each point a paragraph, as Debian writes them.
changes() {
  local point
  awk -v version="$version" '/^## / { inside = $2 == version; next } inside' "$root/CHANGELOG.md" | tr -d '`' |
    awk '/^- / { if (point) print point; point = substr($0, 3); next } NF { sub(/^ +/, ""); point = point " " $0 }
      END { print point }' |
    while IFS= read -r point; do fold -s -w 74 <<<"$point" | sed -e '1s/^/  * /' -e '2,$s/^/    /' -e 's/ *$//'; done
}

control=$(<"$tree/debian/control.in")
control=${control//@maintainer@/"$maintainer"}
control=${control//@build_packages@/"$(list "${build_packages[@]}" "${package_packages[@]}")"}
control=${control//@demo_packages@/"$(list "${demo_packages[@]}")"}
control=${control//@libtorch_version@/"$(libtorch_version "$libtorch" | cut -d . -f 1,2)"}
printf '%s\n' "$control" >"$tree/debian/control"
rm "$tree/debian/control.in"
news=$(changes)
[[ -n $news ]] || fail "CHANGELOG.md says nothing of version $version: add what is new"
printf 'digfusion (%s) unstable; urgency=medium\n\n%s\n\n -- %s  %s\n' "$version" "$news" "$maintainer" \
  "$(date -R -r "$root/CHANGELOG.md")" >"$tree/debian/changelog"

# --- the packages
say "Building the packages of digfusion $version with $libtorch"
(
  cd "$tree"
  DIGFUSION_LIBTORCH=$libtorch DIGFUSION_CUDA=$(cuda_option) \
    DEB_BUILD_OPTIONS="parallel=$(jobs) ${DEB_BUILD_OPTIONS:-}" \
    dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >&2
) || {
  [[ $(free_mb "$work") -ge 50 ]] || fail "the packages weren't built: the disk is full; free some space and run this again"
  fail "the packages weren't built: see the lines above"
}
for package in "$work"/*.deb; do
  cp "$package" "$output/"
  say "$output/$(basename "$package")"
done
rm -rf "$work"
