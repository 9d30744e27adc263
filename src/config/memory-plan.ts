// The resident memory that a service may need at most, and the sizes that fit into the memory of
// its machine or container. docs/operations.md has the formula; a test compares the two.

const KB = 2 ** 10;
const MB = 2 ** 20;

/** The constants of the formula. `bun run bench memory` measures them. */
export const PLAN = {
  /** Garbage and pages of the allocator, beside each byte of --memory. */
  memoryFactor: 1.15,
  /** The runtime, its code and the thread that supervises. */
  baseBytes: 80 * MB,
  workerBytes: 10 * MB,
  /** Text that is parsed is there twice: as bytes and as strings. */
  pendingFactor: 2,
  /** Buffers of the kernel are not among them. */
  connectionBytes: 20 * KB,
} as const;

const MAX_MEMORY = 2 ** 30;
const MIN_MEMORY = MB;
const MIN_PENDING = 4 * MB;
const MAX_PENDING = 32 * MB;
const MIN_CONNECTIONS = 256;
const MAX_CONNECTIONS = 10_000;
/** Part of the machine that pending bytes may be, and that connections may take. */
const SHARE = 1 / 16;
/** Part of the machine that the workers of --workers auto may take. */
const WORKERS_SHARE = 1 / 8;

/** Descriptors of the process beside those of connections: files, and for each worker what it listens on. */
const OWN_DESCRIPTORS = 32;
const WORKER_DESCRIPTORS = 8;

/** What the process may use. */
export interface Machine {
  /** Bytes: of the machine, or the limit of a cgroup. */
  readonly memoryBytes: number;
  /** Open files and sockets; Infinity where there is no limit. */
  readonly descriptors: number;
  readonly cores: number;
}

export interface Sizes {
  /** Bytes of the cache. */
  readonly memory: number;
  readonly workers: number;
  readonly maxPendingBytes: number;
  /** Of each port. */
  readonly maxConnections: number;
  /** Ports that serve: 1 without the Redis protocol. */
  readonly ports: number;
  /** Bytes of the copy of a shard that a snapshot makes; 0 without snapshots. */
  readonly shardCopy: number;
}

/** The sizes as options give them. */
export type WantedSizes = Pick<Sizes, "workers" | "ports"> & {
  readonly memory: number | "auto";
  readonly maxPendingBytes: number | "auto";
  readonly maxConnections: number | "auto";
  /** The copy of a shard, by the bytes of --memory. */
  readonly shardCopy: (memory: number) => number;
};

/** Bytes of resident memory that a service of these sizes needs at most. */
export function plannedBytes(sizes: Sizes): number {
  const { memory, workers, maxPendingBytes, maxConnections, ports, shardCopy } = sizes;
  return Math.ceil(
    PLAN.memoryFactor * memory +
      PLAN.baseBytes +
      PLAN.workerBytes * workers +
      PLAN.pendingFactor * maxPendingBytes +
      PLAN.connectionBytes * maxConnections * ports +
      shardCopy,
  );
}

/** Sizes that fit the machine, with the --memory that would fit it beside them. */
export interface FittedSizes extends Sizes {
  /** Bytes; below 1 MiB where the rest alone is too much. */
  readonly fittingMemory: number;
}

/** Replaces "auto" by sizes that fit the machine; connections never exceed its descriptors. */
export function fitSizes(wanted: WantedSizes, machine: Machine): FittedSizes {
  const { memoryBytes } = machine;
  const { workers, ports, shardCopy } = wanted;
  const part = memoryBytes * SHARE;
  const maxPendingBytes =
    wanted.maxPendingBytes === "auto"
      ? wholeMb(clamp(part, MIN_PENDING, MAX_PENDING))
      : wanted.maxPendingBytes;
  const maxConnections = Math.min(
    wantedConnections(wanted, machine),
    Math.max(1, descriptorsForConnections(workers, ports, machine)),
  );
  const beside = { workers, maxPendingBytes, maxConnections, ports };
  const sizesOf = (memory: number) => ({ ...beside, memory, shardCopy: shardCopy(memory) });
  const fittingMemory = largestMb(memoryBytes, (memory) => {
    return plannedBytes(sizesOf(memory)) <= memoryBytes;
  });
  const most = Math.min(MAX_MEMORY, wholeMb(memoryBytes / 2), fittingMemory);
  const memory = wanted.memory === "auto" ? Math.max(MIN_MEMORY, most) : wanted.memory;
  return { ...sizesOf(memory), fittingMemory };
}

/** The largest number of whole MiB, at most `most` bytes, that fits; 0 if none does. O(log(most)). */
function largestMb(most: number, fits: (bytes: number) => boolean): number {
  let low = 0;
  let high = Math.floor(most / MB);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle * MB)) low = middle;
    else high = middle - 1;
  }
  return low * MB;
}

/** The connections of each port that options, or the machine's memory, ask for. */
export function wantedConnections(
  { maxConnections, ports }: Pick<WantedSizes, "maxConnections" | "ports">,
  { memoryBytes }: Machine,
): number {
  if (maxConnections !== "auto") return maxConnections;
  const paid = Math.floor((memoryBytes * SHARE) / (PLAN.connectionBytes * ports));
  return clamp(paid, MIN_CONNECTIONS, MAX_CONNECTIONS);
}

/** The threads of --workers auto: one for each core that the memory has room for. */
export function automaticWorkers({ cores, memoryBytes }: Machine): number {
  return clamp(Math.floor((memoryBytes * WORKERS_SHARE) / PLAN.workerBytes), 1, cores);
}

/** Connections of each port that the limit of open files leaves. */
function descriptorsForConnections(workers: number, ports: number, machine: Machine): number {
  const own = OWN_DESCRIPTORS + WORKER_DESCRIPTORS * workers;
  return Math.floor((machine.descriptors - own) / ports);
}

function wholeMb(bytes: number): number {
  return Math.floor(bytes / MB) * MB;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
