// Snapshot files: a load returns exactly the saved entries, and never a wrong one.

import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";

import { ByteBuffer, type Cache, NEVER } from "../../../src/cache/cache.ts";
import { hashTags, type NewEntry } from "../../../src/cache/leases.ts";
import { encodeBlockHeader } from "../../../src/snapshot/format.ts";
import { readSnapshot, type SnapshotReport } from "../../../src/snapshot/reader.ts";
import { random } from "../../lib/random.ts";
import { save, smallCache, temporaryFolder, valueOf } from "./saved.ts";

/** Restores the entries of all intact shards of the file into the cache. */
async function load(file: string, into: Cache): Promise<SnapshotReport> {
  const nowMs = into.clock.now();
  return await readSnapshot(file, (entry) => {
    if (entry.expiresAtMs > nowMs) into.restore(entry, nowMs);
  });
}

function put(cache: Cache, key: string, value: string | Buffer, expiresAtMs = NEVER): void {
  const bytes = Buffer.from(value);
  const run = { bytes, start: 0, end: bytes.length };
  cache.put(ByteBuffer.ofText(key), run, expiresAtMs, cache.clock.now());
}

test("saved values of any bytes and length come back, with their expiry times", async () => {
  await using folder = await temporaryFolder();
  const { below } = random();
  // Two shards: each holds eight of the largest values.
  const options = { memoryBytes: 2 ** 26, maxValueBytes: 3_000_000 };
  const cache = smallCache(options);
  const soonMs = cache.clock.now() + 3_600_000;
  const expected = new Map<string, string>();
  for (let n = 0; n < 2000; n++) {
    // One value is longer than the buffers of reader and writer.
    const length = n === 77 ? 2_500_000 : below(300);
    const value = Buffer.from(Array.from({ length: Math.min(length, 300) }, () => below(256)));
    const bytes = length > 300 ? Buffer.alloc(length, value) : value;
    put(cache, `key ${n} é`, bytes, n % 3 === 0 ? soonMs + n : NEVER);
    expected.set(`key ${n} é`, bytes.toString("latin1"));
  }
  put(cache, "due", "gone", cache.clock.now() - 1);
  await save(cache, folder.file);

  for (const shards of [4, 1, 7]) {
    const other = smallCache({ ...options, shards });
    const report = await load(folder.file, other);
    expect(report).toMatchObject({ damages: [], entries: 2000, intactShards: 2 });
    for (const [key, value] of expected) expect(valueOf(other, key) === value).toBeTrue();
    expect(other.maintenance.stats()).toMatchObject({ entries: 2000, loaded: 2000, inserted: 0 });
    other.maintenance.verify();
    for (const n of [0, 3, 1998]) {
      let expiresAtMs: number | undefined;
      other.update(ByteBuffer.ofText(`key ${n} é`), 0, (entry) => {
        expiresAtMs = entry?.expiresAtMs;
        return "keep";
      });
      expect(expiresAtMs).toBe(soonMs + n);
    }
  }
  expect(await readdir(folder.path)).toEqual(["ringcache.snapshot"]);
});

test("a smaller cache evicts during the load: entries that were read stay", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache();
  for (let n = 0; n < 20_000; n++) put(cache, `key${n}`, "v".repeat(100));
  const readKeys = Array.from({ length: 500 }, (_, n) => `key${19_000 - n * 20}`);
  for (const key of [...readKeys, ...readKeys]) expect(valueOf(cache, key)).toBeDefined();
  await save(cache, folder.file);

  const smaller = smallCache({ memoryBytes: 2 ** 20 });
  await load(folder.file, smaller);
  smaller.maintenance.verify();
  expect(smaller.maintenance.stats().evicted).toBeGreaterThan(10_000);
  expect(readKeys.filter((key) => valueOf(smaller, key) !== undefined).length).toBeGreaterThan(490);
});

test("the queues of S3-FIFO survive a load: entries of the main queue outlive new entries", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache({ shards: 1 });
  // These entries are in the main queue when the others have passed through the small queue.
  for (let n = 0; n < 1000; n++) put(cache, `good${n}`, "v".repeat(100));
  for (let n = 0; n < 1000; n++) valueOf(cache, `good${n}`);
  for (let n = 0; n < 60_000; n++) put(cache, `other${n}`, "v".repeat(100));
  await save(cache, folder.file);
  const loaded = smallCache({ shards: 1 });
  await load(folder.file, loaded);
  for (let n = 0; n < 20_000; n++) put(loaded, `later${n}`, "v".repeat(100));
  const left = Array.from({ length: 1000 }, (_, n) => valueOf(loaded, `good${n}`));
  expect(left.filter((value) => value !== undefined)).toHaveLength(1000);
});

test("hits, rounds and queue of each entry survive a load", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache();
  const value = ByteBuffer.ofText("value");
  const kinds = Array.from({ length: 32 }, (_, n) => ({
    ...{ hits: n & 3, rounds: (n >> 2) & 3, isMain: n >= 16 },
  }));
  for (const [n, kind] of kinds.entries()) {
    const key = ByteBuffer.ofText(`key${n}`);
    cache.restore({ key, value, expiresAtMs: NEVER, ...kind }, cache.clock.now());
  }
  await save(cache, folder.file);
  const found: unknown[] = [];
  await readSnapshot(folder.file, ({ key, hits, rounds, isMain }) => {
    const n = Number(key.bytes.toString("latin1", key.start + "key".length, key.end));
    found[n] = { hits, rounds, isMain };
  });
  expect(found).toEqual(kinds);
});

test("after any changed, missing or inserted byte no value is wrong, and the report names the damage", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache();
  const soonMs = cache.clock.now() + 3_600_000;
  for (let n = 0; n < 12; n++) put(cache, `k${n}`, `value of ${n}`, n % 2 === 0 ? soonMs : NEVER);
  await save(cache, folder.file);
  const whole = Buffer.from(await Bun.file(folder.file).arrayBuffer());
  const perShard = cache.maintenance.shardStats().map(({ entries }) => entries);
  const least = 12 - Math.max(...perShard);

  const expectDamage = async (bytes: Buffer, atLeast: number): Promise<void> => {
    await Bun.write(folder.file, bytes);
    let entries = 0;
    const report = await readSnapshot(folder.file, ({ key, value, expiresAtMs }) => {
      entries++;
      const n = Number(key.bytes.toString("latin1", key.start + 1, key.end));
      expect(value.bytes.toString("latin1", value.start, value.end)).toBe(`value of ${n}`);
      expect(expiresAtMs).toBe(n % 2 === 0 ? soonMs : NEVER);
    });
    expect(report.damages).not.toEqual([]);
    expect(report.entries).toBe(entries);
    expect(entries).toBeGreaterThanOrEqual(atLeast);
  };
  for (let offset = 0; offset < whole.length; offset++) {
    const changed = Buffer.from(whole);
    changed.writeUInt8(changed.readUInt8(offset) ^ (1 << (offset % 8)), offset);
    // All entries except those in the shard of the changed byte.
    await expectDamage(changed, least);
  }
  for (let length = 0; length < whole.length; length++) {
    await expectDamage(whole.subarray(0, length), 0);
  }
  for (let offset = 0; offset <= whole.length; offset++) {
    const parts = [whole.subarray(0, offset), Buffer.from("x"), whole.subarray(offset)];
    await expectDamage(Buffer.concat(parts), offset === 0 ? 12 : least);
  }
});

test("the search for the next block after a damage ignores a value that looks like a block", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache({ shards: 2 });
  for (let n = 0; n < 100; n++) {
    put(cache, `k${n}`, encodeBlockHeader({ shard: 1, entries: 0, bytes: 0 }, BigInt(n)));
  }
  await save(cache, folder.file);
  const bytes = Buffer.from(await Bun.file(folder.file).arrayBuffer());
  const [inFirst] = cache.maintenance.shardStats();
  // These bytes are in the header of the first block.
  bytes.fill(0xff, 60, 64);
  await Bun.write(folder.file, bytes);
  const report = await readSnapshot(folder.file, () => {});
  expect(report).toMatchObject({ intactShards: 1, entries: 100 - (inFirst?.entries ?? 0) });
  expect(report.damages).toHaveLength(2);
});

test("a header and a trailer with an invalid time are damage", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache();
  put(cache, "k", "v");
  await save(cache, folder.file);
  const bytes = Buffer.from(await Bun.file(folder.file).arrayBuffer());
  const { xxh3 } = await import("@node-rs/xxhash");
  for (const savedMs of [1e300, NaN]) {
    for (const start of [0, bytes.length - 56]) {
      bytes.writeDoubleLE(savedMs, start + 24);
      bytes.writeBigUInt64LE(xxh3.xxh64(bytes.subarray(start, start + 48)), start + 48);
    }
    await Bun.write(folder.file, bytes);
    const { header, damages } = await readSnapshot(folder.file, () => {});
    expect([header, damages.length > 0]).toEqual([undefined, true]);
  }
});

/** Returns the file as one of another format. */
async function withVersion(file: string, version: number): Promise<Buffer> {
  const bytes = Buffer.from(await Bun.file(file).arrayBuffer());
  const { xxh3 } = await import("@node-rs/xxhash");
  for (const start of [0, bytes.length - 56]) {
    bytes.writeUInt32LE(version, start + 8);
    bytes.writeBigUInt64LE(xxh3.xxh64(bytes.subarray(start, start + 48)), start + 48);
  }
  return bytes;
}

test("tags, stale times and content types survive, leases and invalidated entries do not", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache();
  const nowMs = cache.clock.now();
  const soonMs = nowMs + 3_600_000;
  const tagsOf = (...names: string[]) => hashTags(names.map((name) => ByteBuffer.ofText(name)));
  const value = ByteBuffer.ofText("value");
  const putAll = (key: string, entry: Partial<NewEntry>) => {
    const whole = { value, expiresAtMs: soonMs, ...entry };
    expect(cache.leases.put(ByteBuffer.ofText(key), whole, nowMs)).toBe("created");
  };
  put(cache, "plain", "value");
  putAll("tagged", { tags: tagsOf("a", "b") });
  putAll("other", { tags: tagsOf("c"), expiresAtMs: NEVER });
  putAll("invalid", { tags: tagsOf("x") });
  putAll("stale", { expiresAtMs: nowMs - 1, staleMs: 3_600_000, contentType: "image/png" });
  cache.leases.invalidate(tagsOf("x"));
  const into = new ByteBuffer();
  cache.leases.get(ByteBuffer.ofText("missing"), nowMs, into, { leaseMs: 60_000 });
  cache.leases.get(ByteBuffer.ofText("stale"), nowMs, into, { leaseMs: 60_000 });
  await save(cache, folder.file);

  const loaded = smallCache({ shards: 3 });
  const report = await readSnapshot(folder.file, (entry) => void loaded.restore(entry, nowMs));
  expect(report).toMatchObject({ damages: [], entries: 4 });
  expect(loaded.maintenance.stats()).toMatchObject({ entries: 3, loaded: 4 });
  loaded.maintenance.verify();
  into.clear();
  const stale = loaded.leases.get(ByteBuffer.ofText("stale"), nowMs, into, { servesStale: true });
  expect(into.toText()).toBe("value");
  expect(stale).toMatchObject({
    isStale: true,
    meta: { contentType: "image/png", lease: undefined },
  });
  for (const key of ["plain", "tagged", "other"]) expect(valueOf(loaded, key)).toBe("value");
  loaded.leases.invalidate(tagsOf("b"));
  expect([valueOf(loaded, "tagged"), valueOf(loaded, "other")]).toEqual([undefined, "value"]);
});

test("a file of format 1, which has no meta, is read", async () => {
  await using folder = await temporaryFolder();
  const cache = smallCache();
  put(cache, "k", "value");
  await save(cache, folder.file);
  await Bun.write(folder.file, await withVersion(folder.file, 1));
  const loaded = smallCache();
  await load(folder.file, loaded);
  expect(valueOf(loaded, "k")).toBe("value");
});

test("files of other kinds and formats are rejected with the reason", async () => {
  await using folder = await temporaryFolder();
  await save(smallCache(), folder.file);
  const newer = await withVersion(folder.file, 3);
  const files: [Buffer | string, string][] = [
    ["", "the file has neither the header nor the trailer of a snapshot"],
    ["REDIS0011 and so on", "the file has neither the header nor the trailer of a snapshot"],
    [newer, "the file has format 3; this version of ringcache reads formats 1 to 2"],
  ];
  for (const [content, reason] of files) {
    await Bun.write(folder.file, content);
    const report = await readSnapshot(folder.file, () => {});
    expect(report).toMatchObject({ header: undefined, entries: 0, damages: [reason] });
  }
});
