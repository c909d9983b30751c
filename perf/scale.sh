#!/bin/sh
# perf/scale.sh --help says what it takes; perf/README.md what it means.
. "$(dirname "$0")/harness/start.sh"
