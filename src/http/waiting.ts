// Requests that wait for a value which the holder of a lease computes.

import type { Bytes } from "../cache/cache.ts";
import type { HandlerContext } from "./context.ts";
import { HttpError } from "./error.ts";
import type { MaybeLater } from "./large-responses.ts";

/** Seconds that a connection stays open beside the wait. */
const EXTRA_SECONDS = 30;

/** Looks at the key: returns the response, or when the lease of another caller ends. */
export type Look = () => MaybeLater | number;

/**
 * Responds as soon as `look` has a response, or with `giveUp` after `waitMs`. `look` is called at once,
 * and again when a lease of the key ends. The wait ends with its connection.
 */
export function respondOrWait(
  { waiters, connections, config, reject }: HandlerContext,
  req: Request,
  { key, waitMs }: { readonly key: Bytes; readonly waitMs: number },
  look: Look,
  giveUp: (leaseEndsAtMs: number) => Response,
): MaybeLater {
  const { promise, resolve } = Promise.withResolvers<Response>();
  let ready: MaybeLater | undefined;
  let leaseEndsAtMs = 0;
  const attempt = (): number => {
    const found = look();
    if (typeof found === "number") return (leaseEndsAtMs = found);
    ready = found;
    resolve(found);
    return 0;
  };
  const end = waiters.wait(key, waitMs, attempt, () => resolve(giveUp(leaseEndsAtMs)));
  if (end === undefined) return reject(tooManyWaiters(config.maxWaiters));
  if (ready !== undefined) return ready;
  connections.setTimeout(req, Math.ceil(waitMs / 1000) + EXTRA_SECONDS);
  req.signal.addEventListener("abort", end, { once: true });
  return promise;
}

function tooManyWaiters(max: number): HttpError {
  const message = `${max} requests wait already, the limit set by --max-waiters; retry in 1 s`;
  return new HttpError(503, message, { reason: "waiters", headers: { "retry-after": "1" } });
}
