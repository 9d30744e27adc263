// Lifetimes: the options that set one, and the commands on them alone.

import type { Bytes, Change, Entry } from "../../cache/cache.ts";
import { NEVER } from "../../cache/cache.ts";
import {
  argument,
  type CommandContext,
  type Command,
  expiresAtOf,
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
export function readExpiry(
  context: CommandContext,
  time: Bytes,
  form: TimeForm,
): number | undefined {
  const value = readInteger(time);
  if (value === undefined) {
    context.reply.error(NOT_AN_INTEGER);
    return undefined;
  }
  const expiresAtMs = value > 0 ? toExpiresAt(context, value, form) : undefined;
  if (expiresAtMs === undefined) context.reply.error(invalidExpiry(context));
  return expiresAtMs;
}

/** Undefined for a time that does not fit into 64 bits of milliseconds. */
function toExpiresAt(
  context: CommandContext,
  value: number | bigint,
  form: TimeForm,
): number | undefined {
  const { cache, nowMs } = context;
  const isLarge = typeof value === "bigint" || Math.abs(value) > 2 ** 43;
  if (isLarge) {
    const ms = BigInt(value) * BigInt(form.unitMs);
    const most = form.isAbsolute ? MAX_INT64 : MAX_INT64 - BigInt(Math.ceil(nowMs));
    if (ms > most || ms < -MAX_INT64) return undefined;
  }
  const ms = Number(value) * form.unitMs;
  return cache.expiresAtMs(form.isAbsolute ? ms + cache.clock.offsetMs - nowMs : ms, nowMs);
}

function invalidExpiry({ name }: CommandContext): string {
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
  run: (context) => expire(context, form),
});

/** `answer` makes of a deadline what the command says, -2 for no entry and -1 for one without. */
const telling = (
  name: string,
  since: string,
  summary: string,
  answer: (expiresAtMs: number, context: CommandContext) => number,
): Command => ({
  name,
  arity: 2,
  flags: ["readonly", "fast"],
  keys: [1, 1, 1],
  syntax: "key",
  summary,
  since,
  run(context) {
    const expiresAtMs = expiresAtOf(context, argument(context, 1));
    if (expiresAtMs === undefined) context.reply.integer(-2);
    else context.reply.integer(expiresAtMs === NEVER ? -1 : answer(expiresAtMs, context));
  },
});

const leftMs = (expiresAtMs: number, { nowMs }: CommandContext) => Math.ceil(expiresAtMs - nowMs);
const unixMs = (expiresAtMs: number, { cache }: CommandContext) =>
  Math.ceil(expiresAtMs - cache.clock.offsetMs);
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
  telling(
    "ttl",
    "1.0.0",
    "Seconds that a key still lives; -1: for good, -2: no key.",
    (at, context) => roundedSeconds(leftMs(at, context)),
  ),
  telling(
    "pttl",
    "2.6.0",
    "Milliseconds that a key still lives; -1: for good, -2: no key.",
    leftMs,
  ),
  telling("expiretime", "7.0.0", "Unix time in seconds at which a key ends.", (at, context) =>
    roundedSeconds(unixMs(at, context)),
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

function expire(context: CommandContext, form: TimeForm): void {
  const conditions = readConditions(context);
  if (conditions === undefined) return;
  const value = readInteger(argument(context, 2));
  if (value === undefined) {
    context.reply.error(NOT_AN_INTEGER);
    return;
  }
  const expiresAtMs = toExpiresAt(context, value, form);
  if (expiresAtMs === undefined) {
    context.reply.error(invalidExpiry(context));
    return;
  }
  let isSet = false;
  const change = (entry: Entry | undefined): Change => {
    if (entry === undefined || !allows(conditions, entry.expiresAtMs, expiresAtMs)) return "keep";
    isSet = true;
    return expiresAtMs <= context.nowMs ? "delete" : { expiresAtMs };
  };
  if (update(context, argument(context, 1), change)) context.reply.integer(isSet ? 1 : 0);
}

/** NX, XX, GT and LT, or undefined after an error has been answered. */
function readConditions(context: CommandContext): ReadonlySet<string> | undefined {
  const conditions = new Set<string>();
  for (let place = 3; place < context.count; place++) {
    const word = argument(context, place).toWord();
    if (!["nx", "xx", "gt", "lt"].includes(word)) {
      context.reply.error(`ERR Unsupported option ${argument(context, place).toText()}`);
      return undefined;
    }
    conditions.add(word);
  }
  if (conditions.has("nx") && conditions.size > 1) {
    context.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return undefined;
  }
  if (conditions.has("gt") && conditions.has("lt")) {
    context.reply.error("ERR GT and LT options at the same time are not compatible");
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

function persist(context: CommandContext): void {
  let isSet = false;
  const change = (entry: Entry | undefined): Change | Failure => {
    if (entry === undefined || entry.expiresAtMs === NEVER) return "keep";
    isSet = true;
    return { expiresAtMs: context.cache.expiresAtMs(NEVER, context.nowMs) };
  };
  if (update(context, argument(context, 1), change)) context.reply.integer(isSet ? 1 : 0);
}
