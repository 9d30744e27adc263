// The lock of a shard under every interleaving of a few threads.
//
// The code of src/cache/store/shared/lock.ts runs as it is, with one constant changed: a thread spins once before it
// sleeps, not 100 times. Its `Atomics` stop at each operation (test/lib/interleavings.ts). The seven scenes
// have 180,000 states and take a second. The controls change the code's text; each of these faults must be found.

import { describe, expect, test } from "bun:test";

import type { SequenceLock } from "../../../../../src/cache/store/shared/lock.ts";
import {
  explore,
  operate,
  step,
  type Explored,
  type Part,
  type Thread,
} from "../../../../lib/interleavings.ts";

const SOURCE = new URL("../../../../../src/cache/store/shared/lock.ts", import.meta.url);
const TEXT = await Bun.file(SOURCE).text();

/** What the threads share: the lock's word, and two copies of a number. */
const WORD = 0;
const FIRST = 1;
const SECOND = 2;
const CELLS = [0, 0, 0];
/** Below are the bits of owner and contended. */
const SEQUENCE_ONE = 2 ** 10;

/** The lock's word as `unlock` reads it without an atomic operation. */
const words = {
  get [WORD]() {
    return step("read", (cells) => valueOf(cells, WORD));
  },
} as unknown as Int32Array;

const atomics = {
  load: () => step("load", (cells) => valueOf(cells, WORD)),
  store: (_words: Int32Array, _at: number, value: number) =>
    step("store", (cells) => (cells[WORD] = value)),
  exchange: (_words: Int32Array, _at: number, value: number) =>
    step("exchange", (cells) => {
      const before = valueOf(cells, WORD);
      cells[WORD] = value;
      return before;
    }),
  compareExchange: (_words: Int32Array, _at: number, expected: number, value: number) =>
    step("compareExchange", (cells) => {
      const before = valueOf(cells, WORD);
      if (before === expected) cells[WORD] = value;
      return before;
    }),
  wait: (_words: Int32Array, cell: number, expected: number) =>
    operate({ kind: "wait", name: "wait", cell, expected }),
  notify: (_words: Int32Array, _at: number, count = Infinity) =>
    operate({ kind: "notify", name: "notify", count }),
  pause() {},
  /** Operations on a word that no other thread sees: a fence. */
  add() {},
};

const IMPORT = /^import \{[^}]*\} from "([^"]+)";$/gm;
/** The names that the source uses: those of the modules that it imports, and `Atomics`. */
const scope: Record<string, unknown> = {};
for (const [, path = ""] of transpile(TEXT).matchAll(IMPORT)) {
  Object.assign(scope, await import(new URL(path, SOURCE).href));
}
scope["Atomics"] = atomics;

type Lock = new (thread: number) => SequenceLock;

/** The class with some text of its source replaced. */
function lockWith(...replacements: readonly (readonly [string, string])[]): Lock {
  const spins = ["const SPINS = 100;", "const SPINS = 1;"] as const;
  let text = TEXT;
  for (const [from, to] of [spins, ...replacements]) {
    if (text.split(from).length !== 2)
      throw new Error(`${SOURCE.pathname} must have once: ${from}`);
    text = text.replace(from, () => to);
  }
  const body = `${transpile(text)
    .replaceAll(IMPORT, "")
    .replaceAll(/^export /gm, "")}
    return SequenceLock;`;
  return new Function(...Object.keys(scope), body)(...Object.values(scope)) as Lock;
}

function transpile(text: string): string {
  return new Bun.Transpiler({ loader: "ts" }).transformSync(text);
}

/** The parts of a thread that has this lock. */
type Program = (lock: SequenceLock) => readonly Part[];

/** Adds one to both copies and unlocks. Between its two steps the copies differ. */
function write(lock: SequenceLock): void {
  step("write the first", (cells) => {
    if (cells[FIRST] !== cells[SECOND]) throw new Error("two threads hold the lock");
    return (cells[FIRST] = valueOf(cells, FIRST) + 1);
  });
  step("write the second", (cells) => (cells[SECOND] = valueOf(cells, SECOND) + 1));
  lock.unlock(words);
}

const writes =
  (times: number): Program =>
  (lock) =>
    Array.from({ length: times }, () => [() => lock.lock(words), () => write(lock)]).flat();

const triesToWrite =
  (times: number): Program =>
  (lock) =>
    Array.from({ length: times }, () => [
      () => (lock.tryLock(words) ? 0 : 1),
      () => write(lock),
    ]).flat();

/** As SharedShard.get: twice without the lock, then with it. */
const reads: Program = (lock) => {
  const attempt = (others: number) => () => {
    const sequence = lock.readBegin(words);
    if (!lock.isFree(sequence)) return 0;
    const copy = readBoth();
    if (lock.readRetry(words, sequence)) return 0;
    accept(copy);
    return others;
  };
  const readLocked = () => {
    accept(readBoth());
    lock.unlock(words);
  };
  return [attempt(3), attempt(2), () => lock.lock(words), readLocked];
};

/** As SharedShard.release, once the thread with number 0 has ended. */
const recovers: Program = (lock) => [
  () => void operate({ kind: "join", name: "join", thread: 0 }),
  () => {
    if (lock.stealFrom(words, 0)) return 0;
    lock.wakeAll(words);
    return 1;
  },
  () => {
    step("repair", (cells) => (cells[SECOND] = valueOf(cells, FIRST)));
    lock.unlock(words);
  },
];

function readBoth(): readonly [number, number] {
  const first = step("read the first", (cells) => valueOf(cells, FIRST));
  return [first, step("read the second", (cells) => valueOf(cells, SECOND))];
}

function accept([first, second]: readonly [number, number]): void {
  if (first !== second) throw new Error("a reader accepts a torn copy");
}

function valueOf(cells: readonly number[], at: number): number {
  return cells[at] ?? 0;
}

/** Programs of threads by name. The thread with number 0 dies where `recovers` is among them. */
const SCENES: Readonly<Record<string, readonly Program[]>> = {
  "two writers": [writes(2), writes(2)],
  "a writer, and one that does not wait": [writes(2), triesToWrite(2)],
  "a writer and a reader": [writes(3), reads],
  "three writers": [writes(1), writes(1), writes(1)],
  "two writers and a reader": [writes(1), writes(1), reads],
  "a writer that dies, another one, and the recovery": [writes(1), writes(1), recovers],
  "a writer that dies, a reader, and the recovery": [writes(1), reads, recovers],
};

function exploreScene(scene: string, Lock: Lock): Explored {
  const programs = SCENES[scene] ?? [];
  const threads = programs.map((program, number): Thread => ({
    name: `thread ${number}`,
    mayDie: number === 0 && programs.includes(recovers),
    parts: program(new Lock(number)),
  }));
  return explore(threads, CELLS, (cells) => {
    const word = valueOf(cells, WORD);
    if (word % SEQUENCE_ONE !== 0) throw new Error("the lock is not free at the end");
    if (cells[FIRST] !== cells[SECOND]) throw new Error("the copies differ at the end");
  });
}

describe("in every interleaving no two threads hold the lock, no copy is torn, and all wake up:", () => {
  for (const scene of Object.keys(SCENES)) {
    test(scene, () => {
      const { states, ends } = exploreScene(scene, lockWith());
      expect(states).toBeGreaterThan(100);
      expect(ends).toBeGreaterThan(0);
    });
  }
});

describe("a fault in the lock is found:", () => {
  const torn = "a reader accepts a torn copy";
  const two = "two threads hold the lock";
  const asleep = "nothing will wake thread";
  const faults: readonly (readonly [string, string, readonly [string, string], string])[] = [
    ["unlock wakes no thread", "two writers", ["Atomics.notify(words, WORD, 1);", "{}"], asleep],
    [
      "unlock leaves the sequence as it is",
      "a writer and a reader",
      ["SEQUENCE_MASK) + SEQUENCE_ONE;", "SEQUENCE_MASK);"],
      torn,
    ],
    [
      "a reader does not look a second time",
      "a writer and a reader",
      ["return Atomics.load(words, WORD) !== sequence;", "return false;"],
      torn,
    ],
    [
      "a reader begins while a thread writes",
      "a writer and a reader",
      ["return (sequence & OWNER_MASK) === 0;", "return true;"],
      torn,
    ],
    [
      "tryLock takes a lock that another thread took meanwhile",
      "a writer, and one that does not wait",
      ["seen | this.#owner) !== seen) return false;", "seen | this.#owner) < 0) return false;"],
      two,
    ],
    [
      "a thread that has slept leaves no mark for the others",
      "three writers",
      ["? seen | CONTENDED | this.#owner :", "? seen | this.#owner :"],
      asleep,
    ],
    ["a thread sleeps without a mark", "two writers", [": seen | CONTENDED;", ": seen;"], asleep],
    [
      "the recovery takes a lock without a mark",
      "a writer that dies, another one, and the recovery",
      ["(seen & SEQUENCE_MASK) | CONTENDED | this.#owner", "(seen & SEQUENCE_MASK) | this.#owner"],
      asleep,
    ],
    [
      "the recovery takes a lock that the dead thread does not hold",
      "a writer that dies, another one, and the recovery",
      ["(seen & OWNER_MASK) !== thread + 1", "(seen & OWNER_MASK) === 0"],
      "the copies differ at the end",
    ],
    [
      "the recovery wakes no thread",
      "a writer that dies, another one, and the recovery",
      ["Atomics.notify(words, WORD);", ""],
      asleep,
    ],
  ];
  test.each(faults)("%s", (_, scene, replacement, message) => {
    expect(() => exploreScene(scene, lockWith(replacement))).toThrow(message);
  });
});
