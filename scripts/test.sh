#!/usr/bin/env bash
# Everything that has to hold before a change goes in. Runs on a fresh Debian machine with cargo on it: what else it
# takes is installed first. Nothing is skipped: what cannot run is a failure that says what it lacks.
#
# The tests of the workspace meet the engine at /var/run/docker.sock; cgroup v2 is met in user-mode Linux.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

step() {
  printf '\n== %s (after %d s)\n' "$*" "$SECONDS"
}

command -v cargo >/dev/null 2>&1 || {
  echo "test: cargo is missing; install Rust (https://rustup.rs) with the version in Cargo.toml or newer" >&2
  exit 1
}

step "what the tests need"
scripts/need.sh docker=docker.io dockerd=docker.io iptables=iptables promtool=prometheus linux.uml=user-mode-linux \
  busybox=busybox-static chrt=util-linux mkfs.ext4=e2fsprogs curl=curl podman=podman crun=crun runc=runc catatonit=catatonit \
  docker-registry=docker-registry prometheus-node-exporter=prometheus-node-exporter prometheus=prometheus \
  influxd=influxdb victoria-metrics=victoria-metrics nats-server=nats-server \
  pg_createcluster=postgresql jq=jq yq=yq systemd-analyze=systemd musl-gcc=musl-tools
scripts/engine-up.sh

step "format"
cargo fmt --all --check

step "lints"
# With what only a benchmark switches on, and targets of the type nats.
cargo clippy --workspace --all-targets --features plimsoll-store/bench,plimsoll-deliver/nats --locked -- -D warnings
# What a program gets that wants the library alone, and a client that can only ask: nobody else switches on more.
cargo clippy -p plimsoll --no-default-features --features docker --all-targets --locked -- -D warnings
cargo clippy -p plimsoll --no-default-features --features metrics --all-targets --locked -- -D warnings
cargo clippy -p plimsoll-engine --all-targets --locked -- -D warnings

step "the tests' programs"
tests=(cargo test --workspace --features plimsoll-deliver/nats --locked)
"${tests[@]}" --no-run

beside=$(mktemp -d)
jobs=()
end() {
  for job in "${jobs[@]}"; do kill -- "-$job" 2>/dev/null || true; done
  rm -rf "$beside"
}
trap end EXIT

# Two builds with one long step on one core each, from what the tests leave of the processors while they wait.
setsid chrt --idle 0 scripts/static-binary.sh >"$beside/binary" 2>"$beside/static.log" &
jobs+=($!) static=$!
setsid chrt --idle 0 cargo build --release --locked -p plimsoll >"$beside/release.log" 2>&1 &
jobs+=($!) release=$!

step "tests"
"${tests[@]}"

step "the release binary, and the static one for the image"
built() {
  wait "$1" || {
    tail -n 30 "$2" >&2
    exit 1
  }
}
built "$release" "$beside/release.log"
built "$static" "$beside/static.log"
jobs=()

# It takes minutes of one core, in a kernel of its own.
setsid scripts/test-v2.sh >"$beside/v2.log" 2>&1 &
jobs+=($!) v2=$!

step "the examples"
scripts/test-examples.sh

step "the commands of the README"
scripts/test-readme.sh

step "the files under deploy/, against a real Prometheus"
scripts/test-deploy.sh

step "the image"
scripts/test-image.sh "$(cat "$beside/binary")"

step "the release binary in a container"
scripts/test-container.sh

step "the release binary and a rootless Podman"
scripts/test-rootless.sh

step "the release binary on cgroup v2"
passed=true
wait "$v2" || passed=false
cat "$beside/v2.log"
$passed

step "all passed"
