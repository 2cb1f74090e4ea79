#!/usr/bin/env bash
# Runs the commands of README.md as they stand there, as a new user would: those marked "tested: agent" in the
# background until they print the address, those marked "tested" while it runs, and those marked "tested: history" once
# the agent has written some. "tested: elsewhere" is what runs this, or has a test of its own, as deploy/ has in test-image.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

blocks() { # MARKER: the lines of the sh blocks that follow it
  awk -v marker="<!-- tested$1 -->" '
    $0 == marker { wanted = 1; next }
    wanted && $0 == "```sh" { inside = 1; wanted = 0; next }
    inside && $0 == "```" { inside = 0; next }
    inside { print }' README.md
}

log=$(mktemp)
agent=
clean_up() {
  [ -z "$agent" ] || kill -- "-$agent" 2>/dev/null || true
  [ -z "$agent" ] || wait "$agent" 2>/dev/null || true
  rm -f "$log"
}
trap clean_up EXIT

start=$(blocks ": agent")
echo "test-readme: $start"
set -m # a group of its own, so that all of it can be ended
bash -euc "$start" >"$log" 2>&1 &
agent=$!
set +m
until grep -q "first complete sample" "$log"; do
  if ! kill -0 "$agent" 2>/dev/null || [ "$SECONDS" -gt 900 ]; then
    echo "test-readme: '$start' printed no address:" >&2
    cat "$log" >&2
    exit 1
  fi
  sleep 0.2
done
grep -o "serving http://[^ ]*" "$log"

run_all() { # commands, one a line
  while IFS= read -r command; do
    echo "test-readme: $command"
    bash -euo pipefail -c "$command" >/dev/null
  done
}
blocks "" | run_all

end=$((SECONDS + 30))
until target/release/plimsoll stats --at '5 seconds ago' >/dev/null 2>&1; do
  if [ "$SECONDS" -gt "$end" ]; then
    echo "test-readme: the agent has written no history" >&2
    exit 1
  fi
  sleep 0.2
done
blocks ": history" | run_all

kill -INT -- "-$agent"
status=0
wait "$agent" || status=$?
agent=
case $status in
  # make says 2 or 130 of a target that ends by Ctrl-C, whatever the program said.
  0 | 2 | 130) echo "test-readme: Ctrl-C ended it" ;;
  *) echo "test-readme: ended with $status" >&2 && exit 1 ;;
esac
