#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# screenshot.sh KEPT OUTPUT PROGRAM OPTION...
# Lets a program make a picture of itself, for docs/: the word PICTURE among its options stands for the PNG file that
# it is to write. OUTPUT is that picture as JPEG, at most 1280 wide. Where the program can't run (a build for another
# machine, an element that isn't installed), OUTPUT is KEPT, the picture in the repository.
set -Eeuo pipefail

kept=$1 output=$2 program=$3
shift 3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The user's registry of plugins is left alone.
export GST_REGISTRY=$scratch/registry.bin

draw() {
  timeout 300 "$program" --quiet "${@//PICTURE/$scratch/picture.png}" </dev/null &&
    gst-launch-1.0 -q filesrc "location=$scratch/picture.png" ! pngdec ! videoconvert ! videoscale method=lanczos \
      ! "video/x-raw,width=[1,1280],height=[1,2160],pixel-aspect-ratio=1/1" ! jpegenc quality=78 \
      ! filesink "location=$scratch/picture.jpg"
}

if draw "$@" >"$scratch/log" 2>&1 && [[ -s $scratch/picture.jpg ]]; then
  mv "$scratch/picture.jpg" "$output"
else
  echo "$(basename "$output") is the repository's: $(basename "$program") can't run here: $(tail -n 1 "$scratch/log")" >&2
  cp "$kept" "$output"
fi
