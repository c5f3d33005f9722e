#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# record_picture.sh --quiet RECORDER PICTURE, called by screenshot.sh: lets digfusion-record write a segment with its
# sources, and puts the last picture of its three tracks side by side: visible, infrared, fused.
set -Eeuo pipefail

recorder=$2 picture=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$recorder" --quiet --test smoke --with-sources --quality 18 --keep-free 0 --frames 25 --output "$scratch"
segments=("$scratch"/*.mp4)
tracks=()
for place in "video_1 0" "video_2 640" "video_0 1280"; do
  read -r track x <<<"$place"
  tracks+=("d.$track" ! queue ! decodebin ! videoconvert ! "c.sink_$((x / 640))")
done
gst-launch-1.0 -q compositor name=c sink_1::xpos=640 sink_2::xpos=1280 ! videoconvert ! pngenc \
  ! multifilesink "location=$picture" filesrc "location=${segments[-1]}" ! qtdemux name=d "${tracks[@]}"
