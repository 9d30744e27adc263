// The checksum of snapshots against another implementation of XXH3-64.

import { xxh3 } from "@node-rs/xxhash";
import { expect, test } from "bun:test";
import { assert, array, property, uint8Array } from "fast-check";

import { checksumOf, createChecksum } from "../../../src/snapshot/checksum.ts";

test("bytes have the same checksum in one piece, in any pieces, and in @node-rs/xxhash", async () => {
  const checksum = await createChecksum();
  // XXH3 has other code for 0, 1 to 3, 4 to 8, 9 to 16, 17 to 128, 129 to 240 and more bytes.
  const pieces = array(uint8Array({ maxLength: 300 }), { maxLength: 9 });
  assert(
    property(pieces, (parts) => {
      const bytes = Buffer.concat(parts);
      checksum.reset();
      for (const part of parts) checksum.update(part);
      const expected = xxh3.xxh64(bytes);
      expect([checksum.digest(), checksumOf(bytes)]).toEqual([expected, expected]);
    }),
  );
});
