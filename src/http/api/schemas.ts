// What bodies and answers of the HTTP API look like, as JSON Schema 2020-12: for
// /openapi.json, and for the tests that hold every answer to it.

export type Schema = Readonly<Record<string, unknown>>;

const text = (description: string): Schema => ({ type: "string", description });
const count = (description: string): Schema => ({ type: "integer", minimum: 0, description });
const figure = (description: string): Schema => ({ type: "number", minimum: 0, description });

/** An object with just these members, all of them there but for those named `optional`. */
function object(properties: Readonly<Record<string, Schema>>, ...optional: string[]): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false };
}

/** An answer of 200 with these members behind its status. */
const okWith = (properties: Readonly<Record<string, Schema>>, ...optional: string[]): Schema =>
  object({ status: { const: "OK" }, ...properties }, ...optional);

const ENCODING: Schema = {
  const: "base64",
  description: "There if the value is not text in UTF-8: then it is its bytes in base64.",
};
const VALUE = text("The value.");
const TTL: Schema = {
  type: "number",
  exclusiveMinimum: 0,
  description: "Lifetime in seconds; without it --default-ttl.",
};

export const KEY: Schema = { type: "string", minLength: 1, description: "The key." };
export const PUT = object(
  { key: KEY, value: VALUE, ttl: TTL, encoding: ENCODING },
  "ttl",
  "encoding",
);
export const KEY_BODY = object({ key: KEY });
export const ENTRIES = object({ entries: { type: "array", items: PUT } });
export const KEYS = object({ keys: { type: "array", items: KEY } });

export const ERROR = object({
  status: { const: "ERROR" },
  message: text("What is wrong, and what would be right."),
});
export const OK = okWith({});
export const FOUND = okWith({ key: KEY, value: VALUE, encoding: ENCODING }, "encoding");
export const STORED = okWith({ stored: count("Entries stored.") });
export const VALUES = okWith({
  values: {
    type: "array",
    description: "In the order of the keys.",
    items: {
      anyOf: [
        { type: "string" },
        { type: "null", description: "There is no such key." },
        object({ value: VALUE, encoding: ENCODING }),
      ],
    },
  },
});
export const SNAPSHOT = okWith({
  entries: count("Entries in the snapshot."),
  bytes: count("Size of the file."),
  ms: figure("Milliseconds that it took."),
});
export const RING = okWith({
  shards: count("Shards."),
  virtual_nodes: count("Points on the ring for each shard."),
  ring: {
    type: "array",
    items: object({
      shard: count("Its number."),
      share: { type: "number", minimum: 0, maximum: 1, description: "Its part of the ring." },
      entries: count("Entries held."),
      bytes: count("Of their keys and values."),
      dead_bytes: count("What has left and is not free yet."),
      used_bytes: count("What the shard takes."),
      memory_bytes: count("What it may take."),
      ghosts: count("Keys remembered of entries evicted not long ago."),
      evicted: count("Entries freed to make room."),
      expired: count("Entries freed because their time was over."),
    }),
  },
});

export const STATS = okWith({
  total_items: count("entries held; one that has expired counts until it is swept, within 5 s"),
  hit_rate: figure("hits in per cent of gets; 0 before the first get"),
  memory_usage_percent: figure("resident memory in per cent of what the process may use"),
  put_count: count("keys put since the start; each key of /mput counts"),
  get_count: count("keys asked for since the start; each key of /mget counts"),
  hit_count: count("of these the ones that were there"),
  miss_count: count("of these the ones that were not"),
  uptime_seconds: figure("since the start"),
  requests_per_second: figure("puts, gets and deletes over the whole uptime"),
  allocated_memory_mb: figure("resident memory of the process, in MiB"),
  system_memory_mb: figure("memory that the process may use, in MiB"),
  evicted_count: count("entries freed to make room"),
  expired_count: count("entries freed because their time was over"),
  overwritten_count: count("puts that replaced an entry"),
  delete_count: count("entries deleted"),
  cache_memory_bytes: count("what the cache may take"),
  cache_used_bytes: count("what it takes: log, index, tables"),
  live_bytes: count("keys and values held"),
  dead_bytes: count("what has left and is not free yet"),
  ghost_count: count("keys remembered of entries evicted not long ago"),
  shards: count("as started"),
  virtual_nodes: count("as configured"),
  workers: count("threads that serve"),
  max_connections: count("connections that each port may have"),
  max_pending_bytes: count("bytes of requests and answers that may be on their way"),
  planned_memory_bytes: count("resident memory that the process needs at most"),
  worker_restarts: count("workers that failed and were started again"),
  shards_emptied: count("shards that lost their entries because a worker failed in a write"),
  loaded_count: count("entries that the start took from the snapshot"),
  snapshot_time: count("Unix time in seconds of the last good snapshot; 0 without one"),
  snapshot_count: count("snapshots taken since the start"),
  snapshot_failed_count: count("snapshots that failed since the start"),
  snapshot_shards_dropped: count("shards of the snapshot that were damaged when it was loaded"),
  version: text("of the service"),
});
