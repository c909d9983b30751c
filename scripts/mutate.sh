#!/usr/bin/env bash
# Mutation testing of src/core: changes the rules in thousands of small ways, one at a time, and
# looks whether the core's unit tests notice. Installs what is missing.
#
# usage: scripts/mutate.sh [--sample N] [--seconds S] [--seed N] [--file PART-OF-PATH] [--again]
#
# docs/testing/mutation.md says what is changed, what was measured and what stays alive.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

./scripts/deps.sh build test coverage
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/mutation/mutate.py \
  --jobs "${PAYONCE_JOBS:-$(nproc)}" "$@"
