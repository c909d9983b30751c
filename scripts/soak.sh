#!/usr/bin/env bash
# The simulator, crashes, power cuts and damage without the bounds of the tests: hours, not minutes,
# if wanted.
#
# usage: scripts/soak.sh [KILLS [CUTS [SECONDS]]]
#
# KILLS (1000): kill -9 at random moments under load, and as many more under another load. CUTS
# (20000): new states of the disk after a power cut, twice. SECONDS (3600): of the simulator, on fresh
# seeds. Besides: faults of the disk, of memory and of other limits under longer load (PAYONCE_SOAK=1),
# a kill before and after each system call that matters, and a change of every byte of small files.
# Builds what it needs in build/release. Ends with the first step that fails; what it printed (seeds,
# PAYONCE_CRASH_AT, PAYONCE_DAMAGE_FROM) says what to repeat.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kills=${1:-1000}
cuts=${2:-20000}
seconds=${3:-3600}

./scripts/deps.sh build test
cmake --preset release >/dev/null
cmake --build --preset release --parallel "${PAYONCE_JOBS:-$(nproc)}" \
  --target payonce call_tracer power_cut crash_damage
export PAYONCE_BIN=$PWD/build/release/payonce PAYONCE_BUILD_DIR=$PWD/build/release
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

step() {
  printf '\n=== %s\n' "$1"
  shift
  local began=$SECONDS
  "$@"
  echo "took $((SECONDS - began)) s"
}

step "$seconds s of the simulator" "$PAYONCE_BIN" simulate --days 0.2 --seconds "$seconds"
cd tests/crash
step "disk, memory and limits under longer load" \
  env PAYONCE_SOAK=1 python3 -m unittest -v test_storage_faults test_full_under_load test_limits
step "a kill at each call that matters" env PAYONCE_CRASH_ALL=1 python3 -m unittest -v test_enumeration
step "$cuts states after a power cut" env PAYONCE_POWER_CUTS="$cuts" python3 -m unittest -v test_power_cut
step "every byte and every length" env PAYONCE_DAMAGE_ALL=1 ../../build/release/tests/crash_damage
step "$kills kills at random moments" env PAYONCE_KILLS="$kills" python3 -m unittest -v test_kill9
