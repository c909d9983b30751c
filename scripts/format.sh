#!/usr/bin/env bash
# Formats our C++ in place; with --check, only says what is not formatted, and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One version for everybody: two versions do not agree on every line.
./scripts/deps.sh lint
mode=(-i)
if [[ ${1:-} == --check ]]; then mode=(--dry-run -Werror); fi
folders=()
for folder in src tests perf cmake; do
  if [[ -d $folder ]]; then folders+=("$folder"); fi
done
find "${folders[@]}" \( -name '*.cc' -o -name '*.h' \) -print0 |
  xargs -0 --no-run-if-empty clang-format-14 --style=file "${mode[@]}"
