#!/usr/bin/env bash
# Makes sure that commands exist, and installs the Debian package that brings each one where it does not.
#
#   scripts/need.sh promtool=prometheus linux.uml=user-mode-linux …
#
# A fresh Debian machine has none of what the tests use. Whoever runs them should not have to know the list, so every
# script names here what it is about to call. Nothing is done, and no network is touched, where all commands exist.
# Services that a package brings are not started: a test that needs promtool did not ask for a Prometheus server.
set -euo pipefail

# Debian keeps dockerd, iptables and ip where an ordinary user's PATH does not look.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

fail() {
  echo "need: $*" >&2
  exit 1
}

missing() { # prints the packages of those CMD=PACKAGE arguments whose command does not exist
  local pair
  for pair in "$@"; do
    case "$pair" in
      ?*=?*) ;;
      *) fail "cannot read '$pair': write COMMAND=PACKAGE" ;;
    esac
    command -v "${pair%%=*}" >/dev/null 2>&1 || echo "${pair#*=}"
  done | sort -u
}

[ $# -gt 0 ] || fail "nothing asked for: scripts/need.sh COMMAND=PACKAGE …"
wanted=$(missing "$@")
[ -n "$wanted" ] || exit 0
mapfile -t packages <<<"$wanted"
by_hand="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"

command -v apt-get >/dev/null 2>&1 ||
  fail "missing: ${packages[*]} (names of Debian packages), and there is no apt-get here to install them with. Install what they contain by the means of this system and run again."
[ "$(id -u)" = 0 ] ||
  fail "missing: ${packages[*]}, and installing needs root. Run as root: $by_hand"

echo "need: installing ${packages[*]}"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
own_policy=
cleanup() {
  rm -f "$log"
  [ -z "$own_policy" ] || rm -f "$policy"
}
trap cleanup EXIT
if [ ! -e "$policy" ]; then
  own_policy=1
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1
}
# One unreachable source among several is no reason to give up: the install decides.
apt update || echo "need: apt-get update had errors, trying to install all the same" >&2
apt install --no-install-recommends "${packages[@]}" || {
  tail -n 30 "$log" >&2
  fail "apt-get could not install ${packages[*]} (its last words stand above). Try by hand: $by_hand"
}

wanted=$(missing "$@")
[ -z "$wanted" ] || fail "installed ${packages[*]}, but commands of these packages are still not found: $(echo "$wanted" | tr '\n' ' ')"
