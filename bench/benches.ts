// The benches: the name after `bun run bench`, and the question that it answers. bench/README.md shows this table.

export const BENCHES: Readonly<Record<string, string>> = {
  micro: "What does each step cost: hash, ring, shard, URL, JSON? (mitata)",
  http: "What does a GET, a PUT and a 70/30 mix cost beside a static route of Bun?",
  engine:
    "What does the cache cost without a protocol: memory, throughput, slowest batches, beside Maps?",
  workers: "What does a request cost with two workers, beside one?",
  upstream:
    "What does a node in front of redis-server cost: near hit, pass, miss, invalidation, frozen node?",
  resp: "What does the Redis protocol cost beside redis-server, and with two workers beside one?",
  transactions: "What does a transaction of INCR and EXPIRE cost beside redis-server?",
  pubsub: "What does PUBLISH to 100 subscribers cost beside redis-server?",
  scripts: "What does a script cost beside redis-server?",
  compare:
    "What do requests and entries cost beside Valkey, Redis, pogocache, memcached, Go and bare Bun?",
  latency: "How long is the tail of a GET at half of the peak rate, beside a static route?",
  "hit-ratio": "What part of real traces does the cache answer, beside LRU and the best possible?",
  churn: "At the memory limit: is it bounded, how much of it is entries, what does a put cost?",
  space: "What part of --memory do keys and values fill, by the size of a value?",
  memory:
    "How much resident memory does a service take at its peak, under large, unfinished and unread requests?",
  snapshot: "What does a snapshot cost while it is taken, and how long does loading one take?",
  stampede: "How often do 1,000 callers call a function, and how long do they wait, with leases?",
  dashboards: "What do 20 open dashboards cost?",
  start: "What does a start cost: time to the first answer, CPU time, resident memory?",
  idle: "What does a service at rest cost beside redis-server and memcached: CPU time and wake-ups?",
  fairness: "How long does a client wait while another one runs a long command?",
  "slow-clients": "What do 2,000 clients that send a byte a second cost the others?",
  overload: "What happens at three times the load that the service can take?",
  collisions: "What do keys cost that were made to collide in XXH32?",
  soak: "Does memory stay where it is through half an hour of mixed load?",
};
