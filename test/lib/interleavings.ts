// Runs threads in every order of their atomic operations.
//
// A thread is a list of parts, which are synchronous functions. A part calls `operate` for each operation
// on the shared cells, and may use nothing else that changes; the next part knows nothing of it. To take
// one more step of a thread, `explore` runs its part again from the beginning with the results that it had
// before, and stops it at its next operation. So the code under test runs as it is written.
//
// What a part does depends only on its results. So each list of results is run once, and each state of all
// threads together is visited once.
//
// The memory is sequentially consistent. Orders that only a weaker memory allows are not explored.

/** An operation; all of it happens in one step. */
type Operation =
  | { readonly kind: "step"; readonly name: string; readonly run: (cells: number[]) => number }
  /** Sleeps until `notify` if the cell has the expected value, as Atomics.wait. */
  | {
      readonly kind: "wait";
      readonly name: string;
      readonly cell: number;
      readonly expected: number;
    }
  /** Wakes those that have slept longest, as Atomics.notify. */
  | { readonly kind: "notify"; readonly name: string; readonly count: number }
  /** Waits until a thread has ended or died. */
  | { readonly kind: "join"; readonly name: string; readonly thread: number };

export interface Thread {
  readonly name: string;
  /** Whether the thread may stop for ever at each of its operations. */
  readonly mayDie?: boolean;
  readonly parts: readonly Part[];
}

/** Returns how many of the next parts are left out; nothing is none. */
export type Part = () => number | void;

/** Where a thread stands: in a part, after some results. */
interface Place {
  readonly id: number;
  readonly part: number;
  readonly results: readonly number[];
  /** Undefined at the end of the thread. */
  readonly next: Operation | undefined;
  readonly followers: Map<number, Place>;
}

interface State {
  readonly cells: number[];
  readonly places: Place[];
  /** Numbers of threads, the longest asleep first. */
  readonly sleepers: number[];
  readonly dead: number[];
}

/** Stops a thread at an operation that has no result yet. */
class Stop extends Error {
  constructor(readonly operation: Operation) {
    super("a thread of `explore` must not catch this");
  }
}

/** A part that has had more results repeats itself for ever. */
const MOST_RESULTS = 200;

let results: readonly number[] = [];
let position = 0;

/** Does an operation of the thread that runs, and returns its result. */
export function operate(operation: Operation): number {
  const result = results[position++];
  if (result === undefined) throw new Stop(operation);
  return result;
}

/** An operation that reads or writes cells. */
export function step(name: string, run: (cells: number[]) => number): number {
  return operate({ kind: "step", name, run });
}

export interface Explored {
  readonly states: number;
  /** States in which all threads have ended. */
  readonly ends: number;
}

/**
 * Visits every state that the threads can reach from these cells. `checkEnd` is called where all have
 * ended. What an operation or `checkEnd` throws is thrown with the steps that led to it; so is an error
 * where threads sleep that no thread will wake.
 */
export function explore(
  threads: readonly Thread[],
  cells: readonly number[],
  checkEnd: (cells: readonly number[]) => void,
): Explored {
  return new Explorer(threads, checkEnd).from(cells);
}

class Explorer {
  readonly #threads: readonly Thread[];
  readonly #checkEnd: (cells: readonly number[]) => void;
  readonly #places = new Map<string, Place>();
  readonly #seen = new Set<string>();
  /** The steps from the start to the state that is visited. */
  readonly #trace: string[] = [];
  #ends = 0;

  constructor(threads: readonly Thread[], checkEnd: (cells: readonly number[]) => void) {
    this.#threads = threads;
    this.#checkEnd = checkEnd;
  }

  from(cells: readonly number[]): Explored {
    try {
      const places = this.#threads.map((_, thread) => this.#place(thread, 0, []));
      this.#visit({ cells: [...cells], places, sleepers: [], dead: [] });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${reason}, after:\n  ${this.#trace.join("\n  ")}`, { cause: error });
    }
    return { states: this.#seen.size, ends: this.#ends };
  }

  #visit(state: State): void {
    const key = keyOf(state);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    let isStuck = true;
    for (const [thread, { next }] of state.places.entries()) {
      if (next === undefined || state.dead.includes(thread)) continue;
      const name = this.#nameOf(thread);
      if (isReady(state, thread, next)) {
        isStuck = false;
        this.#follow(state, `${name}: ${next.name}`, (copy) => this.#take(copy, thread, next));
      }
      if (this.#threads[thread]?.mayDie) {
        this.#follow(state, `${name} dies`, (copy) => die(copy, thread));
      }
    }
    if (!isStuck) return;
    const waiting = state.places.flatMap((_, thread) =>
      isOver(state, thread) ? [] : [this.#nameOf(thread)],
    );
    if (waiting.length > 0) throw new Error(`nothing will wake ${waiting.join(" and ")}`);
    this.#ends++;
    this.#checkEnd(state.cells);
  }

  /** Visits the state that `change` makes of a copy of this one. */
  #follow(from: State, name: string, change: (state: State) => void): void {
    const state = copyOf(from);
    this.#trace.push(name);
    change(state);
    this.#visit(state);
    this.#trace.pop();
  }

  #take(state: State, thread: number, operation: Operation): void {
    switch (operation.kind) {
      case "step":
        return this.#advance(state, thread, operation.run(state.cells));
      case "join":
        return this.#advance(state, thread, 0);
      case "wait":
        if (state.cells[operation.cell] === operation.expected) state.sleepers.push(thread);
        else this.#advance(state, thread, 1);
        return;
      case "notify": {
        const woken = state.sleepers.splice(0, operation.count);
        for (const sleeper of woken) this.#advance(state, sleeper, 0);
        return this.#advance(state, thread, woken.length);
      }
    }
  }

  /** Gives a thread the result of its operation. */
  #advance(state: State, thread: number, result: number): void {
    const place = state.places[thread];
    if (place === undefined) throw new RangeError(`there is no thread ${thread}`);
    let follower = place.followers.get(result);
    if (follower === undefined) {
      follower = this.#place(thread, place.part, [...place.results, result]);
      place.followers.set(result, follower);
    }
    state.places[thread] = follower;
  }

  /** Runs a part with these results up to its next operation, or on into the parts behind it. */
  #place(thread: number, part: number, before: readonly number[]): Place {
    const key = `${thread} ${part} ${before}`;
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    if (before.length > MOST_RESULTS) throw new Error(`${this.#nameOf(thread)} does not end`);
    const run = this.#threads[thread]?.parts[part];
    let next: Operation | undefined;
    results = before;
    position = 0;
    try {
      if (run !== undefined) return this.#place(thread, part + 1 + (run() ?? 0), []);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      next = error.operation;
    }
    const place = { id: this.#places.size, part, results: before, next, followers: new Map() };
    this.#places.set(key, place);
    return place;
  }

  #nameOf(thread: number): string {
    return this.#threads[thread]?.name ?? "";
  }
}

function isOver({ places, dead }: State, thread: number): boolean {
  return places[thread]?.next === undefined || dead.includes(thread);
}

function isReady(state: State, thread: number, next: Operation): boolean {
  if (state.sleepers.includes(thread)) return false;
  return next.kind !== "join" || isOver(state, next.thread);
}

function die(state: State, thread: number): void {
  state.dead.push(thread);
  const sleeper = state.sleepers.indexOf(thread);
  if (sleeper >= 0) state.sleepers.splice(sleeper, 1);
}

function copyOf({ cells, places, sleepers, dead }: State): State {
  return { cells: [...cells], places: [...places], sleepers: [...sleepers], dead: [...dead] };
}

function keyOf({ cells, places, sleepers, dead }: State): string {
  const standing = places.map(({ id }, thread) => (dead.includes(thread) ? -1 : id));
  return `${cells}|${standing}|${sleepers}`;
}
