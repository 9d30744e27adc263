#!/usr/bin/env bash
# `bun run stress promtool`: Prometheus's own tool on /metrics of a service that has been used,
# and on the rules of docs/ringcache-alerts.yaml. Needs promtool (apt-get install prometheus) and curl.
set -euo pipefail
cd "$(dirname "$0")/../../.."

for tool in promtool curl; do
  command -v "$tool" >/dev/null || { echo "$tool is not on PATH" >&2; exit 69; }
done
log=$(mktemp)
"${BUN:-bun}" src/main.ts --host 127.0.0.1 --port 0 --resp-port 0 --workers 2 >"$log" &
service=$!
trap 'kill "$service"; rm -f "$log"' EXIT
until url=$(grep -o 'http://[0-9.:]*' "$log"); do
  kill -0 "$service"
  sleep 0.1
done
curl -fsS "$url/put" -d '{"key":"k","value":"v"}' >/dev/null
curl -fsS "$url/get?key=k" >/dev/null
curl -fsS "$url/metrics" | promtool check metrics
echo "promtool accepts /metrics"
promtool check rules docs/ringcache-alerts.yaml
