// Decodes the options of entries that are about stale values, tags and leases.

import { TAG_BYTES_MAX, TAGS_MAX } from "../../cache/leases.ts";
import { isToken } from "../../cache/token.ts";
import { HttpError } from "../error.ts";
import { type JsonObject, kindOf, shown } from "../json.ts";

/** The options of a put that are about stale values, tags and leases. */
export interface CachingOptions {
  readonly staleMs: number | undefined;
  readonly tags: readonly string[];
  readonly lease: string | undefined;
}

/** Returns the caching options of an entry. */
export function readCaching(body: JsonObject, parent: string): CachingOptions | HttpError {
  const staleMs = readStale(body["stale"], parent);
  if (staleMs instanceof HttpError) return staleMs;
  const tags = readTags(body["tags"], parent);
  if (tags instanceof HttpError) return tags;
  const lease = readLease(body["lease"]);
  return lease instanceof HttpError ? lease : { staleMs, tags, lease };
}

/** Returns the milliseconds of a `stale`, which may be missing. */
export function readStale(value: unknown, parent: string): number | undefined | HttpError {
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return value * 1000;
  const advice = "it must be a number of seconds, 0 or more";
  return new HttpError(400, `"${parent}stale" is ${shown(value)}; ${advice}`);
}

/** Returns the tags of an entry or of an invalidation, which may be missing. */
export function readTags(value: unknown, parent: string, max = TAGS_MAX): string[] | HttpError {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    const advice = `it must be an array of at most ${max} strings`;
    return new HttpError(400, `"${parent}tags" is ${kindOf(value)}; ${advice}`);
  }
  if (value.length > max) {
    return new HttpError(400, `"${parent}tags" has ${value.length} elements; it may have ${max}`);
  }
  const tags: string[] = [];
  for (const [index, tag] of (value as unknown[]).entries()) {
    const name = `"${parent}tags[${index}]"`;
    if (typeof tag !== "string") {
      return new HttpError(400, `${name} is ${kindOf(tag)}; it must be a string`);
    }
    const bytes = Buffer.byteLength(tag);
    if (!tag.isWellFormed() || bytes < 1 || bytes > TAG_BYTES_MAX) {
      const found = tag.isWellFormed() ? `has ${bytes} bytes` : "has a lone surrogate";
      return new HttpError(400, `${name} ${found}; it must have 1 to ${TAG_BYTES_MAX} in UTF-8`);
    }
    tags.push(tag);
  }
  return tags;
}

/** Returns the token of a lease, which may be missing. */
export function readLease(value: unknown): string | undefined | HttpError {
  if (value === undefined) return undefined;
  if (typeof value === "string" && isToken(value)) return value;
  const advice = 'send the "lease" of a response to /get';
  return new HttpError(400, `"lease" is ${shown(value)}, which is no token; ${advice}`);
}
