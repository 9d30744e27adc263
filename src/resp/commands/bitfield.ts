// BITFIELD and BITFIELD_RO: integers of 1 to 64 bits at any bit of a value.
//
// All operations are computed on the bytes that they touch, then the replies are written, then the bytes: a
// reply for which there is no room leaves the value as it was.

import type { Bytes } from "../../cache/cache.ts";
import { readInteger } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";
import { readBitOffset } from "./bit-offset.ts";
import { argument, type Command, type CommandContext } from "./context.ts";
import { define } from "./define.ts";
import { Failure, FULL, NOT_AN_INTEGER, SYNTAX_ERROR, TOO_LARGE } from "./failure.ts";
import { copyPart } from "./value-parts.ts";

const INVALID_TYPE = new Failure(
  "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);
const INVALID_OVERFLOW = new Failure("ERR Invalid OVERFLOW type specified");
const ONLY_GET = new Failure("ERR BITFIELD_RO only supports the GET subcommand");
/** 10,000 operations take 15 ms. */
const OPERATIONS_MAX = 10_000;
const TOO_MANY_OPERATIONS = new Failure(
  `ERR BITFIELD takes at most ${OPERATIONS_MAX} operations, since it is one step`,
);

export const BITFIELD_COMMANDS: readonly Command[] = [
  define(
    "bitfield",
    "key [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value | INCRBY encoding offset increment ...]",
    "write denyoom",
    "3.2.0",
    "Reads, sets and increments integers of 1 to 64 bits in a value, in one step.",
    (context) => bitfield(context, false),
  ),
  define(
    "bitfield_ro",
    "key [GET encoding offset ...]",
    "readonly fast",
    "6.0.0",
    "Reads integers of 1 to 64 bits in a value.",
    (context) => bitfield(context, true),
  ),
];

type Overflow = "wrap" | "sat" | "fail";

interface FieldType {
  readonly isSigned: boolean;
  readonly bits: number;
}

interface Operation extends FieldType {
  readonly kind: "get" | "set" | "incrby";
  readonly offset: number;
  /** The value of SET, or the increment. */
  readonly operand: bigint;
  readonly overflow: Overflow;
}

function bitfield(context: CommandContext, isReadOnly: boolean): void | Failure {
  const operations = readOperations(context);
  if (operations instanceof Failure) return operations;
  const writes = operations.filter(({ kind }) => kind !== "get");
  if (isReadOnly && writes.length > 0) return ONLY_GET;
  const ends = writes.map(({ offset, bits }) => Math.floor((offset + bits - 1) / 8) + 1);
  const bytesNeeded = ends.reduce((most, end) => Math.max(most, end), 0);
  const { cache, reply } = context;
  if (bytesNeeded > cache.maxValueBytes) return TOO_LARGE;
  const key = argument(context, 1);
  return cache.atomically([key], () => {
    const fields = new Fields(context, key);
    const results = operations.map((operation) => fields.run(operation));
    const mark = reply.out.end;
    reply.array(results.length);
    for (const result of results) {
      if (result === undefined) reply.nil();
      else reply.integer(result);
    }
    if (fields.store(bytesNeeded)) return undefined;
    reply.out.end = mark;
    return FULL;
  });
}

function readOperations(context: CommandContext): Operation[] | Failure {
  const operations: Operation[] = [];
  let overflow: Overflow = "wrap";
  for (let index = 2; index < context.count;) {
    const kind = argument(context, index).toWord();
    const following = context.count - index - 1;
    if (kind === "overflow" && following >= 1) {
      const word = argument(context, index + 1).toWord();
      if (word !== "wrap" && word !== "sat" && word !== "fail") return INVALID_OVERFLOW;
      overflow = word;
      index += 2;
      continue;
    }
    const isWrite = kind === "set" || kind === "incrby";
    if (!(kind === "get" || isWrite) || following < (isWrite ? 3 : 2)) return SYNTAX_ERROR;
    const type = readType(argument(context, index + 1));
    if (type instanceof Failure) return type;
    const offset = readBitOffset(argument(context, index + 2), type.bits);
    if (offset instanceof Failure) return offset;
    const operand = isWrite ? readInteger(argument(context, index + 3)) : 0;
    if (operand === undefined) return NOT_AN_INTEGER;
    operations.push({ kind, ...type, offset, operand: BigInt(operand), overflow });
    if (operations.length > OPERATIONS_MAX) return TOO_MANY_OPERATIONS;
    index += isWrite ? 4 : 3;
  }
  return operations;
}

/** Reads a type such as i16 or u8. */
function readType(text: Argument): FieldType | Failure {
  const parts = /^([iu])([1-9]\d?)$/.exec(text.toShown());
  const isSigned = parts?.[1] === "i";
  const bits = Number(parts?.[2] ?? 0);
  const isValid = bits >= 1 && bits <= (isSigned ? 64 : 63);
  return isValid ? { isSigned, bits } : INVALID_TYPE;
}

/** The bytes of a value that the operations touch. The value does not change before `store`. */
class Fields {
  readonly #context: CommandContext;
  readonly #key: Bytes;
  /** New bytes, by their positions in the value. */
  readonly #changed = new Map<number, number>();

  constructor(context: CommandContext, key: Bytes) {
    this.#context = context;
    this.#key = key;
  }

  /** Returns the reply to the operation; undefined if its value does not fit and the mode is FAIL. */
  run({ kind, offset, bits, isSigned, operand, overflow }: Operation): bigint | undefined {
    const old = this.#read(offset, bits, isSigned);
    if (kind === "get") return old;
    const base = kind === "set" ? operand : old;
    const increment = kind === "set" ? 0n : operand;
    const value = isSigned
      ? signedSum(base, increment, bits, overflow)
      : unsignedSum(base, increment, bits, overflow);
    if (value === undefined) return undefined;
    this.#write(offset, bits, value);
    return kind === "set" ? old : value;
  }

  /**
   * Writes the bytes that have changed, and makes the value at least `length` bytes long. Returns false if the cache
   * is full; then nothing changes.
   */
  store(length: number): boolean {
    const { cache, nowMs } = this.#context;
    const old = cache.look(this.#key, nowMs);
    const oldLength = old?.valueBytes ?? 0;
    const expiresAtMs = old?.expiresAtMs ?? cache.expiresAtMs(undefined, nowMs);
    const last = length - 1;
    if (length > oldLength && !this.#changed.has(last)) this.#changed.set(last, 0);
    // From the last run on: the first write makes the value longer, and further writes stay in place.
    for (const { at, bytes } of this.#runs().toReversed()) {
      if (at + bytes.length <= oldLength && this.#isStored(at, bytes)) continue;
      const part = { bytes: Buffer.from(bytes), start: 0, end: bytes.length };
      if (!cache.update(this.#key, nowMs, () => ({ part, at, expiresAtMs }))) return false;
    }
    return true;
  }

  #isStored(at: number, bytes: readonly number[]): boolean {
    const { scratch } = this.#context;
    copyPart(this.#context, this.#key, at, at + bytes.length, scratch);
    return bytes.every((byte, n) => scratch.bytes[n] === byte);
  }

  /** Returns the new bytes, with those that follow each other together. */
  #runs(): { at: number; bytes: number[] }[] {
    const runs: { at: number; bytes: number[] }[] = [];
    let end = -1;
    for (const [at, byte] of [...this.#changed].sort(([a], [b]) => a - b)) {
      if (at === end) runs.at(-1)?.bytes.push(byte);
      else runs.push({ at, bytes: [byte] });
      end = at + 1;
    }
    return runs;
  }

  #read(offset: number, bits: number, isSigned: boolean): bigint {
    const { first, last, shift } = placeOf(offset, bits);
    const { scratch } = this.#context;
    const length = copyPart(this.#context, this.#key, first, last + 1, scratch);
    let value = 0n;
    for (let at = first; at <= last; at++) {
      const stored = at - first < length ? (scratch.bytes[at - first] ?? 0) : 0;
      value = (value << 8n) | BigInt(this.#changed.get(at) ?? stored);
    }
    const field = BigInt.asUintN(bits, value >> shift);
    return isSigned ? BigInt.asIntN(bits, field) : field;
  }

  #write(offset: number, bits: number, value: bigint): void {
    const { first, last, shift } = placeOf(offset, bits);
    const whole = this.#read(first * 8, (last - first + 1) * 8, false);
    const mask = ((1n << BigInt(bits)) - 1n) << shift;
    let rest = (whole & ~mask) | ((value << shift) & mask);
    for (let at = last; at >= first; at--) {
      this.#changed.set(at, Number(rest & 0xffn));
      rest >>= 8n;
    }
  }
}

/** Returns the first and the last byte of a field, and the number of bits behind it in the last byte. */
function placeOf(offset: number, bits: number): { first: number; last: number; shift: bigint } {
  const end = offset + bits;
  const last = Math.floor((end - 1) / 8);
  return { first: Math.floor(offset / 8), last, shift: BigInt((last + 1) * 8 - end) };
}

/**
 * Returns value + increment as an unsigned number; undefined if it does not fit and the mode is "fail". A value
 * below 0, which only SET can have, counts as too large, as in Redis.
 */
function unsignedSum(
  value: bigint,
  increment: bigint,
  bits: number,
  overflow: Overflow,
): bigint | undefined {
  const max = (1n << BigInt(bits)) - 1n;
  const sum = value + increment;
  const isOver = value < 0n || sum > max;
  if (!isOver && sum >= 0n) return sum;
  if (overflow === "fail") return undefined;
  if (overflow === "wrap") return BigInt.asUintN(bits, sum);
  return isOver ? max : 0n;
}

/**
 * As `unsignedSum`, for a signed number. Redis computes the distances to both limits in 64 bits, so a SET to a
 * number far below the least counts as too large.
 */
function signedSum(
  value: bigint,
  increment: bigint,
  bits: number,
  overflow: Overflow,
): bigint | undefined {
  const max = (1n << BigInt(bits - 1)) - 1n;
  const min = -max - 1n;
  const sum = value + increment;
  const toMax = BigInt.asIntN(64, max - value);
  const toMin = BigInt.asIntN(64, min - value);
  const isOver = value > max || (bits === 64 ? sum > max : increment > toMax);
  const isUnder = value < min || (bits === 64 ? sum < min : increment < toMin);
  if (!isOver && !isUnder) return sum;
  if (overflow === "fail") return undefined;
  if (overflow === "wrap") return BigInt.asIntN(bits, sum);
  return isOver ? max : min;
}
