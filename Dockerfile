# The service as an image: `docker build -t ringcache .`, then
# `docker run -p 127.0.0.1:7171:7171 -p 127.0.0.1:7172:7172 ringcache --memory 2gb`. Options of the service
# follow the name of the image.
# Builds with BuildKit and with buildah, and downloads no frontend. `bun run stress container` builds this
# file with buildah and runs the image.

# .github/workflows/container.yml resolves the tag to a digest and passes `oven/bun:…@sha256:…`.
ARG BUN_IMAGE=oven/bun:1.4.5-slim

# The packages are JavaScript and WebAssembly: one build is right for all processors.
FROM --platform=$BUILDPLATFORM ${BUN_IMAGE} AS app
WORKDIR /home/bun/app
COPY package.json bun.lock ./
RUN bun install --frozen-lockfile --production && rm bun.lock
COPY src ./src
# A checkout under a strict umask would be unreadable to the user below.
RUN chmod -R a+rX . && mkdir /data

FROM ${BUN_IMAGE}
# The version in package.json, which a label cannot read; a test compares the two.
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="ringcache" \
      org.opencontainers.image.description="An in-memory cache service over HTTP and the Redis protocol, for Bun" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
WORKDIR /home/bun/app
# Owned by root, so the service cannot change its own code.
COPY --from=app /home/bun/app ./
# A volume that is mounted here begins with this owner.
COPY --from=app --chown=bun:bun /data /data
# Snapshots go to /data if a volume is mounted there.
ENV RINGCACHE_DATA_DIR=auto
# As a number: Kubernetes checks `runAsNonRoot` only against a number. It is the base image's user bun.
USER 1000:1000
EXPOSE 7171 7172
STOPSIGNAL SIGTERM
# The check reads RINGCACHE_PORT, RINGCACHE_HOST and RINGCACHE_TLS_CERT as the service does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["bun", "src/main.ts", "health"]
# Not through the base image's shell script: bun is process 1 and gets SIGTERM itself.
ENTRYPOINT ["bun", "src/main.ts"]
# Some builders keep the base image's CMD, which the service would take for an option.
CMD []
