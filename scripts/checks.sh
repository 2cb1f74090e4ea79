# shellcheck shell=bash
# What those scripts have in common that try the real program against real engines; they source it.
#
# A check that fails is printed and counted in `failures`, and the others still run. WAIT_SECONDS is for how long is waited
# for whatever has to happen at all.

failures=0

ok() { echo "  ok    $*"; }
bad() {
  echo "  FAIL  $*"
  failures=$((failures + 1))
}
in_time() { # WHAT COMMAND…: waits until the command succeeds
  local what=$1 until=$((SECONDS + WAIT_SECONDS))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$until" ]; then
      bad "$what (not within $WAIT_SECONDS s)"
      return 1
    fi
    sleep 0.1
  done
}
within() { # WHAT COMMAND…: the same, and says so
  in_time "$@" && ok "$1"
}
the_binary() { # [BINARY]: its path; without one, that of what cargo built
  local root binary name
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  binary=${1:-$(cd "$root" && realpath -m "${CARGO_TARGET_DIR:-target}")/release/plimsoll}
  [ -x "$binary" ] || {
    name=$(basename "$0" .sh)
    echo "$name: no binary at $binary; build it with: cargo build --release --locked" >&2
    return 1
  }
  realpath "$binary"
}
