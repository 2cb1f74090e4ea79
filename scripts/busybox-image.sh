#!/usr/bin/env bash
# Makes a small image out of Debian's busybox-static, without a registry.
#
#   scripts/busybox-image.sh NAME:TAG
#
# Demo, tests and captures need containers on machines that reach no registry. One static program and a link for each
# of its applets is a whole userland of 2 MB. Nothing is done where the image is there already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

image=${1:?"busybox-image: say which name the image gets: scripts/busybox-image.sh NAME:TAG"}
docker image inspect "$image" >/dev/null 2>&1 && exit 0

"$here/need.sh" busybox=busybox-static
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,var,www}
cp "$(command -v busybox)" "$root/bin/busybox"
"$root/bin/busybox" --list | while read -r applet; do
  [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

tar -C "$root" -c . |
  docker import --change 'ENV PATH=/bin' --change 'CMD ["sh"]' - "$image" >/dev/null || {
  echo "busybox-image: the engine did not take the image $image (docker import); its words stand above" >&2
  exit 1
}
