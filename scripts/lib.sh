# shellcheck shell=bash
# Shared by the set-up scripts: messages, the cache folder, root rights, locks.
# Usage: source this file; it sets `repo` and `debian_python` and exports WEIR_CACHE_DIR.
# shellcheck disable=SC2034

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export HOME=${HOME:-$(cd ~ && pwd)}
export WEIR_CACHE_DIR=${WEIR_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}
[[ $WEIR_CACHE_DIR == /* ]] || WEIR_CACHE_DIR=$PWD/$WEIR_CACHE_DIR

# Debian's own interpreter, so that a user's pyenv or conda cannot change what happens.
debian_python=/usr/bin/python3

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }

# fail WHAT [WHAT TO DO]: says both and ends the script.
fail() {
  printf 'error: %s\n' "$1" >&2
  [[ $# -lt 2 ]] || printf '       %s\n' "${@:2}" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: runs it with root rights, through sudo where needed.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    fail "this needs root rights and there is no sudo: $*" \
      "Run that command as root, then run this again."
  fi
}

# Takes the cache's lock until the script ends, so that two runs never write the same files,
# and clears away then what was left unfinished.
lock_cache() {
  mkdir -p "$WEIR_CACHE_DIR" || fail "cannot create $WEIR_CACHE_DIR" \
    "Set WEIR_CACHE_DIR to a folder that you can write."
  exec 9>"$WEIR_CACHE_DIR/.lock"
  flock -n 9 || {
    note "waiting for another run that uses $WEIR_CACHE_DIR"
    flock 9
  }
  trap 'rm -rf "$WEIR_CACHE_DIR"/.partial-*' EXIT
}

# scratch_dir NAME: prints an empty folder inside the cache. Finished files leave it by rename,
# so an interruption never leaves a partial file under a final name.
scratch_dir() {
  local dir=$WEIR_CACHE_DIR/.partial-$1
  rm -rf "$dir"
  mkdir -p "$dir"
  printf '%s' "$dir"
}

# replace_dir NEW FINAL: puts a finished folder in place of an older one.
replace_dir() {
  local new=$1 final=$2
  mkdir -p "$(dirname "$final")"
  rm -f "$final/.stamp"
  rm -rf "$final"
  mv "$new" "$final"
}

stamp_is() { [[ -f $1 && $(<"$1") == "$2" ]]; }

sha256_is() { [[ $(sha256sum "$1" | cut -d' ' -f1) == "$2" ]]; }

# manifest_rows FILE GROUP...: the rows whose first word is one of the groups, comments left out.
manifest_rows() {
  local file=$1
  shift
  awk -v groups=" $* " '!/^#/ && NF && index(groups, " " $1 " ")' "$file"
}
