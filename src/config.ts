// The options of the service: one table gives flags, environment variables,
// defaults, ranges, --help and the tables in the documents.

import { version } from "../package.json";
import { usableCores } from "./machine.ts";
import {
  helpText,
  markdownTable,
  OptionError,
  type OptionTable,
  type OptionValues,
  readOptions,
} from "./options.ts";

export { version };
export { OptionError };

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

export type Config = Omit<OptionValues<typeof OPTIONS>, "workers"> & {
  /** Threads to start. */
  readonly workers: number;
};

/** Reads flags and environment; throws OptionError on the first bad one. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const given = readOptions(OPTIONS, args, env, ENV_PREFIX);
  return { ...given, workers: workersOf(given) };
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

/**
 * As much as a shard can have. Bun's allocator may cut smaller blocks from arenas that it does not
 * know to be zero, and then fills them: of 40 starts with shards of 753 MiB, 11 had 840 MB resident.
 */
const RESERVED_BYTES = 2 ** 31;

/** What the cache needs to know. There is no limit but the machine's. */
export function cacheOptionsOf(config: Config) {
  const { store, shards, virtualNodes } = config;
  return {
    store,
    shards,
    virtualNodes,
    reservedBytes: shards * RESERVED_BYTES,
    maxKeyBytes: config.maxKeyLength * BYTES_PER_CHARACTER,
    maxValueBytes: config.maxValueLength * BYTES_PER_CHARACTER,
  };
}

export const HELP = `ringcache ${version}: an in-memory key-value cache over HTTP

usage: bun run start [options]

${helpText(OPTIONS, ENV_PREFIX)}

A flag goes before its environment variable. The calls: docs/protocol.md`;

/** The table of options as the README and docs/operations.md show it. */
export function optionsMarkdown(): string {
  return markdownTable(OPTIONS, ENV_PREFIX);
}
