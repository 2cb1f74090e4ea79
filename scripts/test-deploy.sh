#!/usr/bin/env bash
# What lies under deploy/, as far as it can be tried without a Grafana, a Kubernetes and a registry: rules and their
# tests, the shape of every file, and every query of dashboards and rules against a real Prometheus that scrapes the
# release binary. scripts/test-image.sh is about the image.
#
#   scripts/test-deploy.sh [BINARY]     default: target/release/plimsoll
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/checks.sh
binary=$(the_binary "$@")
scripts/need.sh curl=curl jq=jq yq=yq docker=docker.io promtool=prometheus prometheus=prometheus systemd-analyze=systemd

export DOCKER_HOST=unix:///var/run/docker.sock
IMAGE=plimsoll-test:busybox
PREFIX=plimsoll-deploy-$$
WAIT_SECONDS=40
QUERIES=fixtures/dashboards/queries.tsv
NO_DATA=fixtures/dashboards/no-data.tsv
out=$(mktemp -d)
agent= prometheus=

try() { # WHAT COMMAND…: whether it succeeds; what it prints is shown where it does not
  local what=$1
  shift
  if "$@" >"$out/last" 2>&1; then ok "$what"; else
    bad "$what"
    sed 's/^/        /' "$out/last"
  fi
}
stop() { # PROCESS: ends it, and waits until it has
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
clean_up() {
  stop "$prometheus"
  stop "$agent"
  docker rm -f -v "$PREFIX-web" >/dev/null 2>&1 || true
  if [ "$failures" = 0 ]; then rm -rf "$out"; fi
}
trap clean_up EXIT
# What was asked for in "$(…)" and failed would look like an empty answer.
set -o errtrace
trap 'echo "line $LINENO: $BASH_COMMAND" >>"$out/broken"' ERR
empty() { # WHAT LINES: whether there are none
  if [ -e "$out/broken" ]; then
    bad "$1: could not be found out: $(tr '\n' ' ' <"$out/broken")"
    rm "$out/broken"
  elif [ -z "$2" ]; then ok "$1"; else bad "$1: $(tr '\n' ' ' <<<"$2")"; fi
}
except() { # LINES: what comes in, but for these lines
  grep -vxF "$1" || [ $? = 1 ]
}

# === Rules

try "prometheus.yml and its rules are valid" promtool check config deploy/prometheus/prometheus.yml
try "the rules pass their tests" promtool test rules deploy/prometheus/tests/*.yml
alerts=$(yq -r '.groups[].rules[].alert // empty' deploy/prometheus/rules/*.yml)
untested=$(for alert in $alerts; do grep -qs "alertname=\"$alert\"" deploy/prometheus/tests/*.yml || echo "$alert"; done)
empty "each alert has a test in which it fires" "$untested"
untold=$(for alert in $alerts; do grep -qx "## $alert" docs/alerts.md || echo "$alert"; done)
empty "docs/alerts.md explains each alert" "$untold"
stale=$(sed -n 's/^## \([A-Z][A-Za-z]*\)$/\1/p' docs/alerts.md | except "$alerts")
empty "and no other" "$stale"
empty "each alert has a severity, a summary, a description and its chapter" "$(yq -r '.groups[].rules[] | select(.alert) |
  select((.labels.severity | IN("info", "warning", "critical")) and .annotations.summary and .annotations.description
    and .annotations.runbook == "docs/alerts.md#" + (.alert | ascii_downcase) | not) | .alert' deploy/prometheus/rules/*.yml)"

# === Files for Docker, Kubernetes and systemd

compose=$(yq . deploy/compose.yaml)
empty "compose: nobody is privileged, each drops all capabilities" "$(jq -r '.services | to_entries[] |
  select(.value.privileged or .value.cap_drop != ["ALL"]) | .key' <<<"$compose")"
empty "compose: every port is this machine's alone" "$(jq -r '.services[].ports[] | select(startswith("127.0.0.1:") | not)' <<<"$compose")"
empty "compose: what is mounted from here exists" "$(jq -r '.services[].volumes[] | split(":")[0] | select(startswith("./"))' <<<"$compose" |
  while IFS= read -r path; do [ -d "deploy/$path" ] || echo "$path"; done)"
empty "compose: each volume is declared" "$(jq -r '.volumes as $declared | .services[].volumes[] | split(":")[0] |
  select(test("^[a-z]")) | select(in($declared) | not)' <<<"$compose")"
empty "compose.unprivileged: changes services that there are" "$(yq -r '.services | keys[]' deploy/compose.unprivileged.yaml |
  except "$(jq -r '.services | keys[]' <<<"$compose")")"
empty "the data source is where Prometheus is" "$(yq -r '.datasources[] | select(.url != "http://prometheus:9090") | .url' \
  deploy/grafana/provisioning/datasources/prometheus.yaml)"
empty "dashboards are where Grafana is told to look" "$(jq -r --arg path "$(yq -r '.providers[0].options.path' \
  deploy/grafana/provisioning/dashboards/plimsoll.yaml)" '.services.grafana |
  select(any(.volumes[]; . == "./grafana/dashboards:" + $path + ":ro") | not) | $path' <<<"$compose")"

cluster=$(yq -s . deploy/kubernetes/plimsoll.yaml)
empty "kubernetes: the pods are those that are selected, and everything is in the namespace" "$(jq -r '
  (map(select(.kind == "DaemonSet"))[0]) as $set | (map(select(.kind == "Namespace"))[0].metadata.name) as $namespace |
  (if ($set.spec.template.metadata.labels | contains($set.spec.selector.matchLabels)) then empty else "labels" end),
  (if any(.[]; .kind == "ServiceAccount" and .metadata.name == $set.spec.template.spec.serviceAccountName) then empty else "account" end),
  (.[] | select(.kind != "Namespace" and .metadata.namespace != $namespace) | .kind)' <<<"$cluster")"
empty "kubernetes: each mount has a volume, the annotation the container's port" "$(jq -r '.[] | select(.kind == "DaemonSet") |
  .spec.template as $pod | $pod.spec.containers[] |
  (.volumeMounts[].name | select(IN($pod.spec.volumes[].name) | not)),
  (.ports[] | select((.containerPort | tostring) != $pod.metadata.annotations["prometheus.io/port"]) | "port"),
  (select(.securityContext.privileged or .securityContext.capabilities.drop != ["ALL"]) | "privileges")' <<<"$cluster")"
# The settings that they name are settings.
settings=$("$binary" agent --print-config 2>&1 | sed -n 's/^#* *\([a-z_]*\) = .*/PLIMSOLL_\U\1/p'; echo PLIMSOLL_COLLECTORS)
empty "every setting in the files exists" "$(grep -hoE '\bPLIMSOLL_[A-Z_]+\b' deploy/compose*.yaml deploy/kubernetes/*.yaml deploy/systemd/* deploy/Dockerfile |
  sort -u | except "$settings" | except PLIMSOLL_REVISION)"

mkdir "$out/units"
sed "s|/usr/local/bin/plimsoll|$binary|" deploy/systemd/plimsoll.service >"$out/units/plimsoll.service"
empty "systemd takes the unit, and has nothing to say of it" "$(systemd-analyze verify --man=no "$out/units/plimsoll.service" 2>&1)"
mkdir -p "$out/units-with-socket/plimsoll.service.d"
cp "$out/units/plimsoll.service" deploy/systemd/plimsoll.socket "$out/units-with-socket"
cp deploy/systemd/plimsoll-socket.conf "$out/units-with-socket/plimsoll.service.d/socket.conf"
empty "nor of the one with a socket" "$(systemd-analyze verify --man=no "$out"/units-with-socket/plimsoll.{service,socket} 2>&1)"
try "and finds little to expose" systemd-analyze security --offline=yes --threshold=25 "$out/units/plimsoll.service"

# === Dashboards: what can be seen from their files

boards=(deploy/grafana/dashboards/*.json)
for board in "${boards[@]}"; do
  title=$(jq -r .title "$board")
  empty "$title: ids are unique, nothing overlaps or sticks out, every panel says what it shows" "$(jq -r '
    (.panels | group_by(.id)[] | select(length > 1) | "id \(.[0].id)"),
    (.panels[] | select(.gridPos.x < 0 or .gridPos.x + .gridPos.w > 24 or .gridPos.w < 1 or .gridPos.h < 1) | "outside: \(.title)"),
    (.panels as $all | range($all | length) as $i | range($i) as $j | $all[$i].gridPos as $a | $all[$j].gridPos as $b |
      select($a.x < $b.x + $b.w and $b.x < $a.x + $a.w and $a.y < $b.y + $b.h and $b.y < $a.y + $a.h) |
      "overlap: \($all[$i].title) and \($all[$j].title)"),
    (.panels[] | select(.type != "row") | select((.description // "") == "" or (.title // "") == "") | "no words: \(.id)"),
    (.panels[] | select(.type != "row") | select((.targets | length) == 0 or (.targets | map(.refId) | unique | length) != (.targets | length)) | "targets: \(.title)")' "$board")"
  empty "$title: every query goes to the chosen data source" "$(jq -r '
    (if any(.templating.list[]; .type == "datasource" and .name == "datasource" and .query == "prometheus") then empty else "no variable" end),
    ([.panels[] | select(.type != "row") | .datasource, .targets[].datasource] + [.templating.list[] | select(.type == "query") | .datasource] |
      .[] | select(. != {type: "prometheus", uid: "${datasource}"}) | tostring)' "$board")"
  # $name and ${name}, but not those that Grafana brings ($__…).
  empty "$title: every variable that it uses is one" "$(jq -r '[.. | strings | scan("\\$\\{?([a-z][a-z_]*)")[0]] | unique[]' "$board" |
    except "$(jq -r '.templating.list[].name' "$board")")"
  empty "$title: links lead to dashboards that there are" "$(jq -r '[.. | .url? | strings | scan("/d/([a-z-]+)")[0]] | unique[]' "$board" |
    except "$(jq -r .uid "${boards[@]}")")"
done
empty "dashboards have ids of their own" "$(jq -r .uid "${boards[@]}" | sort | uniq -d)"
# What the third of the documents that Plimsoll grew from wants to see there.
for panel in "Machine uptime" "Active containers" "Container CPU" "Container memory" "CPU by container" "Memory by container" \
  "Network received" "Network transmitted" "Disk read" "Disk written" "Container status"; do
  jq -e --arg title "$panel" 'any(.panels[]; .title == $title)' deploy/grafana/dashboards/infrastructure-overview.json >/dev/null ||
    bad "Infrastructure Overview: no panel $panel"
done

# === Something to look at: a container with every limit, a health check, and something to read and write: kernels with
# cgroup v1 do not say that a container has read nothing

scripts/busybox-image.sh "$IMAGE"
docker run -d --name "$PREFIX-web" --memory 64m --memory-reservation 32m --cpus 0.5 --pids-limit 50 \
  --health-cmd true --health-interval 1s \
  --label com.docker.compose.project=shop --label com.docker.compose.service=web --label com.docker.compose.container-number=1 \
  --label com.docker.compose.oneoff=False --label com.docker.compose.config-hash=0123 --label com.docker.compose.version=2.24.0 \
  --label com.docker.compose.project.working_dir=/srv/shop --label com.docker.compose.project.config_files=/srv/shop/compose.yaml \
  "$IMAGE" sh -c 'trap "exit 3" TERM
    while :; do dd if=/dev/zero of=/tmp/data bs=4k count=4 conv=fsync 2>/dev/null; dd if=/tmp/data of=/dev/null bs=4k iflag=direct 2>/dev/null; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; sleep 1 & wait $!; done' >/dev/null

# === The agent and Prometheus

start_agent() { # PROFILE OPTIONS…: sets `address`
  PLIMSOLL_TARGET_TYPE=file PLIMSOLL_TARGET_PATH="$out/points" "$binary" agent --listen 127.0.0.1:0 --profile "$1" \
    --engine /var/run/docker.sock --include-name "$PREFIX-*" --history "$out/history.db" --spool "$out/spool" "${@:2}" >"$out/agent.log" 2>&1 &
  agent=$!
  in_time "the agent serves" grep -q "first complete sample" "$out/agent.log" || exit 1
  address=$(sed -n 's|.*serving http://\([0-9.:]*\)/.*|\1|p' "$out/agent.log" | head -n 1)
  docker restart "$PREFIX-web" >/dev/null # so that it has ended once, and was seen to
}
start_prometheus() { # the configuration that is handed out, but with this agent, and every second
  rm -rf "$out/prometheus"
  cp -r deploy/prometheus "$out/prometheus"
  sed -i -e "s/plimsoll:8003/$address/" -e 's/^\(  \(scrape\|evaluation\)_interval\):.*/\1: 1s/' "$out/prometheus/prometheus.yml"
  local attempt
  for attempt in 1 2 3 4 5; do
    url=http://127.0.0.1:$((20000 + (RANDOM + $$) % 10000))
    prometheus --config.file="$out/prometheus/prometheus.yml" --storage.tsdb.path="$out/tsdb-$attempt-$$" \
      --web.listen-address="${url#http://}" >"$out/prometheus.log" 2>&1 &
    prometheus=$!
    # A port that somebody else has ends it at once.
    until curl -sf --max-time 2 -o /dev/null "$url/-/ready"; do
      kill -0 "$prometheus" 2>/dev/null || continue 2
      sleep 0.2
    done
    kill -0 "$prometheus" 2>/dev/null && return 0
  done
  echo "test-deploy: Prometheus does not start:" >&2
  tail -n 5 "$out/prometheus.log" >&2
  exit 1
}
ask() { # QUERY: the answer, as JSON
  curl -s --max-time 10 "$url/api/v1/query" --data-urlencode "query=$1" >"$out/answer"
}
has_data() { ask "$1" && jq -e '.status == "error" or (.data.result | length > 0)' "$out/answer" >/dev/null; }
reason() { # QUERY: why it may have no data
  local part why
  while IFS=$'\t' read -r part why; do
    case $1 in *"$part"*) echo "$why" && return ;; esac
  done <"$NO_DATA"
}
answered=0 excused=0
answers() { # WHERE QUERY
  local why
  why=$(reason "$2")
  if [ -n "$why" ]; then has_data "$2" || true; else in_time "$1: $2" has_data "$2" || return 0; fi
  if ! jq -e '.status == "success"' "$out/answer" >/dev/null; then
    bad "$1: $2: $(jq -r .error "$out/answer")"
  elif [ -n "$why" ] && ! has_data "$2"; then
    excused=$((excused + 1))
    echo "  none  $1: $2: $why"
  else
    answered=$((answered + 1))
  fi
}
scraped() { ask 'count_over_time(up{job="plimsoll"}[1m]) >= 5' && jq -e '.data.result | length > 0' "$out/answer" >/dev/null; }

start_agent default
start_prometheus
in_time "Prometheus scrapes the agent" scraped || exit 1

for board in "${boards[@]}"; do
  all=$(jq -r 'any(.templating.list[]; .name == "name" and .includeAll)' "$board")
  name=$PREFIX-web instance=$address
  [ "$all" = false ] || name='.*' instance='.*'
  while IFS= read -r query; do
    answers "$(jq -r .title "$board")" "$query"
  done < <(jq -r --arg name "$name" --arg instance "$instance" '
    (.panels[].targets[]?.expr),
    (.annotations.list[].expr? // empty | sub(" > 0$"; "")),
    (.templating.list[] | select(.type == "query") | .query.query |
      capture("^label_values\\((?<series>.*), (?<label>[a-z_]+)\\)$") | "count by (\(.label)) (\(.series))") |
    gsub("\\$name"; $name) | gsub("\\$instance"; $instance) | gsub("\\$__rate_interval|\\$__range"; "1m") |
    gsub("[ \n]+"; " ")' "$board")
done
curl -s "$url/api/v1/rules" >"$out/rules"
empty "Prometheus computes every rule" "$(jq -r '.data.groups[].rules[] | select(.health != "ok") | "\(.name): \(.health) \(.lastError)"' "$out/rules")"
# Of an alert, what it compares; the comparison itself has no answer as long as all is well.
while IFS= read -r query; do
  answers "rules" "$query"
done < <(jq -r '.data.groups[].rules[] | if .type == "recording" then .name, .query else
    .query | sub(" unless on .*$"; "") | sub(" (==|!=|<|<=|>|>=) [0-9.]+$"; "") end | gsub("[ \n]+"; " ")' "$out/rules")
ok "dashboards and rules: $answered queries answered, $excused rightly not"

# === An alert, from the agent's end to Prometheus

stop "$agent"
agent=
alerting() { curl -s --max-time 5 "$url/api/v1/alerts" | jq -e 'any(.data.alerts[]; .labels.alertname == "PlimsollAgentDown")' >/dev/null; }
if in_time "the end of the agent is noticed" alerting; then ok "the end of the agent is noticed"; fi
stop "$prometheus"
prometheus=

# === Dashboards of others, each with the profile that they need

for profile in $(grep -v '^#' "$QUERIES" | cut -f 1 | sort -u); do
  # As cAdvisor's --enable_load_reader does.
  switches=()
  [ "$profile" != cadvisor ] || switches=(--collector.tasks)
  start_agent "$profile" "${switches[@]}"
  start_prometheus
  in_time "Prometheus scrapes the agent" scraped || exit 1
  answered=0 excused=0
  while IFS=$'\t' read -r _ board query; do
    answers "dashboard $board" "$query"
  done < <(grep "^$profile	" "$QUERIES")
  ok "profile $profile: $answered queries answered, $excused rightly not"
  stop "$prometheus"
  stop "$agent"
  prometheus= agent=
done

echo "test-deploy: $failures failed checks"
[ "$failures" = 0 ] || {
  echo "test-deploy: logs and answers are in $out" >&2
  exit 1
}
