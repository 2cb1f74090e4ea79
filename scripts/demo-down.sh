#!/usr/bin/env bash
# Removes what demo-up.sh made: two containers, their network and their image. Touches nothing else.
set -euo pipefail
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

docker rm -f plimsoll-demo-web plimsoll-demo-worker >/dev/null 2>&1 || true
docker network rm plimsoll-demo >/dev/null 2>&1 || true
docker image rm plimsoll-demo:busybox >/dev/null 2>&1 || true
left=$(docker ps -aq --filter name='^/?plimsoll-demo-' | wc -l)
[ "$left" = 0 ] || {
  echo "demo-down: $left demo containers are still there; see: docker ps -a --filter name=plimsoll-demo-" >&2
  exit 1
}
echo "demo-down: the demo containers, their network and image are gone"
