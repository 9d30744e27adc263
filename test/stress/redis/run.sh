#!/usr/bin/env bash
# Redis's own tests of strings, counters, expiry, the keyspace, scans, the protocol and
# query buffers, run from outside against the service: `bun run stress redis`. Debian's
# source package of redis is fetched once (apt needs no right to install for that), and
# Tcl is installed if it is missing. skipped.txt says what is left out, and why.
# The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

suites=(unit/type/string unit/type/incr unit/expire unit/keyspace unit/scan unit/protocol unit/querybuf)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ringcache"
mkdir -p "$cache"
work=$(mktemp -d)
service=
stop() {
  if [ -n "$service" ]; then kill "$service" && wait "$service" || true; fi
  rm -rf "$work"
}
trap stop EXIT

if ! command -v tclsh >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq tcl
fi

# Source packages by lists of their own: the machine's configuration stays as it is.
if ! compgen -G "$cache/redis_*.orig.tar.gz" >/dev/null; then
  mkdir -p "$work/sources" "$work/lists/partial"
  for list in /etc/apt/sources.list.d/*.sources; do
    sed 's/^Types: .*/Types: deb-src/' "$list" >"$work/sources/$(basename "$list")"
  done
  apt=(apt-get -qq -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$work/sources"
    -o "Dir::State::Lists=$work/lists" -o "APT::Sandbox::User=root")
  "${apt[@]}" update
  (cd "$cache" && "${apt[@]}" --download-only source redis)
fi
tar -xzf "$cache"/redis_*.orig.tar.gz -C "$work"

# A port that was free a moment ago. Values of four million bytes are in the suite.
port=$(bun -e 'const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  console.log(free.port); free.stop()')
bun src/main.ts --host 127.0.0.1 --port 0 --resp-port "$port" --workers 2 \
  --max-value-bytes 8mb --memory 4gb --enable-debug-command >"$work/service.log" &
service=$!
until grep -q listening "$work/service.log"; do
  kill -0 "$service" || { cat "$work/service.log"; exit 1; }
  sleep 0.1
done

passed=0
failed=0
for suite in "${suites[@]}"; do
  log="$work/$(basename "$suite").log"
  (cd "$work"/redis-*/ && ./runtest --host 127.0.0.1 --port "$port" --singledb --ignore-encoding \
    --ignore-digest --durable --skipfile "$root/test/redis-suite/skipped.txt" --single "$suite") \
    >"$log" 2>&1 || true
  sed -i 's/\x1b\[[0-9;]*m//g' "$log"
  ok=$(grep -c '^\[ok\]' "$log" || true)
  bad=$(grep -cE '^\[(err|exception)\]' "$log" || true)
  skipped=$(grep -c '^\[skip\]' "$log" || true)
  # A suite that broke off has said so at its end.
  if ! grep -qE 'All tests passed|tests failed|Cleanup: may take' "$log"; then bad=$((bad + 1)); fi
  if [ "$bad" -gt 0 ]; then grep -A6 -E '^\[(err|exception)\]' "$log" || tail -n 20 "$log"; fi
  echo "$suite: $ok passed, $bad failed, $skipped skipped"
  passed=$((passed + ok))
  failed=$((failed + bad))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
