// LCS: the longest common subsequence of two values, by the table of dynamic programming.
//
// Redis keeps a table of lengths, 4 bytes a cell. Here a cell is one bit: which neighbour has the longer
// subsequence. The lengths are kept for one row only. The choices, and so the subsequence, are those of Redis.
// Typed arrays: indexes are in range by construction.

import { ByteBuffer } from "../../cache/cache.ts";
import { argument, type Command, type CommandContext } from "./context.ts";
import { define } from "./define.ts";
import { Failure, NOT_AN_INTEGER } from "./failure.ts";
import { flag, grammar, option, repeatable } from "./grammar.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Reply } from "../protocol/reply.ts";
import { inSlices } from "./slices.ts";

const LENGTH_OR_INDEXES = new Failure(
  "ERR If you want both the length and indexes, please just use IDX.",
);
const TOO_LONG = new Failure(
  "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
);
/** The most bytes of the table of lengths that Redis would need: its default for proto-max-bulk-len. */
const TABLE_BYTES_MAX = 512 * 2 ** 20;
/** Cells of one step, which takes about 0.2 ms. */
const CELLS_PER_STEP = 2 ** 16;

export const LCS_COMMAND: Command = define(
  "lcs",
  "key key [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
  "readonly",
  "7.0.0",
  "The longest common subsequence of two values.",
  lcs,
  { complexity: "O(N*M)", keys: [1, 2, 1] },
);

const LCS_OPTIONS = grammar({
  len: repeatable(flag("len")),
  idx: repeatable(flag("idx")),
  withMatchLength: repeatable(flag("withmatchlen")),
  matchLengthMin: repeatable(option("minmatchlen", (text) => readNumber(text) ?? NOT_AN_INTEGER)),
});

function lcs(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const options = LCS_OPTIONS.parse(context, 3);
  if (options instanceof Failure) return options;
  if (options.len !== undefined && options.idx !== undefined) return LENGTH_OR_INDEXES;
  const keys = [argument(context, 1), argument(context, 2)] as const;
  const kept = reply.aside();
  const [a, b] = [new ByteBuffer(0, true), new ByteBuffer(0, true)];
  cache.consistently(keys, () => {
    for (const [value, key] of [[a, keys[0]] as const, [b, keys[1]] as const]) {
      value.clear();
      cache.get(key, nowMs, value);
    }
  });
  if ((a.end + 1) * (b.end + 1) * 4 > TABLE_BYTES_MAX) return TOO_LONG;
  kept.claimKept(a.end + b.end + Table.bytesOf(a.end, b.end));
  const table = new Table(a, b);
  const write = (): void => {
    if (options.len !== undefined) reply.integer(table.length);
    else if (options.idx === undefined) writeSubsequence(reply, table);
    else writeMatches(reply, table, options);
  };
  return inSlices(context, () => table.step(), write, [kept]);
}

/** A run of bytes that both values have. */
interface Match {
  aStart: number;
  bStart: number;
  length: number;
}

/** The table for the values a, its rows, and b, its columns. */
class Table {
  readonly a: ByteBuffer;
  readonly b: ByteBuffer;
  /** One bit a cell: whether the cell above has a longer subsequence than the cell to the left. */
  readonly #goesUp: Uint8Array;
  /** Lengths of the last row, without its column 0. */
  readonly #lengths: Uint32Array;
  #row = 0;

  static bytesOf(aLength: number, bLength: number): number {
    return Math.ceil((aLength * bLength) / 8) + bLength * 4;
  }

  constructor(a: ByteBuffer, b: ByteBuffer) {
    this.a = a;
    this.b = b;
    this.#goesUp = new Uint8Array(Math.ceil((a.end * b.end) / 8));
    this.#lengths = new Uint32Array(b.end);
  }

  /** Length of the longest common subsequence, after the last step. */
  get length(): number {
    return this.#lengths[this.b.end - 1] ?? 0;
  }

  /** Computes some rows. Returns whether the table is complete. O(CELLS_PER_STEP + b). */
  step(): boolean {
    const rows = Math.ceil(CELLS_PER_STEP / Math.max(1, this.b.end));
    const end = Math.min(this.a.end, this.#row + rows);
    for (; this.#row < end; this.#row++) this.#computeRow(this.#row);
    return this.#row === this.a.end;
  }

  #computeRow(row: number): void {
    const lengths = this.#lengths;
    const { bytes, end } = this.b;
    const byte = this.a.bytes[row]!;
    let cell = row * end;
    let left = 0;
    let aboveLeft = 0;
    for (let column = 0; column < end; column++, cell++) {
      const above = lengths[column]!;
      if (bytes[column] === byte) left = aboveLeft + 1;
      else if (above > left) {
        this.#goesUp[cell >> 3]! |= 1 << (cell & 7);
        left = above;
      }
      aboveLeft = above;
      lengths[column] = left;
    }
  }

  /** Calls `visit` for each byte of the subsequence, from its end to its beginning. O(a + b). */
  walk(visit: (row: number, column: number) => void): void {
    let row = this.a.end - 1;
    let column = this.b.end - 1;
    while (row >= 0 && column >= 0) {
      const cell = row * this.b.end + column;
      if (this.a.bytes[row] === this.b.bytes[column]) visit(row--, column--);
      else if ((this.#goesUp[cell >> 3]! & (1 << (cell & 7))) !== 0) row--;
      else column--;
    }
  }
}

function writeSubsequence(reply: Reply, table: Table): void {
  const bytes = Buffer.alloc(table.length);
  let at = bytes.length;
  table.walk((row) => (bytes[--at] = table.a.bytes[row]!));
  reply.bulk({ bytes, start: 0, end: bytes.length });
}

/** Returns the runs of the subsequence, the last one first. */
function matchesOf(table: Table): Match[] {
  const matches: Match[] = [];
  table.walk((row, column) => {
    const last = matches.at(-1);
    if (last !== undefined && last.aStart === row + 1 && last.bStart === column + 1) {
      last.aStart = row;
      last.bStart = column;
      last.length++;
    } else matches.push({ aStart: row, bStart: column, length: 1 });
  });
  return matches;
}

function writeMatches(
  reply: Reply,
  table: Table,
  { matchLengthMin = 0, withMatchLength }: { matchLengthMin?: number; withMatchLength?: string },
): void {
  const matches = matchesOf(table).filter(({ length }) => length >= matchLengthMin);
  reply.map(2);
  reply.text("matches");
  reply.array(matches.length);
  for (const { aStart, bStart, length } of matches) {
    reply.array(withMatchLength === undefined ? 2 : 3);
    for (const start of [aStart, bStart]) {
      reply.array(2);
      reply.integer(start);
      reply.integer(start + length - 1);
    }
    if (withMatchLength !== undefined) reply.integer(length);
  }
  reply.text("len");
  reply.integer(table.length);
}
