#!/usr/bin/env bash
# The image of deploy/Dockerfile, run as deploy/compose.yaml says, and once more as an ordinary user as
# deploy/compose.unprivileged.yaml says: small enough, healthy, and with numbers of the machine's other containers.
#
#   scripts/test-image.sh [BINARY]     default: what scripts/static-binary.sh builds
#
# No registry can be reached from where this runs, so the first stage of the Dockerfile, which compiles, is replaced by
# what was compiled here; the last stage, which makes the image, is built as it stands.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/checks.sh

scripts/need.sh curl=curl jq=jq yq=yq docker=docker.io
binary=${1:-$(scripts/static-binary.sh)}
binary=$(the_binary "$binary")

export DOCKER_HOST=unix:///var/run/docker.sock DOCKER_BUILDKIT=0
BUSYBOX=plimsoll-test:busybox
PREFIX=plimsoll-image-$$
IMAGE=$PREFIX:test
BUILT=$PREFIX:built
MOST_BYTES=$((15 * 1024 * 1024))
WAIT_SECONDS=60
out=$(mktemp -d)

clean_up() {
  docker rm -f -v "$PREFIX-subject" "$PREFIX-agent" >/dev/null 2>&1 || true
  docker volume rm "$PREFIX-history" >/dev/null 2>&1 || true
  docker rmi -f "$IMAGE" "$BUILT" >/dev/null 2>&1 || true
  if [ "$failures" = 0 ]; then rm -rf "$out"; fi
}
trap clean_up EXIT

# === The image

root=$out/root/image
install -D "$binary" "$root/usr/local/bin/plimsoll"
install -d -m 1777 "$root/var/lib/plimsoll" "$root/tmp"
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
  install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
tar -C "$out/root" -c . | docker import - "$BUILT" >/dev/null
mkdir "$out/context"
{
  echo "FROM $BUILT AS build"
  awk '/^FROM / { last = "" } { last = last $0 "\n" } END { printf "%s", last }' deploy/Dockerfile
} >"$out/Dockerfile"
docker build -q -f "$out/Dockerfile" -t "$IMAGE" --build-arg VERSION=1.2.3 --build-arg REVISION=abc "$out/context" >"$out/build.log" 2>&1 || {
  cat "$out/build.log" >&2
  echo "test-image: the engine did not build the last stage of deploy/Dockerfile" >&2
  exit 1
}

size=$(docker image inspect --format '{{.Size}}' "$IMAGE")
if [ "$size" -le "$MOST_BYTES" ]; then ok "the image has $size bytes"; else bad "the image has $size bytes, more than $MOST_BYTES"; fi
docker image inspect "$IMAGE" | jq '.[0].Config' >"$out/config"
for wanted in '.Entrypoint == ["plimsoll"]' '.Cmd == ["agent"]' '.ExposedPorts | has("8003/tcp")' \
  '.Healthcheck.Test == ["CMD", "plimsoll", "healthcheck"]' '.Labels["org.opencontainers.image.title"] == "Plimsoll"' \
  '.Labels["org.opencontainers.image.version"] == "1.2.3"' '.Labels["org.opencontainers.image.revision"] == "abc"' \
  '.Labels["org.opencontainers.image.licenses"] == "Apache-2.0"'; do
  if jq -e "$wanted" "$out/config" >/dev/null; then ok "$wanted"; else bad "not so: $wanted"; fi
done

# === The agent in it, as the compositions say

scripts/busybox-image.sh "$BUSYBOX"
docker run -d --name "$PREFIX-subject" --memory 64m "$BUSYBOX" sleep 100000 >/dev/null

group=$(stat -L -c %g /var/run/docker.sock)
composition() { # FILES…: the options of docker run that are the service's in these files together
  yq -s '[.[].services.plimsoll] | reduce .[] as $one ({}; . * $one)' "$@" | jq -r --arg group "$group" --arg volume "$PREFIX-history" '
    (if .read_only then "--read-only" else empty end),
    (.cap_drop[]? | "--cap-drop", .), (.cap_add[]? | "--cap-add", .), (.security_opt[]? | "--security-opt", .),
    (select(.user) | "--user", .user), (.group_add[]? | "--group-add", sub("^\\$\\{DOCKER_GID:.*\\}$"; $group)),
    (.environment | to_entries[] | "--env", "\(.key)=\(.value)"),
    (.volumes[] | "--volume", sub("^history:"; $volume + ":")),
    (select(.mem_limit) | "--memory", .mem_limit), (select(.pids_limit) | "--pids-limit", (.pids_limit | tostring))'
}
scrape() { curl -sf --max-time 5 "http://$address:8003/metrics" -o "$out/metrics"; }
shows() { scrape && grep -q "$1" "$out/metrics"; }
healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$PREFIX-agent")" = healthy ]; }
run() { # FILES…: sets `address`
  docker rm -f "$PREFIX-agent" >/dev/null 2>&1 || true
  docker volume rm "$PREFIX-history" >/dev/null 2>&1 || true
  mapfile -t options < <(composition "$@")
  docker run -d --name "$PREFIX-agent" --health-interval 1s "${options[@]}" "$IMAGE" >/dev/null
  address=$(docker inspect --format '{{.NetworkSettings.IPAddress}}' "$PREFIX-agent")
}
numbers() { # VARIANT: what has to be there whoever it is
  local family
  for family in container_cpu_usage_seconds_total container_memory_limit_bytes container_network_receive_bytes_total container_restarts_total; do
    within "$1: $family of another container" shows "^$family{.*name=\"$PREFIX-subject\"" || true
  done
  within "$1: the engine answers" shows '^plimsoll_engine_up{.*} 1$' || true
  within "$1: a history is kept" shows '^plimsoll_history_up 1$' || true
  within "$1: the machine's memory" shows '^node_memory_MemTotal_bytes [1-9]' || true
  within "$1: healthy" healthy || docker inspect --format '{{json .State.Health}}' "$PREFIX-agent"
}

before=$(date +%s%N)
run deploy/compose.yaml
within "compose: it can be scraped" scrape || true
echo "        from docker run to the first scrape: $((($(date +%s%N) - before) / 1000000)) ms"
numbers compose
# Some sandboxes keep process 1 from everybody, whatever the capabilities.
seen='^node_filesystem_avail_bytes{.*} [1-9]'
[ -e /proc/1/root/. ] || seen='^node_filesystem_device_error{.*} 1$'
within "compose: the machine's file systems, or that they cannot be seen" shows "$seen" || true

run deploy/compose.yaml deploy/compose.unprivileged.yaml
numbers unprivileged

echo "test-image: $failures failed checks"
[ "$failures" = 0 ] || {
  docker logs "$PREFIX-agent" 2>&1 | tail -n 20 >&2
  echo "test-image: what was asked and answered is in $out" >&2
  exit 1
}
