#!/bin/sh
# perf/stress.sh --help says what it takes; perf/README.md what it means.
set -eu

for tool in python3 wrk; do
  if ! command -v "$tool" >/dev/null; then
    echo "perf/stress.sh: $tool is missing: apt-get install $tool" >&2
    exit 2
  fi
done
exec python3 -B "$(dirname "$0")/harness/stress.py" "$@"
