#!/usr/bin/env bash
# Runs inside user-mode Linux, started by test-v2.sh: containers of a Docker and of a Podman, the agent, and each number
# twice.
#
#   test-v2-payload.sh BINARY      (with $OUT for what it writes)
#
# Every wait is for a condition with a bound; the bounds are generous, because the guest is slow and its clocks are not
# for timing. A check that fails is printed, and the others still run.
set -euo pipefail

binary=$1
AGENT=127.0.0.1:8003
IMAGE=plimsoll-test:busybox
WAIT_SECONDS=60 # for whatever has to happen at all
failures=0

ok() { echo "  ok    $*"; }
bad() {
  echo "  FAIL  $*"
  failures=$((failures + 1))
}
give_up() {
  echo "  FAIL  $*; giving up"
  exit 1
}

within() { # SECONDS WHAT COMMAND…: waits until the command succeeds
  local bound=$1 what=$2 until
  shift 2
  until=$((SECONDS + bound))
  while ! "$@"; do
    if [ "$SECONDS" -ge "$until" ]; then
      bad "$what (not within $bound s)"
      return 1
    fi
    sleep 0.2
  done
  ok "$what"
}

# === The three sources: the agent, the kernel, the engine

scrape() { # to $OUT/NAME.prom
  curl -sSf --max-time 20 "http://$AGENT/metrics" -o "$OUT/$1.prom"
}

value() { # SCRAPE FAMILY CONTAINER: the number of a family without labels of its own; nothing where it is absent
  awk -v family="$2{" -v name="name=\"$3\"" '
    index($0, family) == 1 && index($0, name) { sub(/^.*} /, ""); print $1; exit }' "$OUT/$1.prom"
}

kernel() { # CONTAINER FILE [KEY]
  local content
  content=$(cat "/sys/fs/cgroup/${parent[$1]:-docker}/${id[$1]}/$2")
  if [ $# -lt 3 ]; then echo "$content"; else awk -v key="$3" '$1 == key { print $2 }' <<<"$content"; fi
}

engine() { # CONTAINER KEY: the first number with that name in the engine's statistics
  curl -sS --max-time 20 --unix-socket /var/run/docker.sock "http://engine/containers/$1/stats?stream=false&one-shot=true" |
    grep -o "\"$2\":[0-9]*" | head -n 1 | cut -d: -f2
}

holds() { awk "BEGIN { exit !($1) }"; } # an arithmetic condition, with fractions

same() { # A B: both are there and equal as numbers
  [ -n "$1" ] && [ -n "$2" ] && holds "($1) == ($2)"
}

# === The containers

declare -A id parent
for name in busy idle oom; do
  case $name in
    # Burns CPU until it is told to stop, then sleeps, so that its counters stand still.
    busy) limits=(--cpus 0.5 --memory 64m) script='trap "stop=1" USR1; while [ -z "$stop" ]; do :; done; echo done; exec sleep 100000' ;;
    idle) limits=() script='exec sleep 100000' ;;
    oom) limits=(--memory 16m) script='sh -c "x=0123456789; while :; do x=\$x\$x; done"; echo "child ended with $?"; exec sleep 100000' ;;
  esac
  id[$name]=$(docker run -d --name "v2-$name" --network none "${limits[@]}" "$IMAGE" sh -c "$script" 2>>"$OUT/docker.log") ||
    give_up "cannot start the container v2-$name; see docker.log"
done
said() { docker logs "v2-$1" 2>/dev/null | grep -qx "$2"; }
within "$WAIT_SECONDS" "a child in v2-oom was killed" said oom 'child ended with 137' || give_up "no OOM kill to look at"

# === Podman, beside it. Nothing of the host may be written to, so its places are in memory.

PODMAN=/run/podman/podman.sock
PODMAN_IMAGE=localhost/$IMAGE
# Podman asks dpkg for the versions it tells, which takes longer here than anybody waits; without a database it does not.
for place in /var/tmp /var/cache /var/lib/containers /var/lib/dpkg; do mount -t tmpfs tmpfs "$place"; done
mkdir -p /run/podman "$TMPDIR/podman"
cat >"$TMPDIR/podman/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "crun"
events_logger = "file"
CONF
export CONTAINERS_CONF=$TMPDIR/podman/containers.conf
podman() { command podman --storage-driver vfs "$@" 2>>"$OUT/podman.log"; }
carrier=$(docker create "$IMAGE" true)
docker export "$carrier" | podman import - "$PODMAN_IMAGE" >/dev/null || give_up "podman takes no image; see podman.log"
docker rm "$carrier" >/dev/null
podman system service --time=0 "unix://$PODMAN" &
podman_run() { # NAME COMMAND…: the id goes to id[NAME], the place of its cgroup to parent[NAME]
  local name=$1 found pid
  shift
  found=$(podman run -d --name "v2-$name" --network none --memory 48m "$PODMAN_IMAGE" "$@") ||
    give_up "podman cannot start v2-$name; see podman.log"
  pid=$(podman inspect --format '{{.State.Pid}}' "v2-$name")
  # crun puts the processes into a group of the container's own below the container's.
  found=$(sed -n "s|^0::\(/.*libpod-$found\).*|\1|p" "/proc/$pid/cgroup")
  parent[$name]=${found%/*} id[$name]=${found##*/}
}
podman_run pidle sleep 100000
within "$WAIT_SECONDS" "podman's service answers" curl -sf --max-time 5 -o /dev/null --unix-socket "$PODMAN" http://podman/_ping ||
  give_up "no podman; see podman.log"

# === The agent comes up

"$binary" agent --history /mnt/history.db --listen "$AGENT" --engine /var/run/docker.sock --engine "$PODMAN" >"$OUT/agent.log" 2>&1 &
agent=$!
ready() {
  kill -0 "$agent" 2>/dev/null || give_up "the agent ended before it was ready; see agent.log"
  curl -sf --max-time 5 -o /dev/null "http://$AGENT/-/ready"
}
within "$WAIT_SECONDS" "/-/ready answers" ready || give_up "the agent is not ready"
sees_all() { scrape first && for name in busy idle oom pidle; do [ "$(value first container_state "v2-$name")" = 1 ] || return 1; done; }
within "$WAIT_SECONDS" "container_state is 1 for all four" sees_all || give_up "the agent does not see the containers"

# === CPU while it is being used: the value lies between the kernel's before and after

cpu() { kernel busy cpu.stat usage_usec; }
# A scrape may get a snapshot that is 100 ms old, which at half a core is 50 ms of CPU; as much again for the slow guest.
SLACK=0.1
before=$(cpu)
scrape loaded1
after=$(cpu)
first=$(value loaded1 container_cpu_usage_seconds_total v2-busy)
load_started=$before
enough() { [ $(($(cpu) - load_started)) -ge 5000000 ]; }
within "$WAIT_SECONDS" "v2-busy used five more seconds of CPU, ten seconds at half a core" enough || true
again_before=$(cpu)
scrape loaded2
again_after=$(cpu)
second=$(value loaded2 container_cpu_usage_seconds_total v2-busy)
between() { # VALUE BEFORE AFTER, the latter two in microseconds
  if [ -n "$1" ] && holds "$1 >= $2 / 1e6 * 0.99 - $SLACK && $1 <= $3 / 1e6 * 1.01"; then
    ok "CPU seconds $1 between the kernel's $2 and $3 us"
  else
    bad "CPU seconds '$1' not between the kernel's $2 and $3 us"
  fi
}
between "$first" "$before" "$after"
between "$second" "$again_before" "$again_after"
if [ -n "$first" ] && [ -n "$second" ] &&
  holds "$second - $first >= (($again_before - $after) / 1e6) * 0.99 - $SLACK && $second - $first <= (($again_after - $before) / 1e6) * 1.01 + $SLACK"; then
  ok "CPU over the loaded interval: $first to $second s"
else
  bad "CPU over the loaded interval: '$first' to '$second' s, the kernel says $before..$after to $again_before..$again_after us"
fi

# === Numbers that stand still: equal to the kernel's, where the kernel says the same before and after the scrape

steady() { # FAMILY CONTAINER EXPECTED-COMMAND…: EXPECTED prints the kernel's number
  local family=$1 name=$2 low high got
  shift 2
  for _ in $(seq 20); do
    low=$("$@")
    scrape steady
    high=$("$@")
    got=$(value steady "$family" "v2-$name")
    if same "$low" "$high" && same "$got" "$low"; then
      ok "$family of v2-$name is the kernel's $low"
      return
    fi
    sleep 0.2
  done
  bad "$family of v2-$name is '$got', the kernel says $low before and $high after"
}

absent() { # SCRAPE FAMILY CONTAINER WHY: what cannot be told is absent, never a number
  local got
  got=$(value "$1" "$2" "$3")
  if [ -z "$got" ]; then ok "no $2 of $3, $4"; else bad "$2 of $3, $4, is $got"; fi
}

working_set() { echo $(($(kernel "$1" memory.current) - $(kernel "$1" memory.stat inactive_file))); }
seconds() { awk '{ printf "%.6f\n", $1 / 1e6 }' <<<"$(kernel "$@")"; }

for name in idle oom pidle; do
  steady container_memory_usage_bytes "$name" kernel "$name" memory.current
  steady container_memory_working_set_bytes "$name" working_set "$name"
  steady container_memory_rss "$name" kernel "$name" memory.stat anon
  steady container_threads "$name" kernel "$name" pids.current
done
steady container_memory_limit_bytes busy kernel busy memory.max
steady container_memory_limit_bytes oom kernel oom memory.max
steady container_memory_limit_bytes pidle kernel pidle memory.max
steady container_cpu_usage_seconds_total pidle seconds pidle cpu.stat usage_usec
steady container_cpu_limit_cores busy echo 0.5
steady container_oom_events_total oom kernel oom memory.events oom_kill
absent steady container_memory_limit_bytes v2-idle "which has no limit"
absent steady container_cpu_limit_cores v2-idle "which has no limit"
oom_kills=$(value steady container_oom_events_total v2-oom)
if [ -n "$oom_kills" ] && holds "$oom_kills >= 1"; then
  ok "OOM kills of v2-oom: $oom_kills"
else
  bad "OOM kills of v2-oom: '$oom_kills', expected at least 1"
fi
docker kill --signal USR1 v2-busy >/dev/null
if within "$WAIT_SECONDS" "v2-busy has come to rest" said busy done; then
  steady container_cpu_usage_seconds_total busy seconds busy cpu.stat usage_usec
  steady container_cpu_cfs_throttled_periods_total busy kernel busy cpu.stat nr_throttled
  steady container_cpu_cfs_throttled_seconds_total busy seconds busy cpu.stat throttled_usec
fi
if grep -q '^container_pressure_' "$OUT/steady.prom"; then bad "this kernel has no PSI, and the agent shows pressure"; else ok "no pressure where the kernel has no PSI"; fi

engine_agrees() {
  scrape engine
  same "$(engine v2-idle usage)" "$(value engine container_memory_usage_bytes v2-idle)" 2>/dev/null
}
# The first "usage" of the reply is the memory's: CPU has total_usage and cpu_usage.
within 20 "the engine's statistics say the same memory of v2-idle" engine_agrees || true

for label in name=\"v2-idle\" "image=\"$IMAGE\"" "id=\"${id[idle]:0:12}\""; do
  if grep -F 'container_memory_usage_bytes{' "$OUT/steady.prom" | grep -F 'name="v2-idle"' | grep -qF "$label"; then ok "label $label"; else bad "label $label is missing"; fi
done

for pair in docker:idle podman:pidle; do
  if grep "^container_info{.*name=\"v2-${pair#*:}\"" "$OUT/steady.prom" | grep -q "engine=\"${pair%:*}\""; then
    ok "v2-${pair#*:} is ${pair%:*}'s"
  else
    bad "v2-${pair#*:} is not shown as ${pair%:*}'s"
  fi
done

# === Without an engine: the same containers, by their cgroups

"$binary" metrics --engine none >"$OUT/none.prom" 2>"$OUT/none.log" || bad "plimsoll metrics --engine none: $(tail -n 1 "$OUT/none.log")"
by_id() { # FAMILY CONTAINER, without what only an engine knows
  local full=${id[$2]#libpod-}
  awk -v family="$1{" -v id="id=\"${full:0:12}\"" 'index($0, family) == 1 && index($0, id) { sub(/^.*} /, ""); print $1; exit }' "$OUT/none.prom"
}
for name in idle pidle; do
  if same "$(by_id container_memory_usage_bytes "$name")" "$(kernel "$name" memory.current)" &&
    same "$(by_id container_threads "$name")" "$(kernel "$name" pids.current)"; then
    ok "without an engine, v2-$name has its memory and its tasks"
  else
    bad "without an engine, v2-$name has $(by_id container_memory_usage_bytes "$name") bytes, the kernel says $(kernel "$name" memory.current)"
  fi
  if [ -n "$(by_id container_restarts_total "$name")" ]; then bad "without an engine, restarts of v2-$name are made up"; fi
done

# === Stop, start again

stopped() {
  scrape stopped && [ "$(value stopped container_state v2-idle)" = 0 ] && same "$(value stopped container_exit_code v2-idle)" 137
}
# sleep is process 1 there and ignores TERM, so the engine kills it: 128 + 9.
docker stop -t 1 v2-idle >/dev/null
# Two seconds on a real machine.
within 20 "a stopped container has container_state 0 and its exit code" stopped || true
absent stopped container_memory_usage_bytes v2-idle "which is stopped"
started() {
  scrape started && [ "$(value started container_state v2-idle)" = 1 ] && same "$(value started container_restarts_total v2-idle)" 1
}
docker start v2-idle >/dev/null
within 20 "started again, it has container_state 1 and container_restarts_total 1" started || true
steady container_memory_usage_bytes idle kernel idle memory.current

# === Thirty operations at random, fewer on a slow machine, each with its part in what has to be counted

operations=0 until=$((SECONDS + 240)) restarts=0 signals=0 state=running
SEED=${PLIMSOLL_SEED:-$$}
RANDOM=$SEED
docker run -d --name v2-random --network none "$IMAGE" sleep 100000 >/dev/null 2>>"$OUT/docker.log"
while [ "$operations" -lt 30 ] && { [ "$operations" -lt 5 ] || [ "$SECONDS" -lt "$until" ]; }; do
  operations=$((operations + 1))
  case $state in
    running) verbs=(restart kill stop pause) ;;
    paused) verbs=(unpause) ;;
    exited) verbs=(start restart) ;;
  esac
  verb=${verbs[RANDOM % ${#verbs[@]}]}
  case $verb in
    restart) docker restart -t 0 v2-random ;;
    stop) docker stop -t 0 v2-random ;;
    *) docker "$verb" v2-random ;;
  esac >/dev/null || give_up "docker $verb v2-random, with the seed $SEED"
  case $verb/$state in
    restart/running) restarts=$((restarts + 1)) signals=$((signals + 1)) ;;
    restart/exited | start/exited) restarts=$((restarts + 1)) state=running ;;
    kill/running | stop/running) signals=$((signals + 1)) state=exited ;;
    pause/running) state=paused ;;
    unpause/paused) state=running ;;
  esac
done
counted() {
  scrape random && same "$(value random container_restarts_total v2-random)" "$restarts" &&
    grep '^container_exits_total{' "$OUT/random.prom" | grep 'name="v2-random"' | grep 'exit_code="signal"' | grep -q " $signals\$"
}
within 20 "$operations operations at random (seed $SEED): $restarts restarts, $signals ends by a signal" counted || true
podman restart --time 0 v2-pidle >/dev/null || bad "podman restart; see podman.log"
podman_restarted() { scrape random && same "$(value random container_restarts_total v2-pidle)" 1; }
within "$WAIT_SECONDS" "a restart by podman is one" podman_restarted || true

# === The other commands, while the agent runs

command_ok() { # WHAT FILE COMMAND…
  local what=$1 file=$2 status=0
  shift 2
  timeout 60 "$@" >"$OUT/$file" 2>&1 || status=$?
  if [ "$status" = 0 ]; then ok "$what"; else
    bad "$what ended with $status:"
    tail -n 5 "$OUT/$file" | sed 's/^/          /'
  fi
}
command_ok "plimsoll check" check.txt "$binary" check --listen 127.0.0.1:8004
# An engine that does not answer in time is left out of a single table, with a warning; here it often needs longer, for
# minutes on end while the machine has other work.
stats_show_all() {
  timeout 60 "$binary" stats --no-stream >"$OUT/stats.txt" 2>&1 || return 1
  local name
  for name in busy idle oom pidle; do grep -q "v2-$name" "$OUT/stats.txt" || return 1; done
}
within 240 "plimsoll stats --no-stream shows all four" stats_show_all || sed 's/^/          /' "$OUT/stats.txt"

# === The end

kill -TERM "$agent"
ended() { ! kill -0 "$agent" 2>/dev/null; }
if within 20 "SIGTERM ends the agent" ended; then
  status=0
  wait "$agent" || status=$?
  if [ "$status" = 0 ]; then ok "its exit status is 0"; else bad "its exit status is $status, expected 0"; fi
fi

echo "test-v2: $failures failed checks on $(uname -r), Docker $(docker version --format '{{.Server.Version}}'), Podman $(podman version --format '{{.Version}}')"
[ "$failures" = 0 ]
