// The configuration of the service: flags and environment, read by the table of options, and sizes that
// fit the machine.

import { version } from "../../package.json";
import { anyAddress, withoutBrackets } from "../linux/addresses.ts";
import { isMountPoint } from "../linux/mounts.ts";
import { KEY_PREFIX_BYTES } from "../cache/databases.ts";
import { fitOptions } from "../cache/options.ts";
import { descriptorLimit, usableCores, usableMemoryBytes } from "../linux/resources.ts";
import {
  automaticWorkers,
  fitSizes,
  type Machine,
  plannedBytes,
  requestedConnections,
} from "./memory-plan.ts";
import { subcommandsHelp, unknownSubcommand } from "./subcommands.ts";
import { OPTIONS } from "./table.ts";
import { checkUpstream } from "./upstream.ts";
import {
  formatBytes,
  helpText,
  markdownTable,
  OptionError,
  type OptionValues,
  readOptions,
  serviceLinks,
  unknownVariables,
} from "./parse.ts";

export { version };
export { formatBytes, OptionError };

/** Offsets in a shard are 32-bit integers. */
const SHARD_BYTES_MAX = 2 ** 31 - 2 ** 16;
/** Where a container mounts the volume of its snapshots. */
const DATA_VOLUME = "/data";
const ENV_PREFIX = "RINGCACHE_";

/** The options before "auto" is resolved. */
type RawOptions = OptionValues<typeof OPTIONS>;
type Sized = "workers" | "memory" | "maxPendingBytes" | "maxSubscriptionBytes" | "maxConnections";

export type Config = Omit<RawOptions, Sized> & {
  /** Worker threads. */
  readonly workers: number;
  /** Bytes. */
  readonly memory: number;
  readonly maxPendingBytes: number;
  readonly maxSubscriptionBytes: number;
  /** Most connections of each port. */
  readonly maxConnections: number;
  /** The memory and descriptors that these sizes need. */
  readonly plan: Plan;
};

export interface Plan {
  /** The most bytes that the service needs. */
  readonly neededBytes: number;
  /** Bytes that the process may use. */
  readonly availableBytes: number;
  /** The largest --memory that fits; below 1 MiB if the other parts alone need too much. */
  readonly fittingBytes: number;
  /** --max-connections before the limit of open files reduced it. */
  readonly requestedConnections: number;
  readonly descriptors: number;
}

/** Reads flags and environment. Throws OptionError on the first bad option. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine = thisMachine(),
): Config {
  const [first] = args;
  if (first !== undefined && !first.startsWith("-"))
    throw new OptionError(unknownSubcommand(first));
  const given = readOptions(OPTIONS, args, env, ENV_PREFIX);
  const options = { ...given, dataDir: resolveDataDir(given) };
  const { shards, defaultTtl, maxTtl } = options;
  if (maxTtl > 0 && defaultTtl > maxTtl) {
    throw new OptionError(
      `--default-ttl ${defaultTtl} is longer than --max-ttl ${maxTtl}; it must be at most --max-ttl`,
    );
  }
  if (options.respPort !== 0 && options.respPort === options.port) {
    throw new OptionError(`--port and --resp-port are both ${options.port}; they must differ`);
  }
  if (options.dataDir !== "" && options.store === "map") {
    throw new OptionError("--data-dir needs --store shared: snapshots are taken of shared memory");
  }
  checkUpstream(options);
  const workers = resolveWorkers(options, machine);
  const shardCopy = (memory: number) =>
    options.dataDir === "" ? 0 : bytesPerShard(options, memory);
  const upstreamThreads = options.upstream === "" ? 0 : workers + 1;
  const requested = {
    ...{ ...options, workers, upstreamThreads, shardCopy },
    ports: options.respPort === 0 ? 1 : 2,
  };
  const fitted = fitSizes(requested, machine);
  const { memory, maxPendingBytes, maxSubscriptionBytes, maxConnections } = fitted;
  if (memory > shards * SHARD_BYTES_MAX) {
    const needed = Math.ceil(memory / SHARD_BYTES_MAX);
    throw new OptionError(
      `--memory ${formatBytes(memory)} needs at least ${needed} --shards: one holds less than 2gb`,
    );
  }
  const plan = {
    neededBytes: plannedBytes(fitted),
    availableBytes: machine.memoryBytes,
    fittingBytes: fitted.fittingMemory,
    requestedConnections: requestedConnections(requested, machine),
    descriptors: machine.descriptors,
  };
  return {
    ...options,
    workers,
    memory,
    maxPendingBytes,
    maxSubscriptionBytes,
    maxConnections,
    host: resolveHost(options.host),
    plan,
  };
}

/** Returns the bytes of each shard of a cache of `memory` bytes. */
function bytesPerShard(options: RawOptions, memory: number): number {
  return Math.ceil(memory / fitOptions(cacheOptionsOf({ ...options, memory })).shards);
}

/**
 * Returns the folder of the snapshots, "" for none. The image sets "auto": a container keeps its entries if
 * it has a volume for them, and if they are its own.
 */
export function resolveDataDir(
  { dataDir, store, upstream }: Pick<RawOptions, "dataDir" | "store" | "upstream">,
  isMounted: (path: string) => boolean = isMountPoint,
): string {
  if (dataDir !== "auto") return dataDir;
  return store === "shared" && upstream === "" && isMounted(DATA_VOLUME) ? DATA_VOLUME : "";
}

function resolveHost(host: string): string {
  return host === "auto" ? anyAddress() : withoutBrackets(host);
}

function thisMachine(): Machine {
  return {
    memoryBytes: usableMemoryBytes(),
    descriptors: descriptorLimit(),
    cores: usableCores(),
  };
}

/** Returns variables with the prefix of this service that belong to no option. */
export function unknownServiceVariables(
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  return unknownVariables(OPTIONS, env, ENV_PREFIX);
}

/** Returns variables of options that Kubernetes has set for a service of that name; options ignore them. */
export function serviceLinkVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  return serviceLinks(OPTIONS, env, ENV_PREFIX);
}

/** Only Linux distributes the connections of a port among the sockets that share it. */
export const SPREADS_CONNECTIONS = process.platform === "linux";

function resolveWorkers({ workers, store }: RawOptions, machine: Machine): number {
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
const CHARACTER_BYTES_MAX = 4;

/** Longest key of the Redis protocol. */
export const RESP_KEY_BYTES_MAX = 64 * 1024;

/** Returns milliseconds; Infinity for 0 seconds, which stand for no limit. */
function ttlMsFrom(seconds: number): number {
  return seconds > 0 ? seconds * 1000 : Infinity;
}

/** Returns the options of the cache. */
export function cacheOptionsOf(config: Omit<Config, Exclude<Sized, "memory"> | "plan">) {
  const { store, shards, virtualNodes } = config;
  return {
    store,
    shards,
    virtualNodes,
    memoryBytes: config.memory,
    evicts: config.eviction !== "none",
    maxKeyBytes: Math.max(
      config.maxKeyLength * CHARACTER_BYTES_MAX,
      config.respPort === 0 ? 0 : RESP_KEY_BYTES_MAX + KEY_PREFIX_BYTES,
    ),
    maxValueBytes: config.maxValueBytes,
    defaultTtlMs: ttlMsFrom(config.defaultTtl),
    maxTtlMs: ttlMsFrom(config.maxTtl),
  };
}

/** The name of the policy by which a full cache evicts; "none" if it rejects new entries. */
export function evictionPolicyOf({ eviction, store }: Pick<Config, "eviction" | "store">): string {
  return eviction === "s3fifo" && store === "map" ? "lru" : eviction;
}

/**
 * The policy of Redis that is nearest to it, since clients accept only Redis's names. Symfony's tag-aware
 * adapter and BullMQ want a server that evicts nothing: both accept --eviction none.
 */
export function redisEvictionPolicyOf(config: Pick<Config, "eviction" | "store">): string {
  const names: Record<string, string> = { none: "noeviction", lru: "allkeys-lru" };
  return names[evictionPolicyOf(config)] ?? "allkeys-lfu";
}

/** Returns the text of --help. */
export function help(): string {
  return `ringcache ${version}: an in-memory key-value cache over HTTP and the Redis protocol

usage: ringcache [options]      starts the service
       ringcache NAME --help    describes one of these subcommands:

${subcommandsHelp()}

options of the service:

${helpText(OPTIONS, ENV_PREFIX)}

A flag takes precedence over its environment variable.
docs/operations.md explains the options, docs/protocol.md the HTTP API and the Redis commands.`;
}

/** Returns the table of options in Markdown, for README.md and docs/operations.md. */
export function optionsMarkdown(): string {
  return markdownTable(OPTIONS, ENV_PREFIX);
}
