// Reads the number of a database.

import { DATABASE_OUT_OF_RANGE, type Failure, NOT_AN_INTEGER } from "./failure.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";

/** Returns the number of a database. `invalid` is the error for a text that is no number. */
export function readDatabase(
  text: Argument,
  databases: number,
  invalid = NOT_AN_INTEGER,
): number | Failure {
  const database = readNumber(text);
  if (database === undefined) return invalid;
  return database >= 0 && database < databases ? database : DATABASE_OUT_OF_RANGE;
}
