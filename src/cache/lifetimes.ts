// The times at which entries stop being fresh, and stop being stale.

import type { CacheOptions } from "./options.ts";
import { NEVER } from "./store/shard.ts";

export type Lifetimes = Pick<CacheOptions, "defaultTtlMs" | "maxTtlMs">;

/** The latest expiry, in 142,000 years: a whole number of milliseconds that every client can read. */
const LAST_MS = 2 ** 52;

/** As Cache.expiresAtMs. */
export function expiryOf(
  { defaultTtlMs, maxTtlMs }: Lifetimes,
  ttlMs: number | undefined,
  nowMs: number,
): number {
  const expiresAtMs = nowMs + Math.min(ttlMs ?? defaultTtlMs, maxTtlMs);
  return expiresAtMs > LAST_MS && expiresAtMs < NEVER ? LAST_MS : expiresAtMs;
}

/** The end of the stale time of an entry, or 0 if it has none. No entry is kept for longer than the longest time to live. */
export function staleEndOf(
  { maxTtlMs }: Lifetimes,
  expiresAtMs: number,
  staleMs: number | undefined,
  nowMs: number,
): number {
  if (staleMs === undefined || expiresAtMs === NEVER) return 0;
  return Math.min(expiresAtMs + staleMs, nowMs + maxTtlMs, LAST_MS);
}
