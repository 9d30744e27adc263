// Runs random sequences against redis-server and a service. A difference is confirmed by a second
// run, since keys with short lifetimes depend on time, and then shrunk.

import { randomFrom } from "../../lib/random.ts";
import { drawSequence, type Step } from "./draw.ts";
import { type Difference, firstDifference } from "./pair.ts";
import { shrink } from "./shrink.ts";

export interface Found extends Difference {
  /** SEED of the sequence. */
  readonly seed: number;
  readonly steps: readonly Step[];
}

export interface Report {
  readonly sequences: number;
  /** One of each kind. */
  readonly found: readonly Found[];
  /** All sequences with a difference. */
  readonly differences: number;
  /** Seeds of sequences whose difference did not repeat. */
  readonly unsteady: readonly number[];
}

/** Sequence n has the seed `seed + n`. Stops after `foundMax` kinds of differences. */
export async function runSequences(
  ports: readonly [redis: number, ours: number],
  options: { seed: number; sequences: number; foundMax: number; done?: (count: number) => void },
): Promise<Report> {
  const { seed, sequences, foundMax, done } = options;
  const found: Found[] = [];
  const unsteady: number[] = [];
  const kinds = new Set<string>();
  let differences = 0;
  let count = 0;
  for (; count < sequences && found.length < foundMax; count++) {
    const steps = drawSequence(randomFrom(seed + count));
    if ((await firstDifference(steps, ports)) !== undefined) {
      const again = await firstDifference(steps, ports);
      if (again === undefined) unsteady.push(seed + count);
      else {
        differences++;
        const kind = kindOf(again);
        if (!kinds.has(kind))
          found.push({ seed: seed + count, ...(await explain(steps, again, ports)) });
        kinds.add(kind);
      }
    }
    done?.(count + 1);
  }
  return { sequences: count, found, differences, unsteady };
}

/** Differences of one kind have the same command and the same replies, but for the names of scripts. */
function kindOf({ step, redis, ours }: Difference): string {
  const replies = `${redis} ${ours}`.replaceAll(/[0-9a-f]{40}|:\d+/g, "");
  return `${step.words[0]} ${replies}`;
}

async function explain(
  steps: readonly Step[],
  first: Difference,
  ports: readonly [redis: number, ours: number],
): Promise<Difference & { readonly steps: readonly Step[] }> {
  // Another difference may hide behind the shorter sequence: the command must stay the same.
  const command = first.step.words[0];
  let last = first;
  const differs = async (some: readonly Step[]) => {
    const difference = await firstDifference(some, ports);
    if (difference === undefined || difference.step.words[0] !== command) return false;
    last = difference;
    return true;
  };
  return { steps: await shrink(steps, differs), ...last };
}

/** The difference as lines for a reader: who sent what, and both replies. */
export function describeFound({ seed, steps, step, redis, ours }: Found): string {
  const lines = steps.map(
    ({ connection, words, pauseMs }) =>
      `  ${connection}: ${words.map((word) => JSON.stringify(word)).join(" ")}` +
      (pauseMs === undefined ? "" : `  (then ${pauseMs} ms)`),
  );
  return [
    `SEED=${seed}: connection and command`,
    ...lines,
    `after ${step.connection}: ${step.words
      .map((word) => JSON.stringify(word))
      .join(" ")
      .slice(0, 300)}`,
    `  redis ${JSON.stringify(redis).slice(0, 500)}`,
    `  ours  ${JSON.stringify(ours).slice(0, 500)}`,
  ].join("\n");
}
