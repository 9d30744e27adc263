#!/usr/bin/env bash
# Runs the test command 20 times, or as often as the argument says, while an endless loop keeps each
# core busy. Ends with 1 at the first run that fails; its output is in the file that the line names.
set -euo pipefail
cd "$(dirname "$0")/../../.."
runs=${1:-20}

burners=()
trap 'kill "${burners[@]}"' EXIT
for _ in $(seq "$(nproc)"); do
  while :; do :; done &
  burners+=($!)
done

log=$(mktemp --tmpdir ringcache-repeat-XXXXXX.log)
for run in $(seq "$runs"); do
  start=$SECONDS
  if ! bun run test >"$log" 2>&1; then
    grep -E '^\(fail\)|^error: ' "$log" || tail -n 20 "$log"
    echo "run $run of $runs failed; see $log"
    exit 1
  fi
  echo "run $run of $runs: $(grep -E '^ *[0-9]+ pass$' "$log" | tail -n 1 | tr -d ' '), $((SECONDS - start)) s"
done
rm "$log"
