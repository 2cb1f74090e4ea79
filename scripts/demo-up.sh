#!/usr/bin/env bash
# Gives a machine without containers two small ones to look at, so that a first `make run` shows living numbers:
#
#   plimsoll-demo-web      serves a page over HTTP
#   plimsoll-demo-worker   requests that page all the time, burns CPU in bursts and writes to disk; has CPU and memory
#                          limits, a restart policy and a health check
#
# Does nothing where any container runs: then there is something to look at already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

IMAGE=plimsoll-demo:busybox
NETWORK=plimsoll-demo
remove="make demo-down"

if [ -n "$(docker ps -q)" ]; then
  echo "demo-up: containers run here, so no demo containers are needed"
  exit 0
fi

"$here/busybox-image.sh" "$IMAGE"
# Leftovers of an earlier demo (stopped ones: nothing runs here) would hold the names.
docker rm -f plimsoll-demo-web plimsoll-demo-worker >/dev/null 2>&1 || true
# A network of their own gives them names for each other.
docker network inspect "$NETWORK" >/dev/null 2>&1 || docker network create "$NETWORK" >/dev/null

docker run -d --name plimsoll-demo-web --network "$NETWORK" "$IMAGE" sh -c '
  yes "A page of the Plimsoll demo." | head -n 2000 >/www/index.html
  exec httpd -f -p 80 -h /www' >/dev/null

docker run -d --name plimsoll-demo-worker --network "$NETWORK" \
  --memory 64m --cpus 0.5 --restart unless-stopped \
  --health-cmd 'test -e /tmp/alive' --health-interval 10s --health-timeout 5s \
  "$IMAGE" sh -c '
  trap "exit 0" TERM
  touch /tmp/alive
  while :; do
    i=0
    while [ $i -lt 20 ]; do wget -q -O /dev/null http://plimsoll-demo-web/ || true; i=$((i + 1)); usleep 100000; done
    dd if=/dev/zero of=/tmp/data bs=64k count=64 conv=fsync 2>/dev/null
    i=0
    while [ $i -lt 60000 ]; do i=$((i + 1)); done
    sleep 1
  done' >/dev/null

echo "demo-up: started plimsoll-demo-web and plimsoll-demo-worker; remove them with: $remove"
