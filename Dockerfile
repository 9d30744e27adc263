# The service as an image: `docker build -t ringcache .`, then
# `docker run -p 127.0.0.1:7171:7171 -p 127.0.0.1:7172:7172 ringcache --memory 2gb`; after the name come
# options of the service.
# Builds with BuildKit and with buildah, downloads no frontend.
# test/stress/container/run.sh builds this file and runs what comes out.

FROM oven/bun:1.4.5-slim AS app
WORKDIR /home/bun/app
COPY package.json bun.lock ./
RUN bun install --frozen-lockfile --production && rm bun.lock
COPY src ./src
# A checkout under a strict umask would be unreadable to the user below.
RUN chmod -R a+rX . && mkdir /data

FROM oven/bun:1.4.5-slim
# The version in package.json, which a label cannot read; the test compares the two.
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="ringcache" \
      org.opencontainers.image.description="An in-memory cache service over HTTP and the Redis protocol, for Bun" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
WORKDIR /home/bun/app
# Owned by root, so the service cannot change its own code.
COPY --from=app /home/bun/app ./
# Where snapshots go with RINGCACHE_DATA_DIR=/data; a volume mounted there begins with this owner.
COPY --from=app --chown=bun:bun /data /data
USER bun
EXPOSE 7171 7172
STOPSIGNAL SIGTERM
# The image has no curl. A certificate is for a name, and this asks by address. Containers often get the proxy of their host, which is no way to
# 127.0.0.1, and either of the two spellings of no_proxy may come with it. RINGCACHE_PORT may be the address of a Kubernetes service.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["bun", "-e", "const { env, exit } = process; env.no_proxy = env.NO_PROXY = '*'; const tls = { rejectUnauthorized: false }; exit((await fetch('http' + (env.RINGCACHE_TLS_CERT ? 's' : '') + '://127.0.0.1:' + ([env.RINGCACHE_PORT, env.PORT].find((port) => /^\\d+$/.test(port)) ?? 7171) + '/readyz', { tls })).ok ? 0 : 1)"]
# Not through the base image's shell script: bun is process 1 and gets SIGTERM itself.
ENTRYPOINT ["bun", "src/main.ts"]
# Some builders keep the base image's CMD, which the service would take for an option.
CMD []
