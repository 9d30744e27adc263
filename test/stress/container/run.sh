#!/usr/bin/env bash
# Builds the Dockerfile and runs the image, on a Debian machine without a container engine:
# `buildah` with its chroot isolation, as root, in a storage of its own that is removed at the end.
#
# test/service/deployment/container.test.ts compares Dockerfile and compose.yaml with the source.
#
# Promises: the image carries the configuration that the documents tell, answers over HTTP as its
# own user, tells its health, takes options, stops on SIGTERM with 0 within 5 s, and does so as
# process 1 without rights, on a read-only file system with a volume, as compose.yaml runs it.
# Does not see: the published base image (base.sh makes a stand-in) and Docker's own networking.
#
# One line a step, the last one `N passed, N failed`; ends with 1 if anything failed.

set -u
# The files of the stand-in are for every user in it, whatever the caller's mask.
umask 022
cd "$(dirname "$0")/../../.." || exit 1

STOP_WITHIN_S=5
START_WITHIN_S=20
APP=/home/bun/app

passed=0 failed=0
tmp=$(mktemp -d)
log=$tmp/log
# The process in the background, empty once its exit code has been taken.
job=

. test/stress/container/base.sh

# vfs: slow, and the one driver that works on any file system.
store() {
  buildah --root "$tmp/storage" --runroot "$tmp/run" --storage-driver vfs "$@"
}

clean_up() {
  [ -n "$job" ] && end_job
  # Never a removal through something still mounted, such as /dev.
  if grep -q " $tmp/" /proc/self/mounts; then
    echo "left behind, still mounted: $tmp" >&2
  else
    rm -rf "$tmp"
  fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

finish() {
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

# step NAME COMMAND...: one line; what the command printed only if it failed.
step() {
  local name=$1
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $name"
  else
    failed=$((failed + 1))
    echo "FAIL  $name"
    tail -n 15 "$log" | sed 's/^/        /'
    return 1
  fi
}

# A step without which the next ones say nothing.
must() {
  step "$@" || finish
}

equal() {
  [ "$1" = "$2" ] || { echo "is \"$1\", not \"$2\"" && return 1; }
}

# --- tools, base image, image -----------------------------------------------------------------

tools() {
  [ "$(id -u)" -eq 0 ] || { echo "needs root, for chroot and mount" && return 1; }
  local missing=() tool
  for tool in buildah debootstrap curl npm; do
    command -v "$tool" || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}"
}

build() {
  # Short names are completed with this one registry on every machine, as Docker does it.
  printf 'unqualified-search-registries = ["docker.io"]\n' >"$tmp/registries.conf"
  # If `bun install` has to fetch anything, it does so as npm does on this machine: from the same
  # registry, with the same certificates.
  local npmrc ca=${NODE_EXTRA_CA_CERTS:-} home=~root volumes=()
  npmrc=$(npm config get userconfig 2>/dev/null)
  [ -f "$npmrc" ] && volumes+=(--volume "$npmrc:$home/.npmrc:ro")
  if [ -f "$ca" ]; then
    printf '[install]\ncafile = "%s"\n' "$ca" >"$tmp/bunfig.toml"
    volumes+=(--volume "$tmp/bunfig.toml:$home/.bunfig.toml:ro" --volume "$ca:$ca:ro")
  fi
  CONTAINERS_REGISTRIES_CONF=$tmp/registries.conf store bud --isolation chroot --pull-never \
    --format docker "${volumes[@]}" --tag ringcache .
}

# inspect TEMPLATE: from the image's configuration.
inspect() {
  store inspect --type image --format "$1" ringcache
}

label() {
  inspect "{{index .Docker.Config.Labels \"org.opencontainers.image.$1\"}}"
}

from_package() {
  "$bun" -p "require('./package.json').$1"
}

# --- the image at work ------------------------------------------------------------------------

free_port() {
  "$bun" -e 'const s = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    console.log(s.port); s.stop();'
}

# The process at the end of a line of parents: the service under `buildah run` or `unshare`.
last_child() {
  local pid=$1 children
  while children=$(cat "/proc/$pid"/task/*/children 2>/dev/null) && [ -n "$children" ]; do
    pid=${children%% *}
  done
  echo "$pid"
}

# until_true SECONDS COMMAND...
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || { echo "not within the time: $*" && return 1; }
    sleep 0.1
  done
}

http() {
  curl --silent --show-error --fail --noproxy '*' --max-time 5 "$@"
}

gone() {
  ! kill -0 "$1" 2>/dev/null
}

# start COMMAND...: in the background, as $job with its output in $tmp/output.
start() {
  "$@" >"$tmp/output" 2>&1 </dev/null &
  job=$!
}

# Only the service: its parents then end by themselves, in order, and buildah still writes to its
# storage when it does.
end_job() {
  kill -KILL "$(last_child "$job")" 2>/dev/null
  until_true $STOP_WITHIN_S gone "$job" || kill -KILL "$job"
  wait "$job" 2>/dev/null
  job=
}

listening_or_gone() {
  gone "$job" || http --output /dev/null "http://127.0.0.1:$port/health" 2>/dev/null
}

answers() {
  until_true $START_WITHIN_S listening_or_gone
  equal "$(http "http://127.0.0.1:$port/health")" '{"status":"OK"}' && return
  cat "$tmp/output"
  return 1
}

puts_and_gets() {
  http --data '{"key":"ring","value":"cache"}' "http://127.0.0.1:$port/put" &&
    http "http://127.0.0.1:$port/get?key=ring" | grep --fixed-strings '"cache"'
}

# SIGTERM to the service; the job passes its exit code on.
stops() {
  local code
  kill -TERM "$(last_child "$job")"
  until_true $STOP_WITHIN_S gone "$job" || { cat "$tmp/output" && end_job && return 1; }
  wait "$job"
  code=$?
  job=
  equal "$code" 0 || { cat "$tmp/output" && return 1; }
}

# in_image ENVIRONMENT... -- COMMAND...: as the image's user, with its variables.
in_image() {
  local options=()
  while [ "$1" != -- ]; do
    options+=(--env "$1")
    shift
  done
  store run --isolation chroot --user "$user" "${options[@]}" "$container" "$@"
}

unhealthy() {
  ! in_image RINGCACHE_PORT="$(free_port)" -- "${healthcheck[@]}"
}

is_confined() {
  local pid status
  pid=$(last_child "$job")
  status=/proc/$pid/status
  # The last number is the one in the innermost process namespace.
  equal "$(awk '/^NSpid/ { print $NF }' "$status")" 1 &&
    equal "$(awk '/^Uid/ { print $2, $3, $4 }' "$status")" "1000 1000 1000" &&
    equal "$(awk '/^Cap/ { print $2 }' "$status" | sort -u)" 0000000000000000 &&
    equal "$(awk '/^NoNewPrivs/ { print $2 }' "$status")" 1 &&
    grep "^[^ ]* [^ ]* [^ ]* [^ ]* / ro," "/proc/$pid/mountinfo"
}

# saves STATUS: what a request for a snapshot gets: 200, or 409 without a folder.
saves() {
  equal "$(curl --silent --noproxy "*" --max-time 60 --output "$log" --write-out '%{http_code}' \
    --request POST "http://127.0.0.1:$port/snapshot")" "$1"
}

# As compose.yaml has it: process 1, a read-only file system with a volume at /data, no capabilities, no
# new privileges.
confined() {
  local dir=$1
  shift
  # `$0` is the root of the new file system; /proc is the one of the new process namespace.
  exec unshare --mount --pid --fork --kill-child sh -c '
    mount --bind -o ro "$0" "$0" && mount -t proc proc "$0/proc" &&
    mount --rbind /dev "$0/dev" &&
    mount -t tmpfs -o uid=1000,gid=1000,mode=755 tmpfs "$0/data" &&
    exec chroot "$0" setpriv --reuid bun --regid bun --clear-groups --no-new-privs \
      --inh-caps=-all --bounding-set=-all "$@"' "$dir" "$@"
}

# --- the steps --------------------------------------------------------------------------------

must "the tools are here, or installed with apt" tools

bun_version=$(sed -n 's/^ARG BUN_IMAGE=oven\/bun:\([0-9.]*\)-slim\(@.*\)\?$/\1/p' Dockerfile)
must "a stand-in for the base image is made" \
  make_base "docker.io/oven/bun:$bun_version-slim" "$bun_version"
bun=$tmp/package/bin/bun
step "the base image is the Bun of package.json" \
  equal "bun@$bun_version" "$(from_package packageManager)"
must "the Dockerfile builds" build

# What an engine reads out of the image when it starts one, and `buildah run` does not.
lines() {
  inspect "{{range .Docker.Config.$1}}{{println .}}{{end}}" | sed '/^$/d'
}
user=$(inspect '{{.Docker.Config.User}}')
mapfile -t command < <(lines Entrypoint && lines Cmd)
mapfile -t healthcheck < <(lines Healthcheck.Test)
mapfile -t environment < <(lines Env)

step "it runs as the user bun, by number" equal "$user" 1000:1000
step "it exposes the ports 7171 and 7172" \
  equal "$(inspect '{{range $port, $_ := .Docker.Config.ExposedPorts}}{{$port}} {{end}}')" '7171/tcp 7172/tcp '
step "its command is bun and the service, no shell, no more" \
  equal "${command[*]}" "bun src/main.ts"
step "it is stopped with SIGTERM" equal "$(inspect '{{.Docker.Config.StopSignal}}')" SIGTERM
step "its health check is a command without a shell" \
  equal "${healthcheck[*]:0:2}" "CMD bun"
healthcheck=("${healthcheck[@]:1}")
step "its title is the name in package.json" equal "$(label title)" "$(from_package name)"
step "its description is the one in package.json" \
  equal "$(label description)" "$(from_package description)"
step "its licence is the one in package.json" equal "$(label licenses)" "$(from_package license)"
step "its version is the one in package.json" equal "$(label version)" "$(from_package version)"

container=$(store from --pull-never ringcache)
root=$(store mount "$container")
step "it holds what the service needs to run, and no more" \
  equal "$(ls -A "$root$APP" | tr '\n' ' ')" "node_modules package.json src "

port=$(free_port)
start in_image RINGCACHE_PORT="$port" -- "${command[@]}" --shards 32
step "it answers as its own user" answers
step "it puts and gets" puts_and_gets
step "it takes the options after its name" \
  grep --quiet '"shards": *32[,}]' <(http "http://127.0.0.1:$port/stats")
step "it has no folder for snapshots without a volume" saves 409
step "its health check says healthy" in_image RINGCACHE_PORT="$port" -- "${healthcheck[@]}"
step "its health check goes past a proxy" in_image RINGCACHE_PORT="$port" \
  HTTP_PROXY=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9 no_proxy=example.org -- \
  "${healthcheck[@]}"
step "its health check says unhealthy where nothing listens" unhealthy
step "it stops on SIGTERM with 0 within $STOP_WITHIN_S s" stops

port=$(free_port)
start confined "$root" \
  env -i --chdir "$APP" "${environment[@]}" RINGCACHE_PORT="$port" "${command[@]}"
step "it answers as process 1, read-only and without rights" answers
step "it puts and gets so too" puts_and_gets
step "it saves snapshots to the volume at /data" saves 200
step "it is process 1, may not write and has no rights" is_confined
step "it stops on SIGTERM so too" stops

finish
