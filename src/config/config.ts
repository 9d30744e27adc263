// The configuration of the service, from flags and environment through the table of options.

import { version } from "../../package.json";
import { anyAddress, withoutBrackets } from "../linux/addresses.ts";
import { fitOptions } from "../cache/options.ts";
import { descriptorLimit, usableCores, usableMemoryBytes } from "../linux/resources.ts";
import {
  automaticWorkers,
  fitSizes,
  type Machine,
  plannedBytes,
  wantedConnections,
} from "./memory-plan.ts";
import { OPTIONS } from "./table.ts";
import {
  bytesText,
  helpText,
  markdownTable,
  OptionError,
  type OptionValues,
  readOptions,
  serviceLinks,
  unknownVariables,
} from "./parse.ts";

export { version };
export { bytesText, OptionError };

/** A shard's positions are 32-bit integers. */
const MAX_SHARD_BYTES = 2 ** 31 - 2 ** 16;
const ENV_PREFIX = "RINGCACHE_";

type Given = OptionValues<typeof OPTIONS>;
type Sized = "workers" | "memory" | "maxPendingBytes" | "maxConnections";

export type Config = Omit<Given, Sized> & {
  /** Threads to start. */
  readonly workers: number;
  /** Bytes. */
  readonly memory: number;
  readonly maxPendingBytes: number;
  /** Of each port. */
  readonly maxConnections: number;
  /** How the sizes fit the machine. */
  readonly plan: Plan;
};

export interface Plan {
  /** Bytes that the service needs at most. */
  readonly neededBytes: number;
  /** Bytes that the process may use. */
  readonly availableBytes: number;
  /** Bytes of --memory that would fit; below 1 MiB where the rest alone is too much. */
  readonly fittingBytes: number;
  /** --max-connections before the limit of open files lowered it. */
  readonly wantedConnections: number;
  readonly descriptors: number;
}

/** Reads flags and environment; throws OptionError on the first bad one. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine = thisMachine(),
): Config {
  const given = readOptions(OPTIONS, args, env, ENV_PREFIX);
  const { shards, defaultTtl, maxTtl } = given;
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
  const workers = workersOf(given, machine);
  const shardCopy = (memory: number) => (given.dataDir === "" ? 0 : shardBytesOf(given, memory));
  const wanted = { ...given, workers, ports: given.respPort === 0 ? 1 : 2, shardCopy };
  const fitted = fitSizes(wanted, machine);
  const { memory, maxPendingBytes, maxConnections } = fitted;
  if (memory > shards * MAX_SHARD_BYTES) {
    const needed = Math.ceil(memory / MAX_SHARD_BYTES);
    throw new OptionError(
      `--memory ${bytesText(memory)} needs at least ${needed} --shards: one holds less than 2gb`,
    );
  }
  const plan = {
    neededBytes: plannedBytes(fitted),
    availableBytes: machine.memoryBytes,
    fittingBytes: fitted.fittingMemory,
    wantedConnections: wantedConnections(wanted, machine),
    descriptors: machine.descriptors,
  };
  return {
    ...given,
    workers,
    memory,
    maxPendingBytes,
    maxConnections,
    host: hostOf(given.host),
    plan,
  };
}

/** Bytes of each shard of a cache of so many bytes. */
function shardBytesOf(given: Given, memory: number): number {
  return Math.ceil(memory / fitOptions(cacheOptionsOf({ ...given, memory })).shards);
}

function hostOf(given: string): string {
  return given === "auto" ? anyAddress() : withoutBrackets(given);
}

function thisMachine(): Machine {
  return {
    memoryBytes: usableMemoryBytes(),
    descriptors: descriptorLimit(),
    cores: usableCores(),
  };
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

/** Only Linux spreads the connections of a port over the sockets that share it. */
export const SPREADS_CONNECTIONS = process.platform === "linux";

function workersOf({ workers, store }: Given, machine: Machine): number {
  if (store === "map") {
    if (workers === "auto" || workers === 1) return 1;
    throw new OptionError(
      `--workers ${workers} cannot share --store map, which lives in one thread; use --workers 1 or --store shared`,
    );
  }
  if (workers === "auto") return SPREADS_CONNECTIONS ? automaticWorkers(machine) : 1;
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
export function cacheOptionsOf(
  config: Omit<Config, "workers" | "plan" | "maxPendingBytes" | "maxConnections">,
) {
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

A flag takes precedence over its environment variable.
docs/operations.md explains the options, docs/protocol.md the HTTP API and the Redis commands.`;

/** The table of options as the README and docs/operations.md show it. */
export function optionsMarkdown(): string {
  return markdownTable(OPTIONS, ENV_PREFIX);
}
