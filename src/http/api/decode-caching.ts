// Decodes requests for leases, stale values and invalidations.

import { HttpError } from "../error.ts";
import { type JsonObject, shown } from "../json.ts";
import { readBodyKey, readKeyList, type RequestLimits, unknownMember } from "./decode.ts";
import { readLease, readTags } from "./decode-options.ts";

/** Seconds of the longest lease, and of the longest wait. */
export const LEASE_SECONDS_MAX = 3600;
export const WAIT_SECONDS_MAX = 60;

/** What a get wants beside a fresh value. */
export interface GetRequest {
  readonly leaseMs: number | undefined;
  readonly waitMs: number;
  readonly servesStale: boolean;
}

export interface ReleaseRequest {
  readonly key: string;
  readonly lease: string;
}

export interface InvalidateRequest {
  readonly tags: readonly string[];
  readonly keys: readonly string[];
  readonly all: boolean;
}

/** Whether the query asks for a lease, which changes the cache. */
export function wantsLease(url: string): boolean {
  return url.includes("lease=") && queryOf(url).has("lease");
}

/** Decodes the query of `/get` without its key. */
export function readGetOptions(url: string): GetRequest | HttpError {
  const query = queryOf(url);
  const lease = readSeconds(query, "lease", 0.001, LEASE_SECONDS_MAX);
  if (lease instanceof HttpError) return lease;
  const wait = readSeconds(query, "wait", 0, WAIT_SECONDS_MAX);
  if (wait instanceof HttpError) return wait;
  if (wait !== undefined && lease === undefined) {
    return new HttpError(400, '"wait" needs "lease": use ?key=NAME&lease=10&wait=3');
  }
  const stale = query.get("stale") ?? "0";
  if (!["0", "1", "true", "false"].includes(stale)) {
    return new HttpError(400, `"stale" is ${shown(stale)}; use 1 for stale values too, or 0`);
  }
  const leaseMs = lease === undefined ? undefined : lease * 1000;
  const servesStale = leaseMs !== undefined || stale === "1" || stale === "true";
  return { leaseMs, waitMs: (wait ?? 0) * 1000, servesStale };
}

/** Decodes the body of `/release`. */
export function readRelease(body: JsonObject, limits: RequestLimits): ReleaseRequest | HttpError {
  const unknown = unknownMember(body, ["key", "lease"], "");
  if (unknown !== undefined) return unknown;
  const key = readBodyKey(body, limits);
  if (key instanceof HttpError) return key;
  const lease = readLease(body["lease"]);
  if (lease instanceof HttpError) return lease;
  return lease === undefined ? new HttpError(400, '"lease" is missing') : { key, lease };
}

/** Decodes the body of `/invalidate`. */
export function readInvalidation(
  body: JsonObject,
  limits: RequestLimits,
): InvalidateRequest | HttpError {
  const unknown = unknownMember(body, ["tags", "keys", "all"], "");
  if (unknown !== undefined) return unknown;
  const { all = false } = body;
  if (typeof all !== "boolean") {
    return new HttpError(400, `"all" is ${shown(all)}; it must be true or false`);
  }
  const tags = readTags(body["tags"], "", limits.maxBatchEntries);
  if (tags instanceof HttpError) return tags;
  const keys = body["keys"] === undefined ? [] : readKeyList(body["keys"], limits);
  if (keys instanceof HttpError) return keys;
  if (!all && tags.length === 0 && keys.length === 0) {
    return new HttpError(400, 'the body names nothing; send "tags", "keys", or "all":true');
  }
  return { tags, keys, all };
}

function queryOf(url: string): URLSearchParams {
  const start = url.indexOf("?");
  return new URLSearchParams(start < 0 ? "" : url.slice(start + 1));
}

function readSeconds(
  query: URLSearchParams,
  name: string,
  min: number,
  max: number,
): number | undefined | HttpError {
  const text = query.get(name);
  if (text === null) return undefined;
  const seconds = text === "" ? NaN : Number(text);
  if (seconds >= min && seconds <= max) return seconds;
  const advice = `it must be a number of seconds from ${min} to ${max}`;
  return new HttpError(400, `"${name}" is ${shown(text)}; ${advice}`);
}
