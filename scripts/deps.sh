#!/usr/bin/env bash
# Installs the Debian packages that payonce is built, tested and checked with.
#
# usage: scripts/deps.sh [build] [test] [lint] [fuzz] [coverage]      (nothing: build)
#
# A quick no-op if they are all there. Otherwise needs root, or sudo.
set -euo pipefail

build_packages=(
  binutils ca-certificates ccache cmake g++ git ninja-build
  libboost-context1.74-dev libcli11-dev libconcurrentqueue-dev libfmt-dev libhttp-parser-dev libjemalloc-dev liblmdb-dev
  libspdlog-dev libssl-dev
  libtomlplusplus-dev libxxhash-dev rapidjson-dev
  # third_party/fetch.sh
  curl xz-utils
)
test_packages=(libbenchmark-dev libgtest-dev libgmock-dev librapidcheck-dev openssl python3 python3-aiosmtpd strace valgrind)
lint_packages=(clang-format-14 clang-tidy-16)
# llvm-16: the names of functions in what the sanitizers report.
fuzz_packages=(clang-16 libclang-rt-16-dev llvm-16)
# scripts/coverage.sh and scripts/mutate.sh: the first clang that measures MC/DC is 18
coverage_packages=(clang-19 libclang-rt-19-dev llvm-19 python3 python3-clang-19)

packages=()
for group in "${@:-build}"; do
  case $group in
    build) packages+=("${build_packages[@]}") ;;
    test) packages+=("${test_packages[@]}") ;;
    lint) packages+=("${lint_packages[@]}") ;;
    fuzz) packages+=("${fuzz_packages[@]}") ;;
    coverage) packages+=("${coverage_packages[@]}") ;;
    *)
      echo "usage: scripts/deps.sh [build] [test] [lint] [fuzz] [coverage]" >&2
      exit 2
      ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} == 0 ]]; then exit 0; fi

sudo=()
if [[ $(id -u) != 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "deps.sh: these packages are missing, and installing them needs root:" >&2
    echo "  apt-get install ${missing[*]}" >&2
    exit 1
  fi
  sudo=(sudo)
fi

install() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 \
      -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "deps.sh: installing ${missing[*]}"
"${sudo[@]}" apt-get update -qq </dev/null || echo "deps.sh: apt-get update failed; trying anyway" >&2
if ! install >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "deps.sh: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
