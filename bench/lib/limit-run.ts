// What a put of a new key costs below the memory limit and at it, in one process:
// `bun limit-run.ts MEMORY-BYTES` prints one line of JSON. Below the limit the memory has
// been used before, so that no put waits for the system to hand out a page.

import { ByteBuffer, Cache, NEVER } from "../../src/cache/cache.ts";

const VALUE_BYTES = 100;
/** A little more than such an entry takes; two thirds of that fill the cache to a half. */
const ENTRY_BYTES = 140;

const memoryBytes = Number(Bun.argv[2]);
const cache = Cache.create({ memoryBytes, maxValueBytes: 2 ** 16 });
const key = new ByteBuffer();
const value = ByteBuffer.ofText("v".repeat(VALUE_BYTES));
const count = Math.floor(memoryBytes / ENTRY_BYTES / 1.5);

let next = 0;
putNew();
deleteAll();
const belowNanos = putNew();
if (cache.maintenance.stats().evicted > 0) throw new Error("there was eviction below the limit");
while (cache.maintenance.stats().evicted < count / 2) putNew();
const atNanos = putNew();
console.log(JSON.stringify({ belowNanos, atNanos }));

/** Nanoseconds for each of `count` new keys. */
function putNew(): number {
  const startNanos = Bun.nanoseconds();
  for (let n = 0; n < count; n++) {
    key.setText(`key:${next++}`);
    cache.put(key, value, NEVER, 0);
  }
  return (Bun.nanoseconds() - startNanos) / count;
}

function deleteAll(): void {
  for (let n = 0; n < next; n++) {
    key.setText(`key:${n}`);
    cache.delete(key, 0);
  }
}
