# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# `. pipelines/env.sh` (bash): GStreamer finds the elements of the build folder and their presets, the shell the program
# `digfusion`. Not needed after `meson install`.
digfusion_build=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build
export GST_PLUGIN_PATH=$digfusion_build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_PRESET_PATH=$digfusion_build/plugin${GST_PRESET_PATH:+:$GST_PRESET_PATH}
export PATH=$digfusion_build/core/tools:$PATH
# LibTorch's threads otherwise spin for long while they wait, in the way of decoders and encoders on the same cores.
[[ -n ${OMP_WAIT_POLICY:-} ]] || export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-5000}
unset digfusion_build
