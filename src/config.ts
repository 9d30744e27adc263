// The options of the service: one table gives flags, environment variables,
// defaults, ranges, --help and the tables in the documents.

import { version } from "../package.json";
import { usableCores, usableMemoryBytes } from "./machine.ts";
import {
  bytesText,
  helpText,
  markdownTable,
  OptionError,
  type OptionTable,
  type OptionValues,
  readOptions,
} from "./options.ts";

export { version };
export { bytesText, OptionError };

/** A hundred years. */
const MAX_TTL_SECONDS = 3_155_760_000;
/** A shard's positions are 32-bit integers. */
const MAX_SHARD_BYTES = 2 ** 31 - 2 ** 16;
const ENV_PREFIX = "RINGCACHE_";

const OPTIONS = {
  port: {
    kind: "integer",
    default: 7171,
    min: 0,
    max: 65_535,
    alsoEnv: "PORT",
    help: "TCP port of the HTTP API; 0 takes a free one",
  },
  host: {
    kind: "text",
    default: "0.0.0.0",
    placeholder: "an address of this machine",
    help: "address to listen on",
  },
  respPort: {
    kind: "integer",
    default: 7172,
    min: 0,
    max: 65_535,
    help: "TCP port of the Redis protocol; 0 turns it off",
  },
  shards: {
    kind: "integer",
    default: 64,
    min: 1,
    max: 1024,
    help: "parts of the cache",
  },
  virtualNodes: {
    kind: "integer",
    default: 1024,
    min: 1,
    max: 2048,
    help: "points on the ring for each shard; more spread the keys more evenly",
  },
  workers: {
    kind: "auto",
    default: "auto",
    min: 1,
    max: 256,
    help: "threads that serve; auto is one for each core this process may use",
  },
  store: {
    kind: "choice",
    default: "shared",
    of: ["shared", "map"],
    help: "where entries are kept: memory shared by the workers, or the Maps of one worker",
  },
  memory: {
    kind: "bytes",
    default: "auto",
    min: 2 ** 20,
    max: 2 ** 40,
    help: "what all entries may take, with what it takes to find them; auto is half of what this process may use, at most 1gb",
  },
  eviction: {
    kind: "choice",
    default: "s3fifo",
    of: ["s3fifo", "none"],
    help: "what a full cache does: make room by S3-FIFO (--store map: by LRU), or refuse with 507",
  },
  defaultTtl: {
    kind: "number",
    default: 0,
    min: 0,
    max: MAX_TTL_SECONDS,
    unit: "seconds",
    help: "lifetime of an entry that is put without one; 0 is for good",
  },
  maxTtl: {
    kind: "number",
    default: 0,
    min: 0,
    max: MAX_TTL_SECONDS,
    unit: "seconds",
    help: "no entry lives longer, whatever its put says; 0 is no limit",
  },
  maxValueBytes: {
    kind: "bytes",
    default: 2 ** 20,
    min: 1,
    max: 2 ** 28,
    help: "largest value; a memory that has no room for eight of them takes smaller ones only",
  },
  maxKeyLength: {
    kind: "integer",
    default: 256,
    min: 1,
    max: 65_536,
    unit: "characters",
    help: "longest key",
  },
  maxValueLength: {
    kind: "integer",
    default: 256,
    min: 0,
    max: 16_777_216,
    unit: "characters",
    help: "longest value",
  },
  maxBodyBytes: {
    kind: "integer",
    default: 4_194_304,
    min: 1024,
    max: 1_073_741_824,
    unit: "bytes",
    help: "largest request body, and most values in one answer of /mget",
  },
  idleTimeout: {
    kind: "integer",
    default: 75,
    min: 0,
    max: 255,
    unit: "seconds",
    help: "how long a connection may be idle; 0 is for ever",
  },
  respOutputLimit: {
    kind: "bytes",
    default: 2 ** 26,
    min: 2 ** 20,
    max: 2 ** 32,
    help: "answers that a connection of the Redis protocol may leave unread before it is closed",
  },
  respQueryLimit: {
    kind: "bytes",
    default: 2 ** 26,
    min: 2 ** 20,
    max: 2 ** 29,
    help: "bytes of a command that a connection of the Redis protocol may send before it is closed",
  },
  enableDebugCommand: {
    kind: "switch",
    default: false,
    help: "let clients of the Redis protocol run DEBUG, which can stop a worker",
  },
  dataDir: {
    kind: "text",
    default: "",
    placeholder: "a folder, which is made if there is none",
    help: "where snapshots are kept, of which a start loads the last one; without it nothing outlives the process",
  },
  snapshotInterval: {
    kind: "number",
    default: 60,
    min: 0,
    max: 86_400,
    unit: "seconds",
    help: "time from one snapshot to the next, taken if anything has changed; 0: only at the end, and when asked for",
  },
  strictLoad: {
    kind: "switch",
    default: false,
    help: "refuse to start with a damaged snapshot, instead of loading what is whole of it",
  },
  slowMs: {
    kind: "number",
    default: 0,
    min: 0,
    max: 3_600_000,
    unit: "milliseconds",
    help: "log requests that took at least so long; 0 logs none",
  },
  logLevel: {
    kind: "choice",
    default: "info",
    of: ["error", "warn", "info", "debug"],
    help: "what is logged: this and what is worse; debug tells of each connection of the Redis protocol too",
  },
  logFormat: {
    kind: "choice",
    default: "text",
    of: ["text", "json"],
    help: "form of a log line",
  },
  logRequests: {
    kind: "switch",
    default: false,
    help: "log every request",
  },
  help: {
    kind: "switch",
    default: false,
    flagOnly: true,
    aliases: ["h"],
    help: "print this and stop",
  },
  version: {
    kind: "switch",
    default: false,
    flagOnly: true,
    aliases: ["v"],
    help: "print the version and stop",
  },
} as const satisfies OptionTable;

export type Config = Omit<OptionValues<typeof OPTIONS>, "workers" | "memory"> & {
  /** Threads to start. */
  readonly workers: number;
  /** Bytes. */
  readonly memory: number;
};

/** Reads flags and environment; throws OptionError on the first bad one. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const given = readOptions(OPTIONS, args, env, ENV_PREFIX);
  const { memory, shards, defaultTtl, maxTtl } = given;
  if (maxTtl > 0 && defaultTtl > maxTtl) {
    throw new OptionError(
      `--default-ttl ${defaultTtl} is longer than --max-ttl ${maxTtl}; it must be at most that`,
    );
  }
  if (given.respPort !== 0 && given.respPort === given.port) {
    throw new OptionError(`--port and --resp-port are both ${given.port}; they must differ`);
  }
  if (given.dataDir !== "" && given.store === "map") {
    throw new OptionError("--data-dir needs --store shared: snapshots are taken of shared memory");
  }
  const bytes = memory === "auto" ? automaticMemory() : memory;
  if (bytes > shards * MAX_SHARD_BYTES) {
    const needed = Math.ceil(bytes / MAX_SHARD_BYTES);
    throw new OptionError(
      `--memory ${bytesText(bytes)} needs at least ${needed} --shards: one holds less than 2gb`,
    );
  }
  return { ...given, workers: workersOf(given), memory: bytes };
}

/** Half of what there is, in whole MiB. */
function automaticMemory(): number {
  const half = Math.floor(usableMemoryBytes() / 2 / 2 ** 20) * 2 ** 20;
  return Math.max(2 ** 20, Math.min(2 ** 30, half));
}

/** Only Linux spreads the connections of a port over the sockets that share it. */
export const SPREADS_CONNECTIONS = process.platform === "linux";

function workersOf({ workers, store }: OptionValues<typeof OPTIONS>): number {
  if (store === "map") {
    if (workers === "auto" || workers === 1) return 1;
    throw new OptionError(
      `--workers ${workers} cannot share --store map, which lives in one thread; use --workers 1 or --store shared`,
    );
  }
  if (workers === "auto") return SPREADS_CONNECTIONS ? usableCores() : 1;
  if (workers === 1 || SPREADS_CONNECTIONS) return workers;
  throw new OptionError(
    `--workers ${workers}: ${process.platform} gives all connections of a port to one thread; use --workers 1`,
  );
}

/** UTF-8 takes at most four bytes for a character. */
const BYTES_PER_CHARACTER = 4;

/** Longest key of the Redis protocol. */
export const MAX_RESP_KEY_BYTES = 64 * 1024;

/** Milliseconds; 0 seconds are for ever. */
function ttlMsOf(seconds: number): number {
  return seconds > 0 ? seconds * 1000 : Infinity;
}

/** What the cache needs to know. */
export function cacheOptionsOf(config: Config) {
  const { store, shards, virtualNodes } = config;
  return {
    store,
    shards,
    virtualNodes,
    memoryBytes: config.memory,
    evicts: config.eviction !== "none",
    maxKeyBytes: Math.max(
      config.maxKeyLength * BYTES_PER_CHARACTER,
      config.respPort === 0 ? 0 : MAX_RESP_KEY_BYTES,
    ),
    maxValueBytes: config.maxValueBytes,
    defaultTtlMs: ttlMsOf(config.defaultTtl),
    maxTtlMs: ttlMsOf(config.maxTtl),
  };
}

export const HELP = `ringcache ${version}: an in-memory key-value cache over HTTP and the Redis protocol

usage: bun run start [options]

${helpText(OPTIONS, ENV_PREFIX)}

A flag goes before its environment variable. The calls: docs/protocol.md`;

/** The table of options as the README and docs/operations.md show it. */
export function optionsMarkdown(): string {
  return markdownTable(OPTIONS, ENV_PREFIX);
}
