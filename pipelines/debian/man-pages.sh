#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# man-pages.sh TREE VERSION: writes debian/man/PROGRAM.1 for each program in TREE/usr/bin, made of its --help.
set -eu
tree=$1 version=$2
mkdir -p debian/man
for program in "$tree"/usr/bin/*; do
  name=$(basename "$program")
  # What a script starts where LibTorch is set up can be started here with LD_LIBRARY_PATH.
  [ ! -x "$tree/usr/libexec/$name" ] || program=$tree/usr/libexec/$name
  # The first line of --help is what the program does, perhaps behind its name.
  purpose=$("$program" --help | sed -n "1s/^$name: //; 1s/\.\$//; 1p")
  help2man --no-info --version-string="$version" --name="$purpose" --output="debian/man/$name.1" "$program"
done
