#!/usr/bin/env bash
# Builds the release binary: build/release/payonce. Installs what is missing, with root or sudo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

./scripts/deps.sh build
cmake --preset release >/dev/null
cmake --build --preset release --parallel "${PAYONCE_JOBS:-$(nproc)}" --target payonce
ls -l build/release/payonce
