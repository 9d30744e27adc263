// Laws of a shard whose entries are of any length, run on every implementation.

import { expect, test } from "bun:test";

import { ByteBuffer, type Bytes } from "../../../../src/cache/bytes.ts";
import { NEVER, type Shard } from "../../../../src/cache/store/shard.ts";
import { random } from "../../../lib/random.ts";

const KEYS = 400;

/** `largest`: the longest value that a shard of `bytes` takes with a key of 8 bytes. */
export function describeSpace(
  name: string,
  create: (bytes: number) => Shard,
  largest: (bytes: number) => number,
): void {
  for (const bytes of [2 ** 16, 2 ** 18, 2 ** 20, 5_000_000, 2 ** 23 + 20_000]) {
    test(`${name} of ${bytes} bytes has the entry that was just stored, whatever its length`, () => {
      const { below } = random();
      const shard = create(bytes);
      const value = Buffer.alloc(largest(bytes), "v");
      const writes = bytes > 2 ** 22 ? 500 : 1500;
      for (let step = 0; step < writes; step++) {
        const key = run(`k:${below(KEYS)}`);
        const end = lengthOf(below, value.length);
        value.writeUInt8(step & 0xff);
        const stored = { bytes: value, start: 0, end };
        if (below(4) > 0) shard.put(key, stored, NEVER, 0);
        else shard.update(key, 0, () => ({ value: stored, expiresAtMs: NEVER }));
        const into = new ByteBuffer(end);
        expect(shard.get(key, 0, into)).toBe(end);
        expect(Buffer.compare(into.bytes.subarray(0, end), value.subarray(0, end))).toBe(0);
        if (below(3) === 0) shard.get(run(`k:${below(KEYS)}`), 0, new ByteBuffer());
        if (step % 500 === 0) shard.check();
      }
      shard.check();
    }, 60_000);
  }
}

/** Some of the longest, some of each magnitude, many that are short. */
function lengthOf(below: (limit: number) => number, largest: number): number {
  const kind = below(6);
  if (kind === 0) return largest - below(Math.ceil(largest / 100));
  if (kind === 1) return below(largest + 1);
  if (kind < 4) return Math.floor(largest ** (below(1000) / 1000));
  return [0, 5, 100][below(3)] ?? 0;
}

function run(text: string): Bytes {
  return ByteBuffer.ofText(text);
}
