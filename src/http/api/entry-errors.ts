// The errors of writes that more than one group of handlers has.

import { HttpError } from "../error.ts";

/** The error of a write that finds no room. */
export const FULL = new HttpError(
  507,
  "the cache is full, and --eviction none keeps all entries: delete entries or raise --memory",
);
