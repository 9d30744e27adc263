// SCAN over all primaries. The cursor carries the number of a primary, so that any worker can go on.

import type { Word } from "./engine.ts";
import type { Upstream } from "./upstream.ts";

/** A cursor is that of one primary, times CURSOR_STEP, plus the primary's number. */
const CURSOR_STEP = 256n;

export interface ScanPage {
  /** 0 at the end. */
  readonly cursor: bigint;
  readonly keys: readonly Buffer[];
}

/** Returns a page of one primary's keys; its cursor names the next primary at the end of this one. */
export async function scanFrom(
  upstream: Upstream,
  cursor: bigint,
  options: readonly Word[],
): Promise<ScanPage> {
  const targets = upstream.targets();
  const number = Number(cursor % CURSOR_STEP);
  const at = targets.findIndex((one) => one.number >= number);
  const found = targets[at];
  if (found === undefined) return { cursor: 0n, keys: [] };
  // The keys of a primary that is gone are with the others now.
  const inner = found.number === number ? cursor / CURSOR_STEP : 0n;
  const reply = await upstream.sendTo(found.target, ["SCAN", String(inner), ...options]);
  const [next, keys]: readonly unknown[] = Array.isArray(reply) ? reply : ["0", []];
  const after = BigInt(String(next));
  const following = targets[at + 1];
  let outer = after * CURSOR_STEP + BigInt(found.number);
  if (after === 0n) outer = following === undefined ? 0n : BigInt(following.number);
  return { cursor: outer, keys: Array.isArray(keys) ? (keys as Buffer[]) : [] };
}
