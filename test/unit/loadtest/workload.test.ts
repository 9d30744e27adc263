// What the load-test tool asks for and expects: the parts that need no server.

import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type LoadOptions, OPTIONS } from "../../../src/loadtest/options.ts";
import { StoreCounter } from "../../../src/loadtest/tally.ts";
import {
  randomMix,
  readTrace,
  type Step,
  traceReplay,
  type Workload,
} from "../../../src/loadtest/workload.ts";
import { readOptions } from "../../../src/config/parse.ts";

describe("a random mix", () => {
  test("a key's value depends on the seed and the key alone, not on what was asked before", () => {
    const [first, second] = [randomMix(options("--seed", "7")), randomMix(options("--seed", "7"))];
    const keys = stepsOf(first).map((step) => step.key);
    expect(keys.map((key) => second.valueOf(key))).toEqual(keys.map((key) => first.valueOf(key)));
    const other = randomMix(options("--seed", "8"));
    expect(keys.filter((key) => other.valueOf(key) === first.valueOf(key))).toEqual([]);
  });

  test("the same seed and the same answers give the same steps; another seed other keys", () => {
    const steps = stepsOf(randomMix(options("--seed", "7")));
    expect(stepsOf(randomMix(options("--seed", "7")))).toEqual(steps);
    const keys = new Set(steps.map((step) => step.key));
    const others = stepsOf(randomMix(options("--seed", "8")));
    expect(others.filter((step) => keys.has(step.key))).toEqual([]);
  });

  test("a GET asks only for keys that were acknowledged", () => {
    const refused = randomMix(options("-g", "100"));
    for (let n = 0; n < 20; n++) expect(refused.next()?.kind).toBe("put");
    const mix = randomMix(options("-g", "50"));
    const stored = new Set<string>();
    for (let step = mix.next(); step !== undefined; step = mix.next()) {
      if (step.kind === "get") expect(stored).toContain(step.key);
      // Every second put is left unacknowledged.
      else if (stored.size % 2 === 0 || step.key.endsWith("1")) {
        mix.stored(step.key);
        stored.add(step.key);
      }
    }
  });

  test("keys and values have the lengths asked for, of ASCII letters and digits", () => {
    for (const step of stepsOf(randomMix(options("-klen", "12", "-vlen", "30")))) {
      expect(step.key).toMatch(/^[0-9A-Za-z]{12}$/);
    }
    const mix = randomMix(options("-klen", "12", "-vlen", "30"));
    for (const { key } of stepsOf(mix)) expect(mix.valueOf(key)).toMatch(/^[0-9A-Za-z]{30}$/);
  });

  test("random lengths vary from 1 up to these", () => {
    const mix = randomMix(options("-klen", "5", "-vlen", "5", "-random-len", "-g", "0"));
    const keys = stepsOf(mix).map((step) => step.key);
    const lengths = (texts: string[]) => [...new Set(texts.map((text) => text.length))].sort();
    expect(lengths(keys)).toEqual([1, 2, 3, 4, 5]);
    expect(lengths(keys.map((key) => mix.valueOf(key)))).toEqual([1, 2, 3, 4, 5]);
  });

  test("keys of the default length are all different", () => {
    const keys = stepsOf(randomMix(options("-g", "0", "-n", "20000"))).map((step) => step.key);
    expect(new Set(keys).size).toBe(20_000);
  });

  test("keys of one character are all that there can be, and each has its value", () => {
    const mix = randomMix(options("-klen", "1", "-g", "0"));
    const keys = new Set(stepsOf(mix).map((step) => step.key));
    expect(keys.size).toBe(36);
    for (const key of keys) expect(mix.valueOf(key)).toHaveLength(100);
  });
});

describe("a trace", () => {
  test("is read as little-endian 32-bit numbers", async () => {
    const bytes = new Uint8Array([1, 0, 0, 0, 0, 1, 0, 0, 255, 255, 255, 255]);
    expect([...(await reading(bytes))]).toEqual([1, 256, 4_294_967_295]);
  });

  test("of half a number is refused", async () => {
    await expect(reading(new Uint8Array(6))).rejects.toThrow(
      "6 bytes are not whole 32-bit numbers",
    );
  });

  test("is replayed in its order, one key for each number", () => {
    const replay = traceReplay(options("--seed", "7"), Uint32Array.from([3, 1, 3, 2]));
    const keys = stepsOf(replay).map((step) => step.key);
    expect(replay.steps).toBe(4);
    expect(keys[0]).toBe(keys[2]);
    expect(new Set(keys).size).toBe(3);
  });

  test("a key was stored once its put is acknowledged, not when it is asked for", () => {
    const replay = traceReplay(options(), Uint32Array.from([5, 5]));
    const key = replay.next()?.key ?? "";
    expect(replay.wasStored(key)).toBe(false);
    replay.stored(key);
    expect(replay.wasStored(key)).toBe(true);
  });
});

describe("a tally", () => {
  test("tells first misses from misses of what was put before", () => {
    const tally = new StoreCounter();
    tally.miss(true);
    tally.miss(false);
    tally.miss(true);
    expect([tally.misses, tally.firstMisses]).toEqual([3, 2]);
  });

  test("gives percentiles in milliseconds, of each kind and of both", () => {
    const tally = new StoreCounter();
    for (let ms = 1; ms <= 99; ms++) tally.request("get", ms);
    tally.request("put", 1000);
    expect(tally.latency("get").p50).toBeCloseTo(50, 0);
    expect(tally.latency("put").max).toBeCloseTo(1000, -1);
    expect(tally.latency().p90).toBeCloseTo(90, 0);
    expect(tally.latency().max).toBeCloseTo(1000, -1);
  });

  test("has no percentile above the maximum", () => {
    // The histogram rounds percentiles up within its three digits: 46.740 ms to 46.751 ms.
    const tally = new StoreCounter();
    tally.request("get", 46.74);
    const { p50, p999, max } = tally.latency();
    expect([p50, p999, max]).toEqual([46.74, 46.74, 46.74]);
  });

  test("has every request in exactly one bar", () => {
    const tally = new StoreCounter();
    for (const ms of [0, 0.049, 0.05, 0.3, 9.9, 10, 9999, 10_000, 60_000]) tally.request("get", ms);
    expect(tally.bars.reduce((sum, count) => sum + count, 0)).toBe(tally.requests);
    expect(tally.bars.at(-1)).toBe(2);
  });

  test("of no requests gives zeros", () => {
    const tally = new StoreCounter();
    expect([tally.requests, tally.requestsPerSecond, tally.errorCount]).toEqual([0, 0, 0]);
    expect(tally.latency()).toEqual({ mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
  });
});

function options(...args: string[]): LoadOptions {
  const given = readOptions(OPTIONS, ["-n", "300", "--seed", "1", ...args], {}, undefined);
  return { ...given, token: "" };
}

/** All steps, each acknowledged at once. */
function stepsOf(workload: Workload): Step[] {
  const steps = [];
  for (let step = workload.next(); step !== undefined; step = workload.next()) {
    steps.push(step);
    workload.stored(step.key);
  }
  return steps;
}

async function reading(bytes: Uint8Array<ArrayBuffer>): Promise<Uint32Array> {
  const folder = await mkdtemp(join(tmpdir(), "ringcache-trace-"));
  try {
    await Bun.write(join(folder, "t.gz"), Bun.gzipSync(bytes));
    return await readTrace(join(folder, "t.gz"));
  } finally {
    await rm(folder, { recursive: true });
  }
}
