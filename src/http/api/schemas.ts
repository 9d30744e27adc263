// The bodies of requests and responses as JSON Schema 2020-12: for /openapi.json, for the check of
// large bodies (body-shape.ts), and for the tests that compare each response with it.

export type Schema = Readonly<Record<string, unknown>>;

const text = (description: string): Schema => ({ type: "string", description });
const count = (description: string): Schema => ({ type: "integer", minimum: 0, description });
const number = (description: string): Schema => ({ type: "number", minimum: 0, description });

/** An object with these members and no others; all are required but those named `optional`. */
function object(properties: Readonly<Record<string, Schema>>, ...optional: string[]): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false };
}

/** The body of a response of 200, with these members after its status. */
const okWith = (properties: Readonly<Record<string, Schema>>, ...optional: string[]): Schema =>
  object({ status: { const: "OK" }, ...properties }, ...optional);

const ENCODING: Schema = {
  const: "base64",
  description: "Present if the value is not text in UTF-8: `value` is then its bytes in base64.",
};
const VALUE = text("The value.");
const TTL: Schema = {
  type: "number",
  exclusiveMinimum: 0,
  description: "Lifetime in seconds; without it --default-ttl.",
};

/** A field of the header, whose form its standard defines. */
export const FIELD: Schema = { type: "string" };
export const KEY: Schema = { type: "string", minLength: 1, description: "The key." };
const STALE: Schema = {
  type: "number",
  minimum: 0,
  description: "Seconds after `ttl` for which the value may be served as stale.",
};
const TAG: Schema = { type: "string", minLength: 1, description: "At most 256 bytes in UTF-8." };
const TAGS: Schema = {
  ...{ type: "array", items: TAG, maxItems: 16 },
  description: "An invalidation of one of the tags makes the entry a miss.",
};
const LEASE: Schema = { type: "string", pattern: "^[A-Za-z0-9_-]{22}$", description: "A token." };
const ENTRY = { key: KEY, value: VALUE, ttl: TTL, stale: STALE, tags: TAGS, encoding: ENCODING };
const CONDITION: Schema = {
  enum: ["absent", "present"],
  description: "Store only if the key is missing, or only if it is present.",
};
const ENTRY_OPTIONS = ["ttl", "stale", "tags", "encoding"];
export const PUT = object(
  { ...ENTRY, lease: LEASE, if: CONDITION },
  ...[...ENTRY_OPTIONS, "lease", "if"],
);
/** Parameters of a get. */
export const GET_OPTIONS = {
  lease: {
    ...{ type: "number", minimum: 0.001, maximum: 3600 },
    description: "Seconds that the caller needs to compute a missing or stale value.",
  },
  wait: {
    ...{ type: "number", minimum: 0, maximum: 60 },
    description: "Seconds to wait for the value while another caller computes it; with `lease`.",
  },
  stale: {
    enum: ["0", "1", "true", "false"],
    description: "Whether a stale value is served, too.",
  },
  fresh: {
    enum: ["0", "1", "true", "false"],
    description: "With --upstream: whether the upstream is asked, rather than the near cache.",
  },
} as const satisfies Readonly<Record<string, Schema>>;
export const RELEASE = object({ key: KEY, lease: LEASE });
export const KEY_BODY = object({ key: KEY });
export const ENTRIES = object({
  entries: { type: "array", items: object(ENTRY, ...ENTRY_OPTIONS) },
});
export const INCREMENT = object(
  {
    key: KEY,
    by: { type: "integer", description: "The number that is added; 1 without it." },
    ttl: { ...TTL, description: "Lifetime in seconds of an entry that the request creates." },
  },
  "by",
  "ttl",
);
export const TTL_BODY = object({ key: KEY, ttl: { ...TTL, description: "Lifetime in seconds." } });
export const CURSOR = text("The cursor of the last response; without it the first page.");
export const PATTERN = text("Only keys that match: * ? [a-c] [^x], and \\ before a literal byte.");
export const COUNT: Schema = {
  ...{ type: "integer", minimum: 1 },
  description: "About the number of keys of the response; 1,000 without it.",
};
const KEY_LIST: Schema = { type: "array", items: KEY };
export const KEYS = object({ keys: KEY_LIST });
export const INVALIDATE = object(
  {
    tags: { type: "array", items: TAG, description: "Each entry with one of them becomes a miss." },
    keys: { ...KEY_LIST, description: "Each of their entries is deleted." },
    all: { type: "boolean", description: "Whether all entries are deleted." },
  },
  ...["tags", "keys", "all"],
);

const REDIS_VALUE: Schema = { type: ["string", "number", "boolean"] };
export const REDIS_COMMAND: Schema = {
  ...{ type: "array", minItems: 1, items: REDIS_VALUE },
  description: "The name of a command and its arguments.",
};
export const REDIS_COMMANDS: Schema = { type: "array", items: REDIS_COMMAND };
export const REDIS_OUTCOME: Schema = {
  anyOf: [object({ result: {} }), object({ error: text("The error of the command.") })],
};
export const REDIS_OUTCOMES: Schema = { type: "array", items: REDIS_OUTCOME };
export const REDIS_ERROR: Schema = {
  anyOf: [
    object({ error: text("The error of the command or of the transaction.") }),
    object({ status: { const: "ERROR" }, message: text("What is wrong with the request.") }),
  ],
};

export const ERROR = object({
  status: { const: "ERROR" },
  message: text("What is wrong, and what would be right."),
});
export const OK = okWith({});
export const NOT_FOUND = object(
  {
    status: { const: "ERROR" },
    message: text("There is no such key."),
    lease: { ...LEASE, description: "The caller may compute the value." },
    retry_after: number("Seconds until the lease of another caller ends."),
  },
  ...["lease", "retry_after"],
);
export const FOUND = okWith(
  {
    ...{ key: KEY, value: VALUE, encoding: ENCODING },
    stale: { const: true, description: "Present if the value is stale." },
    lease: { ...LEASE, description: "The caller may compute the next value." },
  },
  ...["encoding", "stale", "lease"],
);
export const COUNTED = okWith({
  key: KEY,
  value: { type: "integer", description: "The sum, a 64-bit integer." },
});
export const LIFETIME = okWith({
  key: KEY,
  ttl: {
    type: ["number", "null"],
    minimum: 0,
    description: "Seconds until the entry expires; null: it does not expire.",
  },
});
export const ENTRY_FACTS = okWith({
  key: KEY,
  ttl: {
    type: ["number", "null"],
    minimum: 0,
    description: "Seconds until the entry expires; null: it does not expire.",
  },
  stale: number("Seconds after that for which the value may be served as stale."),
  bytes: count("Bytes of the value."),
  memory_bytes: {
    type: ["integer", "null"],
    minimum: 0,
    description: "Bytes of memory of key, value and their part of the index; null with --upstream.",
  },
  hits: {
    type: ["integer", "null"],
    minimum: 0,
    description:
      "Hits that eviction counts: 0 to 3, where 3 is three or more; null with --upstream.",
  },
  age: {
    type: ["number", "null"],
    minimum: 0,
    description: "Seconds since it was stored; null: the cache keeps no time for such an entry.",
  },
  tags: count("Number of its tags."),
  type: { type: ["string", "null"], description: "Its content type; null: none was sent." },
});
export const KEY_PAGE = okWith({
  keys: {
    type: "array",
    items: {
      anyOf: [{ type: "string" }, object({ key: text("The key."), encoding: ENCODING })],
    },
  },
  cursor: {
    type: ["string", "null"],
    description: "The cursor of the next request; null after the last key.",
  },
});
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
  ms: number("Duration in milliseconds."),
});
export const RING = okWith({
  shards: count("Shards."),
  virtual_nodes: count("Points of each shard on the ring."),
  ring: {
    type: "array",
    items: object({
      shard: count("Its number."),
      share: { type: "number", minimum: 0, maximum: 1, description: "Its fraction of the ring." },
      entries: count("Entries in the shard."),
      bytes: count("Bytes of their keys and values."),
      dead_bytes: count("Bytes of removed entries that are not free yet."),
      used_bytes: count("Bytes that the shard takes."),
      memory_bytes: count("Bytes that it may take."),
      ghosts: count("Keys of recently evicted entries that are remembered."),
      evicted: count("Entries freed to make room."),
      expired: count("Entries freed because they had expired."),
    }),
  },
});

export const STATS = okWith({
  total_items: count("entries in the cache; an expired one counts until it is swept, within 5 s"),
  hit_rate: number("hits in per cent of gets; 0 before the first get"),
  memory_usage_percent: number("resident memory in per cent of what the process may use"),
  put_count: count("keys put since the start; /mput counts each of its keys"),
  get_count: count("keys requested since the start; /mget counts each of its keys"),
  hit_count: count("requested keys that were found"),
  miss_count: count("requested keys that were not found"),
  uptime_seconds: number("seconds since the start"),
  requests_per_second: number("puts, gets and deletes over the whole uptime"),
  allocated_memory_mb: number("resident memory of the process, in MiB"),
  system_memory_mb: number("memory that the process may use, in MiB"),
  evicted_count: count("entries freed to make room"),
  expired_count: count("entries freed because they had expired"),
  overwritten_count: count("puts that replaced an entry"),
  delete_count: count("entries deleted"),
  cache_memory_bytes: count("bytes that the cache may take"),
  cache_used_bytes: count("bytes that the cache takes: log, index, tables"),
  live_bytes: count("bytes of the keys and values of all entries"),
  dead_bytes: count("bytes of removed entries that are not free yet"),
  ghost_count: count("keys of recently evicted entries that are remembered"),
  eviction_policy: text("by what a full cache evicts: s3fifo, lru or none"),
  shards: count("number of shards"),
  virtual_nodes: count("points of each shard on the ring"),
  workers: count("threads that serve requests"),
  max_connections: count("connections that each port may have"),
  max_pending_bytes: count("bytes of requests and responses that may be in flight"),
  planned_memory_bytes: count("resident memory that the process needs at most"),
  worker_restarts: count("workers that failed and were restarted"),
  shards_emptied: count("shards that lost their entries because a worker failed in a write"),
  loaded_count: count("entries that were loaded from the snapshot at the start"),
  snapshot_time: count("Unix time in seconds of the last good snapshot; 0 without one"),
  snapshot_count: count("snapshots taken since the start"),
  snapshot_failed_count: count("snapshots that failed since the start"),
  snapshot_shards_dropped: count("damaged shards of the snapshot that were not loaded"),
  version: text("version of the service"),
});
