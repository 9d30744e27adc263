// Lifetimes: the options that set one, and the commands on them alone.

import type { Bytes, Change, Entry } from "../../cache/cache.ts";
import { NEVER } from "../../cache/cache.ts";
import {
  argument,
  type Call,
  type Command,
  deadlineOf,
  Failure,
  NOT_AN_INTEGER,
  update,
} from "./context.ts";
import { readInteger } from "../protocol/numbers.ts";

const MAX_INT64 = 2n ** 63n - 1n;

/** How a command or an option gives a time: its unit in ms, and whether it is one of day. */
export interface TimeForm {
  readonly unitMs: 1 | 1000;
  readonly isAbsolute: boolean;
}

const SECONDS: TimeForm = { unitMs: 1000, isAbsolute: false };
const MILLISECONDS: TimeForm = { unitMs: 1, isAbsolute: false };
const UNIX_SECONDS: TimeForm = { unitMs: 1000, isAbsolute: true };
const UNIX_MILLISECONDS: TimeForm = { unitMs: 1, isAbsolute: true };

/** The options of SET and GETEX that are followed by a time. */
export const TIME_OPTIONS: ReadonlyMap<string, TimeForm> = new Map([
  ["ex", SECONDS],
  ["px", MILLISECONDS],
  ["exat", UNIX_SECONDS],
  ["pxat", UNIX_MILLISECONDS],
]);

/** The deadline that a positive time gives, or undefined after an error has been answered. */
export function readDeadline(call: Call, time: Bytes, form: TimeForm): number | undefined {
  const value = readInteger(time);
  if (value === undefined) {
    call.reply.error(NOT_AN_INTEGER);
    return undefined;
  }
  const deadlineMs = value > 0 ? toDeadline(call, value, form) : undefined;
  if (deadlineMs === undefined) call.reply.error(invalidExpiry(call));
  return deadlineMs;
}

/** Undefined for a time that does not fit into 64 bits of milliseconds. */
function toDeadline(call: Call, value: number | bigint, form: TimeForm): number | undefined {
  const { cache, nowMs } = call;
  const isLarge = typeof value === "bigint" || Math.abs(value) > 2 ** 43;
  if (isLarge) {
    const ms = BigInt(value) * BigInt(form.unitMs);
    const most = form.isAbsolute ? MAX_INT64 : MAX_INT64 - BigInt(Math.ceil(nowMs));
    if (ms > most || ms < -MAX_INT64) return undefined;
  }
  const ms = Number(value) * form.unitMs;
  return cache.deadlineMs(form.isAbsolute ? ms + cache.clock.offsetMs - nowMs : ms, nowMs);
}

function invalidExpiry({ name }: Call): string {
  return `ERR invalid expire time in '${name}' command`;
}

const expiring = (
  name: string,
  form: TimeForm,
  since: string,
  syntax: string,
  summary: string,
): Command => ({
  name,
  arity: -3,
  flags: ["write", "fast"],
  keys: [1, 1, 1],
  syntax: `key ${syntax} [NX | XX | GT | LT]`,
  summary,
  since,
  run: (call) => expire(call, form),
});

/** `answer` makes of a deadline what the command says, -2 for no entry and -1 for one without. */
const telling = (
  name: string,
  since: string,
  summary: string,
  answer: (deadlineMs: number, call: Call) => number,
): Command => ({
  name,
  arity: 2,
  flags: ["readonly", "fast"],
  keys: [1, 1, 1],
  syntax: "key",
  summary,
  since,
  run(call) {
    const deadlineMs = deadlineOf(call, argument(call, 1));
    if (deadlineMs === undefined) call.reply.integer(-2);
    else call.reply.integer(deadlineMs === NEVER ? -1 : answer(deadlineMs, call));
  },
});

const leftMs = (deadlineMs: number, { nowMs }: Call) => Math.ceil(deadlineMs - nowMs);
const unixMs = (deadlineMs: number, { cache }: Call) =>
  Math.ceil(deadlineMs - cache.clock.offsetMs);
const roundedSeconds = (ms: number) => Math.floor((ms + 500) / 1000);

export const EXPIRY_COMMANDS: readonly Command[] = [
  expiring("expire", SECONDS, "1.0.0", "seconds", "Lets a key live for so many seconds."),
  expiring(
    "pexpire",
    MILLISECONDS,
    "2.6.0",
    "milliseconds",
    "Lets a key live for so many milliseconds.",
  ),
  expiring("expireat", UNIX_SECONDS, "1.2.0", "unix-time-seconds", "Lets a key live until then."),
  expiring(
    "pexpireat",
    UNIX_MILLISECONDS,
    "2.6.0",
    "unix-time-milliseconds",
    "Lets a key live until then.",
  ),
  telling("ttl", "1.0.0", "Seconds that a key still lives; -1: for good, -2: no key.", (at, call) =>
    roundedSeconds(leftMs(at, call)),
  ),
  telling(
    "pttl",
    "2.6.0",
    "Milliseconds that a key still lives; -1: for good, -2: no key.",
    leftMs,
  ),
  telling("expiretime", "7.0.0", "Unix time in seconds at which a key ends.", (at, call) =>
    roundedSeconds(unixMs(at, call)),
  ),
  telling("pexpiretime", "7.0.0", "Unix time in milliseconds at which a key ends.", unixMs),
  {
    name: "persist",
    arity: 2,
    flags: ["write", "fast"],
    keys: [1, 1, 1],
    syntax: "key",
    summary: "Takes a key's lifetime away.",
    since: "2.2.0",
    run: persist,
  },
];

function expire(call: Call, form: TimeForm): void {
  const conditions = readConditions(call);
  if (conditions === undefined) return;
  const value = readInteger(argument(call, 2));
  if (value === undefined) {
    call.reply.error(NOT_AN_INTEGER);
    return;
  }
  const deadlineMs = toDeadline(call, value, form);
  if (deadlineMs === undefined) {
    call.reply.error(invalidExpiry(call));
    return;
  }
  let isSet = false;
  const change = (entry: Entry | undefined): Change => {
    if (entry === undefined || !allows(conditions, entry.deadlineMs, deadlineMs)) return "keep";
    isSet = true;
    return deadlineMs <= call.nowMs ? "delete" : { deadlineMs };
  };
  if (update(call, argument(call, 1), change)) call.reply.integer(isSet ? 1 : 0);
}

/** NX, XX, GT and LT, or undefined after an error has been answered. */
function readConditions(call: Call): ReadonlySet<string> | undefined {
  const conditions = new Set<string>();
  for (let place = 3; place < call.count; place++) {
    const word = argument(call, place).toWord();
    if (!["nx", "xx", "gt", "lt"].includes(word)) {
      call.reply.error(`ERR Unsupported option ${argument(call, place).toText()}`);
      return undefined;
    }
    conditions.add(word);
  }
  if (conditions.has("nx") && conditions.size > 1) {
    call.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return undefined;
  }
  if (conditions.has("gt") && conditions.has("lt")) {
    call.reply.error("ERR GT and LT options at the same time are not compatible");
    return undefined;
  }
  return conditions;
}

/** An entry without a deadline has the latest of all. */
function allows(conditions: ReadonlySet<string>, oldMs: number, newMs: number): boolean {
  if (conditions.has("nx") && oldMs !== NEVER) return false;
  if (conditions.has("xx") && oldMs === NEVER) return false;
  if (conditions.has("gt") && newMs <= oldMs) return false;
  return !(conditions.has("lt") && newMs >= oldMs);
}

function persist(call: Call): void {
  let isSet = false;
  const change = (entry: Entry | undefined): Change | Failure => {
    if (entry === undefined || entry.deadlineMs === NEVER) return "keep";
    isSet = true;
    return { deadlineMs: call.cache.deadlineMs(NEVER, call.nowMs) };
  };
  if (update(call, argument(call, 1), change)) call.reply.integer(isSet ? 1 : 0);
}
