import { describe, expect, spyOn, test } from "bun:test";
import { Worker } from "node:worker_threads";

import { ByteBuffer, type Bytes, MISS } from "../../../../src/cache/bytes.ts";
import { Layout } from "../../../../src/cache/store/shared/layout.ts";
import { SequenceLock } from "../../../../src/cache/store/shared/lock.ts";
import { type Entry, type TimedValue, NEVER } from "../../../../src/cache/store/shard.ts";
import { SharedShard } from "../../../../src/cache/store/shared/shared-shard.ts";
import { describeLimit } from "./limit.contract.ts";
import { describeParts } from "./parts.contract.ts";
import { describeShard } from "./shard.contract.ts";

const MEBIBYTE = 2 ** 20;

function shardOf(bytes: number, evicts = true): SharedShard {
  return new SharedShard(SharedShard.allocate(bytes, evicts), lockOf(0));
}

describeShard("SharedShard", () => shardOf(64 * MEBIBYTE));
describeParts("SharedShard", () => shardOf(64 * MEBIBYTE));
describeLimit("SharedShard", shardOf);

test("what one attachment puts another one gets", () => {
  const memory = SharedShard.allocate(MEBIBYTE);
  const [one, other] = [new SharedShard(memory, lockOf(0)), new SharedShard(memory, lockOf(1))];
  one.put(run("k"), run("v"), NEVER, 0);
  expect(get(other, "k")).toBe("v");
  other.delete(run("k"), 0);
  expect(get(one, "k")).toBeUndefined();
});

describe("a full shard", () => {
  test("evicts what nobody asked for first, and of that the oldest", () => {
    const shard = shardOf(MEBIBYTE);
    const put = (key: string) => shard.put(run(key), run("v".repeat(100)), NEVER, 0);
    for (let n = 0; n < 5000; n++) put(`asked${n}`);
    for (let n = 0; n < 5000; n++) get(shard, `asked${n}`);
    for (let n = 0; n < 20_000; n++) put(`flood${n}`);
    const held = (name: string, from: number, to: number) => {
      let count = 0;
      for (let n = from; n < to; n++) if (get(shard, `${name}${n}`) !== undefined) count++;
      return count;
    };
    expect(held("asked", 0, 5000)).toBeGreaterThan(4500);
    // A few are taken for ghosts of others.
    expect(held("flood", 0, 15_000)).toBeLessThan(50);
    expect(held("flood", 19_500, 20_000)).toBe(500);
    shard.check();
  });

  test("remembers what it evicted: a key that comes back stays", () => {
    const shard = shardOf(MEBIBYTE);
    const put = (key: string) => shard.put(run(key), run("v".repeat(100)), NEVER, 0);
    for (let n = 0; n < 7000; n++) put(`first${n}`);
    put("back");
    for (let n = 0; n < 9000; n++) put(`second${n}`);
    expect(get(shard, "back")).toBeUndefined();
    expect(shard.stats().ghosts).toBeGreaterThan(0);
    put("back");
    for (let n = 0; n < 5000; n++) put(`third${n}`);
    expect(get(shard, "back")).toBeDefined();
  });

  test("of the smallest entries fills its index, and goes on", () => {
    const shard = new SharedShard(SharedShard.allocate(MEBIBYTE), lockOf(0));
    const key = { bytes: Buffer.alloc(3), start: 0, end: 3 };
    for (let n = 0; n < 100_000; n++) {
      key.bytes.writeUIntBE(n, 0, 3);
      shard.put(key, { bytes: key.bytes, start: 0, end: 0 }, NEVER, 0);
    }
    const { entries, evicted } = shard.stats();
    expect(entries + evicted).toBe(100_000);
    expect(entries).toBeGreaterThan(30_000);
    shard.check();
  });

  test("takes entries longer than a segment, up to an eighth of it", () => {
    const shard = shardOf(MEBIBYTE);
    for (let n = 0; n < 200; n++) {
      const long = `${n}`.repeat(40_000);
      shard.put(run(`long${n % 10}`), run(long), NEVER, 0);
      shard.put(run(`short${n}`), run("v"), NEVER, 0);
      expect(get(shard, `long${n % 10}`)).toBe(long);
      shard.check();
    }
    const tooLong = () => shard.put(run("k"), run("v".repeat(140_000)), NEVER, 0);
    expect(tooLong).toThrow("a key of 1 and a value of 140000 bytes: together at most 131072");
    shard.check();
  });
});

test("overwriting with other lengths keeps memory in bounds: nothing is evicted", () => {
  const shard = new SharedShard(SharedShard.allocate(MEBIBYTE), lockOf(0));
  // 300 kB alive in 640 kB of log, written over twenty times.
  for (let n = 0; n < 60_000; n++) {
    shard.put(run(`key${n % 3000}`), run("v".repeat(40 + ((n * 31) % 80))), NEVER, 0);
  }
  expect(shard.stats()).toMatchObject({ entries: 3000, evicted: 0 });
  shard.check();
});

test("an update may answer with the very bytes it was shown, whatever moves", () => {
  const shard = new SharedShard(SharedShard.allocate(MEBIBYTE), lockOf(0));
  for (let n = 0; n < 3000; n++) shard.put(run(`key${n}`), run(`value of ${n}`), NEVER, 0);
  const withDeadline = (entry: Entry | undefined): TimedValue => {
    if (entry === undefined) throw new Error("the entry is gone");
    return { value: entry.value, expiresAtMs: 1000 };
  };
  for (let n = 0; n < 3000; n++) shard.update(run(`key${n}`), 0, withDeadline);
  for (let n = 0; n < 3000; n++) expect(get(shard, `key${n}`)).toBe(`value of ${n}`);
  shard.check();
});

// The reader took its own lock's mark for a writer, and answered a miss instead of a long value.
test("a reader that has taken the lock finds the entry, though others wait for the lock", () => {
  const memory = SharedShard.allocate(MEBIBYTE);
  const words = new Int32Array(memory);
  const contended = 2 ** 9;
  /** Sees a writer at every look, until it has the lock; then somebody waits for it. */
  class BusyLock extends SequenceLock {
    #isHeld = false;
    override isFree(sequence: number): boolean {
      return this.#isHeld && super.isFree(sequence);
    }
    override lock(of: Int32Array): void {
      super.lock(of);
      this.#isHeld = true;
    }
    override readRetry(of: Int32Array, sequence: number): boolean {
      Atomics.or(words, 0, contended);
      return super.readRetry(of, sequence);
    }
  }
  const shard = new SharedShard(memory, new BusyLock(0));
  const long = "v".repeat(3000);
  shard.put(run("k"), run(long), NEVER, 0);
  const reader = new SharedShard(memory, new BusyLock(1));
  const into = new ByteBuffer(16);
  expect(reader.get(run("k"), 0, into)).toBe(3000);
  expect(into.toText()).toBe(long);
});

test("a shard that has lost nearly all of a great many entries is swept in a few steps", () => {
  const shard = new SharedShard(SharedShard.allocate(16 * MEBIBYTE), lockOf(0));
  for (let n = 0; n < 50_000; n++) shard.put(run(`key${n}`), run("v"), n < 49_990 ? 10 : 1000, 0);
  while (shard.sweep(10, 1000) === 1000);
  while (shard.sweep(10, 1000) === 1000);
  expect(shard.stats().entries).toBe(10);
  expect(shard.sweep(20, 100)).toBeLessThan(100);
  shard.check();
  for (let n = 49_990; n < 50_000; n++) expect(get(shard, `key${n}`)).toBe("v");
});

describe("a writer that fails", () => {
  // The rows of a run were lost for good when a writer ended between them and their count.
  test("at any step of a write leaves a shard that takes as much as before", () => {
    const memory = SharedShard.allocate(MEBIBYTE);
    const shard = new SharedShard(memory, lockOf(0));
    const large = run("v".repeat(80_000));
    const setSegment = Layout.prototype.setSegment;
    const failAfter = (steps: number) => {
      let step = 0;
      return spyOn(Layout.prototype, "setSegment").mockImplementation(function (
        this: Layout,
        ...row
      ) {
        setSegment.apply(this, row);
        if (++step === steps) throw new Error("the thread ends");
      });
    };
    for (let steps = 1; steps <= 12; steps++) {
      const spy = failAfter(steps);
      expect(() => shard.put(run("k"), large, NEVER, 0)).toThrow("the thread ends");
      spy.mockRestore();
      shard.check();
    }
    for (let n = 0; n < 5; n++) shard.put(run(`k${n}`), large, NEVER, 0);
    expect(shard.stats()).toMatchObject({ entries: 5, evicted: 0, emptied: 12 });
  });

  test("in the middle of a write leaves the shard empty, unlocked and counted", () => {
    const shard = new SharedShard(SharedShard.allocate(MEBIBYTE), lockOf(0));
    for (let n = 0; n < 1000; n++) shard.put(run(`key${n}`), run("v"), NEVER, 0);
    const failing = failingValue(() => {
      throw new Error("memory fault");
    });
    expect(() => shard.put(run("k"), failing, NEVER, 0)).toThrow("memory fault");
    expect(shard.stats()).toMatchObject({ entries: 0, bytes: 0, emptied: 1 });
    shard.check();
    shard.put(run("k"), run("again"), NEVER, 0);
    expect(get(shard, "k")).toBe("again");
  });

  test("in its `change` costs nothing", () => {
    const shard = new SharedShard(SharedShard.allocate(MEBIBYTE), lockOf(0));
    shard.put(run("k"), run("v"), NEVER, 0);
    const failing = () => {
      throw new Error("not a number");
    };
    expect(() => shard.update(run("k"), 0, failing)).toThrow("not a number");
    expect(get(shard, "k")).toBe("v");
    expect(shard.stats().emptied).toBe(0);
  });

  for (const [place, entries] of [
    ["in the middle of a write: the shard is empty", 0],
    ["in its `change`: nothing is lost", 1],
  ] as const) {
    test(`by ending its thread ${place}, and whoever waits goes on`, async () => {
      const memory = SharedShard.allocate(MEBIBYTE);
      const shard = new SharedShard(memory, lockOf(0));
      shard.put(run("kept"), run("v"), NEVER, 0);
      await ended(startThread(memory, 1, entries === 0 ? "die writing" : "die in change"));
      const waiting = startThread(memory, 2, "put");
      expect(shard.recoverThread(2)).toBe(false);
      expect(shard.recoverThread(1)).toBe(true);
      await ended(waiting);
      expect(get(shard, "put by 2")).toBe("v");
      expect(shard.stats()).toMatchObject({ entries: entries + 1, emptied: 1 - entries });
      shard.check();
    });
  }
});

function lockOf(thread: number): SequenceLock {
  return new SequenceLock(thread);
}

function startThread(memory: SharedArrayBuffer, thread: number, order: string): Worker {
  const workerData = { memory, thread, order };
  return new Worker(new URL("shard-thread.ts", import.meta.url), { workerData });
}

async function ended(worker: Worker): Promise<void> {
  const exit = Promise.withResolvers<number>();
  worker.on("exit", exit.resolve);
  worker.on("error", exit.reject);
  await exit.promise;
}

/** A value whose bytes do something else when they are about to be copied into the log. */
function failingValue(copy: () => never): Bytes {
  return { bytes: Object.assign(Buffer.alloc(1), { copy }), start: 0, end: 1 };
}

function run(text: string): Bytes {
  return ByteBuffer.ofText(text);
}

function get(shard: SharedShard, key: string): string | undefined {
  const into = new ByteBuffer();
  return shard.get(run(key), 0, into) === MISS ? undefined : into.toText();
}
