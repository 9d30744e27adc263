# Makes the stand-in for the base image, for machines that reach package registries but no image
# registry. Sourced by run.sh, which owns $tmp and the function `store`.
#
# Like the real image: Debian, Bun of the pinned version as /usr/local/bin/bun, user bun (1000),
# its working directory, its variables, a shell script as entrypoint and bun as CMD. Unlike it:
# the host's Debian release, and Bun's build from npm, which may want a newer processor.

# make_base IMAGE BUN_VERSION
make_base() {
  local image=$1 version=$2 arch release mirror container root
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=aarch64 ;;
    *) echo "no Bun for $(uname -m)" && return 1 ;;
  esac
  npm pack --silent --pack-destination "$tmp" "@oven/bun-linux-$arch@$version" &&
    tar -xzf "$tmp/oven-bun-linux-$arch-$version.tgz" -C "$tmp" || return

  container=$(store from --name base scratch) && root=$(store mount "$container") || return
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # The mirror that this machine's apt uses; none is debootstrap's own choice.
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Release: $release" |
    head -n 1)
  debootstrap --variant=minbase "$release" "$root" ${mirror:+"$mirror"} || return
  # Downloaded packages; the published image has none either.
  rm -rf "$root"/var/cache/apt/archives "$root"/var/lib/apt/lists

  local entrypoint=/usr/local/bin/docker-entrypoint.sh
  printf '%s\n' '#!/bin/sh' 'exec /usr/local/bin/bun "$@"' >"$root$entrypoint" &&
    chmod 755 "$root$entrypoint" &&
    install -m 755 "$tmp/package/bin/bun" "$root/usr/local/bin/bun" &&
    ln -s bun "$root/usr/local/bin/bunx" &&
    chroot "$root" groupadd --gid 1000 bun &&
    chroot "$root" useradd --uid 1000 --gid bun --shell /bin/sh --create-home bun &&
    store config --workingdir /home/bun/app \
      --env BUN_RUNTIME_TRANSPILER_CACHE_PATH=0 --env BUN_INSTALL_BIN=/usr/local/bin \
      --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      --entrypoint "[\"$entrypoint\"]" --cmd /usr/local/bin/bun "$container" &&
    store commit --quiet --rm --format docker "$container" "$image"
}
