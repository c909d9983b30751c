#!/usr/bin/env bash
# Runs clang-tidy over src/, or over the files given.
#
# usage: scripts/tidy.sh [FILE.cc...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

./scripts/deps.sh build lint
preset=debug
if [[ -f build/release/compile_commands.json ]]; then preset=release; fi
cmake --preset "$preset" >/dev/null
files=("$@")
if [[ ${#files[@]} == 0 ]]; then mapfile -t files < <(find src -name '*.cc' | sort); fi

# The compile commands are those of g++. clang 16 calls the standard by its working name, does
# not know all warnings of g++, and implements all of C++20's concepts that <expected> asks for
# but does not say so in the feature macro.
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "${PAYONCE_JOBS:-$(nproc)}" clang-tidy-16 --quiet -p "build/$preset" \
    --extra-arg=-std=c++2b --extra-arg=-Wno-error --extra-arg=-Wno-unknown-warning-option \
    --extra-arg=-Wno-builtin-macro-redefined \
    --extra-arg=-U__cpp_concepts --extra-arg=-D__cpp_concepts=202002L \
    2> >(grep -v -e 'warnings\? generated\.$' -e '^Suppressed ' -e '^Use -header-filter' >&2)
echo "clang-tidy: ${#files[@]} files, no findings"
