// A naive model of the rules of eviction runs beside a shard. The model takes from the shard only which
// entries were at a tail in a put, and which run a record lies in. It predicts everything else: the queue
// of a new entry, what becomes of each entry at a tail, hits, rounds, the mean, every ghost, and how many keys
// return soon.

import { expect, test } from "bun:test";

import { ByteBuffer, MISS, NEVER } from "../../../../../src/cache/cache.ts";
import { keyed } from "../../../../../src/cache/hash.ts";
import {
  GROUP,
  type Layout,
  MAIN,
  type Queue,
} from "../../../../../src/cache/store/shared/layout.ts";
import { SequenceLock } from "../../../../../src/cache/store/shared/lock.ts";
import * as runs from "../../../../../src/cache/store/shared/runs.ts";
import { SharedShard } from "../../../../../src/cache/store/shared/shared-shard.ts";
import { keysThatReturn, mixedKeys } from "./rules-keys.ts";

const SMALL = 0;
const TURNS_MAX = 8;

interface Held {
  readonly bytes: number;
  readonly hash: number;
  readonly isMain: boolean;
  readonly hits: number;
  readonly rounds: number;
}

/** An entry as it lies in the shard; `stamp` names its run. */
interface Seen extends Held {
  /** Offset of its record. */
  readonly record: number;
  readonly stamp: number;
  readonly isOpen: boolean;
  /** Its run has dead records: the shard moves the others instead of taking turns, if it has room. */
  readonly isCleaned: boolean;
}

class Model {
  held = new Map<string, Held>();
  mean = 0;
  clock = 0;
  mainBorn = 0;
  /** Times 2^24. */
  young = 0;
  slots = 0;
  /** The ghosts of each group, the newest first. */
  ghosts = new Map<number, { print: number; epoch: number }[]>();
  born = new Map<number, number>();
  /**
   * Records of one put that small had to keep, that main may evict, and that are gone. Where no room is left to
   * move such a record, its run goes to main as it is. If the run is cleaned in the same put, main evicts the
   * record, which leaves no ghost. Otherwise it was evicted by force, with a ghost.
   */
  maybeMain = 0;
  decisions = {
    checked: 0,
    evicted: 0,
    promoted: 0,
    rounds: 0,
    inPlace: 0,
    forced: 0,
    repeated: 0,
    returned: 0,
    tooLate: 0,
    smallRatio: 0,
  };

  hit(key: string): boolean {
    const entry = this.held.get(key);
    if (entry) this.held.set(key, { ...entry, hits: Math.min(3, entry.hits + 1) });
    return entry !== undefined;
  }

  insert(key: string, hash: number, bytes: number): void {
    const inserts = Math.min(1024, this.held.size + 1);
    this.mean += Math.round((16 * bytes - this.mean) / inserts);
    const isMain = this.#returns(hash, bytes);
    this.held.set(key, { bytes, hash, isMain, hits: 0, rounds: 0 });
  }

  /** The entry after its turn at the tail; undefined: evicted. */
  atTail(entry: Held): Held | undefined {
    const { bytes, isMain, hits, rounds } = entry;
    const mean = this.mean / 16;
    const needed = isMain || bytes <= 1.25 * mean ? 1 : 2;
    const freeInMain = bytes > mean / 2 ? 0 : bytes > mean / 4 ? 1 : bytes > mean / 8 ? 2 : 3;
    const free = isMain ? freeInMain : 0;
    if (hits > 0 && hits >= needed) {
      return { ...entry, isMain: true, hits: isMain ? hits - 1 : 0, rounds: 0 };
    }
    return hits === 0 && rounds < free ? { ...entry, rounds: rounds + 1 } : undefined;
  }

  /** `isGone`: the shard has evicted the entry. A put that finds no room may do so whatever was hit. */
  turn(key: string, entry: Held, isGone: boolean): void {
    const after = this.atTail(entry);
    if (after && isGone) {
      this.decisions.forced++;
      if (!entry.isMain && this.atTail(after) === undefined) this.maybeMain++;
    }
    if (after && !isGone) {
      this.held.set(key, after);
      this.decisions[after.rounds > 0 ? "rounds" : "promoted"]++;
      return;
    }
    this.held.delete(key);
    this.decisions.evicted++;
    if (!entry.isMain) this.#layDown(entry.hash);
  }

  #layDown(hash: number): void {
    this.clock++;
    const group = this.#groupOf(hash);
    const others = this.ghosts.get(group) ?? [];
    const ghost = { print: hash % 2048 || 1, epoch: this.#epoch() };
    this.ghosts.set(group, [ghost, ...others].slice(0, 8));
  }

  #returns(hash: number, bytes: number): boolean {
    const ghosts = this.ghosts.get(this.#groupOf(hash)) ?? [];
    const found = ghosts.findIndex(({ print }) => print === (hash % 2048 || 1));
    const [ghost] = found < 0 ? [] : ghosts.splice(found, 1);
    const epochs = ghost ? (this.#epoch() - ghost.epoch + 32) % 32 : Infinity;
    const inserts = Math.min(65_536, Math.max(512, 2 * this.held.size));
    const weight = epochs === 0 ? 2 ** 24 : epochs <= 4 ? -(2 ** 22) : 0;
    this.young += Math.round((weight - this.young) / inserts);
    if (ghost === undefined) return false;
    const inSmall = this.held.size * Math.min(0.25, 0.1 + (4 * Math.max(0, this.young)) / 2 ** 24);
    const away = (epochs + 0.5) * (this.slots / 8) + inSmall;
    const isShort = bytes <= this.mean / 64;
    const isInTime = isShort || this.mainBorn === 0 || away <= this.clock - this.mainBorn;
    this.decisions[isInTime ? "returned" : "tooLate"]++;
    return isInTime;
  }

  #epoch(): number {
    return Math.floor(this.clock / (this.slots / 8)) % 32;
  }

  #groupOf(hash: number): number {
    return Math.floor(Math.floor((hash * this.slots) / 2 ** 32) / GROUP);
  }
}

/** The entries of the shard in the order of its queues' runs. */
function see(layout: Layout): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  const all = [...runs.runs(layout)].sort((a, b) => runs.age(layout, b) - runs.age(layout, a));
  for (const run of all) {
    const isOpen = runs.isOpen(layout, run);
    const isCleaned = layout.segment(run, "dead") >= layout.segment(run, "used") / 16;
    for (
      let record = layout.segmentStart(run);
      record < runs.endOf(layout, run);
      record += layout.recordBytesAt(record)
    ) {
      if (layout.isDead(record)) continue;
      const { bytes, start, end } = layout.keyOf(record);
      const hash = keyed(bytes, start, end, layout.field("seed")) >>> 0;
      const slot = slotOf(layout, hash, record);
      const marks = layout.marksAt(slot);
      seen.set(bytes.toString("latin1", start, end), {
        bytes: layout.recordBytesAt(record),
        hash,
        isMain: layout.queueOf(run) === MAIN,
        hits: marks & 3,
        rounds: marks >> 2,
        record,
        stamp: layout.segment(run, "stamp"),
        isOpen,
        isCleaned,
      });
    }
  }
  return seen;
}

function slotOf(layout: Layout, hash: number, record: number): number {
  const slots = layout.field("slots");
  let slot = Math.floor((hash * slots) / 2 ** 32);
  while (layout.recordAt(slot) !== record) slot = (slot + 1) % slots;
  return slot;
}

function ghostsOf(layout: Layout): Model["ghosts"] {
  const ghosts: Model["ghosts"] = new Map();
  for (let slot = 0; slot < layout.field("slots"); slot += GROUP) {
    const first = layout.firstGhost(slot);
    const found = [...layout.halfWords.subarray(first, first + GROUP)].filter((word) => word > 0);
    const group = found.map((word) => ({ print: word & 2047, epoch: word >> 11 }));
    if (found.length > 0) ghosts.set(slot / GROUP, group);
  }
  return ghosts;
}

/** Takes over the state of the shard. */
function follow(model: Model, layout: Layout, after: Map<string, Seen>): void {
  model.held = new Map([...after].map(([key, entry]) => [key, heldOf(entry)]));
  model.mean = layout.field("meanBytes") >>> 0;
  model.clock = layout.field("ghostClock");
  model.mainBorn = layout.field("mainBorn");
  model.young = layout.field("youngReturns");
  model.slots = layout.field("slots");
  model.ghosts = ghostsOf(layout);
}

function heldOf({ bytes, hash, isMain, hits, rounds }: Held): Held {
  return { bytes, hash, isMain, hits, rounds };
}

/** Lets the model take the turns that the shard took in a put of `key`, and checks that runs had them oldest first. */
function takeTurns(
  model: Model,
  before: Map<string, Seen>,
  after: Map<string, Seen>,
  isInOrder: boolean,
): void {
  const oldestLeft: [number, number] = [Infinity, Infinity];
  const latestTurn: [number, number] = [-Infinity, -Infinity];
  let lastOfMain = 0;
  for (const [key, was] of before) {
    const held = model.held.get(key);
    const is = after.get(key);
    if (held === undefined) throw new Error(`the model has lost ${key}`);
    const queue: Queue = was.isMain ? MAIN : SMALL;
    if (is && Bun.deepEquals(heldOf(is), held)) {
      if (!was.isOpen) oldestLeft[queue] = Math.min(oldestLeft[queue], is.stamp);
      continue;
    }
    // There was no room to move another record of its run, so the run went to the end of main as it was.
    if (is?.hits === held.hits && is.rounds === held.rounds) {
      model.held.set(key, { ...held, isMain: is.isMain });
      continue;
    }
    model.turn(key, held, is === undefined);
    if (is?.record === was.record) model.decisions.inPlace++;
    // One put may take an entry through several turns.
    for (let turns = 1; is && turns < TURNS_MAX; turns++) {
      const next = model.held.get(key);
      if (next === undefined || Bun.deepEquals(heldOf(is), next)) break;
      model.turn(key, next, false);
      model.decisions.repeated++;
    }
    latestTurn[queue] = Math.max(latestTurn[queue], was.stamp);
    if (was.isMain && !was.isCleaned) lastOfMain = was.stamp;
  }
  for (const queue of isInOrder ? ([SMALL, MAIN] as const) : []) {
    expect(latestTurn[queue]).toBeLessThanOrEqual(oldestLeft[queue]);
  }
  if (lastOfMain > 0) model.mainBorn = model.born.get(lastOfMain) ?? NaN;
}

/** Runs that are new were opened or requeued in this put. */
function noteBirths(model: Model, layout: Layout, clockBefore: number): void {
  for (const run of runs.runs(layout)) {
    const stamp = layout.segment(run, "stamp");
    if (model.born.has(stamp)) continue;
    const born = layout.segment(run, "born");
    expect(born).toBeGreaterThanOrEqual(clockBefore);
    expect(born).toBeLessThanOrEqual(model.clock);
    model.born.set(stamp, born);
  }
}

/** The model and the shard must hold the same entries, with the same queue, hits and rounds. */
function expectSame(model: Model, after: Map<string, Seen>): void {
  expect(after.size).toBe(model.held.size);
  for (const [key, is] of after) {
    const held = model.held.get(key);
    const isSame = held?.isMain === is.isMain && held.hits === is.hits && held.rounds === is.rounds;
    if (!isSame) expect({ key, ...heldOf(is) }).toEqual({ key, ...(held as Held) });
  }
}

/** Gets and, on a miss, puts of these keys. */
function run(model: Model, { bytes, steps, isInOrder, keys, lengthOf }: Shape): Model["decisions"] {
  const shard = new SharedShard(SharedShard.allocate(bytes), new SequenceLock(0));
  const { layout } = shard;
  const into = new ByteBuffer();
  const value = { bytes: Buffer.alloc(2 ** 14), start: 0, end: 0 };
  const keyOf = keys();
  let after = see(layout);
  for (let step = 0; step < steps; step++) {
    const n = keyOf(step);
    const name = `k${n}`;
    const key = ByteBuffer.ofText(name);
    into.clear();
    const wasHit = shard.get(key, 0, into) !== MISS;
    expect(wasHit).toBe(model.hit(name));
    if (wasHit) continue;
    const before = after;
    const isIndexFull = layout.field("entries") + 1 > layout.field("slots") * 0.8;
    const clockBefore = model.clock;
    value.end = lengthOf(n);
    shard.put(key, value, NEVER, 0);
    after = see(layout);
    if (isIndexFull) {
      // The index has grown, or made room: ghosts are gone, and the order of the steps is another one.
      follow(model, layout, after);
      noteBirths(model, layout, 0);
      continue;
    }
    const entry = after.get(name);
    if (entry === undefined) throw new Error(`${name} was put and is not there`);
    model.insert(name, entry.hash, entry.bytes);
    model.maybeMain = 0;
    takeTurns(model, before, after, isInOrder);
    const withoutGhost = model.clock - layout.field("ghostClock");
    expect(withoutGhost).toBeWithin(0, (isInOrder ? 0 : model.maybeMain) + 1);
    model.clock -= withoutGhost;
    noteBirths(model, layout, clockBefore);
    expectSame(model, after);
    expect(layout.field("meanBytes")).toBe(model.mean);
    expect(layout.field("mainBorn")).toBe(model.mainBorn);
    expect(layout.field("youngReturns")).toBe(model.young);
    if (!isInOrder) model.ghosts = ghostsOf(layout);
    else if (step % 50 === 0) {
      const groups = [...model.ghosts].filter(([, group]) => group.length > 0);
      expect(ghostsOf(layout)).toEqual(new Map(groups.sort(([a], [b]) => a - b)));
    }
    const small = layout.field("smallBytes") / layout.field("usedBytes");
    model.decisions.smallRatio = small;
    model.decisions.checked++;
  }
  shard.check();
  return model.decisions;
}

interface Shape {
  readonly bytes: number;
  readonly steps: number;
  /** Longer records lie in any recent run of their queue, so the order of their turns is not that of the runs. */
  readonly isInOrder: boolean;
  readonly keys: () => (step: number) => number;
  readonly lengthOf: (n: number) => number;
}

const SHAPES: Record<string, Shape> = {
  "short records of one length": {
    ...{ bytes: 2 ** 16, steps: 5000, isInOrder: true, keys: mixedKeys },
    lengthOf: () => 40,
  },
  "short records": {
    ...{ bytes: 2 ** 16, steps: 5000, isInOrder: true, keys: mixedKeys },
    lengthOf: (n) => (n % 5 === 0 ? 40 : 0),
  },
  "keys that return soon": {
    ...{ bytes: 2 ** 16, steps: 5000, isInOrder: true, keys: keysThatReturn },
    lengthOf: () => 40,
  },
  "records of up to 8 KB": {
    ...{ bytes: 2 ** 18, steps: 4000, isInOrder: false, keys: mixedKeys },
    lengthOf: (n) => 2 ** (n % 14),
  },
};

for (const [name, shape] of Object.entries(SHAPES)) {
  test(`the model of the rules agrees with a shard: ${name}`, () => {
    const decisions = run(new Model(), shape);
    const { checked, evicted, promoted, rounds, forced, repeated, returned } = decisions;
    expect(checked).toBeGreaterThan(shape.steps / 8);
    for (const count of [evicted, promoted, returned]) expect(count).toBeGreaterThan(0);
    expect(forced + repeated).toBeLessThan(evicted / 20);
    if (!shape.isInOrder) expect(rounds).toBeGreaterThan(0);
    if (shape.keys !== keysThatReturn) return;
    expect(decisions.inPlace).toBeGreaterThan(promoted / 10);
    expect(decisions.smallRatio).toBeGreaterThan(0.2);
  }, 60_000);
}

test("a model with another rule does not agree", () => {
  class Other extends Model {
    override atTail(entry: Held): Held | undefined {
      return entry.isMain && entry.hits === 1 ? undefined : super.atTail(entry);
    }
  }
  const shape = SHAPES["short records of one length"] as Shape;
  let decisions: Model["decisions"] | undefined;
  try {
    decisions = run(new Other(), shape);
  } catch {
    return;
  }
  throw new Error(`the other model agrees: ${JSON.stringify(decisions)}`);
});
