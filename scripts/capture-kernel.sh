#!/usr/bin/env bash
# Captures what the kernel says about real containers, as fixtures for the readers in plimsoll-kernel.
#
#   scripts/capture-kernel.sh [hybrid] [v2] [v1]      all three where none is named
#
# hybrid is taken from this machine, which must have cgroup v1 controllers and an empty v2 hierarchy; v2 and v1 from
# user-mode Linux (uml.sh). Each gives fixtures/kernel/NAME.tree, one text file that can be reviewed, and
# NAME.stats.jsonl, what the engine's API said of each container at the same moment. fixtures/kernel/README.md has the
# format. Containers are named plimsoll-cap-*, and gone afterwards.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

PREFIX=plimsoll-cap
CONTAINERS=(idle busy oom net peer host paused nested)
PARENT=/plimsoll-cap # the cgroup above plimsoll-cap-nested, whose limits are tighter than the container's own
# (its CPU limit has to come from there alone: v1 refuses a parent a smaller quota than its child has)
WAIT_SECONDS=120     # until the containers have done what they are for; user-mode Linux needs a minute

declare -A DID=(
  [idle]="sleeps; no limits"
  [busy]="burns CPU in two processes, writes with fsync and reads directly on a volume; --cpus 0.5 --cpu-shares 512 --memory 64m --memory-reservation 32m --pids-limit 50, and --device-write-bps and --device-read-iops where the volume is on a block device"
  [oom]="a child was killed by the OOM killer, the parent lives; --memory 16m"
  [net]="httpd on the bridge; was asked 50 times for a page of 100 KB"
  [peer]="sleeps; --network container:$PREFIX-net"
  [host]="sleeps; --network host"
  [paused]="burned some CPU, then docker pause; --cpuset-cpus 0 where the kernel has cpuset"
  [nested]="sleeps; --memory 64m --cgroup-parent $PARENT, which got 32 MiB and a quarter of a core"
)

fail() {
  echo "capture-kernel: $*" >&2
  exit 1
}

layout=v1
[ ! -e /sys/fs/cgroup/unified/cgroup.controllers ] || layout=hybrid
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || layout=v2

# === The containers

remove() {
  local name
  for name in "${CONTAINERS[@]}"; do
    docker rm -f "$PREFIX-$name" >/dev/null 2>&1 || true
  done
  docker volume rm "$PREFIX" >/dev/null 2>&1 || true
  find /sys/fs/cgroup -depth -type d -path "*$PARENT*" -exec rmdir {} \; 2>/dev/null || true
}

run() { # NAME docker-run-arguments
  local name=$1
  shift
  docker run -d --name "$PREFIX-$name" "$@" >/dev/null 2>"$scratch/run" || {
    cat "$scratch/run" >&2
    fail "cannot start the container $PREFIX-$name"
  }
}

said() { # CONTAINER LINE: waits until the container has printed LINE
  local until=$((SECONDS + WAIT_SECONDS))
  until docker logs "$PREFIX-$1" 2>/dev/null | grep -qx "$2"; do
    [ "$SECONDS" -lt "$until" ] || fail "$PREFIX-$1 did not say '$2' within $WAIT_SECONDS s; see: docker logs $PREFIX-$1"
    sleep 0.2
  done
}

set_limit() { # FILE VALUE, where this layout has that file
  [ ! -e "/sys/fs/cgroup/$1" ] || echo "$2" >"/sys/fs/cgroup/$1"
}

start() { # IMAGE
  local image=$1 volume=$PREFIX folder device throttle=() cpuset=()
  if [ -n "${UML_DISK:-}" ]; then
    volume=$UML_DISK/volume
    folder=$UML_DISK
  else
    folder=$(docker info --format '{{.DockerRootDir}}')
  fi
  device=$(df --output=source "$folder" | tail -n 1)
  [ ! -b "$device" ] || throttle=(--device-write-bps "$device:50mb" --device-read-iops "$device:2000")
  ! grep -q '^cpuset.*1$' /proc/cgroups || cpuset=(--cpuset-cpus 0)

  run idle "$image" sleep 100000
  run busy --cpus 0.5 --cpu-shares 512 --memory 64m --memory-reservation 32m --pids-limit 50 "${throttle[@]}" \
    -v "$volume:/data" "$image" sh -c '
    (while :; do :; done) &
    round=0
    while :; do
      dd if=/dev/zero of=/data/block bs=64k count=64 conv=fsync
      dd if=/data/block of=/dev/null bs=64k iflag=direct
      i=0
      while [ $i -lt 20000 ]; do i=$((i + 1)); done
      round=$((round + 1))
      echo "round $round"
    done 2>/dev/null'
  run oom --memory 16m "$image" sh -c '
    sh -c "x=0123456789; while :; do x=\$x\$x; done"
    echo "child ended with $?"
    exec sleep 100000'
  run net "$image" sh -c 'head -c 100000 /dev/zero >/www/page; echo serving; exec httpd -f -h /www'
  run peer --network "container:$PREFIX-net" "$image" sleep 100000
  run host --network host "$image" sleep 100000
  run paused "${cpuset[@]}" "$image" sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo done; exec sleep 100000'
  run nested --memory 64m --cgroup-parent "$PARENT" "$image" sleep 100000
  set_limit "memory$PARENT/memory.limit_in_bytes" 33554432
  set_limit "cpu$PARENT/cpu.cfs_quota_us" 25000
  set_limit "${PARENT#/}/memory.max" 33554432
  set_limit "${PARENT#/}/cpu.max" "25000 100000"

  said net serving
  local address
  address=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' "$PREFIX-net")
  if [ -n "$address" ]; then
    for _ in $(seq 50); do
      busybox wget -q -O /dev/null "http://$address/page" || fail "cannot fetch http://$address/page from $PREFIX-net"
    done
  else
    DID[net]="httpd; this engine has no bridge, so there was no traffic"
  fi
  said paused done
  docker pause "$PREFIX-paused" >/dev/null
  said oom 'child ended with 137'
  said busy 'round 3'
}

# === The tree

unreadable=()
declare -A emitted=()

# Forking is slow in user-mode Linux, so what is called for each file answers in a variable and reads by itself.

locate() { # PATH: sets real to where a path of the tree lies on this machine
  case $1 in
    cgroup | cgroup/*) real=/sys/fs/$1 ;;
    *) real=/$1 ;;
  esac
}

put() { # PATH CONTENT: an @file entry
  local content=$2
  printf '@file %s\n' "$1"
  [ -n "$content" ] || return 0
  local body=${content%$'\n'}
  printf ' %s\n' "${body//$'\n'/$'\n' }"
  [ "$body" != "$content" ] || echo '@nonl'
}

file() { # PATH [FILTER…]: the file as it is, or through a command
  local path=$1 content error whole=() real
  shift
  [ -z "${emitted[$path]:-}" ] || return 0
  emitted[$path]=1
  locate "$path"
  if [ $# = 0 ] && mapfile -d '' whole 2>/dev/null <"$real" && [ -n "${whole[0]:-}" ]; then
    put "$path" "${whole[0]}"
    return
  fi
  # Empty, or not readable, which mapfile does not tell. The x keeps the newlines that a substitution would cut.
  [ $# -gt 0 ] || set -- cat
  if content=$({ "$@" <"$real"; } 2>"$scratch/error" && printf x); then
    put "$path" "${content%x}"
  else
    error=$(head -n 1 "$scratch/error")
    unreadable+=("$path: ${error##*: }")
  fi
}

dir() {
  [ -n "${emitted[$1]:-}" ] || printf '@dir %s\n' "$1"
  emitted[$1]=1
}

ancestor_files() { # of a v1 cgroup above a container: its limits, and a few totals
  local path=$1 name real
  locate "$path"
  for name in memory.limit_in_bytes memory.soft_limit_in_bytes memory.memsw.limit_in_bytes memory.usage_in_bytes \
    memory.use_hierarchy memory.stat cpu.cfs_period_us cpu.cfs_quota_us cpu.shares cpu.stat cpuacct.usage pids.current \
    pids.max cpuset.cpus cpuset.effective_cpus cpuset.mems blkio.throttle.io_service_bytes_recursive; do
    [ ! -e "$real/$name" ] || file "$path/$name"
  done
}

all_files() { # of one cgroup, without what no reader wants
  local path=$1 entry name real
  locate "$path"
  for entry in "$real"/*; do
    name=${entry##*/}
    [ -f "$entry" ] || continue
    case $name in
      tasks | notify_on_release | release_agent | cgroup.clone_children | cgroup.sane_behavior) continue ;;
      memory.kmem.slabinfo | memory.kmem.tcp.* | memory.move_charge_at_immigrate | cpu.rt_*) continue ;;
      cpuset.mem_* | cpuset.memory_* | cpuset.sched_* | cpuset.cpu_exclusive) continue ;;
    esac
    # The root's list of processes is this machine's affair.
    case $path/$name in cgroup/cgroup.procs | cgroup/cgroup.threads | cgroup/unified/cgroup.procs | cgroup/unified/cgroup.threads) continue ;; esac
    file "$path/$name"
  done
}

cgroup_of() { # HIERARCHY-FOLDER PATH KIND: a container's cgroup in one hierarchy, and all above it
  local root=$1 path=$2 kind=$3 part at=$1
  local IFS=/
  local -a parts
  read -ra parts <<<"${path#/}"
  unset IFS
  dir "$root"
  [ "$kind" = other ] || { [ "$kind" = v2 ] && all_files "$root"; } || ancestor_files "$root"
  for part in "${parts[@]}"; do
    at=$at/$part
    dir "$at"
    case $kind in
      other) ;;
      v2) all_files "$at" ;;
      v1) if [ "$at" = "$root$path" ]; then all_files "$at"; else ancestor_files "$at"; fi ;;
    esac
  done
}

container() { # NAME
  local name=$1 pid line controllers path root file
  pid=$(docker inspect -f '{{.State.Pid}}' "$PREFIX-$name")
  while IFS= read -r line; do
    controllers=${line#*:}
    path=${controllers#*:}
    controllers=${controllers%%:*}
    case $controllers in
      '')
        case $layout in
          v2) cgroup_of cgroup "$path" v2 ;;
          hybrid) cgroup_of cgroup/unified "$path" v2 ;;
        esac
        ;;
      cpu | cpuacct | cpu,cpuacct | memory | blkio | pids | cpuset | hugetlb) cgroup_of "cgroup/$controllers" "$path" v1 ;;
      freezer)
        cgroup_of cgroup/freezer "$path" other
        file "cgroup/freezer$path/freezer.state"
        ;;
      *) cgroup_of "cgroup/${controllers#name=}" "$path" other ;;
    esac
  done <"/proc/$pid/cgroup"

  for file in cgroup stat schedstat limits net/dev net/sockstat net/sockstat6; do
    file "proc/$pid/$file"
  done
  # The host's own routes and connections stay at home.
  [ "$name" = host ] || file "proc/$pid/net/route"
  if [ "$name" = net ]; then
    for file in tcp tcp6 udp udp6 snmp netstat; do file "proc/$pid/net/$file"; done
  fi
  netns "proc/$pid/ns/net"
}

netns() { # PATH: which network namespace, as a link
  local target
  if target=$(readlink "/$1" 2>/dev/null); then
    printf '@link %s -> %s\n' "$1" "$target"
  else
    unreadable+=("$1: not permitted")
    return 1
  fi
}

machine() {
  local link target
  # A session's own cgroup names the machine it was captured on.
  file proc/self/cgroup sed -E 's|:/.+|:/session|'
  file proc/1/cgroup sed -E 's|:/.+|:/session|'
  file proc/self/mountinfo grep -E ' / / | - (cgroup|cgroup2|proc|sysfs) | /sys/fs/cgroup .* - tmpfs '
  file proc/meminfo
  file proc/stat sed -E 's/^((intr|softirq) [0-9]+) .*/\1/'
  file proc/loadavg
  file proc/uptime
  file proc/cpuinfo grep '^processor'
  file proc/cgroups
  file proc/sys/kernel/osrelease
  for link in cpu memory io irq; do
    [ ! -e "/proc/pressure/$link" ] || file "proc/pressure/$link"
  done
  netns proc/self/ns/net
  netns proc/1/ns/net || {
    printf '@link proc/1/ns/net -> %s\n' "$(readlink /proc/self/ns/net)"
    unreadable+=("proc/1/ns/net: the link in this file is proc/self/ns/net's, as the host's namespace is the same")
  }
  file sys/devices/system/cpu/online
  for link in /sys/dev/block/*; do
    target=$(readlink "$link")
    case $target in
      */loop* | */ram* | */zram*) ;;
      *) printf '@link %s -> %s\n' "${link#/}" "$target" ;;
    esac
  done
  if [ "$layout" = v1 ] && [ -L /sys/fs/cgroup/cpu ]; then
    for link in /sys/fs/cgroup/*; do
      [ ! -L "$link" ] || printf '@link cgroup/%s -> %s\n' "${link##*/}" "$(readlink "$link")"
    done
  fi
}

capture() { # NAME FOLDER: containers up, tree and statistics to FOLDER, containers away
  local name=$1 folder=$2 image=$PREFIX:busybox container
  scratch=$(mktemp -d)
  if [ -n "${UML_DISK:-}" ]; then image=plimsoll-test:busybox; fi
  trap 'remove; [ -n "${UML_DISK:-}" ] || docker image rm "$PREFIX:busybox" >/dev/null 2>&1 || true; rm -rf "$scratch"' EXIT
  remove
  "$here/busybox-image.sh" "$image"
  start "$image"

  : >"$scratch/stats"
  : >"$scratch/who"
  {
    for container in "${CONTAINERS[@]}"; do
      curl -sSf --max-time 30 --unix-socket /var/run/docker.sock \
        "http://engine/containers/$PREFIX-$container/stats?stream=false&one-shot=true" >>"$scratch/stats" ||
        fail "the engine gave no statistics for $PREFIX-$container"
      container "$container"
      docker inspect -f "# container {{.Name}} id={{.Id}} pid={{.State.Pid}} : ${DID[$container]}" "$PREFIX-$container" |
        sed 's|container /|container |' >>"$scratch/who"
    done
    machine
  } >"$scratch/body"

  {
    echo "# Kernel tree captured by scripts/capture-kernel.sh; the format is in README.md beside this file."
    echo "# kernel $(uname -r), cgroup $layout$([ -z "${UML_DISK:-}" ] || echo ', user-mode Linux (no PSI, no cpuset, no swap)')"
    echo "# engine Docker $(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}'), cgroupfs driver"
    echo "# changed: session cgroups in proc/{self,1}/cgroup are named /session; proc/self/mountinfo has only the root, proc, sysfs and"
    echo "#   cgroup lines; proc/stat has the totals of intr and softirq; proc/cpuinfo has its processor lines"
    echo "# left out: files of cgroups that no reader wants; the host's routes and connections; processes of the root cgroup"
    cat "$scratch/who"
    # Which file of which kind could not be read, once for all containers.
    [ ${#unreadable[@]} = 0 ] || printf '%s\n' "${unreadable[@]}" | sed -E 's|[0-9a-f]{64}|ID|; s|^proc/[0-9]{2,}/|proc/PID/|' | sort -u | sed 's/^/# unreadable /'
    cat "$scratch/body"
  } >"$folder/$name.tree"
  cp "$scratch/stats" "$folder/$name.stats.jsonl"
}

# === What to capture

if [ "${1:-}" = --here ]; then # --here NAME: in user-mode Linux, to $OUT
  capture "$2" "$OUT"
  exit 0
fi

"$here/need.sh" curl=curl busybox=busybox-static docker=docker.io
fixtures=$here/../fixtures/kernel
mkdir -p "$fixtures"
[ $# -gt 0 ] || set -- hybrid v2 v1
for wanted in "$@"; do
  case $wanted in
    hybrid)
      [ "$layout" = hybrid ] || fail "this machine's cgroups are $layout, not hybrid: take hybrid on another one, or name only v2 and v1"
      "$here/engine-up.sh"
      (capture hybrid-docker-20.10 "$fixtures")
      ;;
    v2 | v1)
      name=v1-docker-20.10
      [ "$wanted" = v1 ] || name=v2-docker-20.10-uml-6.1
      out=$(mktemp -d)
      "$here/uml.sh" --out "$out" --cgroup "$wanted" --timeout 900 "$here/capture-kernel.sh" --here "$name" ||
        fail "the capture in user-mode Linux failed (status $?)"
      cp "$out/$name".* "$fixtures/"
      rm -rf "$out"
      ;;
    *) fail "unknown capture '$wanted': hybrid, v2 or v1" ;;
  esac
  echo "capture-kernel: $wanted captured"
done
