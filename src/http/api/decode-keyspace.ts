// Decodes the requests of /incr, /ttl and /keys, as decode.ts does for the other routes.

import { ByteBuffer } from "../../cache/cache.ts";
import { Pattern } from "../../cache/glob.ts";
import { HttpError } from "../error.ts";
import { type JsonObject, shown } from "../json.ts";
import { readBodyKey, readTtl, type RequestLimits, unknownMember } from "./decode.ts";

export interface IncrementRequest {
  readonly key: string;
  readonly by: number;
  /** Lifetime of an entry that the request creates. */
  readonly ttlMs: number | undefined;
}

/** Decodes the body of `/incr`. */
export function readIncrement(
  body: JsonObject,
  limits: RequestLimits,
): IncrementRequest | HttpError {
  const unknown = unknownMember(body, ["key", "by", "ttl"], "");
  if (unknown !== undefined) return unknown;
  const key = readBodyKey(body, limits);
  if (key instanceof HttpError) return key;
  const { by = 1 } = body;
  if (typeof by !== "number" || !Number.isSafeInteger(by)) {
    const limit = Number.MAX_SAFE_INTEGER;
    return new HttpError(
      400,
      `"by" is ${shown(by)}; it must be an integer from -${limit} to ${limit}`,
    );
  }
  const ttlMs = readTtl(body["ttl"], "");
  return ttlMs instanceof HttpError ? ttlMs : { key, by, ttlMs };
}

export interface TtlRequest {
  readonly key: string;
  readonly ttlMs: number;
}

/** Decodes the body of `/ttl`. */
export function readTtlChange(body: JsonObject, limits: RequestLimits): TtlRequest | HttpError {
  const unknown = unknownMember(body, ["key", "ttl"], "");
  if (unknown !== undefined) return unknown;
  const key = readBodyKey(body, limits);
  if (key instanceof HttpError) return key;
  const ttlMs = readTtl(body["ttl"], "");
  if (ttlMs !== undefined) return ttlMs instanceof HttpError ? ttlMs : { key, ttlMs };
  return new HttpError(400, '"ttl" is missing; DELETE /ttl?key=NAME removes a lifetime');
}

/** A page of the keys of the cache. */
export interface KeysRequest {
  /** Position of the scan; 0 is its start. */
  readonly cursor: number;
  /** About the number of keys of the page. */
  readonly count: number;
  readonly pattern: Pattern | undefined;
}

const KEYS_COUNT_DEFAULT = 1000;

/** Decodes the query of `/keys`. */
export function readKeysQuery(
  url: string,
  { maxBatchEntries }: RequestLimits,
): KeysRequest | HttpError {
  const start = url.indexOf("?");
  const query = new URLSearchParams(start < 0 ? "" : url.slice(start + 1));
  const cursor = readWhole(query.get("cursor") ?? "0", Number.MAX_SAFE_INTEGER);
  if (cursor === undefined) {
    const advice = 'send the "cursor" of the last response, or leave it out to start';
    return new HttpError(400, `"cursor" is ${shown(query.get("cursor"))}; ${advice}`);
  }
  const countText = query.get("count") ?? String(Math.min(KEYS_COUNT_DEFAULT, maxBatchEntries));
  const count = readWhole(countText, maxBatchEntries);
  if (count === undefined || count === 0) {
    const limit = `${maxBatchEntries}, the limit set by --max-batch-entries`;
    return new HttpError(
      400,
      `"count" is ${shown(countText)}; it must be an integer from 1 to ${limit}`,
    );
  }
  const text = query.get("pattern");
  if (text === null) return { cursor, count, pattern: undefined };
  try {
    return { cursor, count, pattern: new Pattern(ByteBuffer.ofText(text)) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new HttpError(400, `"pattern": ${error.message}`);
  }
}

/** Returns a whole number in decimal, or undefined for another text or a larger number. */
function readWhole(text: string, max: number): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Infinity;
  return value <= max ? value : undefined;
}
