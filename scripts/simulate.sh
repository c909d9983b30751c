#!/usr/bin/env bash
# Fixed seeds and fresh ones for a bounded time, with the payonce that has been built.
#
# usage: scripts/simulate.sh [SECONDS [PAYONCE]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
payonce=${2:-build/release/payonce}

echo 'fixed seeds'
"$payonce" simulate --seed 1 --runs 40 --days 0.05
echo 'fresh seeds'
exec "$payonce" simulate --days 0.05 --seconds "$seconds"
