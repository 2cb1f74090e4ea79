#!/usr/bin/env bash
# Fuzzes the parsers, one target after the other, and keeps in fuzz/corpus what is worth keeping.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]     SECONDS for each target (60); without TARGETs all of them
#
# An input that breaks a promise is written to fuzz/artifacts/TARGET/ and the command to run it again is shown. All that
# was found lies in fuzz/target/found/TARGET; fuzz/corpus/TARGET gets the few files of it that reach the most code.
#
# Coverage works with a stable compiler. Of what cargo-fuzz does, only the address sanitizer is missing, which has little
# to find in a workspace that forbids unsafe code.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || {
  echo "fuzz: $seconds is no number of seconds; usage: scripts/fuzz.sh [SECONDS [TARGET...]]" >&2
  exit 2
}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for program in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$program" .rs)"); done
fi

max_len=6144     # bytes of an input; the longest seeds are as long
max_kept=4096    # bytes of an input that is kept
max_files=100    # inputs of a target that are kept
timeout=10       # seconds an input may take
rss=1024         # MiB the whole program may take

echo "== seeds"
cargo run --quiet --locked -p plimsoll-fuzz --example seeds -- fuzz/target/seeds

echo "== build"
host=$(rustc --version --verbose | sed -n 's/^host: //p')
# With --target these are for what is fuzzed, and not for build scripts and macros.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
  cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir fuzz/target

failed=()
for target in "${targets[@]}"; do
  program=fuzz/target/$host/release/$target
  [ -x "$program" ] || {
    echo "fuzz: there is no target $target; there are: $(cd fuzz/fuzz_targets && echo *.rs | sed 's/\.rs//g')" >&2
    exit 2
  }
  found=fuzz/target/found/$target corpus=fuzz/corpus/$target artifacts=fuzz/artifacts/$target
  mkdir -p "$found" "$corpus" "$artifacts"
  bounds=(-max_len=$max_len -timeout=$timeout -rss_limit_mb=$rss -verbosity=1)

  echo "== $target for $seconds s"
  log=fuzz/target/$target.log
  if ! "$program" "$found" "$corpus" "fuzz/target/seeds/$target" "${bounds[@]}" -max_total_time="$seconds" \
    -artifact_prefix="$artifacts/" -print_final_stats=1 -detect_leaks=0 >"$log" 2>&1; then
    failed+=("$target")
    grep -a -A 4 'panicked at' "$log" | cut -c -1000 || true
    tail -n 3 "$log"
    echo "fuzz: $target broke; run it again with: $program $artifacts/FILE"
    continue
  fi
  grep -E '#[0-9]+.(INITED|DONE)|^stat::number_of_executed' "$log"

  echo "== $target: the smallest corpus"
  pool=$(mktemp -d) small=$(mktemp -d)
  for folder in "$corpus" "$found" "fuzz/target/seeds/$target"; do
    find "$folder" -type f -size -"$((max_kept + 1))c" -exec cp -t "$pool" {} +
  done
  # Each file adds some line that was not reached, wherever that is; how often lines are reached does not count. They are
  # written one by one and those that add most come first, so these are kept where there are too many.
  "$program" -set_cover_merge=1 -use_counters=0 "$small" "$pool" "${bounds[@]}" >"$log.merge" 2>&1
  rm -rf "$corpus"
  mkdir -p "$corpus"
  find "$small" -type f -printf '%T@ %i %p\n' | sort -n | awk -v n="$max_files" 'NR <= n { print $3 }' |
    xargs cp -t "$corpus"
  rm -rf "$pool" "$small"
  echo "$(find "$corpus" -type f | wc -l) files, $(cat "$corpus"/* | wc -c) bytes"
done

[ ${#failed[@]} = 0 ] || {
  echo "fuzz: broken: ${failed[*]}" >&2
  exit 1
}
