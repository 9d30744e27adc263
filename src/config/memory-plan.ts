// The most resident memory that a service may need, and sizes that fit its machine or container.
// docs/operations.md has the same formula; a test compares the two.

const KB = 2 ** 10;
const MB = 2 ** 20;

/** The constants of the formula, measured by `bun run bench memory`. */
export const PLAN = {
  /** Each byte of --memory, with garbage and pages of the allocator. */
  memoryFactor: 1.15,
  /** The runtime, its code and the supervisor's thread. */
  baseBytes: 80 * MB,
  workerBytes: 14 * MB,
  /** The client of the upstream, with its code, in each worker and in the supervisor's thread. */
  upstreamBytes: 12 * MB,
  /** Parsed text is in memory twice: as bytes and as strings. */
  pendingFactor: 2,
  /** Without the buffers of the kernel. */
  connectionBytes: 20 * KB,
} as const;

const MEMORY_MAX = 2 ** 30;
const MEMORY_MIN = MB;
const PENDING_MIN = 4 * MB;
const PENDING_MAX = 32 * MB;
const SUBSCRIPTION_MIN = MB;
const SUBSCRIPTION_MAX = 64 * MB;
const CONNECTIONS_MIN = 256;
const CONNECTIONS_MAX = 10_000;
/** The part of the machine's memory for pending bytes, and for connections. */
const PENDING_RATIO = 1 / 16;
/** The part of the machine's memory for subscriptions. */
const SUBSCRIPTION_RATIO = 1 / 64;
/** The part of the machine's memory for the workers of --workers auto. */
const WORKERS_RATIO = 1 / 8;

/** Descriptors that are not connections: files of the process, and the listeners of each worker. */
const PROCESS_DESCRIPTORS = 32;
const WORKER_DESCRIPTORS = 8;

/** The resources that the process may use. */
export interface Machine {
  /** Bytes of the machine, or the limit of a cgroup. */
  readonly memoryBytes: number;
  /** Most open files and sockets; Infinity without a limit. */
  readonly descriptors: number;
  readonly cores: number;
}

export interface Sizes {
  /** Bytes of --memory. */
  readonly memory: number;
  readonly workers: number;
  readonly maxPendingBytes: number;
  readonly maxSubscriptionBytes: number;
  /** Most connections of each port. */
  readonly maxConnections: number;
  /** Number of ports: 1 without the Redis protocol. */
  readonly ports: number;
  /** Threads with a client of the upstream; 0 without --upstream. */
  readonly upstreamThreads: number;
  /** Bytes of the shard copy that a snapshot makes; 0 without snapshots. */
  readonly shardCopy: number;
}

/** The sizes as the options give them. */
export type RequestedSizes = Pick<Sizes, "workers" | "ports" | "upstreamThreads"> & {
  readonly memory: number | "auto";
  readonly maxPendingBytes: number | "auto";
  readonly maxSubscriptionBytes: number | "auto";
  readonly maxConnections: number | "auto";
  /** Returns the bytes of a shard copy for a value of --memory. */
  readonly shardCopy: (memory: number) => number;
};

/** Returns the most resident memory that a service of these sizes needs, in bytes. */
export function plannedBytes(sizes: Sizes): number {
  const { memory, workers, maxPendingBytes, maxConnections, ports, shardCopy } = sizes;
  return Math.ceil(
    PLAN.memoryFactor * memory +
      PLAN.baseBytes +
      PLAN.workerBytes * workers +
      PLAN.pendingFactor * maxPendingBytes +
      sizes.maxSubscriptionBytes +
      PLAN.connectionBytes * maxConnections * ports +
      PLAN.upstreamBytes * sizes.upstreamThreads +
      shardCopy,
  );
}

/** Sizes that fit the machine, and the largest --memory that fits beside the others. */
export interface FittedSizes extends Sizes {
  /** Bytes; below 1 MiB if the other sizes alone need too much. */
  readonly fittingMemory: number;
}

/** Replaces "auto" with sizes that fit the machine. The connections never exceed its descriptors. */
export function fitSizes(requested: RequestedSizes, machine: Machine): FittedSizes {
  const { memoryBytes } = machine;
  const { workers, ports, upstreamThreads, shardCopy } = requested;
  const ratioBytes = memoryBytes * PENDING_RATIO;
  const maxPendingBytes =
    requested.maxPendingBytes === "auto"
      ? wholeMb(clamp(ratioBytes, PENDING_MIN, PENDING_MAX))
      : requested.maxPendingBytes;
  const maxSubscriptionBytes =
    requested.maxSubscriptionBytes === "auto"
      ? wholeMb(clamp(memoryBytes * SUBSCRIPTION_RATIO, SUBSCRIPTION_MIN, SUBSCRIPTION_MAX))
      : requested.maxSubscriptionBytes;
  const maxConnections = Math.min(
    requestedConnections(requested, machine),
    Math.max(1, descriptorsForConnections(workers, ports, machine)),
  );
  const others = {
    ...{ workers, maxPendingBytes, maxSubscriptionBytes, maxConnections, ports },
    upstreamThreads,
  };
  const sizesOf = (memory: number) => ({ ...others, memory, shardCopy: shardCopy(memory) });
  const fittingMemory = largestMb(memoryBytes, (memory) => {
    return plannedBytes(sizesOf(memory)) <= memoryBytes;
  });
  const autoMax = Math.min(MEMORY_MAX, wholeMb(memoryBytes / 2), fittingMemory);
  const memory = requested.memory === "auto" ? Math.max(MEMORY_MIN, autoMax) : requested.memory;
  return { ...sizesOf(memory), fittingMemory };
}

/** Returns the largest whole number of MiB, in bytes up to `max`, that fits; 0 if none fits. O(log(max)). */
function largestMb(max: number, fits: (bytes: number) => boolean): number {
  let low = 0;
  let high = Math.floor(max / MB);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle * MB)) low = middle;
    else high = middle - 1;
  }
  return low * MB;
}

/** Returns the connections of each port by the option, or by the machine's memory. */
export function requestedConnections(
  { maxConnections, ports }: Pick<RequestedSizes, "maxConnections" | "ports">,
  { memoryBytes }: Machine,
): number {
  if (maxConnections !== "auto") return maxConnections;
  const affordable = Math.floor((memoryBytes * PENDING_RATIO) / (PLAN.connectionBytes * ports));
  return clamp(affordable, CONNECTIONS_MIN, CONNECTIONS_MAX);
}

/** Returns the threads of --workers auto: one for each core, or fewer in little memory. */
export function automaticWorkers({ cores, memoryBytes }: Machine): number {
  return clamp(Math.floor((memoryBytes * WORKERS_RATIO) / PLAN.workerBytes), 1, cores);
}

/** Returns the connections of each port within the limit of open files. */
function descriptorsForConnections(workers: number, ports: number, machine: Machine): number {
  const own = PROCESS_DESCRIPTORS + WORKER_DESCRIPTORS * workers;
  return Math.floor((machine.descriptors - own) / ports);
}

function wholeMb(bytes: number): number {
  return Math.floor(bytes / MB) * MB;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
