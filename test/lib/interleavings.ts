// Runs threads in every order of their atomic operations.
//
// A thread is a list of parts, which are synchronous functions. A part calls `operate` for each operation
// on the shared cells, and uses no other changing data; parts share no variables. To take one more step
// of a thread, `explore` runs its part again from the beginning with the earlier results, and stops it at
// its next operation. So the code under test runs unchanged.
//
// The behaviour of a part depends only on its results. Therefore each list of results is run once, and
// each state of all threads together is visited once.
//
// The memory is sequentially consistent. Orders that only a weaker memory allows are not explored.

/** An operation, which is one atomic step. */
type Operation =
  | { readonly kind: "step"; readonly name: string; readonly run: (cells: number[]) => number }
  /** Sleeps until `notify` if the cell has the expected value, like Atomics.wait. */
  | {
      readonly kind: "wait";
      readonly name: string;
      readonly cell: number;
      readonly expected: number;
    }
  /** Wakes the threads that have slept longest, like Atomics.notify. */
  | { readonly kind: "notify"; readonly name: string; readonly count: number }
  /** Waits until a thread has ended or died. */
  | { readonly kind: "join"; readonly name: string; readonly thread: number };

export interface Thread {
  readonly name: string;
  /** Whether the thread may die at each of its operations. */
  readonly mayDie?: boolean;
  readonly parts: readonly Part[];
}

/** Returns the number of next parts to skip; without a result, none is skipped. */
export type Part = () => number | void;

/** The position of a thread: a part, and the results so far. */
interface Position {
  readonly id: number;
  readonly part: number;
  readonly results: readonly number[];
  /** Undefined at the end of the thread. */
  readonly next: Operation | undefined;
  readonly followers: Map<number, Position>;
}

interface State {
  readonly cells: number[];
  readonly positions: Position[];
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

/** A part with more results repeats itself forever. */
const RESULTS_MAX = 200;

let results: readonly number[] = [];
let resultIndex = 0;

/** Runs an operation of the current thread, and returns its result. */
export function operate(operation: Operation): number {
  const result = results[resultIndex++];
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
 * Visits every state that the threads can reach from these cells. Calls `checkEnd` in each state in
 * which all threads have ended. An error of an operation or of `checkEnd` is thrown with the steps that
 * led to it. A state in which sleeping threads are never woken is an error too.
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
  readonly #positions = new Map<string, Position>();
  readonly #seen = new Set<string>();
  /** The steps from the start to the current state. */
  readonly #trace: string[] = [];
  #ends = 0;

  constructor(threads: readonly Thread[], checkEnd: (cells: readonly number[]) => void) {
    this.#threads = threads;
    this.#checkEnd = checkEnd;
  }

  from(cells: readonly number[]): Explored {
    try {
      const positions = this.#threads.map((_, thread) => this.#position(thread, 0, []));
      this.#visit({ cells: [...cells], positions, sleepers: [], dead: [] });
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
    for (const [thread, { next }] of state.positions.entries()) {
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
    const waiting = state.positions.flatMap((_, thread) =>
      isOver(state, thread) ? [] : [this.#nameOf(thread)],
    );
    if (waiting.length > 0) throw new Error(`nothing will wake ${waiting.join(" and ")}`);
    this.#ends++;
    this.#checkEnd(state.cells);
  }

  /** Visits the state that results from `change` on a copy of this state. */
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
    const position = state.positions[thread];
    if (position === undefined) throw new RangeError(`there is no thread ${thread}`);
    let follower = position.followers.get(result);
    if (follower === undefined) {
      follower = this.#position(thread, position.part, [...position.results, result]);
      position.followers.set(result, follower);
    }
    state.positions[thread] = follower;
  }

  /** Runs a part with these results up to its next operation, which may be in a later part. */
  #position(thread: number, part: number, before: readonly number[]): Position {
    const key = `${thread} ${part} ${before}`;
    const known = this.#positions.get(key);
    if (known !== undefined) return known;
    if (before.length > RESULTS_MAX) throw new Error(`${this.#nameOf(thread)} does not end`);
    const run = this.#threads[thread]?.parts[part];
    let next: Operation | undefined;
    results = before;
    resultIndex = 0;
    try {
      if (run !== undefined) return this.#position(thread, part + 1 + (run() ?? 0), []);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      next = error.operation;
    }
    const position = {
      id: this.#positions.size,
      part,
      results: before,
      next,
      followers: new Map(),
    };
    this.#positions.set(key, position);
    return position;
  }

  #nameOf(thread: number): string {
    return this.#threads[thread]?.name ?? "";
  }
}

function isOver({ positions, dead }: State, thread: number): boolean {
  return positions[thread]?.next === undefined || dead.includes(thread);
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

function copyOf({ cells, positions, sleepers, dead }: State): State {
  return { cells: [...cells], positions: [...positions], sleepers: [...sleepers], dead: [...dead] };
}

function keyOf({ cells, positions, sleepers, dead }: State): string {
  const positionIds = positions.map(({ id }, thread) => (dead.includes(thread) ? -1 : id));
  return `${cells}|${positionIds}|${sleepers}`;
}
