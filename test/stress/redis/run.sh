#!/usr/bin/env bash
# Redis's own tests of strings, bits, counters, expiry, the keyspace, scans, transactions, scripts,
# pub/sub, client tracking, the protocol and connections, run from outside against the service with
# one worker and with two: `bun run stress redis [UNIT …]`. WORKERS gives other numbers of them.
# `--control` runs them against redis-server. The unit of query buffers is not among them: both of its
# tests ask for the bytes of buffers of idle clients, which the service does not keep.
# The sources come from the folder REDIS_SOURCE; without it from Debian's source package of
# redis 7.0, fetched once (apt needs no right to install for that). Tcl is installed if it is missing.
# skipped.txt says what is left out, and why. The last line is "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."

units=(unit/type/string unit/type/incr unit/bitops unit/bitfield unit/expire unit/keyspace unit/scan unit/multi
  unit/scripting unit/pubsub unit/tracking unit/protocol unit/introspection unit/introspection-2)
control=
if [ "${1:-}" = --control ]; then control=yes && shift; fi
all=yes
if [ "$#" -gt 0 ]; then units=("$@") all=; fi
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ringcache"
mkdir -p "$cache"
work=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then kill "$server" && wait "$server" || true; fi
  rm -rf "$work"
}
trap stop EXIT

if ! command -v tclsh >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq tcl
fi

source=$work/redis
mkdir "$source"
if [ -n "${REDIS_SOURCE:-}" ]; then
  cp -r "$REDIS_SOURCE/tests" "$REDIS_SOURCE/runtest" "$source"
else
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
  tar -xzf "$cache"/redis_*.orig.tar.gz -C "$source" --strip-components=1
fi
# The suite looks for the programs beside its sources.
mkdir -p "$source/src"
for program in redis-cli redis-benchmark redis-server; do
  if path=$(command -v "$program"); then ln -sf "$path" "$source/src/$program"; fi
done

# The unit of scripts runs all tests twice, with functions first, which the service does not have. Three of its
# tests have one name, and only the third needs a list. MOVE counts keys, which tests that are left out remove.
sed -i -e 's/foreach is_eval {0 1}/foreach is_eval {1}/' \
  -e '/redis.call variant raises a Lua error on Redis cmd error (1)/{x;s/$/x/;/^xxx/{x;s/{EVAL.*(1)}/{redis.call raises a Lua error for a key of another type}/;b};x}' \
  "$source/tests/unit/scripting.tcl"
# What these tests say of commands of other types is left out, and the rest stays.
sed -i -e '/getkeysandflags \(LMOVE\|sort\)/d' -e "/redis.call('geoadd'/d" -e '/cmdstat geoadd/d' \
  "$source/tests/unit/introspection-2.tcl"
sed -i 's/test {MOVE basic usage} {/&\n        r flushall/' "$source/tests/unit/keyspace.tcl"

# Starts the server that is tested with this number of workers, at a port that was free a moment ago.
# Values of four million bytes are in the suite.
start() {
  rm -f "$work/server.log"
  port=$(bun -e 'const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    console.log(free.port); free.stop()')
  if [ -n "$control" ]; then
    redis-server --port "$port" --save "" --dir "$work" --enable-debug-command yes >"$work/server.log" &
    ready='Ready to accept'
  else
    bun src/main.ts --host 127.0.0.1 --port 0 --resp-port "$port" --workers "$1" --shed-after-ms 0 \
      --max-value-bytes 8mb --memory 4gb --enable-debug-command >"$work/server.log" &
    ready=listening
  fi
  server=$!
  until grep -q "$ready" "$work/server.log" 2>/dev/null; do
    kill -0 "$server" || { cat "$work/server.log"; exit 1; }
    sleep 0.1
  done
}

passed=0
failed=0
# Runs a unit with a server of its own, so that no unit depends on parameters that another has set.
run() {
  unit=$1 workers=$2
  log="$work/$(basename "$unit").log"
  start "$workers"
  # The suite's own ports: a second run on this machine must not meet them.
  (cd "$source" && timeout 600 ./runtest --baseport $((12000 + RANDOM % 15000)) --portcount 100 --host 127.0.0.1 --port "$port" --ignore-encoding --ignore-digest \
    --durable ${SINGLEDB:+--singledb} --tags -needs:repl --skipfile "$here/skipped.txt" --single "$unit") >"$log" 2>&1 || true
  kill "$server" && wait "$server" || true
  server=
  sed -i 's/\x1b\[[0-9;]*m//g' "$log"
  sed -n 's/^\[skip\]: //p' "$log" >>"$work/skipped"
  ok=$(grep -c '^\[ok\]' "$log" || true)
  bad=$(grep -cE '^\[(err|exception)\]' "$log" || true)
  skipped=$(grep -c '^\[skip\]' "$log" || true)
  # A unit that broke off has said so at its end.
  if ! grep -qE 'All tests passed|tests failed' "$log" || [ "$ok" -eq 0 ]; then bad=$((bad + 1)); fi
  if [ "$bad" -gt 0 ]; then grep -A6 -E '^\[(err|exception)\]' "$log" || tail -n 20 "$log"; fi
  if [ -n "${VERBOSE:-}" ]; then cat "$log"; fi
  echo "$unit, $workers workers: $ok passed, $bad failed, $skipped skipped"
  passed=$((passed + ok))
  failed=$((failed + bad))
}

for workers in ${WORKERS:-1 2}; do
  # The invalidations of two clients of two workers for one connection have no order between them.
  if [ "$workers" -gt 1 ]; then
    sed -i -e 's/assert {$res1 eq {key1{t}}}/assert {[lsort [list $res1 $res2]] eq {key1{t} key2{t}}}/' \
      -e '/assert {$res2 eq {key2{t}}}/d' "$source/tests/unit/tracking.tcl"
    # Without arguments the suite does not wait for the replies, so PUBLISH of another worker may come first.
    sed -i '1,/CLIENT REPLY OFF/s/^ *p\?unsubscribe $rd1$/&\n        foreach name {1 2 3} { $rd1 read }/' "$source/tests/unit/pubsub.tcl"
  fi
  for unit in "${units[@]}"; do run "$unit" "$workers"; done
done

# Each line of skipped.txt must still leave something out.
if [ -n "$all" ]; then
  while read -r line; do
    case $line in
      '' | '#'*) continue ;;
      /*) grep -qE -e "${line#/}" "$work/skipped" && continue ;;
      *) grep -qFx -e "$line" "$work/skipped" && continue ;;
    esac
    echo "skipped.txt names no test that was run: $line"
    failed=$((failed + 1))
  done <"$here/skipped.txt"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
