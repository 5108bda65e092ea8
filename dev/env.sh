# Sourced by every script in dev/ and by the Makefile's recipes: where things are, and what every tool needs to know.
# shellcheck shell=bash

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=$ROOT/.cache

export CONTAINERS_CONF=$ROOT/containers.conf
export ANSIBLE_CONFIG=$ROOT/ansible.cfg
export ANSIBLE_HOME=$CACHE/ansible
export ANSIBLE_COLLECTIONS_PATH=$CACHE/collections
export ANSIBLE_CONNECTION_PLUGINS=$ROOT/dev/server/connection
export UV_PYTHON_DOWNLOADS=never
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}
export NODE_USE_SYSTEM_CA=${NODE_USE_SYSTEM_CA:-1}
export PIP_DISABLE_PIP_VERSION_CHECK=1
export PATH=$ROOT/.venv/bin:$PATH
# Without their bytecode, pytest prepares the assertions of every test anew at each run, in every worker.
unset VIRTUAL_ENV PYTHONHOME PYTHONDONTWRITEBYTECODE

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}

# stamped NAME INPUTS…: has this step already been done with exactly these inputs (files or plain words)?
# mark NAME INPUTS…: it has now.
fingerprint() {
  local input
  for input in "$@"; do
    if [ -f "$input" ]; then sha256sum <"$input"; else printf '%s\n' "$input"; fi
  done | sha256sum | cut -c1-16
}
stamped() { [ "$(cat "$CACHE/stamps/$1" 2>/dev/null)" = "$(fingerprint "${@:2}")" ]; }
mark() {
  mkdir -p "$CACHE/stamps"
  fingerprint "${@:2}" >"$CACHE/stamps/$1"
}
