#!/usr/bin/env bash
# Measures, and compares with the bars that this project set itself. Nothing fails here for being slow: every figure
# stands beside its bar, with "ok" or "over", and a person judges, knowing what else the machine was doing.
#
#   scripts/bench.sh [OPTIONS]     OPTIONS are those of crates/plimsoll-testkit/benches/whole_process, for example
#                                  --containers 50, --seconds 120, --pattern 'web-*'
#
# It takes half an hour on two cores: much of it to compile, ten minutes to watch a history grow. What an hour of fifty real
# containers costs in the history is a benchmark of its own, crates/plimsoll-store/benches/hour. One table comes at the end; everything that was
# printed is in $CARGO_TARGET_DIR/bench.log.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export LC_ALL=C.UTF-8 # points in numbers, and characters that are not bytes

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
mkdir -p "$target"
log=$target/bench.log
# Always all of them, whichever benchmark runs: what they share is compiled once. Not the program's own package, because
# Cargo would build the program with the benchmarks' profile and put it where the released one is.
packages=(--locked -p plimsoll-testkit -p plimsoll-kernel -p plimsoll-collect -p plimsoll-wire -p plimsoll-web -p plimsoll-store
  -p plimsoll-deliver
  --features plimsoll-store/bench)
# The library by itself, for the same reason: its package is the program's, too.
library=(--locked -p plimsoll --no-default-features --features docker)
table=$(mktemp)
trap 'rm -f "$table"' EXIT
: >"$log"

step() {
  printf '\n== %s (after %d s)\n' "$*" "$SECONDS" | tee -a "$log"
}

row() { # WHAT MEASURED BAR
  printf '| %s | %s | %s |\n' "$1" "$2" "$3" >>"$table"
}

measured() { # WHAT GROUP BENCHMARK UNIT NANOSECONDS-PER-UNIT [BAR]: a row with the median that criterion found
  local what=$1 group=$2 benchmark=$3 unit=$4 size=$5 bar=${6:-} file median found=
  local IFS= # the pattern has spaces
  for file in "$target/criterion/$group/"$benchmark/new/estimates.json; do
    [ -e "$file" ] || continue
    median=$(sed -E 's/.*"median":\{"confidence_interval":\{[^}]*\},"point_estimate":([0-9.e+]+).*/\1/' "$file")
    found=1
    row "$what" "$(awk -v n="$median" -v s="$size" -v u="$unit" 'BEGIN { printf "%.1f %s", n / s, u }')" \
      "$(awk -v n="$median" -v s="$size" -v u="$unit" -v b="$bar" \
        'BEGIN { if (b != "") printf "≤ %s %s: %s", b, u, n / s <= b ? "ok" : "over" }')"
  done
  [ -n "$found" ] || row "$what" "no result under $target/criterion/$group" ""
}

command -v cargo >/dev/null 2>&1 || {
  echo "bench: cargo is missing; install Rust (https://rustup.rs) with the version in Cargo.toml or newer" >&2
  exit 1
}

step "what the measurements need"
scripts/need.sh docker=docker.io dockerd=docker.io iptables=iptables busybox=busybox-static
scripts/engine-up.sh
# The client follows DOCKER_HOST; the agent is told the same socket.
export DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}
case $DOCKER_HOST in
  unix://*) engine=${DOCKER_HOST#unix://} ;;
  *)
    echo "bench: DOCKER_HOST is $DOCKER_HOST, and a remote engine's containers have no files here; unset it" >&2
    exit 1
    ;;
esac

step "the release binary, and the benchmarks"
cargo build --release --locked -p plimsoll
cargo bench "${packages[@]}" --no-run --bench whole_process --bench parse --bench read --bench encode --bench exposition \
  --bench api --bench append --bench query --bench codec --bench open --bench framework --bench host --bench registry --bench thousand --bench walk \
  --bench lines --bench delivery
cargo bench "${library[@]}" --no-run --bench docker

step "single functions"
rm -rf "$target/criterion" # what other versions measured
short=(--noplot --warm-up-time 0.5 --measurement-time)
{
  cargo bench "${packages[@]}" --bench parse -- "${short[@]}" 1
  cargo bench "${packages[@]}" --bench read -- "${short[@]}" 3
  cargo bench "${packages[@]}" --bench encode -- "${short[@]}" 3
  cargo bench "${packages[@]}" --bench framework -- "${short[@]}" 2
  cargo bench "${packages[@]}" --bench host -- "${short[@]}" 2
  cargo bench "${packages[@]}" --bench exposition -- "${short[@]}" 4
  cargo bench "${packages[@]}" --bench api -- "${short[@]}" 3
  cargo bench "${packages[@]}" --bench append -- "${short[@]}" 3
  cargo bench "${packages[@]}" --bench query -- "${short[@]}" 3
  cargo bench "${packages[@]}" --bench codec -- "${short[@]}" 1
  cargo bench "${packages[@]}" --bench lines -- "${short[@]}" 2
  cargo bench "${library[@]}" --bench docker -- "${short[@]}" 1
} 2>&1 | tee -a "$log" | grep --line-buffered -E '^(Benchmarking .*: Analyzing|error|thread)|time:|panicked' |
  sed -E 's/^Benchmarking (.*): Analyzing$/\1/'

step "a history of 1 GiB is opened"
cargo bench "${packages[@]}" --bench open 2>&1 | tee -a "$log"

step "a thousand collectors"
thousand=$(cargo bench "${packages[@]}" --bench thousand 2>&1 | tee -a "$log" | grep ' collectors for ' || true)

step "walks of a million files"
walks=$(cargo bench "${packages[@]}" --bench walk 2>&1 | tee -a "$log" | sed -n 's/^walk\///p' | paste -sd ';' || true)

step "the built-in collectors of 200 containers"
registry=$(cargo bench "${packages[@]}" --bench registry 2>&1 | tee -a "$log" | grep ' containers: a pass ' || true)

step "delivery: a day's outage, and what a point costs"
delivery=$(cargo bench "${packages[@]}" --bench delivery 2>&1 | tee -a "$log" | grep '^| delivery: ' || true)

step "the whole process"
cargo bench "${packages[@]}" --bench whole_process -- "$target/release/plimsoll" --engine "$engine" "$@" 2>&1 |
  tee -a "$log"
sed -n '/^| what | measured | bar |$/,$ p' "$log" | grep '^|' >"$table"

encode="encode 1,000 containers"
measured "/metrics text, 1,000 containers: processor time" "$encode" "text, *" ms 1000000 12
measured "the same as OpenMetrics" "$encode" "openmetrics, *" ms 1000000
measured "the same as protobuf" "$encode" "protobuf, *" ms 1000000
measured "/metrics text with gzip, 1,000 containers: processor time" "1,000 containers" "text and gzip*" ms 1000000 60
measured "one pass over a container that sleeps, caches warm" "one container" "pass, asleep*" µs 1000
measured "one pass over a container that is awake, caches warm" "one container" "pass, awake*" µs 1000
measured "the same with profile full and every collector on" "one container, everything on" "pass, awake*" µs 1000
measured "history: one series, 24 hours: processor time" query "one series, 24 hours, 480*" ms 1000000 5
measured "history: CPU of 200 containers over an hour: processor time" query "CPU of 200*" ms 1000000 60
measured "history: top 10 of memory over a week: processor time" query "top 10*" ms 1000000 60
measured "history: a sample taken in, 200 containers" append "200 containers*" µs 1000
measured "library: get_container_metrics over 1,000 points" library "get_container_metrics*" µs 1000 20
measured "framework: a run of a collector that does nothing" framework "nothing*" ns 1 2000
measured "framework: a run with ten values" framework "ten values*" µs 1000
measured "one reading of the machine" "the machine" "reading*" µs 1000
row "disks: a walk" "${walks:-it failed}" "≤ 20 MiB (20480 KiB) more memory"
row "framework: a thousand collectors" "${thousand:-it failed}" "ticks and healthy ones on time, 64 MiB"
row "framework: built-in collectors beside a pass" "${registry:-it failed}" "2.5 times a pass"
measured "line protocol: 4,000 lines encoded" "line protocol*" "encode*" ms 1000000 2
printf '%s\n' "${delivery:-| delivery | it failed | |}" >>"$table"
measured "a container found, its files opened and closed" "one container" "found*" µs 1000

if [ -e crates/plimsoll-collect/tests/quiet_tick.rs ]; then
  step "heap allocations"
  # With the benchmarks' profile, whose dependencies are built already.
  if cargo test -q "${packages[@]}" --profile bench --test quiet_tick -- --nocapture 2>&1 | tee -a "$log"; then
    quiet="0, which the test insists on"
  else
    quiet="the test failed"
  fi
  allocations=$(sed -n '/^== heap allocations/,$ p' "$log" | grep -i 'allocations' | grep -v -E '^(==|test |error)' || true)
  row "heap allocations per quiet tick" "${allocations:-$quiet}" "0"
fi

step "the table"
awk -F ': *' '/^model name/ { model = $2; cores++ } END { print "processor: " model ", " cores " cores" }' /proc/cpuinfo
echo "kernel: $(uname -sr)"
echo "compiler: $(rustc --version)"
echo "engine: Docker $(docker version --format '{{.Server.Version}}')"
echo "load before the table: $(cut -d ' ' -f 1-3 /proc/loadavg)"
echo
# Columns of one width, counted in characters. Debian's awk counts bytes, so bash does it.
mapfile -t rows <"$table"
widths=(0 0 0)
for line in "${rows[@]}"; do
  IFS='|' read -r _ a b c _ <<<"$line"
  cells=("$a" "$b" "$c")
  for i in 0 1 2; do
    [ "${#cells[i]}" -le "${widths[i]}" ] || widths[i]=${#cells[i]}
  done
done
for line in "${rows[@]}"; do
  IFS='|' read -r _ a b c _ <<<"$line"
  cells=("$a" "$b" "$c")
  for i in 0 1 2; do
    fill=' '
    [[ ${cells[i]} != ---* ]] || fill=-
    while [ "${#cells[i]}" -lt "${widths[i]}" ]; do cells[i]+=$fill; done
  done
  echo "|${cells[0]}|${cells[1]}|${cells[2]}|"
done
