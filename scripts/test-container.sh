#!/usr/bin/env bash
# The release binary inside a real container: with everything it wants to see, and with each piece missing. Its numbers
# of another container stand next to those of the same binary on the host, and `plimsoll check` has its say.
#
#   scripts/test-container.sh [BINARY]     default: target/release/plimsoll
#
# The image has nothing but busybox; the binary and the libraries it is linked against are the host's, mounted.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

. "$here/checks.sh"
binary=$(the_binary "$@")
"$here/need.sh" curl=curl docker=docker.io

export DOCKER_HOST=unix:///var/run/docker.sock # the socket that is mounted
IMAGE=plimsoll-test:busybox
PREFIX=plimsoll-test-$$
WAIT_SECONDS=30
PORT=8003
HOST_PORT=$((20000 + $$ % 10000)) # that of the agent on the host
out=$(mktemp -d)
host=

clean_up() {
  [ -z "$host" ] || kill "$host" 2>/dev/null || true
  docker rm -f -v "$PREFIX-subject" "$PREFIX-guest" "$PREFIX-agent" >/dev/null 2>&1 || true
  if [ "$failures" = 0 ]; then rm -rf "$out"; fi
}
trap clean_up EXIT

# === What is looked at: a container of its own network, and one that uses the host's

"$here/busybox-image.sh" "$IMAGE"
limits=(--memory 64m --cpus 0.5 --pids-limit 50)
subject=$(docker run -d --name "$PREFIX-subject" "${limits[@]}" "$IMAGE" sleep 100000)
docker run -d --name "$PREFIX-guest" --network host "$IMAGE" sleep 100000 >/dev/null
short=${subject:0:12}

# === The same binary on the host

PLIMSOLL_INTERVAL=200ms "$binary" agent --history off --listen "127.0.0.1:$HOST_PORT" --engine /var/run/docker.sock >"$out/host.log" 2>&1 &
host=$!
on_host() { curl -sf --max-time 5 "http://127.0.0.1:$HOST_PORT/metrics" -o "$out/host.prom" && grep -q "container_memory_usage_bytes{.*$short" "$out/host.prom"; }
in_time "the agent on the host knows the container" on_host || exit 1

# === The agent in a container

agent() { # OPTIONS OF docker run…
  docker rm -f "$PREFIX-agent" >/dev/null 2>&1 || true
  docker run -d --name "$PREFIX-agent" --read-only --cap-drop ALL --security-opt no-new-privileges \
    -v "$binary:/plimsoll:ro" -v /lib:/lib:ro -v /usr/lib:/usr/lib:ro -v /lib64:/lib64:ro \
    -e PLIMSOLL_INTERVAL=200ms -e "PLIMSOLL_LISTEN=:$PORT" -e "PLIMSOLL_INCLUDE_NAME=$PREFIX-*" \
    "$@" "$IMAGE" /plimsoll agent >/dev/null
  address=$(docker inspect --format '{{.NetworkSettings.IPAddress}}' "$PREFIX-agent")
}
scrape() {
  curl -sf --max-time 5 "http://127.0.0.1:$HOST_PORT/metrics" -o "$out/host.prom" &&
    curl -sf --max-time 5 "http://$address:$PORT/metrics" -o "$out/$variant.prom"
}
values() { # FILE FAMILY: the samples of the container, without labels that tell names
  sed -n "s/^\($2{\)[^}]*\(id=\"$short\"[^}]*}.*\)/\1\2/p" "$1"
}
equal() { # FAMILY
  scrape && [ -n "$(values "$out/$variant.prom" "$1")" ] &&
    [ "$(values "$out/$variant.prom" "$1")" = "$(values "$out/host.prom" "$1")" ]
}
same() { # FAMILIES…: as on the host, all of them
  local family
  for family; do
    in_time "$variant: $family as on the host" equal "$family" && ok "$variant: $family is the host's" || {
      echo "        in the container: $(values "$out/$variant.prom" "$family")"
      echo "        on the host:      $(values "$out/host.prom" "$family")"
    }
  done
}
shown() { scrape && [ -n "$(values "$out/$variant.prom" "$1")" ]; }
has() { for family; do in_time "$variant: there is $family" shown "$family" && ok "$variant: $family is there"; done; }
lacks() { # FAMILIES…: after what else there is has come
  local family
  for family; do
    if [ -z "$(values "$out/$variant.prom" "$family")" ]; then ok "$variant: no $family"; else bad "$variant: there is $family: $(values "$out/$variant.prom" "$family")"; fi
  done
}
check() { # STATUS PATTERNS…: what `plimsoll check` says with the agent's own settings
  local wanted=$1 status=0
  shift
  docker exec "$PREFIX-agent" /plimsoll check --listen ":$((PORT + 1))" >"$out/$variant.check" 2>&1 || status=$?
  if [ "$status" = "$wanted" ]; then ok "$variant: check ends with $status"; else bad "$variant: check ends with $status, not $wanted: $(tail -n 1 "$out/$variant.check")"; fi
  for pattern; do
    if grep -Eq "$pattern" "$out/$variant.check"; then ok "$variant: check says $pattern"; else bad "$variant: check does not say: $pattern"; fi
  done
}
named() {
  if grep -q "^container_state{name=\"$PREFIX-subject\",image=\"$IMAGE\",id=\"$short\"" "$out/$variant.prom"; then ok "$variant: it has its name"; else bad "$variant: it has no name"; fi
}
guest_has_no_network() {
  if grep "^container_network_.*$PREFIX-guest" "$out/$variant.prom"; then bad "$variant: the host's traffic is shown as a container's"; else ok "$variant: the host's traffic is no container's"; fi
}

proc=(-v /proc:/host/proc:ro -e PLIMSOLL_PROCFS=/host/proc)
cgroup=(-v /sys/fs/cgroup:/host/cgroup:ro -e PLIMSOLL_CGROUP_ROOT=/host/cgroup)
socket=(-v /var/run/docker.sock:/var/run/docker.sock:ro -e PLIMSOLL_ENGINE=/var/run/docker.sock)
group=$(stat -L -c %g /var/run/docker.sock)
use=(container_cpu_usage_seconds_total container_memory_usage_bytes container_threads)
limit=(container_memory_limit_bytes container_cpu_limit_cores container_threads_max)
network=(container_network_receive_bytes_total container_network_transmit_packets_total)
life=(container_state container_start_time_seconds container_restarts_total)

variant=all
agent "${proc[@]}" "${cgroup[@]}" "${socket[@]}"
same "${use[@]}" "${limit[@]}" "${network[@]}" "${life[@]}" container_network_sockets
named
guest_has_no_network
check 0 'ok +cpu' 'ok +memory' 'ok +pids' 'ok +docker_socket' 'ok +containers'

variant=nobody # an ordinary user with the socket's group
agent "${proc[@]}" "${cgroup[@]}" "${socket[@]}" --user "65534:$group"
same "${use[@]}" "${limit[@]}" "${network[@]}" "${life[@]}"
named
guest_has_no_network
check 0 'ok +cpu' 'ok +docker_socket' 'ok +containers'

variant=stranger # an ordinary user without it
agent "${proc[@]}" "${cgroup[@]}" "${socket[@]}" --user 65534:65534
in_time "$variant: it serves" curl -sf --max-time 5 -o /dev/null "http://$address:$PORT/metrics" || true
check 1 'missing +docker_socket.*[Pp]ermission denied'

variant=no-proc
agent "${cgroup[@]}" "${socket[@]}"
same "${use[@]}" "${limit[@]}" "${life[@]}"
named
lacks "${network[@]}" container_network_sockets
check 0 'ok +containers'

variant=no-socket # names are written in the engine's own files, which only root may read
agent "${proc[@]}" "${cgroup[@]}" -e PLIMSOLL_ENGINE=none -e PLIMSOLL_INCLUDE_NAME='*'
same "${use[@]}" "${limit[@]}" container_state
lacks "${network[@]}" container_restarts_total container_exit_code
check 0 'ok +containers'

variant=no-socket-host-pid # with the host's process namespace, processes have numbers, and with them networks
agent --pid host --cap-add SYS_PTRACE --cap-add DAC_READ_SEARCH -v /var/lib/docker/containers:/var/lib/docker/containers:ro \
  "${proc[@]}" "${cgroup[@]}" -e PLIMSOLL_ENGINE=none
same "${use[@]}" "${limit[@]}" "${network[@]}" container_state container_processes
named

variant=no-cgroup # the engine's own statistics take over
agent "${proc[@]}" "${socket[@]}"
has "${use[@]}" container_memory_limit_bytes container_network_receive_bytes_total
same container_cpu_usage_seconds_total container_threads "${life[@]}"
named
lacks container_cpu_limit_cores container_processes

echo "test-container: $failures failed checks"
[ "$failures" = 0 ] || {
  echo "test-container: scrapes and reports are in $out" >&2
  exit 1
}
