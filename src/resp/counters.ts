// The counters of the Redis protocol. Each thread owns a row and is its only writer. A reader
// adds the rows up. An aligned 64-bit float is read and written atomically.

import type { CacheStats } from "../cache/cache.ts";

const OFFSETS = {
  connectionsReceived: 0,
  connected: 1,
  inputBytes: 2,
  outputBytes: 3,
  outputLimitCloses: 4,
  queryLimitCloses: 5,
  commandsPerSecond: 6,
  // Counts of the cache at the last `reset`.
  hitsBefore: 7,
  missesBefore: 8,
  expiredBefore: 9,
  evictedBefore: 10,
  trackingClients: 11,
  trackedKeys: 12,
  trackedItems: 13,
  trackedPrefixes: 14,
} as const;
export type RespCounterName = keyof typeof OFFSETS;
/** Offsets of the counters that are states of the thread and not sums of events. */
const STATES: ReadonlySet<number> = new Set([
  OFFSETS.connected,
  OFFSETS.commandsPerSecond,
  OFFSETS.trackingClients,
  OFFSETS.trackedKeys,
  OFFSETS.trackedItems,
  OFFSETS.trackedPrefixes,
]);

/**
 * Room for the counters of this number of commands and subcommands. It is no length of the table of commands,
 * because the supervisor allocates the memory and loads none of them: without them its thread has 5 MB less.
 */
export const COMMANDS_MAX = 256;

/** Offset of the counters of the commands: three for each command. */
const COMMANDS = 16;
const PER_COMMAND = 3;
const DONE = 0;
const FAILED = 1;
const REJECTED = 2;
/** A row is a multiple of 8 floats: whole cache lines. */
const FLOATS_PER_LINE = 8;
const ROW_LENGTH =
  Math.ceil((COMMANDS + COMMANDS_MAX * PER_COMMAND) / FLOATS_PER_LINE) * FLOATS_PER_LINE;

export interface CommandStats {
  /** Calls without an error reply. */
  readonly done: number;
  /** Calls with an error reply. */
  readonly failed: number;
  /** Calls that were rejected before they ran, for example for a wrong number of arguments. */
  readonly rejected: number;
}

/** Returns zeroed memory: a row for each thread, and one row in which `reset` keeps the earlier sums. */
export function allocateRespCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((threads + 1) * ROW_LENGTH * Float64Array.BYTES_PER_ELEMENT);
}

export class RespCounters {
  readonly names: readonly string[];
  readonly #all: Float64Array;
  readonly #own: Float64Array;

  #sampledCommands = 0;

  /** `names` are the names of the commands by their numbers. */
  constructor(memory: SharedArrayBuffer, thread: number, names: readonly string[]) {
    this.names = names;
    if (names.length > COMMANDS_MAX) throw new Error(`COMMANDS_MAX must be ${names.length}`);
    this.#all = new Float64Array(memory);
    this.#own = this.#all.subarray(thread * ROW_LENGTH, (thread + 1) * ROW_LENGTH);
    // The connections of an earlier thread with this number no longer exist.
    for (const offset of STATES) this.#set(offset, 0);
  }

  /** Sets a counter of this thread that is a state. */
  set(name: RespCounterName, value: number): void {
    this.#set(OFFSETS[name], value);
  }

  add(name: RespCounterName, count: number): void {
    this.#add(OFFSETS[name], count);
  }

  /**
   * Updates the commands per second; called every `ms`. `commands` is the number of commands of this
   * thread since its start. Returns false, so that the job rests while no requests arrive.
   */
  sampleCommands(commands: number, ms: number): false {
    this.#set(OFFSETS.commandsPerSecond, ((commands - this.#sampledCommands) * 1000) / ms);
    this.#sampledCommands = commands;
    return false;
  }

  /**
   * Counts a call of the command with this number. Failed and other calls have separate counters, so that
   * neither sum ever decreases for a concurrent reader.
   */
  called(command: number, hasFailed: boolean): void {
    this.#add(COMMANDS + command * PER_COMMAND + (hasFailed ? FAILED : DONE), 1);
  }

  rejected(command: number): void {
    this.#add(COMMANDS + command * PER_COMMAND + REJECTED, 1);
  }

  /** Returns the sum over all threads. */
  sum(name: RespCounterName): number {
    return this.#sum(OFFSETS[name]);
  }

  command(command: number): CommandStats {
    const first = COMMANDS + command * PER_COMMAND;
    return {
      done: this.#sum(first + DONE),
      failed: this.#sum(first + FAILED),
      rejected: this.#sum(first + REJECTED),
    };
  }

  /** Returns the counters of a command since the start of the service, regardless of `reset`. */
  commandSinceStart(command: number): CommandStats {
    const first = COMMANDS + command * PER_COMMAND;
    const base = this.#all.length - ROW_LENGTH;
    const total = (offset: number) => this.#sum(offset) - (this.#all[base + offset] ?? 0);
    return {
      done: total(first + DONE),
      failed: total(first + FAILED),
      rejected: total(first + REJECTED),
    };
  }

  /** Returns the bytes of the port since the start of the service, regardless of `reset`. */
  trafficSinceStart(): { readonly received: number; readonly sent: number } {
    const base = this.#all.length - ROW_LENGTH;
    const total = (offset: number) => this.#sum(offset) - (this.#all[base + offset] ?? 0);
    return { received: total(OFFSETS.inputBytes), sent: total(OFFSETS.outputBytes) };
  }

  /**
   * Sets all counters of events to 0, and keeps the counts of the cache. Concurrent counts of other threads may be
   * lost.
   */
  reset({ hit, miss, expired, evicted }: CacheStats): void {
    const base = this.#all.length - ROW_LENGTH;
    for (let offset = 0; offset < ROW_LENGTH; offset++) {
      if (STATES.has(offset)) continue;
      this.#all[base + offset] = (this.#all[base + offset] ?? 0) - this.#sum(offset);
    }
    this.#all[base + OFFSETS.hitsBefore] = hit;
    this.#all[base + OFFSETS.missesBefore] = miss;
    this.#all[base + OFFSETS.expiredBefore] = expired;
    this.#all[base + OFFSETS.evictedBefore] = evicted;
  }

  #add(offset: number, count: number): void {
    this.#own[offset] = (this.#own[offset] ?? 0) + count;
  }

  #set(offset: number, value: number): void {
    this.#own[offset] = value;
  }

  #sum(offset: number): number {
    let sum = 0;
    for (let index = offset; index < this.#all.length; index += ROW_LENGTH)
      sum += this.#all[index] ?? 0;
    return sum;
  }
}
