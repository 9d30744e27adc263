// BITOP: a bitwise operation on several values, whose result is the value of a key.
// Typed arrays: indexes are in range by construction.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { argument, argumentsFrom, type Command, type CommandContext, store } from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { Failure, SYNTAX_ERROR } from "./failure.ts";
import { inSlices, KEYS_PER_STEP } from "./slices.ts";
import { copyPart, ONE_MOMENT_BYTES, ownBytes, PART_BYTES } from "./value-parts.ts";

const NOT_ONE_SOURCE = new Failure("ERR BITOP NOT must be called with a single source key.");

type Operation = "and" | "or" | "xor" | "not";
const OPERATIONS: readonly string[] = ["and", "or", "xor", "not"] satisfies Operation[];

export const BITOP_COMMAND: Command = define(
  "bitop",
  "AND | OR | XOR | NOT destination key [key ...]",
  "write denyoom",
  "2.6.0",
  "Stores the result of an operation on the bits of values, in one step for up to 8 MiB.",
  bitop,
  { ...LINEAR, arity: -4, keys: [2, -1, 1] },
);

function isOperation(word: string): word is Operation {
  return OPERATIONS.includes(word);
}

function bitop(context: CommandContext): void | Failure {
  const { cache, nowMs, count } = context;
  const operation = argument(context, 1).toWord();
  if (!isOperation(operation)) return SYNTAX_ERROR;
  if (operation === "not" && count !== 4) return NOT_ONE_SOURCE;
  const keys = argumentsFrom(context, 2);
  let bytes = 0;
  if (keys.length <= KEYS_PER_STEP) {
    for (const key of keys) bytes += cache.look(key, nowMs)?.valueBytes ?? 0;
    if (bytes <= ONE_MOMENT_BYTES) return bitopAtOnce(context, operation, keys);
  }
  return bitopInSlices(context, operation, keys.map(ownBytes));
}

function bitopAtOnce(
  context: CommandContext,
  operation: Operation,
  keys: readonly Bytes[],
): void | Failure {
  const [destination, ...sources] = keys;
  if (destination === undefined) return SYNTAX_ERROR;
  return context.cache.atomically(keys, () => {
    const result = new Combination(context, operation, sources);
    while (!result.step());
    return storeResult(context, destination, result.bytes);
  });
}

/** Reads the values in parts, while other clients are served: a write meanwhile is seen in part. */
function bitopInSlices(
  context: CommandContext,
  operation: Operation,
  keys: readonly Bytes[],
): void | Failure {
  const [destination, ...sources] = keys;
  if (destination === undefined) return SYNTAX_ERROR;
  const kept = context.reply.aside();
  const result = new Combination(context, operation, sources);
  kept.claimKept(result.bytes.bytes.length);
  const write = (): void | Failure => storeResult(context, destination, result.bytes);
  return inSlices(context, () => result.step(), write, [kept]);
}

function storeResult(context: CommandContext, key: Bytes, result: ByteBuffer): void | Failure {
  const { cache, nowMs, reply } = context;
  if (result.end === 0) cache.delete(key, nowMs);
  else {
    const failure = store(context, key, result, cache.expiresAtMs(undefined, nowMs));
    if (failure !== undefined) return failure;
  }
  reply.integer(result.end);
}

/** The result of the operation, which is computed part by part and source by source. */
class Combination {
  readonly bytes: ByteBuffer;
  readonly #context: CommandContext;
  readonly #operation: Operation;
  readonly #sources: readonly Bytes[];
  /** The part and the source of the next step. */
  #at = 0;
  #source = 0;

  constructor(context: CommandContext, operation: Operation, sources: readonly Bytes[]) {
    const { cache, nowMs } = context;
    let length = 0;
    for (const key of sources) length = Math.max(length, cache.look(key, nowMs)?.valueBytes ?? 0);
    // Whole words, so that each part can be read in words.
    this.bytes = new ByteBuffer((length + 3) & ~3, true);
    this.bytes.end = length;
    this.#context = context;
    this.#operation = operation;
    this.#sources = sources;
  }

  /** Combines one part of one source. Returns whether it was the last. O(PART_BYTES). */
  step(): boolean {
    const { end } = this.bytes;
    const key = this.#sources[this.#source];
    if (this.#at >= end || key === undefined) return true;
    const { scratch } = this.#context;
    const partEnd = Math.min(end, this.#at + PART_BYTES);
    const length = copyPart(this.#context, key, this.#at, partEnd, scratch);
    const wholeWords = (partEnd - this.#at + 3) & ~3;
    scratch.reserve(wholeWords - length);
    // Behind its end a value has zeros.
    scratch.bytes.fill(0, length, wholeWords);
    this.#combine(scratch.bytes, partEnd - this.#at);
    this.#source++;
    if (this.#source === this.#sources.length) {
      this.#source = 0;
      this.#at += PART_BYTES;
    }
    return this.#at >= end;
  }

  #combine(part: Buffer<ArrayBuffer>, length: number): void {
    const words = (length + 3) >> 2;
    const from = new Int32Array(part.buffer, 0, words);
    const to = new Int32Array(this.bytes.bytes.buffer, this.#at, words);
    if (this.#operation === "not") for (let n = 0; n < words; n++) to[n] = ~from[n]!;
    else if (this.#source === 0) to.set(from);
    else if (this.#operation === "and") for (let n = 0; n < words; n++) to[n]! &= from[n]!;
    else if (this.#operation === "or") for (let n = 0; n < words; n++) to[n]! |= from[n]!;
    else for (let n = 0; n < words; n++) to[n]! ^= from[n]!;
  }
}
