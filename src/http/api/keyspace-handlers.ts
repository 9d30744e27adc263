// The handlers of /incr, /ttl, /entry, /keys and /flush: counters, lifetimes, facts, and all keys.

import { ByteBuffer, type Cache, type Change, type Entry, NEVER } from "../../cache/cache.ts";
import { clientKey, databaseOf } from "../../cache/databases.ts";
import { addIntegers, readInteger } from "../../cache/integers.ts";
import type { HandlerContext } from "../context.ts";
import { HttpError } from "../error.ts";
import type { BodyHandler, Handler } from "../handler.ts";
import { readQueryKey } from "./decode.ts";
import {
  type IncrementRequest,
  type KeysRequest,
  readIncrement,
  readKeysQuery,
  readTtlChange,
} from "./decode-keyspace.ts";
import { FULL, NOT_AN_INTEGER, SUM_OVERFLOW } from "./entry-errors.ts";
import { jsonTextOf, keyNotFound, longJsonOf, ok, stored, valueOf } from "./respond.ts";

/** Entries that a scan visits while it holds a shard's lock. */
const KEYS_PER_STEP = 64;
/** A page ends after this time even with fewer keys than it may have. */
const PAGE_MS_MAX = 5;

export interface KeyspaceHandlers extends Readonly<
  Record<"incr" | "setTtl", BodyHandler> &
    Record<"ttl" | "removeTtl" | "entry" | "keys" | "flush", Handler>
> {}

/** Creates the handlers of one worker. */
export function createKeyspaceHandlers(context: HandlerContext): KeyspaceHandlers {
  const { cache, config, reject, large } = context;
  // One for all requests: no `await` lies between filling and using it.
  const key = new ByteBuffer();

  const ttl: Handler = (req) => {
    const name = readQueryKey(req.url, config);
    if (name instanceof HttpError) return reject(name);
    key.setText(name);
    const nowMs = cache.clock.now();
    const facts = cache.look(key, nowMs);
    if (facts === undefined) return keyNotFound();
    return ok({ key: name, ttl: secondsLeft(facts.expiresAtMs, nowMs) });
  };
  const entry: Handler = (req) => {
    const name = readQueryKey(req.url, config);
    if (name instanceof HttpError) return reject(name);
    key.setText(name);
    const facts = factsOf(cache, key);
    return facts === undefined ? keyNotFound() : ok({ key: name, ...facts });
  };
  /** Changes the lifetime of the entry; `ttlMs` may be NEVER. */
  const changeTtl = (name: string, ttlMs: number): Response => {
    key.setText(name);
    const nowMs = cache.clock.now();
    const expiresAtMs = cache.expiresAtMs(ttlMs, nowMs);
    let isThere = false;
    const change = (entry: Entry | undefined): Change => {
      isThere = entry !== undefined;
      return entry === undefined ? "keep" : { expiresAtMs };
    };
    if (!cache.update(key, nowMs, change)) return reject(FULL);
    return isThere ? stored() : keyNotFound();
  };
  const keys: Handler = (req) => {
    const page = readKeysQuery(req.url, config);
    if (page instanceof HttpError) return reject(page);
    const members = keysOf(cache, page, config.maxBodyBytes);
    return longJsonOf({ status: "OK", ...members }, req, large, keys);
  };
  return {
    incr: (body) => {
      const request = readIncrement(body, config);
      if (request instanceof HttpError) return reject(request);
      key.setText(request.key);
      const sum = increment(cache, key, request);
      if (sum instanceof HttpError) return reject(sum);
      // JSON.stringify takes no bigint, and a double has no room for 64 bits.
      return jsonTextOf(`{"status":"OK","key":${JSON.stringify(request.key)},"value":${sum}}`);
    },
    ttl,
    setTtl: (body) => {
      const request = readTtlChange(body, config);
      return request instanceof HttpError ? reject(request) : changeTtl(request.key, request.ttlMs);
    },
    removeTtl: (req) => {
      const name = readQueryKey(req.url, config);
      return name instanceof HttpError ? reject(name) : changeTtl(name, NEVER);
    },
    entry,
    keys,
    flush: () => {
      cache.clear();
      return stored();
    },
  };
}

/** Adds to the whole number of the key in one step. Returns the sum. */
function increment(
  cache: Cache,
  key: ByteBuffer,
  { by, ttlMs }: IncrementRequest,
): number | bigint | HttpError {
  const nowMs = cache.clock.now();
  const value = new ByteBuffer(32);
  let result: number | bigint | HttpError = 0;
  const change = (entry: Entry | undefined): Change => {
    const before = entry === undefined ? 0 : readInteger(entry.value);
    const sum = before === undefined ? undefined : addIntegers(before, BigInt(by));
    if (sum === undefined) {
      result = before === undefined ? NOT_AN_INTEGER : SUM_OVERFLOW;
      return "keep";
    }
    result = sum;
    value.setText(String(sum));
    const expiresAtMs = entry?.expiresAtMs ?? cache.expiresAtMs(ttlMs, nowMs);
    return { value, expiresAtMs, keepsMeta: true };
  };
  return cache.update(key, nowMs, change) ? result : FULL;
}

/** Returns what the cache knows of the live entry; its read counts neither as a get nor as a hit. O(1). */
function factsOf(cache: Cache, key: ByteBuffer): Readonly<Record<string, unknown>> | undefined {
  const nowMs = cache.clock.now();
  let facts: Readonly<Record<string, unknown>> | undefined;
  cache.update(key, nowMs, (entry) => {
    if (entry === undefined) return "keep";
    const { value, expiresAtMs, hits, meta } = entry;
    const bytes = value.end - value.start;
    const hasExpiry = expiresAtMs !== NEVER;
    facts = {
      ttl: secondsLeft(expiresAtMs, nowMs),
      stale: Math.max(0, Math.ceil((meta?.staleUntilMs ?? 0) - expiresAtMs) / 1000),
      bytes,
      memory_bytes: cache.entryBytes(key.end - key.start, bytes, hasExpiry),
      hits,
      age: meta === undefined ? null : Math.max(0, Math.round(nowMs - meta.storedAtMs) / 1000),
      tags: meta?.tags.length ?? 0,
      type: meta === undefined || meta.contentType === "" ? null : meta.contentType,
    };
    return "keep";
  });
  return facts;
}

/** A key as JSON can hold it: in base64 if it is not text in UTF-8. */
type ShownKey = string | { readonly key: string; readonly encoding: "base64" };

export function shownKey(key: Buffer): ShownKey {
  const shown = valueOf(key, 0, key.length);
  return typeof shown === "string" ? shown : { key: shown.value, encoding: shown.encoding };
}

/** Returns one page of the keys, and the cursor of the next one; null at the end. */
function keysOf(
  cache: Cache,
  { cursor, count, pattern }: KeysRequest,
  maxBytes: number,
): { keys: ShownKey[]; cursor: string | null } {
  const keys: ShownKey[] = [];
  const endMs = performance.now() + PAGE_MS_MAX;
  const batch: Buffer[] = [];
  let position = cursor;
  let bytes = 0;
  do {
    batch.length = 0;
    const entries = Math.min(KEYS_PER_STEP, count - keys.length);
    // The shard is locked during the scan: keys are copied, and matched afterwards.
    position = cache.scan(cache.clock.now(), position, entries, (key) => {
      if (databaseOf(key) !== 0) return;
      const { bytes, start, end } = clientKey(key);
      batch.push(Buffer.from(bytes.subarray(start, end)));
    });
    for (const key of batch) {
      if (pattern?.matches({ bytes: key, start: 0, end: key.length }) === false) continue;
      keys.push(shownKey(key));
      bytes += key.length;
    }
  } while (position !== 0 && keys.length < count && bytes < maxBytes && performance.now() < endMs);
  return { keys, cursor: position === 0 ? null : String(position) };
}

/** Returns seconds with milliseconds; null for an entry that does not expire. */
function secondsLeft(expiresAtMs: number, nowMs: number): number | null {
  return expiresAtMs === NEVER ? null : Math.ceil(expiresAtMs - nowMs) / 1000;
}
