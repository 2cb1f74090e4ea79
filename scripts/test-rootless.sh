#!/usr/bin/env bash
# The release binary and a rootless Podman: an agent that runs as root finds the socket of an ordinary user by itself
# and follows that user's containers. Where they have no cgroups of their own (rootless on cgroup v1), they have no
# numbers either, and above all nobody else's.
#
#   scripts/test-rootless.sh [BINARY]     default: target/release/plimsoll
#
# Makes a user with a container, and removes both.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

. "$here/checks.sh"
binary=$(the_binary "$@")
[ "$(id -u)" = 0 ] || {
  echo "test-rootless: needs root: it makes a user, and reads that user's socket" >&2
  exit 1
}
"$here/need.sh" curl=curl podman=podman runc=runc newuidmap=uidmap busybox=busybox-static

USER_NAME=plimsoll-$$
ADDRESS=127.0.0.1:$((20000 + $$ % 10000))
WAIT_SECONDS=60
out=$(mktemp -d)
agent= service=

useradd --create-home --shell /bin/bash "$USER_NAME"
uid=$(id -u "$USER_NAME")
home=$(getent passwd "$USER_NAME" | cut -d: -f6)
runtime=/run/user/$uid
socket=$runtime/podman/podman.sock
as_user() { # COMMAND…: in a session of its own, so that it can be ended as a whole
  setsid --wait runuser -u "$USER_NAME" -- env -C "$home" HOME="$home" XDG_RUNTIME_DIR="$runtime" CONTAINERS_CONF="$home/containers.conf" "$@"
}
podman() { as_user podman --storage-driver vfs "$@" 2>>"$out/podman.log"; }
clean_up() {
  [ -z "$agent" ] || kill "$agent" 2>/dev/null || true
  podman rm --all --force --time 0 >/dev/null || true
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  # Its pause process is left, and what the service was waiting for.
  for process in $(pgrep -u "$uid"); do kill -KILL "$process" 2>/dev/null || true; done
  for _ in $(seq 50); do ! pgrep -u "$uid" >/dev/null && break || sleep 0.1; done
  rm -rf "$runtime"
  userdel --remove "$USER_NAME" 2>/dev/null || true
  if [ "$failures" = 0 ]; then rm -rf "$out"; fi
}
trap clean_up EXIT

install -d -o "$USER_NAME" -m 700 "$runtime" "$runtime/podman"
cat >"$home/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
CONF
mkdir -p "$out/root/bin"
cp "$(command -v busybox)" "$out/root/bin/busybox"
for applet in sh sleep; do ln -s busybox "$out/root/bin/$applet"; done
tar -C "$out/root" -cf "$home/image.tar" .
chown -R "$USER_NAME:" "$home"
podman import image.tar localhost/plimsoll-test:busybox >/dev/null
podman run -d --name rootless --network none localhost/plimsoll-test:busybox sleep 100000 >/dev/null
id=$(podman inspect --format '{{.Id}}' rootless)
pid=$(podman inspect --format '{{.State.Pid}}' rootless)
podman system service --time=0 "unix://$socket" &
service=$!
within "the user's podman answers" curl -sf --max-time 5 -o /dev/null --unix-socket "$socket" http://podman/_ping || exit 1

# Whatever else runs here is found too and is none of this test's business.
"$binary" agent --history off --listen "$ADDRESS" --interval 500ms --engine auto --include-name rootless >"$out/agent.log" 2>&1 &
agent=$!
scrape() { curl -sf --max-time 5 "http://$ADDRESS/metrics" -o "$out/now.prom"; }
value() { # FAMILY
  sed -n "s/^$1{[^}]*id=\"${id:0:12}\"[^}]*} \([^ ]*\).*/\1/p" "$out/now.prom"
}
is() { scrape && [ "$(value "$1")" = "$2" ]; }
found() { scrape && grep -q "^plimsoll_engine_info{engine=\"podman-$uid\",endpoint=\"unix://$socket\".*rootless=\"true\".*state=\"up\"" "$out/now.prom"; }
within "the agent finds podman-$uid, which is rootless" found || true
within "container_state is 1" is container_state 1 || true
if grep -q "^container_info{name=\"rootless\".*engine=\"podman-$uid\"" "$out/now.prom"; then ok "it has its name and its engine"; else bad "it has no name, or another engine's"; fi
decided() { scrape && grep -Eq "^plimsoll_engine_info\{engine=\"podman-$uid\".*source=\"(api|kernel)\"" "$out/now.prom"; }
within "where its numbers come from is decided" decided || true
if grep -q "$id" "/proc/$pid/cgroup"; then
  within "container_threads is 1" is container_threads 1 || true
elif [ -z "$(value container_memory_usage_bytes)$(value container_cpu_usage_seconds_total)$(value container_threads)" ]; then
  ok "without a cgroup of its own, it has no numbers of anybody else's"
else
  bad "it has no cgroup of its own, and numbers: whose?"
fi
podman restart --time 0 rootless >/dev/null
within "a restart is counted" is container_restarts_total 1 || true
podman kill rootless >/dev/null
within "its end is seen" is container_exit_code 137 || true
within "container_state is 0" is container_state 0 || true
podman rm rootless >/dev/null
gone() { scrape && ! grep -q "${id:0:12}" "$out/now.prom"; }
within "removed, it is gone" gone || true

echo "test-rootless: $failures failed checks"
[ "$failures" = 0 ] || {
  echo "test-rootless: the agent's log and the last scrape are in $out" >&2
  exit 1
}
