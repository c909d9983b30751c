#!/usr/bin/env bash
# Line, branch and MC/DC coverage of src/core by its unit tests, as clang sees it. Installs what is
# missing.
#
# usage: scripts/coverage.sh
#
# Fails if a branch, or a condition of a decision, is not covered and
# docs/testing/coverage-exceptions.txt does not say why. docs/testing/coverage.md explains it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

./scripts/deps.sh build test coverage
cmake --preset coverage >/dev/null
cmake --build --preset coverage --parallel "${PAYONCE_JOBS:-$(nproc)}" --target unit_core
cd build/coverage
LLVM_PROFILE_FILE=$PWD/core.profraw RC_PARAMS=seed=1 ./tests/unit_core --gtest_brief=1
llvm-profdata-19 merge -sparse core.profraw -o core.profdata
llvm-cov-19 export ./tests/unit_core -instr-profile=core.profdata -sources ../../src/core >core.json
PYTHONDONTWRITEBYTECODE=1 exec python3 ../../tests/coverage/report.py core.json
