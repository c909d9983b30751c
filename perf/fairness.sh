#!/bin/sh
# perf/fairness.sh --help says what it takes; perf/README.md what it means.
. "$(dirname "$0")/harness/start.sh"
