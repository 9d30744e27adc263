// The errors of writes that more than one group of handlers has.

import { HttpError } from "../error.ts";

/** The error of a write that finds no room. */
/** Only probes get this: the service serves all other requests. */
export const DRAINING = new HttpError(503, "draining", { headers: { "retry-after": "1" } });
export const FULL = new HttpError(
  507,
  "the cache is full, and --eviction none keeps all entries: delete entries or raise --memory",
);
export const NOT_AN_INTEGER = new HttpError(
  409,
  "the value of the key is not an integer of 64 bits in decimal; put one, or delete the key",
);
export const SUM_OVERFLOW = new HttpError(
  409,
  "the sum does not fit in 64 bits; it must be from -9223372036854775808 to 9223372036854775807",
);
