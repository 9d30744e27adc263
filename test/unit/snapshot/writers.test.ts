// Snapshots while other threads write.

import { expect, test } from "bun:test";
import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { Cache, fitOptions, NEVER } from "../../../src/cache/cache.ts";
import { readSnapshot } from "../../../src/snapshot/reader.ts";
import { save, smallCache, temporaryFolder } from "./saved.ts";
import { until } from "../../lib/until.ts";

const THREADS = 4;
const KEYS = 20_000;
const SNAPSHOTS = 3;
const WRITES_BEFORE = 20_000;

test("a snapshot during the writes of 4 threads contains only values that belong to their keys", async () => {
  await using folder = await temporaryFolder();
  const options = fitOptions({
    ...{ store: "shared", shards: 8, virtualNodes: 64, memoryBytes: 2 ** 24, evicts: true },
    ...{ maxKeyBytes: 1024, maxValueBytes: 2 ** 16, defaultTtlMs: NEVER, maxTtlMs: NEVER },
  });
  const memory = Cache.allocate(options, THREADS + 1);
  const gate = new Int32Array(new SharedArrayBuffer(8));
  gate[0] = 1;
  const script = new URL("save-worker.ts", import.meta.url);
  const workers = Array.from({ length: THREADS }, (_, thread) => {
    return new Worker(script, { workerData: { options, memory, thread, keys: KEYS, gate } });
  });
  const ended = workers.map((worker) => once(worker, "exit"));
  const cache = new Cache(options, memory, THREADS);
  for (let n = 1; n <= SNAPSHOTS; n++) {
    const enough = Atomics.load(gate, 1) + WRITES_BEFORE;
    await until("the threads have written", () => Atomics.load(gate, 1) >= enough);
    await save(cache, folder.file);
    const loaded = smallCache({ memoryBytes: 2 ** 25 });
    const report = await readSnapshot(folder.file, (entry) => {
      const { key, value } = entry;
      const number = key.bytes.toString("latin1", key.start + 1, key.end);
      const text = value.bytes.toString("latin1", value.start, value.end);
      if (text.replaceAll(`${number}:`, "") !== "") throw new Error(`${number} has ${text}`);
      loaded.restore(entry, 0);
    });
    expect(report.damages).toEqual([]);
    expect(report.entries).toBeGreaterThan(KEYS / 2);
    expect(loaded.maintenance.stats().entries).toBe(report.entries);
    loaded.maintenance.verify();
  }
  Atomics.store(gate, 0, 0);
  await Promise.all(ended);
  cache.maintenance.verify();
});
