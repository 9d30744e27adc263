// The handlers of the routes for entries: /get, /put, /delete, /mget, /mput.

import {
  ByteBuffer,
  type Bytes,
  type Cache,
  type Change,
  type Entry,
  MISS,
  type TimedValue,
} from "../../cache/cache.ts";
import type { NewEntry, PutOutcome } from "../../cache/leases.ts";
import { formatBytes, type Config } from "../../config/config.ts";
import type { HandlerContext } from "../context.ts";
import { HttpError, sizeError } from "../error.ts";
import type { BodyHandler, Handler, TextHandler } from "../handler.ts";
import type { MaybeLater } from "../large-responses.ts";
import {
  type Condition,
  type PutRequest,
  readDelete,
  readKeys,
  readPut,
  readPuts,
  readQueryKey,
} from "./decode.ts";
import { FULL } from "./entry-errors.ts";
import { hashTagTexts, type LeaseHandlers, leaseVoid } from "./lease-handlers.ts";
import { PlainPut } from "./plain-put.ts";
import { FoundResponse, keyNotFound, ok, stored, ValuesResponse } from "./respond.ts";

export const CONDITION_FAILED: Readonly<Record<Condition, HttpError>> = {
  absent: new HttpError(412, 'the key is present, and "if":"absent" stores only a missing key'),
  present: new HttpError(412, 'the key is missing, and "if":"present" replaces only a present one'),
};

export interface EntryHandlers extends Readonly<
  Record<"put" | "delete" | "mput" | "mget", BodyHandler> & Record<"get" | "deleteByQuery", Handler>
> {
  /** Stores the entry of a body that needs no parser. */
  readonly putText?: TextHandler;
}

/** Creates the handlers of one worker. */
export function createEntryHandlers(
  context: HandlerContext,
  getWithOptions: LeaseHandlers["getWithOptions"],
): EntryHandlers {
  const { cache, config, reject, large } = context;
  // One buffer each for all requests: no `await` lies between filling and using them.
  const keyBytes = new ByteBuffer();
  const valueBytes = new ByteBuffer();
  const foundResponse = new FoundResponse(large);
  const valuesResponse = new ValuesResponse(large);
  const plainPut = new PlainPut();

  const putText: TextHandler = (text) => {
    const entry = plainPut.read(text);
    if (entry === undefined) return undefined;
    const { key, value } = entry;
    const keyLength = key.end - key.start;
    const valueLength = value.end - value.start;
    // The parser's way has the errors.
    if (keyLength > config.maxKeyLength) return undefined;
    if (valueLength > config.maxValueLength || valueLength > cache.maxValueBytes) return undefined;
    const nowMs = cache.clock.now();
    const isStored = cache.put(key, value, cache.expiresAtMs(undefined, nowMs), nowMs);
    return isStored ? stored() : reject(FULL);
  };
  const put = (
    { key, value, ttlMs, caching }: PutRequest,
    nowMs: number,
    condition?: Condition,
  ): HttpError | undefined => {
    const valueSlice: Bytes =
      typeof value === "string"
        ? encode(valueBytes, value)
        : { bytes: value, start: 0, end: value.length };
    if (valueSlice.end > cache.maxValueBytes) return valueTooLarge(value, cache, config);
    const expiresAtMs = cache.expiresAtMs(ttlMs, nowMs);
    encode(keyBytes, key);
    if (caching !== undefined) {
      const { tags, ...more } = caching;
      const entry = { value: valueSlice, expiresAtMs, tags: hashTagTexts(tags), ...more };
      return errorOf(cache.leases.put(keyBytes, withCondition(entry, condition), nowMs), condition);
    }
    if (condition !== undefined) {
      const entry = { value: valueSlice, expiresAtMs };
      return putIf(cache, keyBytes, entry, nowMs, condition);
    }
    return cache.put(keyBytes, valueSlice, expiresAtMs, nowMs) ? undefined : FULL;
  };
  const remove = (key: string | HttpError): Response => {
    if (key instanceof HttpError) return reject(key);
    return cache.delete(encode(keyBytes, key), cache.clock.now()) ? stored() : keyNotFound();
  };
  const get: Handler = (req) => {
    const key = readQueryKey(req.url, config);
    if (key instanceof HttpError) return reject(key);
    // One with more parameters than the key.
    if (req.url.includes("&")) return getWithOptions(req, key);
    const nowMs = cache.clock.now();
    const length = cache.get(encode(keyBytes, key), nowMs, foundResponse.begin(keyBytes));
    return length === MISS ? keyNotFound() : foundResponse.end(req, get);
  };
  const getAll = (keys: readonly string[], req: Request): MaybeLater => {
    const nowMs = cache.clock.now();
    valuesResponse.begin();
    for (const key of keys) {
      const length = cache.get(encode(keyBytes, key), nowMs, valuesResponse.beginValue());
      valuesResponse.endValue(length !== MISS);
      // A body with a few bytes for each key may name the longest value again and again.
      if (valuesResponse.length > config.maxBodyBytes) {
        return reject(sizeError("answer", config.maxBodyBytes));
      }
    }
    return valuesResponse.end(req, () => getAll(keys, req));
  };
  const putAll = (entries: readonly PutRequest[]): Response => {
    for (const { value } of entries) {
      if (Buffer.byteLength(value) > cache.maxValueBytes) {
        return reject(valueTooLarge(value, cache, config));
      }
    }
    const nowMs = cache.clock.now();
    for (const [index, entry] of entries.entries()) {
      const error = put(entry, nowMs);
      if (error !== undefined) return reject(error.after(`${index} were stored`));
    }
    return ok({ stored: entries.length });
  };

  return {
    put: (body) => {
      const entry = readPut(body, config);
      if (entry instanceof HttpError) return reject(entry);
      const error = put(entry, cache.clock.now(), entry.condition);
      return error === undefined ? stored() : reject(error);
    },
    putText,
    get,
    delete: (body) => remove(readDelete(body, config)),
    deleteByQuery: (req) => remove(readQueryKey(req.url, config)),
    mput: (body) => {
      const entries = readPuts(body, config);
      return entries instanceof HttpError ? reject(entries) : putAll(entries);
    },
    mget: (body, req) => {
      const keys = readKeys(body, config);
      return keys instanceof HttpError ? reject(keys) : getAll(keys, req);
    },
  };
}

function withCondition(entry: NewEntry, condition: Condition | undefined): NewEntry {
  if (condition === undefined) return entry;
  return { ...entry, condition: (old) => (old === undefined) === (condition === "absent") };
}

function errorOf(outcome: PutOutcome, condition: Condition | undefined): HttpError | undefined {
  if (outcome === "created" || outcome === "replaced") return undefined;
  if (outcome === "full") return FULL;
  if (outcome === "unmet") return condition && CONDITION_FAILED[condition];
  return leaseVoid(outcome, "nothing was stored");
}

/** Stores the entry if the condition holds, in one step. */
function putIf(
  cache: Cache,
  key: Bytes,
  newEntry: TimedValue,
  nowMs: number,
  condition: Condition,
): HttpError | undefined {
  let isAllowed = false;
  const change = (entry: Entry | undefined): Change => {
    isAllowed = (entry === undefined) === (condition === "absent");
    return isAllowed ? newEntry : "keep";
  };
  if (!cache.update(key, nowMs, change)) return FULL;
  return isAllowed ? undefined : CONDITION_FAILED[condition];
}

/** Fills the buffer with the text in UTF-8, and returns the buffer. */
function encode(buffer: ByteBuffer, text: string): ByteBuffer {
  buffer.setText(text);
  return buffer;
}

export function valueTooLarge(value: string | Buffer, cache: Cache, config: Config): HttpError {
  const bytes = `${Buffer.byteLength(value)} bytes${typeof value === "string" ? " in UTF-8" : ""}`;
  return new HttpError(413, `"value" is ${bytes}; it may have ${valueLimit(cache, config)}`);
}

/** Returns the largest number of bytes of a value, and the reason. */
export function valueLimit({ maxValueBytes: limit }: Cache, config: Config): string {
  return limit < config.maxValueBytes
    ? `${limit}, which is what --memory ${formatBytes(config.memory)} has room for`
    : `${limit}, the limit set by --max-value-bytes`;
}
