// Long commands in slices of time: between two slices the worker serves other clients.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { argument, argumentsFrom, type CommandContext } from "./context.ts";
import type { Reply } from "../protocol/reply.ts";
import { release, SLICE_MS } from "../slices.ts";

/** Commands of up to so many arguments are one step; those of more are one step for each part of so many. */
export const KEYS_A_STEP = 1000;
export const ARGUMENTS_A_STEP: StepBounds = { one: KEYS_A_STEP, part: KEYS_A_STEP };

export interface StepBounds {
  /** A command of more arguments is done in parts. */
  readonly one: number;
  /** Arguments of a part. */
  readonly part: number;
}

/**
 * Calls `step` until it returns true and then `write`: at once if that takes less than a slice, else
 * while other clients are served, and the connection waits. The command's arguments are not valid then.
 * `asides` are released at the end.
 */
export function inSlices(
  context: CommandContext,
  step: () => boolean,
  write: () => void,
  asides: readonly Reply[] = [],
): void {
  const endMs = performance.now() + SLICE_MS;
  let isDone = false;
  try {
    do isDone = step();
    while (!isDone && performance.now() < endMs);
    if (isDone) write();
  } catch (error) {
    release(asides);
    throw error;
  }
  if (isDone) {
    release(asides);
    return;
  }
  const { session } = context;
  context.pending = context.slices.run(step, () => session.isClosing, write, asides);
}

/**
 * Calls `work` with all arguments of the command if they are not more than one step may have. Else
 * calls it with one part of them after the other, in slices. Then calls `write`.
 */
export function inParts(
  context: CommandContext,
  work: (words: readonly Bytes[]) => void,
  write: () => void,
  { bounds = ARGUMENTS_A_STEP, asides = [] }: { bounds?: StepBounds; asides?: Reply[] } = {},
): void {
  if (context.count - 1 <= bounds.one) {
    try {
      work(argumentsFrom(context, 1));
      write();
    } finally {
      release(asides);
    }
    return;
  }
  const kept = context.reply.aside();
  const all = [...asides, kept];
  const { bytes, ends } = copyArguments(context, kept);
  let next = 0;
  const step = (): boolean => {
    const words: Bytes[] = [];
    for (const end = Math.min(ends.length, next + bounds.part); next < end; next++) {
      words.push({ bytes, start: ends[next - 1] ?? 0, end: ends[next] ?? 0 });
    }
    work(words);
    return next === ends.length;
  };
  inSlices(context, step, write, all);
}

/** Copies the arguments behind the command's name, which `kept` claims until its release. O(bytes). */
function copyArguments(
  context: CommandContext,
  kept: Reply,
): { bytes: Buffer; ends: Float64Array } {
  const ends = new Float64Array(context.count - 1);
  let length = 0;
  for (let place = 1; place < context.count; place++) {
    const { start, end } = argument(context, place);
    length += end - start;
  }
  kept.claimKept(length + ends.byteLength);
  const all = new ByteBuffer(length);
  for (let place = 1; place < context.count; place++) {
    const { bytes, start, end } = argument(context, place);
    all.appendRun(bytes, start, end);
    ends[place - 1] = all.end;
  }
  return { bytes: all.bytes, ends };
}
