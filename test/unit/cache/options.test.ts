import { expect, test } from "bun:test";

import { ByteBuffer, Cache, NEVER } from "../../../src/cache/cache.ts";
import { SharedShard } from "../../../src/cache/store/shared/shared-shard.ts";

test("a cache takes the largest value that it was told, whatever part of the memory its tables take", () => {
  const maxValueBytes = 2 ** 20;
  const key = ByteBuffer.ofText("k".repeat(100));
  const value = { bytes: Buffer.alloc(maxValueBytes), start: 0, end: maxValueBytes };
  for (let shards = 2; shards <= 8; shards++) {
    // Without the tables, exactly enough for as many shards.
    const memoryBytes = shards * SharedShard.bytesFor(100, maxValueBytes);
    const cache = Cache.create({ memoryBytes, virtualNodes: 1, maxKeyBytes: 100, maxValueBytes });
    expect(cache.put(key, value, NEVER, 0)).toBe(true);
  }
});
