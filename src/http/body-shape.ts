// The largest structure that a JSON body may have, checked on its text before it is parsed. A text of
// 4 MiB can make 400 MB of objects: after parsing it would be too late to reject it.

import type { Schema } from "./api/schemas.ts";
import { HttpError } from "./error.ts";

/** Room for members that the schema does not know, so that the error can name them. */
const UNKNOWN_MARKS_MAX = 16;

export interface BodyShape {
  /** Opening brackets, colons and commas outside of strings. */
  readonly marksMax: number;
  readonly error: HttpError;
}

/** Returns the largest structure that fits the schema of a body. */
export function shapeOf(schema: Schema, maxBatchEntries: number): BodyShape {
  const isBatch = hasLongArray(schema);
  const limit = `${maxBatchEntries} entries or keys, the limit set by --max-batch-entries`;
  const names = Object.keys(propertiesOf(schema)).join(", ");
  return {
    marksMax: marksOf(schema, maxBatchEntries) + UNKNOWN_MARKS_MAX,
    error: isBatch
      ? new HttpError(413, `the body has more elements than ${limit}`, { reason: "batch_size" })
      : new HttpError(400, `the body has too many members or elements; it may have ${names}`),
  };
}

/** Arguments that a command of a pipeline may have on average. */
const ARGUMENTS_PER_COMMAND = 16;

/** Returns the largest structure of a list of commands with their arguments. */
export function shapeOfCommands(maxBatchEntries: number): BodyShape {
  const elements = maxBatchEntries * ARGUMENTS_PER_COMMAND;
  const limit = `${elements}, ${ARGUMENTS_PER_COMMAND} times --max-batch-entries`;
  return {
    marksMax: elements + UNKNOWN_MARKS_MAX,
    error: new HttpError(413, `the body has more elements than ${limit}`, { reason: "batch_size" }),
  };
}

/** Returns the number of marks, or the error of a text with too many of them. O(end). */
export function checkShape(bytes: Uint8Array, end: number, shape: BodyShape): number | HttpError {
  const { marksMax } = shape;
  let marks = 0;
  for (let index = 0; index < end; index++) {
    const byte = bytes[index];
    if (byte === QUOTE) {
      index = endOfString(bytes, end, index + 1);
    } else if (byte === COMMA || byte === COLON || byte === BRACKET || byte === BRACE) {
      if (++marks > marksMax) return shape.error;
    }
  }
  return marks;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;
/** Beyond this length the runtime's search is faster than a loop: it takes 30 µs for a megabyte. */
const LOOP_BYTES_MAX = 128;

/** Returns the index of the quote that ends the string from `start` on; `end` without one. */
function endOfString(bytes: Uint8Array, end: number, start: number): number {
  const loopEnd = Math.min(end, start + LOOP_BYTES_MAX);
  let index = start;
  while (index < loopEnd) {
    const byte = bytes[index];
    if (byte === QUOTE) return index;
    index += byte === BACKSLASH ? 2 : 1;
  }
  let quote = bytes.indexOf(QUOTE, index);
  while (quote >= 0) {
    let before = quote - 1;
    while (before >= start && bytes[before] === BACKSLASH) before--;
    // An odd number of backslashes escapes the quote.
    if ((quote - before) % 2 === 1) return quote;
    quote = bytes.indexOf(QUOTE, quote + 1);
  }
  return end;
}

/** Whether the schema has an array of any length. */
function hasLongArray(schema: Schema): boolean {
  if (schema["type"] === "array") {
    return schema["maxItems"] === undefined || hasLongArray(itemsOf(schema));
  }
  return Object.values(propertiesOf(schema)).some(hasLongArray);
}

function propertiesOf({ properties }: Schema): Readonly<Record<string, Schema>> {
  return (properties ?? {}) as Readonly<Record<string, Schema>>;
}

function itemsOf({ items }: Schema): Schema {
  return (items ?? {}) as Schema;
}

/** Counts a bracket, for each member a colon and a comma, and for each element a comma. */
function marksOf(schema: Schema, elementsMax: number): number {
  if (schema["type"] === "array") {
    const elements = Math.min(elementsMax, Number(schema["maxItems"] ?? Infinity));
    return 1 + elements * (1 + marksOf(itemsOf(schema), elementsMax));
  }
  if (schema["type"] !== "object") return 0;
  const members = Object.values(propertiesOf(schema));
  return members.reduce((sum, member) => sum + 2 + marksOf(member, elementsMax), 1);
}
