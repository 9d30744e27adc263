// The handlers of /cache/{key}: values as plain HTTP. No byte of a value passes through a string.

import {
  ByteBuffer,
  type Bytes,
  type Change,
  type Entry,
  type Meta,
  MISS,
} from "../../cache/cache.ts";
import { type Found, hashTags, type NewEntry, type PutOutcome } from "../../cache/leases.ts";
import { readPathKey } from "../api/decode.ts";
import { FULL } from "../api/entry-errors.ts";
import { leaseVoid } from "../api/lease-handlers.ts";
import type { HandlerContext } from "../context.ts";
import { HttpError } from "../error.ts";
import { COMMON_HEADERS } from "../headers.ts";
import type { MaybeLater } from "../large-responses.ts";
import { respondOrWait } from "../waiting.ts";
import {
  falseOf,
  type LeaseWish,
  maxStaleMsOf,
  type Preconditions,
  preconditionsOf,
  readLeaseWish,
  readMeta,
  UNTYPED,
} from "./fields.ts";
import { ValueResponse } from "./response.ts";

export const CACHE_PATH = "/cache/";

const MISS_STATUS = { "cache-status": "ringcache; fwd=uri-miss" };
const MISSING = new HttpError(404, "Key not found.", { headers: MISS_STATUS });
const CONDITION_FAILED: Readonly<Record<keyof Preconditions, HttpError>> = {
  ifMatch: new HttpError(412, '"If-Match" does not name the ETag of the value; nothing changes'),
  ifNoneMatch: new HttpError(412, '"If-None-Match" names the ETag of the value; nothing changes'),
};
const SERVES_STALE = { servesStale: true };

/** A stored value with its type. */
type StoredValue = Pick<Entry, "value" | "meta">;

/** The handlers of one worker. */
export class ValueHandlers {
  readonly #context: HandlerContext;
  readonly #response: ValueResponse;
  /** One for all requests: no `await` lies between filling and using it. */
  readonly #key = new ByteBuffer();

  constructor(context: HandlerContext) {
    const { service, large } = context;
    this.#context = context;
    this.#response = new ValueResponse(large, () => service.tokens.areNeeded);
  }

  readonly get = (req: Request): MaybeLater => {
    const { cache, reject } = this.#context;
    const { headers } = req;
    const key = readPathKey(req, CACHE_PATH, this.#context.config);
    if (key instanceof HttpError) return reject(key);
    this.#key.setText(key);
    const wish = readLeaseWish(headers);
    if (wish !== undefined) {
      return wish instanceof HttpError ? reject(wish) : this.#getOrLease(req, key, wish);
    }
    const maxStaleMs = maxStaleMsOf(headers.get("cache-control"));
    if (maxStaleMs instanceof HttpError) return reject(maxStaleMs);
    const nowMs = cache.clock.now();
    const options = maxStaleMs > 0 ? SERVES_STALE : undefined;
    const found = cache.leases.get(this.#key, nowMs, this.#response.begin(), options);
    const isServed = found.length !== MISS && nowMs - found.expiresAtMs <= maxStaleMs;
    return isServed ? this.#respond(req, found, nowMs) : reject(MISSING);
  };

  readonly put = (bytes: Uint8Array, req: Request): Response => {
    const { cache, reject } = this.#context;
    const meta = this.#readKey(req) ?? readMeta(req.headers);
    if (meta instanceof HttpError) return reject(meta);
    const { type, ttlMs, staleMs, tags, lease } = meta;
    const nowMs = cache.clock.now();
    const conditions = preconditionsOf(req.headers);
    let failed: keyof Preconditions | undefined;
    const entry: NewEntry = {
      ...{ value: sliceOf(bytes), expiresAtMs: cache.expiresAtMs(ttlMs, nowMs), staleMs },
      ...{ tags: hashTags(tags), contentType: type === UNTYPED ? "" : type },
      lease,
    };
    const condition = (present: StoredValue | undefined): boolean => {
      failed = conditions && this.#falseFor(conditions, present);
      return failed === undefined;
    };
    const outcome = cache.leases.put(
      this.#key,
      conditions ? { ...entry, condition } : entry,
      nowMs,
    );
    if (failed !== undefined) return reject(CONDITION_FAILED[failed]);
    if (outcome === "full" || outcome === "unmet") return reject(FULL);
    if (!isStored(outcome)) return reject(leaseVoid(outcome, "nothing was stored"));
    const headers = { ...COMMON_HEADERS, etag: this.#response.etagOf(bytes, type) };
    return new Response(null, { status: outcome === "created" ? 201 : 204, headers });
  };

  readonly delete = (req: Request): Response => {
    const { cache, reject } = this.#context;
    const wrongKey = this.#readKey(req);
    if (wrongKey !== undefined) return reject(wrongKey);
    const conditions = preconditionsOf(req.headers);
    let error: HttpError | undefined;
    const change = (entry: Entry | undefined): Change => {
      const failed = conditions && this.#falseFor(conditions, entry);
      if (failed !== undefined) error = CONDITION_FAILED[failed];
      else if (entry === undefined) error = MISSING;
      // Of a missing entry an open lease is deleted.
      return failed === undefined ? "delete" : "keep";
    };
    if (!cache.update(this.#key, cache.clock.now(), change)) return reject(FULL);
    if (error !== undefined) return reject(error);
    return new Response(null, { status: 204, headers: COMMON_HEADERS });
  };

  /** Responds with the value, or with the right to compute it; may wait for the value of another caller. */
  #getOrLease(req: Request, key: string, { leaseMs, waitMs }: LeaseWish): MaybeLater {
    const { cache } = this.#context;
    const look = (): MaybeLater | number => {
      this.#key.setText(key);
      const nowMs = cache.clock.now();
      const found = cache.leases.get(this.#key, nowMs, this.#response.begin(), { leaseMs });
      const mustWait = waitMs > 0 && found.length === MISS && found.leaseEndsAtMs > 0;
      return mustWait ? found.leaseEndsAtMs : this.#respondToHolder(req, key, found, nowMs);
    };
    if (waitMs === 0) return look() as MaybeLater;
    const giveUp = (endsAtMs: number) => this.#missing({ leaseEndsAtMs: endsAtMs });
    return respondOrWait(this.#context, req, { key: this.#key, waitMs }, look, giveUp);
  }

  /** Responds to a request for a lease. No cache may keep the response, which is for one client. */
  #respondToHolder(req: Request, key: string, found: Found, nowMs: number): MaybeLater {
    const { cache, reject } = this.#context;
    if (found.length === MISS) return found.isFull ? reject(FULL) : this.#missing(found);
    const respond = ({ meta, expiresAtMs }: Found, atMs: number): MaybeLater => {
      const fields = new Headers(this.#response.fields(typeOf(meta), expiresAtMs - atMs).headers);
      fields.set("cache-control", "no-store");
      if (found.lease !== undefined) fields.set("lease", found.lease);
      return this.#response.send(req, fields, remake);
    };
    // Without another lease: the request has its own already.
    const remake = (): MaybeLater => {
      this.#key.setText(key);
      const atMs = cache.clock.now();
      const again = cache.leases.get(this.#key, atMs, this.#response.begin(), SERVES_STALE);
      return again.length === MISS ? this.#missing(found) : respond(again, atMs);
    };
    return respond(found, nowMs);
  }

  /** Responds 404, with the lease or with the time after which the lease of another caller ends. */
  #missing({ lease, leaseEndsAtMs }: Partial<Pick<Found, "lease" | "leaseEndsAtMs">>): Response {
    const { cache, reject } = this.#context;
    const headers: Record<string, string> = { ...MISS_STATUS };
    if (lease !== undefined) headers["lease"] = lease;
    else if (leaseEndsAtMs !== undefined && leaseEndsAtMs > 0) {
      const leftMs = Math.max(0, leaseEndsAtMs - cache.clock.now());
      headers["retry-after"] = `${Math.ceil(leftMs / 1000)}`;
    }
    return reject(new HttpError(404, "Key not found.", { headers }));
  }

  /** Sets `#key` to the key of the path, or returns its error. */
  #readKey(req: Request): HttpError | undefined {
    const name = readPathKey(req, CACHE_PATH, this.#context.config);
    if (name instanceof HttpError) return name;
    this.#key.setText(name);
    return undefined;
  }

  /** Returns the precondition that is false for the entry. */
  #falseFor(
    conditions: Preconditions,
    entry: StoredValue | undefined,
  ): keyof Preconditions | undefined {
    const etag = entry && this.#response.etagOf(bytesOf(entry.value), typeOf(entry.meta));
    return falseOf(conditions, etag);
  }

  /** Responds with the value in the buffer. */
  #respond(req: Request, { expiresAtMs, meta }: Found, nowMs: number): MaybeLater {
    const type = typeOf(meta);
    const { headers, etag } = this.#response.fields(type, expiresAtMs - nowMs);
    const conditions = preconditionsOf(req.headers);
    const failed = conditions && falseOf(conditions, etag);
    if (failed === "ifMatch") return this.#context.reject(CONDITION_FAILED.ifMatch);
    if (failed === "ifNoneMatch") return new Response(null, { status: 304, headers });
    return this.#response.send(req, headers, this.get);
  }
}

function typeOf(meta: Meta | undefined): string {
  return meta === undefined || meta.contentType === "" ? UNTYPED : meta.contentType;
}

function isStored(outcome: PutOutcome): outcome is "created" | "replaced" {
  return outcome === "created" || outcome === "replaced";
}

function bytesOf({ bytes, start, end }: Bytes): Uint8Array {
  return bytes.subarray(start, end);
}

function sliceOf({ buffer, byteOffset, length }: Uint8Array): Bytes {
  return { bytes: Buffer.from(buffer, byteOffset, length), start: 0, end: length };
}
