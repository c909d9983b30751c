# Sourced by the programs of perf/: runs harness/NAME.py for perf/NAME.sh.
set -eu

here=$(dirname "$0")
name=$(basename "$0" .sh)
for tool in python3 wrk; do
  if ! command -v "$tool" >/dev/null; then
    echo "perf/$name.sh: $tool is missing: apt-get install $tool" >&2
    exit 2
  fi
done
exec python3 -B "$here/harness/$name.py" "$@"
