// The structure that a JSON body may have, read off its text before it is parsed. A text of
// 4 MiB can make 400 MB of objects: parsing it would be too late to refuse it.

import { Refusal } from "./answers.ts";
import type { Schema } from "./schemas.ts";

/** Room for what the schema does not know, so that the refusal can name it. */
const MORE_MARKS = 16;
const MORE_LEVELS = 1;

export interface BodyShape {
  /** Objects and arrays within each other. */
  readonly levels: number;
  /** Opening brackets, colons and commas. */
  readonly marks: number;
  readonly tooMany: Refusal;
}

/** The largest structure that fits the schema of a body. */
export function shapeOf(schema: Schema, maxBatchEntries: number): BodyShape {
  const isBatch = JSON.stringify(schema).includes('"array"');
  const limit = `${maxBatchEntries} entries or keys, the limit set by --max-batch-entries`;
  const names = Object.keys(propertiesOf(schema)).join(", ");
  return {
    levels: levelsOf(schema) + MORE_LEVELS,
    marks: marksOf(schema, maxBatchEntries) + MORE_MARKS,
    tooMany: isBatch
      ? new Refusal(413, `the body has more elements than ${limit}`, { reason: "batch_size" })
      : new Refusal(400, `the body has too many members or elements; it may have ${names}`),
  };
}

/** Returns the number of marks, or the refusal of a text with too many of them. O(end). */
export function checkShape(bytes: Uint8Array, end: number, shape: BodyShape): number | Refusal {
  const { levels, marks: most } = shape;
  let level = 0;
  let marks = 0;
  for (let at = 0; at < end; at++) {
    const byte = bytes[at] ?? 0;
    const kind = KINDS[byte] ?? 0;
    if (kind === PLAIN) continue;
    if (kind === QUOTE) {
      // To the quote that ends the string.
      for (at++; at < end; at++) {
        const inside = bytes[at];
        if (inside === 0x22) break;
        if (inside === 0x5c) at++;
      }
      continue;
    }
    if (kind === CLOSE) {
      level--;
      continue;
    }
    if (++marks > most) return shape.tooMany;
    if (kind === OPEN && ++level > levels) return tooDeep(levels);
  }
  return marks;
}

const PLAIN = 0;
const QUOTE = 1;
const OPEN = 2;
const CLOSE = 3;
const SEPARATOR = 4;
/** By byte. */
const KINDS = new Uint8Array(256);
for (const [text, kind] of [
  ['"', QUOTE],
  ["[{", OPEN],
  ["]}", CLOSE],
  [",:", SEPARATOR],
] as const) {
  for (const byte of Buffer.from(text)) KINDS[byte] = kind;
}

function tooDeep(levels: number): Refusal {
  const most = levels - MORE_LEVELS;
  return new Refusal(400, `the body is nested too deeply; this call takes ${most} levels`);
}

function propertiesOf({ properties }: Schema): Readonly<Record<string, Schema>> {
  return (properties ?? {}) as Readonly<Record<string, Schema>>;
}

function itemsOf({ items }: Schema): Schema {
  return (items ?? {}) as Schema;
}

function levelsOf(schema: Schema): number {
  if (schema["type"] === "array") return 1 + levelsOf(itemsOf(schema));
  if (schema["type"] !== "object") return 0;
  return 1 + Math.max(0, ...Object.values(propertiesOf(schema)).map(levelsOf));
}

/** A bracket, and for each member a colon and a comma, for each element a comma. */
function marksOf(schema: Schema, most: number): number {
  if (schema["type"] === "array") return 1 + most * (1 + marksOf(itemsOf(schema), most));
  if (schema["type"] !== "object") return 0;
  const members = Object.values(propertiesOf(schema));
  return members.reduce((sum, member) => sum + 2 + marksOf(member, most), 1);
}
