#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Starts the program digfusion, or says how to set LibTorch up: without it the program can't start.
if [ ! -e '@runtime@/lib/libtorch_cpu.so' ]; then
  echo "digfusion: LibTorch isn't set up: as root run digfusion-libtorch fetch, or digfusion-libtorch use DIR" >&2
  exit 1
fi
# LibTorch's threads otherwise spin for long while they wait, in the way of others on the same cores.
[ -n "${OMP_WAIT_POLICY:-}" ] || export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-5000}"
exec "$(dirname "$(readlink -f "$0")")/@program_from_bin@" "$@"
