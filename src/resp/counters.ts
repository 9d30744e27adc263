// What the workers count of the Redis protocol. Each thread owns a row and is its only
// writer; a reader adds the rows up. An aligned 64-bit float is read and written whole.

const PLACES = {
  connectionsReceived: 0,
  connected: 1,
  inputBytes: 2,
  outputBytes: 3,
  outputLimitCloses: 4,
  queryLimitCloses: 5,
  commandsPerSecond: 6,
} as const;
export type RespCounterName = keyof typeof PLACES;

/** Behind them, three of each command. */
const COMMANDS = 8;
const PER_COMMAND = 3;
const DONE = 0;
const FAILED = 1;
const REJECTED = 2;
/** Whole cache lines. */
const ROUND_TO = 8;

export interface CommandStats {
  /** Those that were run and not answered with an error. */
  readonly done: number;
  /** Those answered with an error. */
  readonly failed: number;
  /** Refused before they ran: a wrong number of arguments. */
  readonly rejected: number;
}

/** Zeroed memory for `threads` threads and `commands` commands, and a row that `reset` keeps sums in. */
export function allocateRespCounters(threads: number, commands: number): SharedArrayBuffer {
  return new SharedArrayBuffer(
    (threads + 1) * rowLength(commands) * Float64Array.BYTES_PER_ELEMENT,
  );
}

export class RespCounters {
  readonly names: readonly string[];
  readonly #all: Float64Array;
  readonly #own: Float64Array;
  readonly #rowLength: number;

  /** `names`: of the commands, by their numbers. */
  #sampledCommands = 0;

  constructor(memory: SharedArrayBuffer, thread: number, names: readonly string[]) {
    this.names = names;
    this.#rowLength = rowLength(names.length);
    this.#all = new Float64Array(memory);
    this.#own = this.#all.subarray(thread * this.#rowLength, (thread + 1) * this.#rowLength);
    // A thread that was here before has left its connections.
    this.#set(PLACES.connected, 0);
    this.#set(PLACES.commandsPerSecond, 0);
  }

  add(name: RespCounterName, count: number): void {
    this.#add(PLACES[name], count);
  }

  /** Once every `ms`. `commands`: what this thread has run since its start. Returns false, as a job with no more to do. */
  sampleCommands(commands: number, ms: number): false {
    this.#set(PLACES.commandsPerSecond, ((commands - this.#sampledCommands) * 1000) / ms);
    this.#sampledCommands = commands;
    return false;
  }

  /**
   * The command with this number, from 0, was run, and has failed or not: each is counted by itself, so that
   * neither ever goes down for who reads while others count.
   */
  called(command: number, hasFailed: boolean): void {
    this.#add(COMMANDS + command * PER_COMMAND + (hasFailed ? FAILED : DONE), 1);
  }

  rejected(command: number): void {
    this.#add(COMMANDS + command * PER_COMMAND + REJECTED, 1);
  }

  /** The sum over all threads. */
  sum(name: RespCounterName): number {
    return this.#sum(PLACES[name]);
  }

  command(command: number): CommandStats {
    const first = COMMANDS + command * PER_COMMAND;
    return {
      done: this.#sum(first + DONE),
      failed: this.#sum(first + FAILED),
      rejected: this.#sum(first + REJECTED),
    };
  }

  /** As `command`, since the start of the service, whatever `reset` has done. */
  commandSinceStart(command: number): CommandStats {
    const first = COMMANDS + command * PER_COMMAND;
    const base = this.#all.length - this.#rowLength;
    const of = (place: number) => this.#sum(place) - (this.#all[base + place] ?? 0);
    return { done: of(first + DONE), failed: of(first + FAILED), rejected: of(first + REJECTED) };
  }

  /** Lets all counts of what has happened begin at 0 again; what other threads count meanwhile may be lost. */
  reset(): void {
    const base = this.#all.length - this.#rowLength;
    for (let place = 0; place < this.#rowLength; place++) {
      if (place === PLACES.connected || place === PLACES.commandsPerSecond) continue;
      this.#all[base + place] = (this.#all[base + place] ?? 0) - this.#sum(place);
    }
  }

  #add(place: number, count: number): void {
    this.#own[place] = (this.#own[place] ?? 0) + count;
  }

  #set(place: number, value: number): void {
    this.#own[place] = value;
  }

  #sum(place: number): number {
    let sum = 0;
    for (let at = place; at < this.#all.length; at += this.#rowLength) sum += this.#all[at] ?? 0;
    return sum;
  }
}

function rowLength(commands: number): number {
  return Math.ceil((COMMANDS + commands * PER_COMMAND) / ROUND_TO) * ROUND_TO;
}
