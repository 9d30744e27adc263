// The table of invalidations: no invalidation is ever forgotten, and none is made up while there is room.

import { expect, test } from "bun:test";

import { ByteBuffer } from "../../../../../src/cache/bytes.ts";
import { SequenceLock } from "../../../../../src/cache/store/shared/lock.ts";
import { type TagHash, tagHash, TagTable } from "../../../../../src/cache/store/shared/tags.ts";
import { random } from "../../../../lib/random.ts";

/** A table of this many buckets of ten slots. */
function tableOf(buckets: number): TagTable {
  return new TagTable(new SharedArrayBuffer((buckets + 1) * 128), new SequenceLock(0));
}

const hashOf = (name: string): TagHash => tagHash(ByteBuffer.ofText(name));

test("an entry is current until one of its tags is invalidated", () => {
  const table = tableOf(64);
  const tags = ["a", "b"].map(hashOf);
  const { stamp } = table;
  expect(table.areCurrent(tags, stamp)).toBe(true);
  table.invalidate([hashOf("c")]);
  expect(table.areCurrent(tags, stamp)).toBe(true);
  table.invalidate([hashOf("b")]);
  expect(table.areCurrent(tags, stamp)).toBe(false);
  expect(table.areCurrent(tags, table.stamp)).toBe(true);
});

for (const [name, buckets, tagCount] of [
  ["with room for all tags it is exact", 200, 600],
  ["a full table forgets no invalidation", 8, 600],
  ["nor does one with a bucket only", 1, 40],
] as const) {
  test(name, () => {
    const draw = random();
    const table = tableOf(buckets);
    const tags = Array.from({ length: tagCount }, (_, n) => hashOf(`tag ${n}`));
    const last = new Float64Array(tagCount);
    for (let step = 0; step < 20_000; step++) {
      const n = draw.below(tagCount);
      if (draw.below(2) === 0) {
        table.invalidate([tags[n] ?? [0, 0]]);
        last[n] = table.stamp;
      }
      const other = draw.below(tagCount);
      const stamp = draw.below(table.stamp + 1);
      const isCurrent = table.areCurrent([tags[other] ?? [0, 0]], stamp);
      const wasInvalidated = (last[other] ?? 0) > stamp;
      if (wasInvalidated) expect(isCurrent).toBe(false);
      else if (buckets === 200) expect(isCurrent).toBe(true);
    }
    expect(table.usedBytes).toBeLessThanOrEqual(table.bytes);
  });
}
