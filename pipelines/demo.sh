#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fuses a generated scene, or two video files, after installing and building what is missing (setup.sh).
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

usage() {
  cat <<USAGE
Usage: $program [OPTION]... [VISIBLE INFRARED [OUTPUT]]

Fuses a visible and an infrared video. Without files it fuses 10 seconds of a generated night scene into fused.mp4,
and leaves fused.png: one moment of it as visible | infrared | fused. With files it fuses these into OUTPUT
(fused.mp4 unless named; .mp4, .mov or .mkv). Packages, LibTorch and the build that this needs are made first;
the second time nothing of that is repeated.

  --display         show a window instead of writing files
$common_options
USAGE
}

seconds=10 width=640 height=480 rate=25
display=no
files=()
while [[ $# -gt 0 ]]; do
  take_option "$@"
  if [[ $taken -gt 0 ]]; then
    shift "$taken"
    continue
  fi
  case $1 in
    --display) display=yes ;;
    --help | -h) usage && exit 0 ;;
    --) files+=("${@:2}") && break ;;
    -*) fail "unknown option $1: see $program --help" ;;
    *) files+=("$1") ;;
  esac
  shift
done

# --- what can be known to be wrong before an hour of setting up
case ${#files[@]} in
  0 | 2 | 3) ;;
  *) fail "one file or more than three: give VISIBLE INFRARED [OUTPUT], or none for the generated scene" ;;
esac
for file in "${files[@]:0:2}"; do
  [[ -f $file && -r $file ]] || fail "$file can't be read: give the paths of two video files"
done
output=${files[2]:-fused.mp4}
picture=fused.png
if [[ $display == yes ]]; then
  [[ ${#files[@]} -lt 3 ]] || fail "--display writes no file: leave out $output, or --display"
  [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]] || fail "--display needs a screen and there is none: leave --display out for fused.mp4"
else
  case ${output,,} in
    *.mp4 | *.mov) muxer=(mp4mux) ;;
    *.mkv) muxer=(matroskamux) ;;
    *) fail "$output: its kind is told by its ending, which must be .mp4, .mov or .mkv" ;;
  esac
  [[ -d $(dirname "$output") && -w $(dirname "$output") ]] ||
    fail "$output can't be written: its folder isn't there or isn't yours to write in; name another OUTPUT"
  for file in "${files[@]:0:2}"; do
    [[ ! $file -ef $output ]] || fail "$output is an input as well: name another OUTPUT"
  done
fi

set_up "${build_packages[@]}" "${demo_packages[@]}"
configure false
build

# --- GStreamer's view of the build; a registry of its own leaves the user's alone
export GST_PLUGIN_PATH=$build_dir/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_REGISTRY=$build_dir/gstreamer-registry.bin
# Not --exists: that wants an element of at least version 1.0.
has_element() { gst-inspect-1.0 "$1" >/dev/null 2>&1; }
has_element digfusion || fail "GStreamer doesn't find the element digfusion in $build_dir/plugin: remove $build_dir and run this again"

if [[ $display == no ]]; then
  if has_element x264enc; then
    encoder=(x264enc speed-preset=veryfast bitrate=4000)
  elif has_element openh264enc; then
    encoder=(openh264enc bitrate=4000000)
  else
    fail "GStreamer has no H.264 encoder: apt-get install gstreamer1.0-plugins-ugly, or look with --display"
  fi
fi

# Seconds of a video file in thousandths; 0 where it can't be told.
duration_of() {
  gst-discoverer-1.0 "$1" 2>/dev/null | awk '
    $1 == "Duration:" { split($2, t, ":"); print int((t[1] * 3600 + t[2] * 60 + t[3]) * 1000); found = 1; exit }
    END { if (!found) print 0 }' || true
}

# MILLISECONDS as 1:02:03, or 2:03 below an hour.
clock() {
  local all=$(($1 / 1000))
  if [[ $all -ge 3600 ]]; then
    printf '%d:%02d:%02d' $((all / 3600)) $((all / 60 % 60)) $((all % 60))
  else
    printf '%d:%02d' $((all / 60)) $((all % 60))
  fi
}

# show_progress MILLISECONDS: reads what `identity name=progress silent=false` says of every fused frame.
# The rate counts from the first frame on, so loading the models does not blur it.
show_progress() {
  local total=$1 line frames=0 now begin=0 elapsed=0 shown=0 position first=0 text left every=200000
  [[ -t 2 ]] || every=5000000
  while IFS= read -r line; do
    [[ $line =~ \(progress:sink\).*\ pts:\ ([0-9]+):([0-9]+):([0-9]+)\.([0-9]{3}) ]] || continue
    now=${EPOCHREALTIME//[.,]/}
    position=$(((10#${BASH_REMATCH[1]} * 3600 + 10#${BASH_REMATCH[2]} * 60 + 10#${BASH_REMATCH[3]}) * 1000 + 10#${BASH_REMATCH[4]}))
    frames=$((frames + 1))
    if [[ $frames == 1 ]]; then begin=$now first=$position; fi
    elapsed=$(((now - begin) / 1000))
    [[ $((now - shown)) -ge $every && $elapsed -gt 0 && $position -gt $first ]] || continue
    shown=$now
    text="frame $frames, $(rate_of $((frames - 1)) "$elapsed") fps"
    if [[ $total -gt $position ]]; then
      left=$(((total - position) * elapsed / (position - first)))
      text+=", $(clock "$left") left ($((100 * position / total)) %)"
    fi
    if [[ -t 2 ]]; then printf '\r\033[K%s' "$text" >&2; else say "$text"; fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
  if [[ $frames -gt 1 && $elapsed -gt 0 ]]; then
    say "$frames frames in $((elapsed / 1000)).$((elapsed % 1000 / 100)) s, $(rate_of $((frames - 1)) "$elapsed") fps"
  fi
  [[ $frames -gt 0 ]]
}

# FRAMES MILLISECONDS: frames a second with one decimal, or with two below one.
rate_of() {
  local hundredths=$(($1 * 100000 / $2))
  if [[ $hundredths -lt 100 ]]; then
    printf '0.%02d' "$hundredths"
  else
    printf '%d.%d' $((hundredths / 100)) $((hundredths / 10 % 10))
  fi
}

# shellcheck disable=SC2054  # commas in caps
if [[ ${#files[@]} -gt 0 ]]; then
  title="${files[0]} and ${files[1]}"
  total=$(duration_of "${files[0]}")
  pipeline=(
    filesrc "location=${files[0]}" ! decodebin ! videoconvert ! tee name=v
    filesrc "location=${files[1]}" ! decodebin ! videoconvert ! tee name=i
  )
else
  title="the generated night scene"
  total=$((seconds * 1000))
  pipeline=(
    digtestsrc name=s pattern=night "num-buffers=$((seconds * rate))"
    s.visible ! "video/x-raw,format=I420,width=$width,height=$height,framerate=$rate/1" ! tee name=v
    s.infrared ! "video/x-raw,format=GRAY8,width=$width,height=$height,framerate=$rate/1" ! tee name=i
  )
fi
pipeline+=(
  v. ! queue ! f.visible
  i. ! queue ! f.infrared
  digfusion name=f ! identity name=progress silent=false ! tee name=o
)
triptych=(compositor name=c "sink_1::xpos=$width" "sink_2::xpos=$((2 * width))")
scale=("video/x-raw,width=$width,height=$height")
finished=()
if [[ $display == yes ]]; then
  title+=", shown as visible | infrared | fused"
  # clocksync waits where fusing is faster than the video, and drops nothing where it is slower.
  pipeline+=("${triptych[@]}" ! videoconvert ! clocksync ! autovideosink sync=false)
  number=0
  for branch in v i o; do
    pipeline+=("$branch." ! queue ! videoconvert ! videoscale ! "${scale[@]}" ! "c.sink_$number")
    number=$((number + 1))
  done
else
  title+=" into $output"
  partial=$(dirname "$output")/.$(basename "${output%.*}").partial.${output##*.}
  finished+=("$partial" "$output")
  # 4:2:0 is what every player takes.
  pipeline+=(o. ! queue ! videoconvert ! "video/x-raw,format=I420" ! "${encoder[@]}" ! h264parse
    ! "${muxer[@]}" ! filesink "location=$partial")
  if [[ ${#files[@]} == 0 ]]; then
    title+=" and $picture"
    finished+=(".$picture.partial" "$picture")
    # One frame in five seconds goes into the picture; the last one stays.
    pipeline+=("${triptych[@]}" ! videoconvert ! pngenc ! multifilesink "location=.$picture.partial")
    number=0
    for branch in v i o; do
      pipeline+=("$branch." ! queue max-size-time=0 ! videorate drop-only=true ! "video/x-raw,framerate=1/5"
        ! videoconvert ! "c.sink_$number")
      number=$((number + 1))
    done
  fi
fi

log=$(mktemp)
clean_up() {
  local index
  rm -f "$log"
  for ((index = 0; index < ${#finished[@]}; index += 2)); do rm -f "${finished[index]}"; done
}
trap clean_up EXIT
if [[ $display == yes ]]; then trap 'exit 0' INT; fi

say "Fusing $title; the first frame waits for the models"
status=0
gst-launch-1.0 -e -v "${pipeline[@]}" 2>"$log" </dev/null | show_progress "$total" || status=$?
grep -aE '^WARNING: from element' "$log" | sort | uniq -c | sed -E 's/^ *([0-9]+) WARNING: from element [^ ]*: */(\1 times) /' >&2 || true
if [[ $status != 0 ]] && ! grep -qa 'Output window was closed' "$log"; then
  # The elements around a failing one complain of it as well, with words that say nothing.
  errors=$(grep -aE '^ERROR: from element|erroneous pipeline' "$log" || true)
  reason=$(grep -vm1 'Internal data stream error' <<<"$errors" || head -n 1 <<<"$errors")
  detail=$(grep -aFA 3 -m1 "$reason" "$log" | sed -n '4p' | grep -vE '^(ERROR|Setting)' || true)
  reason=$(sed -E 's/^(ERROR|WARNING): (from element [^ ]*: *)?//' <<<"$reason")
  [[ $(free_mb "$(dirname "$output")") -ge 1 ]] || reason="the disk is full; free some space and run this again"
  fail "fusing failed: ${reason:-no frame came out; are both files videos?}${detail:+ ($detail)}"
fi

for ((index = 0; index < ${#finished[@]}; index += 2)); do
  [[ -s ${finished[index]} ]] || fail "${finished[index + 1]} came out empty: please report this"
  mv -f "${finished[index]}" "${finished[index + 1]}"
  say "${finished[index + 1]}"
done
