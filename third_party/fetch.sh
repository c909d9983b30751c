#!/usr/bin/env bash
# Brings the third-party sources of manifest.txt to build/third_party: a file to COMPONENT/FILE, the
# content of a tarball to COMPONENT-VERSION/.
#
# usage: third_party/fetch.sh [DESTINATION]
#
# Every file is checked against the SHA-256 of the manifest, wherever it came from: a source that
# answers something else is passed over. Good files are kept in
# ${PAYONCE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/payonce}, so only the first run needs a network.
# Does nothing, quickly, if all files are in place.
set -euo pipefail
exec 3>&2  # for messages from where the errors of tools are collected

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
destination=${1:-$here/../build/third_party}
manifest=$here/manifest.txt
cache=${PAYONCE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/payonce}
work=

say() { printf 'third_party: %s\n' "$*" >&2; }

cleanup() { if [[ -n $work ]]; then rm -rf "$work"; fi; }
trap cleanup EXIT

# matches FILE SHA256
matches() {
  [[ -f $1 ]] && [[ $(sha256sum "$1" | cut -d' ' -f1) == "$2" ]]
}

# The Debian mirror that this machine's apt is set up with.
debian_mirror() {
  command -v apt-get >/dev/null || return 1
  # shellcheck disable=SC2016  # the names are those of apt
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null |
    awk '$2 !~ /-/ && !found { print $1; found = 1 } END { exit !found }'
}

get_url() {  # URL OUT
  command -v curl >/dev/null || return 1
  curl --fail --silent --show-error --location --connect-timeout 5 --max-time 120 --output "$2" "$1"
}

# apt with an own configuration that knows one source, so that neither the system's sources nor its
# lists are touched. What apt downloads is public and checked by hash: no sandbox user is needed.
private_apt() {
  apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$work/apt/sources.list" \
    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$work/apt/lists" \
    -o Dir::Cache="$work/apt/cache" -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}

get_debian() {  # PACKAGE VERSION [PATH] OUT
  local mirror pool tarball out=${!#}
  mirror=$(debian_mirror) || return 1
  mkdir -p "$work/deb" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  cd "$work/deb"
  # The pool first: it needs no index of a few megabytes.
  pool=${mirror%/}/pool/main/${1:0:1}/$1
  for tarball in "$1_$2.orig.tar.xz" "$1_$2.orig.tar.gz"; do
    [[ -f $tarball ]] && break
    if /usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::http::Timeout=20 \
      download-file "$pool/$tarball" "$tarball" >/dev/null; then break; fi
    rm -f "$tarball"
  done
  if [[ ! -f $tarball ]]; then
    echo "deb-src $mirror sid main" >"$work/apt/sources.list"
    private_apt update >/dev/null || return 1
    private_apt source --download-only --only-source "$1" >/dev/null || return 1
    for tarball in "$1"_*.orig.tar.*; do break; done
    [[ -f $tarball ]] || return 1
  fi
  if (($# == 4)); then
    tar -xOf "$tarball" --wildcards "*/$3" >"$out"
  else
    cp "$tarball" "$out"
  fi
}

have_npm() {
  command -v npm >/dev/null && return 0
  command -v apt-get >/dev/null || return 1
  local sudo=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
    sudo=(sudo)
  fi
  say "installing npm, to fetch a package with it" 2>&3
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends npm >/dev/null 2>&1 </dev/null ||
    { "${sudo[@]}" apt-get update -qq >/dev/null 2>&1 &&
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends npm >/dev/null 2>&1 </dev/null; }
}

get_npm() {  # PACKAGE@VERSION PATH OUT
  local tarballs
  mkdir -p "$work/npm"
  cd "$work/npm"
  tarballs=(*.tgz)
  if [[ ! -f ${tarballs[0]} ]]; then
    have_npm || return 1
    # Node has certificate authorities of its own; those that this machine trusts count as well.
    NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt} \
      timeout 120 npm pack --loglevel=error --fetch-retries=1 "$1" >/dev/null </dev/null || return 1
    tarballs=(*.tgz)
  fi
  tar -xOf "${tarballs[0]}" "$2" >"$3"
}

# try_source SOURCE OUT
try_source() {  # what the tools complain of goes to $work/log
  local kind rest
  read -r kind rest <<<"$1"
  # shellcheck disable=SC2086  # the words of a source are its arguments
  case $kind in
    url | debian | npm) (get_"$kind" $rest "$2") 2>"$work/log" ;;
    *) say "manifest.txt: unknown kind of source '$kind'"; return 1 ;;
  esac
}

fail() {  # FILE COMPONENT VERSION HOMEPAGE SHA256
  cat >&2 <<END
third_party: error: cannot get $1 ($2 $3).

No source of third_party/manifest.txt answered with the right file. Without a network, bring
$1 of $2 $3 ($4) by hand and put it at

    $cache/$2-$3/$1

Its SHA-256 has to be $5.
Then run the same command again.
END
  exit 1
}

# obtain CACHED FILE COMPONENT VERSION HOMEPAGE SHA256 SOURCE...: brings it to the cache.
obtain() {
  local cached=$1 file=$2 component=$3 version=$4 homepage=$5 sha256=$6 source
  shift 6
  matches "$cached" "$sha256" && return 0
  if [[ -f $cached ]]; then
    say "ignoring $cached: its SHA-256 is not that of the manifest"
  fi
  work=${work:-$(mktemp -d)}
  for source in "$@"; do
    rm -f "$work/out"
    : >"$work/log"
    if try_source "$source" "$work/out" && matches "$work/out" "$sha256"; then
      say "$file $version: got it from '$source'"
      break
    fi
    say "$file $version: not from '$source'"
    if [[ -s $work/out ]]; then say "    what it answered has another SHA-256"; fi
    sed -n '/[^ ]/{s/^/    /p}' "$work/log" | head -n 3 >&2
  done
  matches "$work/out" "$sha256" || fail "$file" "$component" "$version" "$homepage" "$sha256"
  # Into place by rename: a run beside this one sees the whole file or none.
  mkdir -p "${cached%/*}"
  cp "$work/out" "$cached.$$"
  mv "$cached.$$" "$cached"
}

# unpack TARBALL FOLDER SHA256: the content of the tarball's only folder; the mark in it says of
# which tarball.
unpack() {
  local folder=$2 sha256=$3 fresh=$2.$$
  rm -rf "$fresh"
  mkdir -p "$fresh"
  tar -xf "$1" -C "$fresh" --strip-components=1 --no-same-owner
  echo "$sha256" >"$fresh/.unpacked"
  # Into place by rename. What is there is another version, or what a run beside this one has just
  # put there.
  if [[ -d $folder ]] && ! unpacked "$folder" "$sha256"; then rm -rf "$folder"; fi
  if ! mv -T "$fresh" "$folder" 2>/dev/null; then
    rm -rf "$fresh"
    unpacked "$folder" "$sha256" || { say "error: cannot put the content of $1 at $folder"; exit 1; }
  fi
}

# unpacked FOLDER SHA256
unpacked() { [[ -f $1/.unpacked && $(<"$1/.unpacked") == "$2" ]]; }

# fetch KIND FILE COMPONENT VERSION HOMEPAGE SHA256 SOURCE...
fetch() {
  local kind=$1 file=$2 component=$3 version=$4 sha256=$6 target
  shift
  local cached=$cache/$component-$version/$file
  if [[ $kind == tarball ]]; then
    target=$destination/$component-$version
    unpacked "$target" "$sha256" && return 0
    obtain "$cached" "$@"
    unpack "$cached" "$target" "$sha256"
  else
    target=$destination/$component/$file
    matches "$target" "$sha256" && return 0
    obtain "$cached" "$@"
    mkdir -p "${target%/*}"
    cp "$cached" "$target.$$"
    mv "$target.$$" "$target"
  fi
}

main() {
  local line kind='' file='' component='' version='' homepage='' sha256='' sources=()
  flush() {
    if [[ -n $kind ]]; then
      fetch "$kind" "$file" "$component" "$version" "$homepage" "$sha256" "${sources[@]}"
    fi
    kind='' file='' component='' version='' homepage='' sha256='' sources=()
  }
  while IFS= read -r line; do
    case $line in
      '[file '*']' | '[tarball '*']')
        flush
        read -r kind file <<<"$line"
        kind=${kind#[}
        file=${file%]}
        ;;
      '['*']') flush ;;
      'component = '*) component=${line#*= } ;;
      'version = '*) version=${line#*= } ;;
      'homepage = '*) homepage=${line#*= } ;;
      'sha256 = '*) sha256=${line#*= } ;;
      'source = '*) sources+=("${line#*= }") ;;
    esac
  done <"$manifest"
  flush
}

main
