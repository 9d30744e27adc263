// What each step of a request costs: hash, ring, shard, URL, JSON, metrics. Run by `bun run bench micro`.

import { xxh32 as nodeRsXxh32 } from "@node-rs/xxhash";
import { bench, do_not_optimize, group, run, summary } from "mitata";

import { ByteBuffer, type Bytes } from "../src/cache/cache.ts";
import { xxh32 } from "../src/cache/hash.ts";
import { allocateBudget, ByteBudget } from "../src/shared-memory/byte-budget.ts";
import { FoundResponse } from "../src/http/api/respond.ts";
import { LargeResponses } from "../src/http/large-responses.ts";
import { allocateHttp, HttpMetrics } from "../src/http/metrics.ts";
import { BodyBudget } from "../src/http/admission/body-budget.ts";
import { readPut, readQueryKey } from "../src/http/api/decode.ts";
import { allocateHistogram, Histogram } from "../src/shared-memory/histogram.ts";
import { HotKeys } from "../src/metrics/hot-keys.ts";
import { HashRing } from "../src/cache/ring.ts";
import { SequenceLock } from "../src/cache/store/shared/lock.ts";
import { MapShard } from "../src/cache/store/map-shard.ts";
import { SharedShard } from "../src/cache/store/shared/shared-shard.ts";
import { NEVER, type Shard } from "../src/cache/store/shard.ts";
import { describeMachine } from "./lib/machine.ts";
import type { HttpError } from "../src/http/error.ts";

const INIT = { headers: new Headers({ "content-type": "application/json" }) };
const LIMITS = {
  maxKeyLength: 256,
  maxValueLength: 256,
  maxBodyBytes: 2 ** 22,
  maxBatchEntries: 10_000,
};

group("XXH32 of a 14-byte key", () => {
  const key = Buffer.from("user:123456789");
  summary(() => {
    bench("ours, over bytes", () => do_not_optimize(xxh32(key, 0, 14)));
    bench("Bun.hash.xxHash32", () => do_not_optimize(Bun.hash.xxHash32(key)));
    bench("@node-rs/xxhash", () => do_not_optimize(nodeRsXxh32(key)));
  });
});

group("ring look-up, random hashes", () => {
  const hashes = Uint32Array.from({ length: 2 ** 16 }, () => Math.random() * 2 ** 32);
  for (const [shards, virtualNodes] of [
    [64, 1024],
    [64, 128],
    [1024, 1024],
  ] as const) {
    const ring = new HashRing(shards, virtualNodes);
    let n = 0;
    bench(`${shards} shards, ${virtualNodes} virtual nodes`, () =>
      do_not_optimize(ring.shardOf(hashes[n++ & 0xffff] ?? 0)),
    );
  }
});

const SHARDS: Readonly<Record<string, () => Shard>> = {
  SharedShard: () => new SharedShard(SharedShard.allocate(2 ** 29), new SequenceLock(0)),
  MapShard: () => new MapShard(2 ** 26),
};
for (const [name, create] of Object.entries(SHARDS)) {
  group(`${name} of n entries, 100 B values, random keys`, () => {
    for (const entries of [1_000, 100_000, 1_000_000]) {
      const keys = Array.from({ length: entries }, (_, n) => bytesOf(`key:${n}`));
      const value = bytesOf("v".repeat(100));
      const into = new ByteBuffer();
      const shard = create();
      for (const key of keys) shard.put(key, value, NEVER, 0);
      const anyKey = () => keys[Math.floor(Math.random() * entries)] ?? value;
      bench(`get, ${entries.toLocaleString("en")} entries`, () => {
        into.clear();
        do_not_optimize(shard.get(anyKey(), 0, into));
      });
      bench(`put, ${entries.toLocaleString("en")} entries`, () =>
        shard.put(anyKey(), value, NEVER, 0),
      );
    }
  });
}

group("URL to key", () => {
  const url = "http://localhost:7171/get?key=user:123456789";
  const escaped = "http://localhost:7171/get?key=user%3A123456789";
  summary(() => {
    bench("ours, plain key", () => do_not_optimize(readQueryKey(url, LIMITS)));
    bench("ours, escaped key", () => do_not_optimize(readQueryKey(escaped, LIMITS)));
    bench("new URL", () => do_not_optimize(new URL(url).searchParams.get("key")));
  });
});

group("JSON", () => {
  const body = JSON.stringify({ key: "user:123456789", value: "v".repeat(100) });
  bench("JSON.parse and check of a /put body", () =>
    do_not_optimize(readPut(JSON.parse(body), LIMITS)),
  );
  const key = bytesOf("user:123456789");
  const value = bytesOf("v".repeat(100));
  const budget = new ByteBudget(allocateBudget(1), 0, 2 ** 25);
  const bodies = new BodyBudget(budget, { young() {}, all() {} });
  const reject = (error: HttpError) => error.toResponse();
  const connections = { pendingRequests: 0, setTimeout() {} };
  const answer = new FoundResponse(new LargeResponses(bodies, reject, connections, 75));
  const req = new Request("http://localhost/get");
  bench("answer of a /get", () => {
    answer.begin(key).appendRun(value.bytes, value.start, value.end);
    do_not_optimize(answer.end(req, () => new Response()));
  });
  bench("the same through JSON.stringify", () => {
    const members = { status: "OK", key: key.bytes.toString(), value: value.bytes.toString() };
    do_not_optimize(new Response(JSON.stringify(members), INIT));
  });
});

group("metrics", () => {
  const metrics = new HttpMetrics(allocateHttp(2, 10), 0);
  const durations = new Histogram(allocateHistogram(2, 100), 0, 100);
  const hotKeys = new HotKeys();
  const keys = Array.from({ length: 4096 }, (_, n) => `key:${n}`);
  let n = 0;
  bench("time, count and status of an HTTP request", () => {
    const startMs = performance.now();
    metrics.record(1, 200, performance.now() - startMs);
  });
  bench("times of 16 commands of the Redis protocol", () => {
    const startMs = performance.now();
    const ms = performance.now() - startMs;
    for (let command = 0; command < 16; command++) durations.observe(command & 1, ms * 1000);
  });
  bench("one get of the sample of one in 127", () => hotKeys.record(keys[n++ & 4095] ?? ""));
});

/** As bytes alone: no string that a store could keep as it is. */
function bytesOf(text: string): Bytes {
  const bytes = Buffer.from(text);
  return { bytes, start: 0, end: bytes.length };
}

console.log(describeMachine());
await run();
