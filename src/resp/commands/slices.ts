// Runs long commands in slices of time: between two slices the worker serves other clients.
// Typed arrays: indexes are in range by construction.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { argument, argumentsFrom, type CommandContext } from "./context.ts";
import type { Failure } from "./failure.ts";
import type { Reply } from "../protocol/reply.ts";
import { release, SLICE_MS } from "../slices.ts";

/** A command of up to 1,000 keys is one step; a command of more keys has one step for each 1,000. */
export const KEYS_PER_STEP = 1000;
export const ARGUMENTS_PER_STEP: StepBounds = { one: KEYS_PER_STEP, part: KEYS_PER_STEP };

export interface StepBounds {
  /** A command of at most this number of arguments is one step. */
  readonly one: number;
  /** Arguments of one step of a longer command. */
  readonly part: number;
}

/** Writes the reply of a long command once its work is done. */
export type WriteReply = () => void | Failure;

/**
 * Calls `step` until it returns true, and then `write`. Work that is longer than one slice continues
 * while other clients are served, and the connection waits: the command's arguments are not valid
 * then. Inside a step of the cache the work runs to its end. `asides` are released at the end.
 */
export function inSlices(
  context: CommandContext,
  step: () => boolean,
  write: WriteReply,
  asides: readonly Reply[] = [],
): void | Failure {
  const endMs = context.cache.isInStep ? Infinity : performance.now() + SLICE_MS;
  let isDone = false;
  let failure: void | Failure = undefined;
  try {
    do isDone = step();
    while (!isDone && performance.now() < endMs);
    if (isDone) failure = write();
  } catch (error) {
    release(asides);
    throw error;
  }
  if (isDone) {
    release(asides);
    return failure;
  }
  const { session } = context;
  context.pending = context.slices.run(step, () => session.isClosing, write, asides);
}

/**
 * Calls `work` with all arguments of the command if one step may have as many, or inside a step of the
 * cache. Otherwise calls it with one part of them after the other, in slices. Then calls `write`.
 */
export function inParts(
  context: CommandContext,
  work: (words: readonly Bytes[]) => void,
  write: WriteReply,
  { bounds = ARGUMENTS_PER_STEP, asides = [] }: { bounds?: StepBounds; asides?: Reply[] } = {},
): void | Failure {
  if (context.count - 1 <= bounds.one || context.cache.isInStep) {
    try {
      work(argumentsFrom(context, 1));
      return write();
    } finally {
      release(asides);
    }
  }
  const kept = context.reply.aside();
  const all = [...asides, kept];
  const { bytes, ends } = copyArguments(context, kept);
  let next = 0;
  const step = (): boolean => {
    const words: Bytes[] = [];
    for (const end = Math.min(ends.length, next + bounds.part); next < end; next++) {
      words.push({ bytes, start: next === 0 ? 0 : ends[next - 1]!, end: ends[next]! });
    }
    work(words);
    return next === ends.length;
  };
  return inSlices(context, step, write, all);
}

/** Copies the arguments behind the command's name. `kept` claims their bytes. O(bytes). */
function copyArguments(
  context: CommandContext,
  kept: Reply,
): { bytes: Buffer; ends: Float64Array } {
  const ends = new Float64Array(context.count - 1);
  let length = 0;
  for (let index = 1; index < context.count; index++) {
    const { start, end } = argument(context, index);
    length += end - start;
  }
  kept.claimKept(length + ends.byteLength);
  const all = new ByteBuffer(length);
  for (let index = 1; index < context.count; index++) {
    const { bytes, start, end } = argument(context, index);
    all.appendRun(bytes, start, end);
    ends[index - 1] = all.end;
  }
  return { bytes: all.bytes, ends };
}
