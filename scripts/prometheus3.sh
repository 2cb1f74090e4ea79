#!/usr/bin/env bash
# Prints where a Prometheus 3 is, after building it if there is none: Debian has version 2, which knows neither remote
# write 2.0 nor OTLP. Takes five to ten minutes and a gigabyte of Go's caches the first time, and nothing after that.
#
#   PLIMSOLL_PROMETHEUS3=$(scripts/prometheus3.sh)
#
# Only the path goes to standard output. The program lies under target/tools/, or under tools/ of CARGO_TARGET_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=v0.314.0 # what Go's modules call Prometheus 3.14
PACKAGE=github.com/prometheus/prometheus/cmd/prometheus
# The oldest Go that builds this version.
GO=1.25.8

fail() {
  echo "prometheus3: $*" >&2
  exit 1
}

mkdir -p "${CARGO_TARGET_DIR:-target}/tools"
tools=$(cd "${CARGO_TARGET_DIR:-target}/tools" && pwd)
program=$tools/prometheus-$VERSION/prometheus
if [ -x "$program" ]; then
  echo "$program"
  exit 0
fi

# Where Go's own archive is unpacked, which need not be in PATH.
PATH="$PATH:/usr/local/go/bin"
command -v go >/dev/null 2>&1 ||
  fail "Prometheus 3 has to be built, and there is no go: install Go $GO or newer from https://go.dev/dl into /usr/local/go, or put it into PATH"

# A folder of this run: whoever is interrupted leaves nothing that looks like a program.
folder=$(mktemp -d "$tools/prometheus-build-XXXXXX")
trap 'rm -rf "$folder"' EXIT
echo "prometheus3: building Prometheus 3 ($PACKAGE@$VERSION), once; this takes minutes" >&2
cd "$folder"
{
  go mod init tools
  go get "$PACKAGE@$VERSION"
  go build -o prometheus "$PACKAGE"
} >log 2>&1 || {
  tail -n 20 log >&2
  fail "Prometheus 3 could not be built (the last words of go stand above). It needs Go $GO or newer, and proxy.golang.org or another GOPROXY."
}
mkdir -p "$(dirname "$program")"
mv prometheus "$program"
echo "$program"
