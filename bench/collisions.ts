// What keys cost that were made to collide in XXH32, beside keys at random of the same length: puts
// into an empty cache, and gets of all of them. Run by `bun run bench collisions`.

import Table from "cli-table3";

import { ByteBuffer, Cache, MISS, NEVER } from "../src/cache/cache.ts";
import { digestsOf, keysOfOneDigest, keysUnderAnySeed, randomKeys } from "./lib/colliding-keys.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { ratiosOf, wholeMedian, withRange } from "./lib/ratio.ts";
import { keepResult } from "./lib/results.ts";

const BLOCKS = 14;
const KEYS = 2 ** BLOCKS;
const VALUE = ByteBuffer.ofText("v".repeat(100));

const { rounds } = optionsOrExit("bench collisions", {
  rounds: { kind: "integer", default: 15, min: 1, max: 1000, help: "runs of each kind of keys" },
} as const);

interface Costs {
  readonly put: number[];
  readonly get: number[];
}

const kinds = [
  { name: "one digest with the seed 0", keys: keysOfOneDigest(KEYS) },
  { name: "few digests under any seed", keys: keysUnderAnySeed(BLOCKS) },
];
const results = kinds.map(({ name, keys }) => {
  const made: Costs = { put: [], get: [] };
  const other: Costs = { put: [], get: [] };
  for (let round = 0; round <= rounds; round++) {
    const bytes = keys[0]?.length ?? 0;
    // The first round is for the compiler.
    const isCounted = round > 0;
    measure(keys, isCounted ? made : { put: [], get: [] });
    measure(randomKeys(KEYS, bytes), isCounted ? other : { put: [], get: [] });
  }
  return { name, digests: digestsOf(keys, 0), made, other };
});

const machine = describeMachine();
const method = `${rounds} rounds, ${KEYS.toLocaleString("en")} keys, 100 B values; medians (range)`;
const table = new Table({
  head: ["keys", "digests", "put ns", "× random", "get ns", "× random"],
  colAligns: ["left", "right", "right", "right", "right", "right"],
  style: { head: [], border: [], compact: true },
});
for (const { name, digests, made, other } of results) {
  const cells = (["put", "get"] as const).flatMap((call) => [
    wholeMedian(made[call]),
    withRange(ratiosOf(made[call], other[call])),
  ]);
  table.push([name, digests.toLocaleString("en"), ...cells]);
}
console.log(`${machine}\n${method}\n${table.toString()}`);
await keepResult("collisions", { machine, method, results });

/** Nanoseconds of a put and a get. Throws if a key was lost. */
function measure(keys: readonly Buffer[], costs: Costs): void {
  const cache = Cache.create({ memoryBytes: 2 ** 28 });
  const into = new ByteBuffer();
  const startMs = performance.now();
  for (const bytes of keys) cache.put({ bytes, start: 0, end: bytes.length }, VALUE, NEVER, 0);
  const putMs = performance.now();
  for (const bytes of keys) {
    into.clear();
    if (cache.get({ bytes, start: 0, end: bytes.length }, 0, into) === MISS) {
      throw new Error("a key was lost");
    }
  }
  costs.get.push(((performance.now() - putMs) * 1e6) / keys.length);
  costs.put.push(((putMs - startMs) * 1e6) / keys.length);
}
