// The configuration of the service, from flags and environment through the table of options.

import { version } from "../package.json";
import { usableCores, usableMemoryBytes } from "./machine.ts";
import { OPTIONS } from "./option-table.ts";
import {
  bytesText,
  helpText,
  markdownTable,
  OptionError,
  type OptionValues,
  readOptions,
  serviceLinks,
  unknownVariables,
} from "./options.ts";

export { version };
export { bytesText, OptionError };

/** A shard's positions are 32-bit integers. */
const MAX_SHARD_BYTES = 2 ** 31 - 2 ** 16;
const ENV_PREFIX = "RINGCACHE_";

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

/** Variables that look as if they were meant for this service, and are not. */
export function variablesUnknown(env: Readonly<Record<string, string | undefined>>): string[] {
  return unknownVariables(OPTIONS, env, ENV_PREFIX);
}

/** Variables of options that Kubernetes has set for a service of that name; they are ignored. */
export function variablesOfServiceLinks(
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  return serviceLinks(OPTIONS, env, ENV_PREFIX);
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
