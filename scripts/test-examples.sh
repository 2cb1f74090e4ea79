#!/usr/bin/env bash
# Runs the examples of the library as the README names them, on a real engine, and makes sure that they say what they are for
# and leave no container behind.
set -euo pipefail
cd "$(dirname "$0")/.."

image=plimsoll-test:busybox
scripts/busybox-image.sh "$image" >/dev/null

run() { # EXAMPLE WORDS-IN-ITS-OUTPUT [ARGUMENT…]
  local example=$1 words=$2 output
  shift 2
  echo "test-examples: $example"
  output=$(cargo run --quiet --locked -p plimsoll --example "$example" -- "$@" 2>&1) || {
    echo "$output" >&2
    echo "test-examples: $example failed" >&2
    exit 1
  }
  grep -q -- "$words" <<<"$output" || {
    echo "$output" >&2
    echo "test-examples: $example does not say '$words'" >&2
    exit 1
  }
}

run docker_metrics_example '8. As JSON' "$image"
run metrics_collector_demo 'container_cpu_usage_percent{.*environment="production"' "$image"
run custom_collector 'broken: collecting with "broken": /proc/meminfo has no field "Kittens"'

left=$(docker ps --all --quiet --filter label=plimsoll.node_id=example-node)
[ -z "$left" ] || {
  echo "test-examples: left behind: $left" >&2
  exit 1
}
