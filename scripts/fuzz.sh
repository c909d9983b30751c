#!/usr/bin/env bash
# Builds the fuzzers and runs each for a while; fails if any of them crashes, leaks, hangs or takes too
# much memory. Installs what is missing.
#
# usage: scripts/fuzz.sh [SECONDS [TARGET...]]
#
# SECONDS is for each target (10 if not given), TARGET a name of tests/fuzz/TARGET_fuzz.cc (all of them
# if not given). What is found meanwhile is kept in build/fuzz/corpus, for the next run; an input that
# breaks a rule in build/fuzz/broken: docs/testing/fuzzing.md says how to go on with it.
# PAYONCE_FUZZ_MERGE=1 adds to tests/fuzz/corpus what reaches code that nothing there reaches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-10}
shift $(($# > 0 ? 1 : 0))
targets=("$@")
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: scripts/fuzz.sh [SECONDS [TARGET...]]" >&2
  exit 2
fi
if [[ ${#targets[@]} == 0 ]]; then
  mapfile -t targets < <(find tests/fuzz -name '*_fuzz.cc' -printf '%f\n' | sed 's/_fuzz\.cc$//' | sort)
fi

./scripts/deps.sh build fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --parallel "${PAYONCE_JOBS:-$(nproc)}"

export ASAN_SYMBOLIZER_PATH=${ASAN_SYMBOLIZER_PATH:-/usr/bin/llvm-symbolizer-16}
limits=(-max_len=4096 -timeout=10 -rss_limit_mb=1536 -malloc_limit_mb=512)
failed=()

# run TARGET: within its time, and some more for the corpus that is read first.
run() {
  local target=$1 found=build/fuzz/corpus/$1 broken=build/fuzz/broken/$1 log=build/fuzz/$1.log
  local seeds=tests/fuzz/corpus/$1 dictionary=()
  mkdir -p "$found" "$broken" "$seeds"
  if [[ -f tests/fuzz/$target.dict ]]; then dictionary=("-dict=tests/fuzz/$target.dict"); fi
  if ! timeout --kill-after=10 $((seconds + 120)) "build/fuzz/fuzz/$target" "$found" "$seeds" \
    "${dictionary[@]}" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$broken/" </dev/null >"$log" 2>&1; then
    tail -n 60 "$log"
    return 1
  fi
  awk -v target="$target" '
    /^#[0-9]+\tDONE/ { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
    /^stat::number_of_executed_units/ { runs = $2 }
    /^stat::average_exec_per_sec/ { rate = $2 }
    /^stat::peak_rss_mb/ { rss = $2 }
    END { printf "%-16s %9d inputs %6d/s %6d edges %5d MiB\n", target, runs, rate, edges, rss }
  ' "$log"
  if [[ ${PAYONCE_FUZZ_MERGE:-0} == 1 ]]; then
    "build/fuzz/fuzz/$target" -merge=1 -set_cover_merge=1 "${limits[@]}" "$seeds" "$found" </dev/null >>"$log" 2>&1
  fi
}

for target in "${targets[@]}"; do
  run "$target" || failed+=("$target")
done
if [[ ${#failed[@]} != 0 ]]; then
  echo "fuzz: failed: ${failed[*]}; the inputs are in build/fuzz/broken" >&2
  exit 1
fi
echo "fuzz: ${#targets[@]} targets, $seconds s each, no rule broken"
