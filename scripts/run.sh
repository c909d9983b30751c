#!/usr/bin/env bash
# Builds payonce and serves. Arguments go to `payonce serve`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

./scripts/build.sh
exec build/release/payonce serve "$@"
