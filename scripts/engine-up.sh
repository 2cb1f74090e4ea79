#!/usr/bin/env bash
# Makes sure that a Docker engine answers, by the least that is enough: one that answers already, the system's own
# service, or a dockerd started by hand (containers and test machines have no systemd). Says in one line what was done.
#
#   DOCKER_HOST            where the engine is asked; default unix:///var/run/docker.sock
#   PLIMSOLL_DOCKER_ROOT   data root of a dockerd started by hand; default: dockerd's own
#   PLIMSOLL_DOCKER_LOG    its log; default /var/log/plimsoll-dockerd.log
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

WAIT_SECONDS=60 # a first start creates its data root, networks and iptables chains: five seconds at most so far
log=${PLIMSOLL_DOCKER_LOG:-/var/log/plimsoll-dockerd.log}

fail() {
  echo "engine-up: $*" >&2
  exit 1
}

version() { # prints the engine's version, or fails
  timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null
}

wait_for_engine() { # waits as long as the command given as arguments succeeds, WAIT_SECONDS at most
  local until=$((SECONDS + WAIT_SECONDS))
  while [ "$SECONDS" -lt "$until" ]; do
    version >/dev/null && return 0
    "$@" || return 1
    sleep 0.2
  done
  return 1
}

if [ -n "${DOCKER_HOST:-}" ]; then
  "$here/need.sh" docker=docker.io
  found=$(version) || fail "DOCKER_HOST is $DOCKER_HOST, and no engine answers there within 10 s. Start that one, or unset DOCKER_HOST to have a local one started."
  echo "engine-up: Docker $found answers at $DOCKER_HOST"
  exit 0
fi
# Without this the client would follow its configured context, which the tests do not know about.
export DOCKER_HOST=unix:///var/run/docker.sock

if command -v docker >/dev/null 2>&1 && found=$(version); then
  echo "engine-up: Docker $found was running already"
  exit 0
fi

# A machine can have the client and no engine, so each is asked for on its own.
"$here/need.sh" docker=docker.io dockerd=docker.io iptables=iptables
[ "$(id -u)" = 0 ] || fail "no engine answers at /var/run/docker.sock, and starting one needs root. Run this as root, start Docker yourself, or, if it runs, join the group 'docker'."

if [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; then
  systemctl start docker.service || fail "systemctl start docker.service failed; see: journalctl -u docker.service"
  wait_for_engine true || fail "docker.service was started but does not answer within $WAIT_SECONDS s; see: journalctl -u docker.service"
  echo "engine-up: Docker $(version): docker.service started"
  exit 0
fi

arguments=()
[ -z "${PLIMSOLL_DOCKER_ROOT:-}" ] || arguments+=(--data-root "$PLIMSOLL_DOCKER_ROOT")
# A session of its own: it outlives this script and its terminal.
setsid dockerd "${arguments[@]}" >"$log" 2>&1 </dev/null &
dockerd=$!
wait_for_engine kill -0 "$dockerd" 2>/dev/null || {
  tail -n 15 "$log" >&2
  kill "$dockerd" 2>/dev/null || true
  fail "dockerd, started by hand, did not answer within $WAIT_SECONDS s or ended; its whole log: $log"
}
echo "engine-up: Docker $(version): dockerd started by hand (process $dockerd, log $log)"
