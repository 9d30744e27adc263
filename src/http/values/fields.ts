// The header fields of requests for /cache/{key}, as checked values or an HttpError.
//
//   Cache-Control               RFC 9111 section 5.2, stale-while-revalidate RFC 5861
//   If-Match, If-None-Match     RFC 9110 section 13.1
//   Cache-Tag, Surrogate-Key    lists of tags, as Cloudflare and Fastly read them

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { TAG_BYTES_MAX, TAGS_MAX, TYPE_BYTES_MAX } from "../../cache/leases.ts";
import { LEASE_SECONDS_MAX, WAIT_SECONDS_MAX } from "../api/decode-caching.ts";
import { readLease } from "../api/decode-options.ts";
import { HttpError } from "../error.ts";
import { shown } from "../json.ts";

/** The type of a value that was put without one. */
export const UNTYPED = "application/octet-stream";

/** What a PUT says about its value. */
export interface ValueMeta {
  /** Milliseconds for which the value is fresh; undefined: the default. */
  readonly ttlMs: number | undefined;
  /** Milliseconds after that in which it may be served as stale. */
  readonly staleMs: number;
  readonly tags: readonly Bytes[];
  readonly type: string;
  /** The token of a lease. */
  readonly lease: string | undefined;
}

/** Decodes the fields of a PUT. */
export function readMeta(headers: Headers): ValueMeta | HttpError {
  const unusable = UNUSABLE.find(([name]) => headers.get(name) !== null);
  if (unusable !== undefined) return unusable[1];
  const lifetime = readLifetime(headers.get("cache-control") ?? "");
  if (lifetime instanceof HttpError) return lifetime;
  const tags = readTags(headers);
  if (tags instanceof HttpError) return tags;
  const type = headers.get("content-type") ?? UNTYPED;
  if (type.length > TYPE_BYTES_MAX || /[^\x20-\xff]/.test(type)) {
    const advice = `it may have ${TYPE_BYTES_MAX}, and no control characters`;
    return new HttpError(400, `"Content-Type" has ${type.length} bytes; ${advice}`);
  }
  const lease = readLease(headers.get("lease") ?? undefined);
  return lease instanceof HttpError ? lease : { ...lifetime, tags, type, lease };
}

/** Fields that change the meaning of the bytes, and that the cache does not keep. */
const UNUSABLE: readonly (readonly [name: string, error: HttpError])[] = [
  [
    "content-encoding",
    new HttpError(415, '"Content-Encoding" is not stored; send the bytes without a coding'),
  ],
  [
    "content-range",
    new HttpError(
      400,
      '"Content-Range" is not possible; send the whole value (RFC 9110 section 14.5)',
    ),
  ],
];

function readLifetime(field: string): Pick<ValueMeta, "ttlMs" | "staleMs"> | HttpError {
  const directives = directivesOf(field);
  if (directives.has("no-store")) {
    return new HttpError(
      400,
      '"Cache-Control: no-store" forbids what the request asks for; send max-age',
    );
  }
  // A shared cache prefers s-maxage.
  const name = directives.has("s-maxage") ? "s-maxage" : "max-age";
  const ttl = readSeconds(directives, name);
  if (ttl instanceof HttpError) return ttl;
  const stale = readSeconds(directives, STALE);
  if (stale instanceof HttpError) return stale;
  if (ttl === 0 && (stale ?? 0) === 0) {
    return new HttpError(
      400,
      `"${name}" is 0, so the value would never be served; send a larger one`,
    );
  }
  return { ttlMs: ttl === undefined ? undefined : ttl * 1000, staleMs: (stale ?? 0) * 1000 };
}

const STALE = "stale-while-revalidate";

/** Returns the first of each directive; its value is "" if it has none. O(field). */
function directivesOf(field: string): Map<string, string> {
  const directives = new Map<string, string>();
  for (const [, name = "", quoted, token = ""] of field.matchAll(DIRECTIVE)) {
    const lower = name.toLowerCase();
    if (!directives.has(lower)) directives.set(lower, quoted ?? token);
  }
  return directives;
}
/** A directive, `name`, `name=token` or `name="text"`; each character is in one match at most. */
const DIRECTIVE = /([^\s,="]+)(?:="([^"]*)"|=([^\s,"]*))?/g;

function readSeconds(
  directives: ReadonlyMap<string, string>,
  name: string,
): number | undefined | HttpError {
  const text = directives.get(name);
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  return new HttpError(400, `"${name}" is ${shown(text)}; it must be a whole number of seconds`);
}

/**
 * Returns for how many milliseconds a value may be stale, by the `Cache-Control` of a GET: 0 without
 * max-stale, Infinity for max-stale without a number.
 */
export function maxStaleMsOf(field: string | null): number | HttpError {
  if (field === null || !/max-stale/i.test(field)) return 0;
  const directives = directivesOf(field);
  if (directives.get("max-stale") === "") return Infinity;
  const seconds = readSeconds(directives, "max-stale");
  return seconds instanceof HttpError ? seconds : (seconds ?? 0) * 1000;
}

/** Returns the tags: bytes, which a field of the header shows as one character each. */
function readTags(headers: Headers): Bytes[] | HttpError {
  // Not \s, which has U+00A0: that is the last byte of an "à".
  const commas = (headers.get("cache-tag") ?? "").split(/[ \t]*,[ \t]*/);
  const spaces = (headers.get("surrogate-key") ?? "").split(/[ \t,]+/);
  const tags = [...new Set([...commas, ...spaces])].filter((tag) => tag !== "");
  if (tags.length > TAGS_MAX) {
    return new HttpError(400, `the value has ${tags.length} tags; it may have ${TAGS_MAX}`);
  }
  const longest = tags.find((tag) => tag.length > TAG_BYTES_MAX);
  if (longest !== undefined) {
    return new HttpError(400, `a tag has ${longest.length} bytes; it may have ${TAG_BYTES_MAX}`);
  }
  return tags.map((tag) => {
    const bytes = new ByteBuffer(tag.length);
    bytes.appendByteString(tag);
    return bytes;
  });
}

/** The lease that a GET asks for. */
export interface LeaseWish {
  readonly leaseMs: number;
  /** The longest time to wait for the value of another caller; 0 without a wait. */
  readonly waitMs: number;
}

/** Decodes `Lease: SECONDS` and `Prefer: wait=SECONDS` (RFC 7240) of a GET. */
export function readLeaseWish(headers: Headers): LeaseWish | undefined | HttpError {
  const lease = headers.get("lease");
  if (lease === null) return undefined;
  const seconds = SECONDS.test(lease) ? Number(lease) : NaN;
  if (!(seconds >= 0.001 && seconds <= LEASE_SECONDS_MAX)) {
    const advice = `it must be a number of seconds from 0.001 to ${LEASE_SECONDS_MAX}`;
    return new HttpError(400, `"Lease" is ${shown(lease)}; ${advice}`);
  }
  // A preference without a sense is ignored, as RFC 7240 section 2 asks for.
  const wait = Number(WAIT.exec(headers.get("prefer") ?? "")?.[1] ?? 0);
  return { leaseMs: seconds * 1000, waitMs: Math.min(wait, WAIT_SECONDS_MAX) * 1000 };
}
const SECONDS = /^\d{1,9}(\.\d{1,9})?$/;
const WAIT = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9}(?:\.\d{1,9})?)"?(?=$|[,;\s])/i;

/** The preconditions of a request; undefined for a field that it does not have. */
export interface Preconditions {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

export function preconditionsOf(headers: Headers): Preconditions | undefined {
  const ifMatch = headers.get("if-match") ?? undefined;
  const ifNoneMatch = headers.get("if-none-match") ?? undefined;
  return ifMatch === undefined && ifNoneMatch === undefined ? undefined : { ifMatch, ifNoneMatch };
}

/**
 * Returns the precondition that is false for the present ETag, or undefined if all are true. `etag` is
 * undefined if there is no value. The order is that of RFC 9110 section 13.2.2.
 */
export function falseOf(
  { ifMatch, ifNoneMatch }: Preconditions,
  etag: string | undefined,
): keyof Preconditions | undefined {
  // Our ETags are strong: a weak one never equals them in If-Match, and its text may in If-None-Match.
  if (ifMatch !== undefined && !lists(ifMatch, etag, false)) return "ifMatch";
  if (ifNoneMatch !== undefined && lists(ifNoneMatch, etag, true)) return "ifNoneMatch";
  return undefined;
}

/** Whether a list of ETags, or *, has this one. O(list). */
function lists(field: string, etag: string | undefined, isWeak: boolean): boolean {
  if (etag === undefined) return false;
  if (field === etag || field.trim() === "*") return true;
  for (const [listed, weak] of field.matchAll(ETAG)) {
    if (weak === undefined ? listed === etag : isWeak && listed.slice(2) === etag) return true;
  }
  return false;
}
const ETAG = /(W\/)?"[^"]*"/g;
