#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Draws docs/views.png, what each mode shows of a generated scene: docs/views.sh PICTURE.
# Needs digfusion and its plugin to be found, GStreamer's base and good plugins, and ImageMagick.
set -eu
picture=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

gst-launch-1.0 -q digtestsrc name=s pattern=night seed=5 num-buffers=12 infrared-kelvin=true \
  s.visible ! video/x-raw,width=640,height=480 ! videoconvert ! pngenc ! multifilesink location="$work/visible.png" \
  s.infrared ! video/x-raw,width=640,height=480 ! videoconvert ! video/x-raw,format=GRAY16_BE ! pngenc \
  ! multifilesink location="$work/infrared.png"

show() { # LABEL OPTIONS: the next picture of the sheet
  label=$1
  shift
  number=$((${number:-10} + 1))
  digfusion fuse --quiet --visible "$work/visible.png" --infrared "$work/infrared.png" \
    --output "$work/view.png" "$@"
  convert "$work/view.png" -resize x216 -background black -fill white -pointsize 13 label:"$label" \
    -gravity west -append "$work/$number.png"
}

show 'mode=visible' --mode visible
show 'mode=infrared' --mode infrared
show 'mode=fused' --mode fused
show 'mode=gain' --mode gain
show 'mode=split compare=visible-fused' --mode split --compare visible-fused
show 'mode=checker compare=visible-fused' --mode checker --compare visible-fused
show 'mode=picture-in-picture compare=infrared-fused' --mode picture-in-picture --compare infrared-fused
show 'mode=infrared palette=iron' --mode infrared --palette iron
show 'mode=fused palette=lava' --palette lava
show 'mode=fused palette=arctic' --palette arctic
show 'mode=fused palette=turbo' --palette turbo
show 'mode=fused highlight-above=25C' --highlight-above 25C
montage "$work"/1?.png "$work"/2?.png -tile 4x -geometry +3+3 -background black -depth 8 "$work/sheet.png"
convert "$work/sheet.png" -dither FloydSteinberg -colors 200 "png8:$picture"
