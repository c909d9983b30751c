#!/usr/bin/env bash
# Builds the simulator with each planted bug in turn and counts the seeds that it takes to find it.
#
# usage: scripts/planted.sh [SEEDS [FIRST-SEED]]
#
# Fails if a bug survives SEEDS seeds (100), or if a violation is reported without any bug.
# docs/testing.md says what they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null
seeds=${1:-100}
first=${2:-1}
days=0.05

./scripts/deps.sh build
cmake --preset planted >/dev/null
cmake --build --preset planted --parallel "${PAYONCE_JOBS:-$(nproc)}" --target payonce_planted
simulate=(build/planted/payonce_planted --days "$days" --no-shrink)

# Sound code is found sound.
"${simulate[@]}" --seed "$first" --runs 20 >/dev/null

printf '%-22s %5s  %s\n' bug seeds 'found by'
missed=0
while read -r bug; do
  out=$(for ((seed = first; seed < first + seeds; ++seed)); do
    status=0
    said=$("${simulate[@]}" --bug "$bug" --seed "$seed" 2>&1) || status=$?
    if ((status != 0)); then
      rule=$(sed -n 's/^violation: \([a-z_]*\):.*/\1/p' <<<"$said")
      printf '%s %s\n' $((seed - first + 1)) "${rule:-status $status}"
      break
    fi
  done)
  if [[ -z $out ]]; then
    missed=$((missed + 1))
    out="- not found"
  fi
  printf '%-22s %5s  %s\n' "$bug" "${out%% *}" "${out#* }"
done < <(sed -n '/kBugNames{/,/};/s/^ *"\([a-z-]*\)",$/\1/p' src/base/planted.h | grep -vx none)
[[ $missed == 0 ]]
