#!/usr/bin/env bash
# The release binary against a real Docker and a real Podman on cgroup v2, in user-mode Linux: its numbers next to the kernel's own files
# and the engine's statistics, and its view of OOM kills, stops and restarts. test-v2-payload.sh is what happens inside.
#
#   scripts/test-v2.sh [BINARY]     default: target/release/plimsoll
#
#   PLIMSOLL_TEST_OUT   folder for the scrapes and the agent's log; default: a temporary one, kept after a failure
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

TIMEOUT=1800 # about two minutes on two free cores, five on busy ones; fifteen where the machine's memory and disk are others', too

. "$here/checks.sh"
binary=$(the_binary "$@")
"$here/need.sh" curl=curl podman=podman crun=crun

out=${PLIMSOLL_TEST_OUT:-$(mktemp -d)}
"$here/uml.sh" --out "$out" --timeout "$TIMEOUT" "$here/test-v2-payload.sh" "$binary" || {
  status=$?
  [ ! -s "$out/agent.log" ] || { echo "--- the agent's last words" && tail -n 30 "$out/agent.log"; } >&2
  echo "test-v2: failed (status $status); scrapes and logs are in $out" >&2
  exit "$status"
}
[ -n "${PLIMSOLL_TEST_OUT:-}" ] || rm -rf "$out"
