#!/usr/bin/env bash
# Boots a second Linux as an ordinary program (Debian's user-mode-linux), with a Docker engine of its own in it, and
# runs a script there. So cgroup v2 and pure cgroup v1 can be met for real, whatever this machine itself has mounted.
#
#   scripts/uml.sh --out DIR [--timeout SECONDS] [--memory MIB] [--cgroup v2|v1] PAYLOAD [ARGUMENT…]
#
#   --out      folder of the host that the payload writes to, as $OUT; made where missing
#   --timeout  seconds until everything is killed; default 300
#   --memory   memory of the guest in MiB; default 2048
#   --cgroup   v2 (default): the unified hierarchy with every controller the kernel has
#              v1: one hierarchy per controller, cpu,cpuacct together, as systems before 2020 have it
#
# The payload runs as root with the host's root file system, read-only, at the same paths. It finds: an engine at
# /var/run/docker.sock (storage driver vfs, no iptables) with the image plimsoll-test:busybox; loopback; Docker's bridge
# where $UML_BRIDGE is 1; $OUT; an ext4 disk (a real block device, 98:0) for volumes at $UML_DISK; and $TMPDIR. The guest
# has one processor, no PSI, no cpuset, no swap, and clocks that are not for timing.
#
# Exit status: the payload's; 124 after the timeout; 125 where the guest did not come up.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

DISK_SIZE=4G # sparse: it takes what is written, about 100 MB

usage() {
  echo "uml: $*" >&2
  echo "usage: scripts/uml.sh --out DIR [--timeout SECONDS] [--memory MIB] [--cgroup v2|v1] PAYLOAD [ARGUMENT…]" >&2
  exit 2
}

out='' timeout=300 memory=2048 cgroup=v2
while [ $# -gt 0 ]; do
  case "$1" in
    --out | --timeout | --memory | --cgroup)
      [ $# -ge 2 ] || usage "$1 wants a value"
      case "$1" in
        --out) out=$2 ;;
        --timeout) timeout=$2 ;;
        --memory) memory=$2 ;;
        --cgroup) cgroup=$2 ;;
      esac
      shift 2
      ;;
    --*) usage "unknown option $1" ;;
    *) break ;;
  esac
done
[ -n "$out" ] || usage "--out DIR is missing"
[ $# -ge 1 ] || usage "no payload given"
case "$cgroup" in v1 | v2) ;; *) usage "--cgroup is v1 or v2, not $cgroup" ;; esac
[ "$(id -u)" = 0 ] || usage "needs root: the guest's root reads the host's files with your rights, and its engine needs all of them"
"$here/need.sh" linux.uml=user-mode-linux busybox=busybox-static dockerd=docker.io docker=docker.io mkfs.ext4=e2fsprogs

payload=$(realpath "$1")
shift
[ -x "$payload" ] || usage "the payload $payload is not an executable file"
mkdir -p "$out"
out=$(realpath "$out")
# dockerd insists on writing its key here; the guest mounts a tmpfs over it, for which the folder must exist.
mkdir -p /etc/docker

control=$(mktemp -d)
uml=
cleanup() {
  # The guest's processes are processes here, all in the group that setsid made.
  [ -z "$uml" ] || kill -KILL -- "-$uml" 2>/dev/null || true
  rm -rf "$control"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

truncate -s "$DISK_SIZE" "$control/disk"
mkfs.ext4 -q -F -E lazy_itable_init=1 "$control/disk"

{
  echo '#!/bin/bash'
  printf 'control=%q out=%q cgroup=%q here=%q\n' "$control" "$out" "$cgroup" "$here"
  printf 'payload=('
  printf ' %q' "$payload" "$@"
  printf ' )\n'
  cat <<'INIT'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
base=/run/plimsoll
export HOME=$base/home TMPDIR=$base/tmp OUT=$base/out UML_DISK=$base/disk UML_BRIDGE=0

finish() { # the status that uml.sh returns, and the end of this machine
  echo "$1" >$base/control/status
  sync
  busybox poweroff -f
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /etc/docker
mkdir -p /run/lock $base/{home,tmp,out,disk,control}
# Paths of a hostfs mount are the host's, so what was mounted above hides nothing.
mount -t hostfs none $base/control -o "$control"
mount -t hostfs none $base/out -o "$out"
mount -t ext4 /dev/ubda $base/disk
hostname plimsoll-test
busybox ifconfig lo 127.0.0.1 up

controllers=$(awk '$4 == 1 { print $1 }' /proc/cgroups)
if [ "$cgroup" = v2 ]; then
  mount -t cgroup2 none /sys/fs/cgroup
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || finish 125
  done
else
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  for group in $controllers; do
    case $group in
      cpu) group=cpu,cpuacct ;;
      cpuacct) continue ;;
      net_cls) case $controllers in *net_prio*) group=net_cls,net_prio ;; esac ;;
      net_prio) continue ;;
    esac
    mkdir "/sys/fs/cgroup/$group"
    mount -t cgroup -o "$group" cgroup "/sys/fs/cgroup/$group" || finish 125
    case $group in
      *,*) for link in ${group//,/ }; do ln -s "$group" "/sys/fs/cgroup/$link"; done ;;
    esac
  done
  [ ! -e /sys/fs/cgroup/memory/memory.use_hierarchy ] || echo 1 >/sys/fs/cgroup/memory/memory.use_hierarchy
fi

# A bridge needs modules of exactly this kernel. modules.dep names what each is built on, the deepest one last.
modules=/usr/lib/uml/modules/$(uname -r)
for module in net/bridge/bridge.ko drivers/net/veth.ko; do
  for file in $(sed -n "s|^kernel/$module:||p" "$modules/modules.dep" | tr ' ' '\n' | tac) "kernel/$module"; do
    busybox insmod "$modules/$file"
  done
done >$base/control/modules.log 2>&1
[ -d /sys/module/bridge ] && [ -d /sys/module/veth ] && UML_BRIDGE=1
if [ $UML_BRIDGE = 1 ]; then
  network=(--ip-masq=false --userland-proxy=false)
else
  network=(--bridge=none)
fi

dockerd --data-root $base/disk/docker --exec-root /run/docker -H unix:///run/docker.sock --storage-driver vfs \
  --iptables=false --ip6tables=false "${network[@]}" >$base/control/dockerd.log 2>&1 </dev/null &
dockerd=$!
export DOCKER_HOST=unix:///var/run/docker.sock
until docker version >/dev/null 2>&1; do
  kill -0 $dockerd 2>/dev/null || finish 125
  sleep 0.2
done
"$here/busybox-image.sh" plimsoll-test:busybox || finish 125

cd $base || finish 125
"${payload[@]}" </dev/null
finish $?
INIT
} >"$control/init"
chmod +x "$control/init"

# The guest's memory is a file. /dev/shm is the fast place for it, but inside containers it is often only 64 MB.
scratch=(env -u TMPDIR -u TMP -u TEMP)
shm_free=$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1 || echo 0)
[ "${shm_free:-0}" -ge $((memory + 256)) ] || scratch=(env "TMPDIR=$control")

setsid "${scratch[@]}" linux.uml "mem=${memory}M" ubd0="$control/disk" rootfstype=hostfs rootflags=/ ro \
  init="$control/init" con=null con0=null,fd:1 quiet loglevel=1 uml_dir="$control/uml" umid=guest \
  >"$control/console" 2>"$control/boot" </dev/null &
uml=$!

# Shows the console as it comes, until the guest ends. In the background, because a trap waits for what is in front.
timed_out=
{
  timeout "$timeout" tail --pid="$uml" -n +1 -f "$control/console" | sed -u -e 's/\r$//' -e '/^reboot: System halted$/d'
} &
wait "$!" || timed_out=1
if [ -n "$timed_out" ]; then
  echo "uml: the guest was still running after $timeout s and was killed; give it more with --timeout" >&2
  exit 124
fi

status=$(cat "$control/status" 2>/dev/null || true)
if [ -z "$status" ] || [ "$status" = 125 ]; then
  tail -n 15 "$control/boot" "$control/dockerd.log" >&2 || true
  echo "uml: the guest or its Docker engine did not come up; the last words of kernel and dockerd stand above. User-mode Linux needs ptrace (a container needs --cap-add SYS_PTRACE) and $memory MiB of memory" >&2
  exit 125
fi
exit "$status"
