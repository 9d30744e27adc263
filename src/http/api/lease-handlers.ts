// The handlers for leases, stale values and tags: /get with options, /release, /invalidate.

import { ByteBuffer, MISS } from "../../cache/cache.ts";
import { type Found, hashTags, type VoidReason } from "../../cache/leases.ts";
import type { HandlerContext } from "../context.ts";
import { HttpError } from "../error.ts";
import type { BodyHandler } from "../handler.ts";
import type { MaybeLater } from "../large-responses.ts";
import { respondOrWait } from "../waiting.ts";
import { readGetOptions, readInvalidation, readRelease } from "./decode-caching.ts";
import { FULL } from "./entry-errors.ts";
import { FoundResponse, keyNotFound, notFoundWith, ok, stored } from "./respond.ts";

export interface LeaseHandlers extends Readonly<Record<"release" | "invalidate", BodyHandler>> {
  /** Handles `/get` of a key with a lease, a wait or stale values. */
  readonly getWithOptions: (req: Request, key: string) => MaybeLater;
}

const VOID: Readonly<Record<VoidReason, string>> = {
  written: "the key was put since the lease was given",
  "newer lease":
    "another caller has a newer lease of the key, or the key was put and expired since",
  invalidated: "a tag of the entry was invalidated since the lease was given",
  gone: "the key was deleted or invalidated since the lease was given, or its lease is over or was evicted",
};

/** Returns the error of a request with a void lease. */
export function leaseVoid(reason: VoidReason, effect: string): HttpError {
  return new HttpError(409, `the lease is void: ${VOID[reason]}; ${effect}`);
}

/** The hashes of tags as text. */
export function hashTagTexts(tags: readonly string[]) {
  return hashTags(tags.map((tag) => ByteBuffer.ofText(tag)));
}

/** Creates the handlers of one worker. */
export function createLeaseHandlers(context: HandlerContext): LeaseHandlers {
  const { cache, config, reject, large } = context;
  const { leases } = cache;
  // One each for all requests: no `await` lies between filling and using them.
  const keyBytes = new ByteBuffer();
  const foundResponse = new FoundResponse(large);

  const missing = (leaseEndsAtMs: number): Response => {
    if (leaseEndsAtMs === 0) return keyNotFound();
    const leftMs = Math.max(0, leaseEndsAtMs - cache.clock.now());
    return notFoundWith({ retry_after: Math.ceil(leftMs) / 1000 });
  };
  const respond = (req: Request, key: string, found: Found): MaybeLater => {
    const { length, isStale, lease, leaseEndsAtMs, isFull } = found;
    if (length === MISS) {
      if (isFull) return reject(FULL);
      return lease === undefined ? missing(leaseEndsAtMs) : notFoundWith({ lease });
    }
    const more = { ...(isStale ? { stale: true } : {}), ...(lease === undefined ? {} : { lease }) };
    // Without another lease: the request has its own already.
    const remake = (): MaybeLater => {
      keyBytes.setText(key);
      const into = foundResponse.begin(keyBytes);
      const again = leases.get(keyBytes, cache.clock.now(), into, { servesStale: isStale });
      return respond(req, key, { ...again, lease, isStale });
    };
    return foundResponse.end(req, remake, more);
  };

  return {
    getWithOptions: (req, key) => {
      const options = readGetOptions(req.url);
      if (options instanceof HttpError) return reject(options);
      const look = (): MaybeLater | number => {
        keyBytes.setText(key);
        const found = leases.get(
          keyBytes,
          cache.clock.now(),
          foundResponse.begin(keyBytes),
          options,
        );
        const mustWait = found.length === MISS && found.leaseEndsAtMs > 0 && options.waitMs > 0;
        return mustWait ? found.leaseEndsAtMs : respond(req, key, found);
      };
      keyBytes.setText(key);
      if (options.waitMs === 0) return look() as MaybeLater;
      const { waitMs } = options;
      return respondOrWait(context, req, { key: keyBytes, waitMs }, look, missing);
    },
    release: (body) => {
      const request = readRelease(body, config);
      if (request instanceof HttpError) return reject(request);
      keyBytes.setText(request.key);
      const reason = leases.release(keyBytes, request.lease, cache.clock.now());
      return reason === undefined ? stored() : reject(leaseVoid(reason, "nothing was released"));
    },
    invalidate: (body) => {
      const request = readInvalidation(body, config);
      if (request instanceof HttpError) return reject(request);
      if (request.all) cache.clear();
      if (request.tags.length > 0) leases.invalidate(hashTagTexts(request.tags));
      for (const key of request.keys) {
        keyBytes.setText(key);
        cache.delete(keyBytes, cache.clock.now());
      }
      return ok();
    },
  };
}
