// Records transactions and scripts of concurrent clients, and checks that they are linearizable.
//
// Each step adds 1 to one counter, so that its reply says which step it was: the order is known, and no
// search is needed. The history is linearizable if and only if
//
//   1. the numbers of the steps are 1, 2, 3 and so on, each once;
//   2. a step that returned before another one was called has the lower number;
//   3. in that order, each step saw what the steps before it left.
//
// A read has no number of its own: it sees the counter, and stands behind that step.

import type { Random } from "../../lib/random.ts";
import { type ReplyValue, RespClient } from "./resp-client.ts";

const COUNTER = "steps";

/** One step that ran, or a read. */
export interface Step {
  /** The counter that the step left, or that the read saw. */
  readonly number: number;
  readonly isRead: boolean;
  /** The values that the step saw, by key; null for a missing key. */
  readonly seen: Readonly<Record<string, string | null>>;
  /** The values that it left. */
  readonly written: Readonly<Record<string, string | null>>;
  readonly call_ns: number;
  readonly return_ns: number;
}

export interface StepOptions {
  readonly port: number;
  readonly clients: number;
  /** Steps and reads of each client. */
  readonly steps: number;
  readonly keys: number;
  /** Whether the commands of a step are sent without MULTI and EXEC: the control, which must fail. */
  readonly isBroken?: boolean;
  /** Whether the service runs scripts. */
  readonly hasScripts?: boolean;
}

export interface StepHistory {
  readonly steps: readonly Step[];
  /** Transactions that WATCH stopped. */
  readonly aborted: number;
}

export async function recordSteps(options: StepOptions, random: Random): Promise<StepHistory> {
  const first = await RespClient.open(options.port);
  await first.send([["FLUSHALL"]]);
  first.close();
  const all = await Promise.all(
    Array.from({ length: options.clients }, (_, client) => runClient(client, options, random)),
  );
  return {
    steps: all.flatMap(({ steps }) => steps),
    aborted: all.reduce((sum, { aborted }) => sum + aborted, 0),
  };
}

/** KEYS: the counter, one key, another one. ARGV: their new values. Returns the number and the old values. */
const SCRIPT = `local number = redis.call('INCR', KEYS[1])
local old = redis.call('MGET', KEYS[2], KEYS[3])
redis.call('SET', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
return {number, old}`;

async function runClient(
  client: number,
  { port, steps, keys, isBroken = false, hasScripts = true }: StepOptions,
  { below }: Random,
): Promise<StepHistory> {
  const connection = await RespClient.open(port);
  const found: Step[] = [];
  let aborted = 0;
  const transaction = (commands: readonly (readonly string[])[]) =>
    isBroken ? commands : [["MULTI"], ...commands, ["EXEC"]];
  const repliesOf = (replies: readonly ReplyValue[], count: number): ReplyValue[] | null => {
    if (isBroken) return [...replies].slice(-count);
    const last = replies[replies.length - 1];
    if (last !== null && !Array.isArray(last)) throw new Error(`EXEC returned ${last}`);
    return last;
  };
  for (let n = 0; n < steps; n++) {
    const [one, other] = [`k${below(keys)}`, `m${below(keys)}`];
    const value = `${client}:${n}`;
    const call_ns = Bun.nanoseconds();
    const add = (
      number: ReplyValue,
      isRead: boolean,
      old: ReplyValue,
      written: Step["written"],
    ) => {
      const [oldOne, oldOther] = old as (string | null)[];
      const seen = { [one]: oldOne ?? null, [other]: oldOther ?? null };
      const step = { number: Number(number ?? 0), isRead, seen, written, call_ns };
      found.push({ ...step, return_ns: Bun.nanoseconds() });
    };
    const dice = below(hasScripts ? 4 : 3);
    if (dice === 0) {
      const [reply] = await connection.send([["MGET", COUNTER, one, other]]);
      const [number = null, ...old] = reply as ReplyValue[];
      add(number, true, old, {});
    } else if (dice === 1) {
      const commands = [
        ["INCR", COUNTER],
        ["MGET", one, other],
        ["SET", other, value],
        ["DEL", one],
      ];
      const replies = repliesOf(await connection.send(transaction(commands)), 4);
      if (replies === null) throw new Error("EXEC without WATCH did not run");
      add(replies[0] ?? null, false, replies[1] ?? null, { [other]: value, [one]: null });
    } else if (dice === 2) {
      // Reads before the step: WATCH must make sure that they still hold.
      const reads = await connection.send([
        ["WATCH", one, other],
        ["MGET", one, other],
      ]);
      const commands = [
        ["INCR", COUNTER],
        ["SET", one, value],
      ];
      const replies = repliesOf(await connection.send(transaction(commands)), 2);
      if (replies === null) aborted++;
      else add(replies[0] ?? null, false, reads[1] ?? null, { [one]: value });
    } else {
      const script = ["EVAL", SCRIPT, "3", COUNTER, one, other, value];
      const [reply] = await connection.send([script]);
      if (!Array.isArray(reply)) throw new Error(`EVAL returned ${reply}`);
      add(reply[0] ?? null, false, reply[1] ?? null, { [one]: value, [other]: null });
    }
  }
  connection.close();
  return { steps: found, aborted };
}

/** Returns why the history is not linearizable, or undefined. O(n log n). */
export function whyWrong(history: readonly Step[]): string | undefined {
  const steps = history.filter(({ isRead }) => !isRead).sort((a, b) => a.number - b.number);
  const model = new Map<string, string | null>();
  const reads = history.filter(({ isRead }) => isRead).sort((a, b) => a.number - b.number);
  let nextRead = 0;
  const checkReads = (number: number): string | undefined => {
    for (; reads[nextRead]?.number === number; nextRead++) {
      const wrong = wrongValue(reads[nextRead] as Step, model);
      if (wrong !== undefined) return `a read behind step ${number}: ${wrong}`;
    }
    return undefined;
  };
  let wrong = checkReads(0);
  for (const [n, step] of steps.entries()) {
    if (step.number !== n + 1) wrong ??= `step ${n + 1} is missing or twice there`;
    const seen = wrongValue(step, model);
    if (seen !== undefined) wrong ??= `step ${step.number}: ${seen}`;
    for (const [key, value] of Object.entries(step.written)) model.set(key, value);
    wrong ??= checkReads(step.number);
    if (wrong !== undefined) return wrong;
  }
  if (nextRead < reads.length) return `a read saw step ${reads[nextRead]?.number}`;
  return wrong ?? wrongTime(history);
}

function wrongValue({ seen }: Step, model: ReadonlyMap<string, string | null>): string | undefined {
  for (const [key, value] of Object.entries(seen)) {
    const left = model.get(key) ?? null;
    if (value !== left) return `${key} was ${left}, and not ${value}`;
  }
  return undefined;
}

/** Real time: what has returned before a call has a number that is not higher; a step's is lower. */
function wrongTime(history: readonly Step[]): string | undefined {
  const byCall = history.toSorted((a, b) => a.call_ns - b.call_ns);
  const byReturn = history.toSorted((a, b) => a.return_ns - b.return_ns);
  let returned = 0;
  let highest = 0;
  for (const { number, isRead, call_ns } of byCall) {
    for (let step = byReturn[returned]; step && step.return_ns < call_ns;) {
      highest = Math.max(highest, step.number);
      step = byReturn[++returned];
    }
    const least = isRead ? highest : highest + 1;
    if (number < least) return `step ${number} was called after step ${highest} had returned`;
  }
  return undefined;
}
