// The long tests: the name after `bun run stress`, and what it does.

export const LONG_TESTS: Readonly<Record<string, string>> = {
  threads: "Four threads read, write, delete and update the same keys for a minute.",
  faults: "Workers are killed under load, one after another.",
  crash: "The service is killed 200 times under load, with a snapshot every second.",
  history: "Records concurrent clients and checks that the history is linearizable.",
  transactions: "A million commands in transactions and scripts of two workers are linearizable.",
  tags: "A million entries with tags, and 600,000 invalidations of other tags.",
  "fuzz-http": "A million hostile requests for the HTTP API.",
  "fuzz-resp": "Ten million inputs for the Redis protocol.",
  clients: "Libraries of Redis clients, newest versions (needs the registries and redis-server).",
  differential: "5,000 random sequences of transactions and scripts against redis-server.",
  tier: "Two nodes in front of a cluster under kills, freezes, partitions and moved slots (needs redis-server).",
  proxies: "Refusals behind nginx and HAProxy, 100 of each kind (needs both).",
  repeat: "The test command 20 times, or N times, beside a busy loop on each core.",
  redis: "Redis's own test suite (needs git, tcl and a checkout of redis).",
  container: "Builds the image and runs it (needs buildah).",
  promtool: "Prometheus's promtool on /metrics and the alerts.",
};
