#!/usr/bin/env bash
# Installs what is missing, builds a preset and runs its tests.
#
# usage: scripts/test.sh [PRESET [CTEST-ARGUMENT...]]
#
# PRESET is release (the default, all tests), debug, asan or tsan. Further arguments go to ctest:
# `scripts/test.sh release -L unit -R Ledger`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-release}
shift $(($# > 0 ? 1 : 0))
jobs=${PAYONCE_JOBS:-$(nproc)}

./scripts/deps.sh build test
cmake --preset "$preset" >/dev/null

# The thread sanitizer cannot lay out its memory on kernels that randomise addresses by more bits
# than it was built for. The build runs the unit tests too, to list them.
run=()
if [[ $preset == tsan ]] && setarch -R true 2>/dev/null; then run=(setarch -R); fi
"${run[@]}" cmake --build --preset "$preset" --parallel "$jobs"
exec "${run[@]}" ctest --preset "$preset" --parallel "$jobs" "$@" </dev/null
