// Lifetimes: the options that set one, and the commands that change or read one.

import type { Bytes, Change, Entry } from "../../cache/cache.ts";
import { NEVER } from "../../cache/cache.ts";
import { argument, type CommandContext, type Command, expiresAtOf, update } from "./context.ts";
import { define } from "./define.ts";
import { Failure, NOT_AN_INTEGER } from "./failure.ts";
import { flag, grammar, oneOf, option } from "./grammar.ts";
import { readInteger } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
/** Times beyond this are computed with bigint: larger products are not exact in a double. */
const EXACT_TIME_MAX = 2 ** 43;

/** The form of a time: its unit in ms, and whether it is a Unix time or a duration. */
export interface TimeForm {
  readonly unitMs: 1 | 1000;
  readonly isAbsolute: boolean;
}

export const SECONDS: TimeForm = { unitMs: 1000, isAbsolute: false };
export const MILLISECONDS: TimeForm = { unitMs: 1, isAbsolute: false };
const UNIX_SECONDS: TimeForm = { unitMs: 1000, isAbsolute: true };
export const UNIX_MILLISECONDS: TimeForm = { unitMs: 1, isAbsolute: true };

/** The syntax of these options. */
export const EXPIRY_SYNTAX =
  "EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds";

/** The options of SET and GETEX with a time. The time is read after all options, as Redis does. */
export const TIME_OPTIONS = [
  timeOption("ex", SECONDS),
  timeOption("px", MILLISECONDS),
  timeOption("exat", UNIX_SECONDS),
  timeOption("pxat", UNIX_MILLISECONDS),
] as const;

function timeOption(word: string, form: TimeForm) {
  return option(word, (time: Argument) => ({ time, form }));
}

/** Returns when an entry expires that gets this time; the time must be positive. */
export function readExpiry(context: CommandContext, time: Bytes, form: TimeForm): number | Failure {
  const value = readInteger(time);
  if (value === undefined) return NOT_AN_INTEGER;
  return value > 0 ? toExpiresAt(context, value, form) : invalidExpiry(context);
}

/** Fails for a time that does not fit into 64 bits of milliseconds. */
function toExpiresAt(
  context: CommandContext,
  value: number | bigint,
  form: TimeForm,
): number | Failure {
  const { cache, nowMs } = context;
  const isLarge = typeof value === "bigint" || Math.abs(value) > EXACT_TIME_MAX;
  if (isLarge) {
    const ms = BigInt(value) * BigInt(form.unitMs);
    const maxMs = form.isAbsolute ? INT64_MAX : INT64_MAX - BigInt(Math.ceil(nowMs));
    if (ms > maxMs || ms < INT64_MIN) return invalidExpiry(context);
  }
  const ms = Number(value) * form.unitMs;
  return cache.expiresAtMs(form.isAbsolute ? ms + cache.clock.offsetMs - nowMs : ms, nowMs);
}

function invalidExpiry({ name }: CommandContext): Failure {
  return new Failure(`ERR invalid expire time in '${name}' command`);
}

const leftMs = (expiresAtMs: number, { nowMs }: CommandContext) => Math.ceil(expiresAtMs - nowMs);
const unixMs = (expiresAtMs: number, { cache }: CommandContext) =>
  Math.ceil(expiresAtMs - cache.clock.offsetMs);
const roundedSeconds = (ms: number) => Math.floor((ms + 500) / 1000);

export const EXPIRY_COMMANDS: readonly Command[] = [
  define(
    "expire",
    "key seconds [NX | XX | GT | LT]",
    "write fast",
    "1.0.0",
    "Sets the lifetime of a key, in seconds.",
    (context) => expire(context, SECONDS),
  ),
  define(
    "pexpire",
    "key milliseconds [NX | XX | GT | LT]",
    "write fast",
    "2.6.0",
    "Sets the lifetime of a key, in milliseconds.",
    (context) => expire(context, MILLISECONDS),
  ),
  define(
    "expireat",
    "key unix-time-seconds [NX | XX | GT | LT]",
    "write fast",
    "1.2.0",
    "Lets a key live until then.",
    (context) => expire(context, UNIX_SECONDS),
  ),
  define(
    "pexpireat",
    "key unix-time-milliseconds [NX | XX | GT | LT]",
    "write fast",
    "2.6.0",
    "Lets a key live until then.",
    (context) => expire(context, UNIX_MILLISECONDS),
  ),
  define(
    "ttl",
    "key",
    "readonly fast",
    "1.0.0",
    "Seconds that a key still lives; -1: for good, -2: no key.",
    (context) => replyExpiry(context, (at) => roundedSeconds(leftMs(at, context))),
  ),
  define(
    "pttl",
    "key",
    "readonly fast",
    "2.6.0",
    "Milliseconds that a key still lives; -1: for good, -2: no key.",
    (context) => replyExpiry(context, leftMs),
  ),
  define(
    "expiretime",
    "key",
    "readonly fast",
    "7.0.0",
    "Unix time in seconds at which a key ends.",
    (context) => replyExpiry(context, (at) => roundedSeconds(unixMs(at, context))),
  ),
  define(
    "pexpiretime",
    "key",
    "readonly fast",
    "7.0.0",
    "Unix time in milliseconds at which a key ends.",
    (context) => replyExpiry(context, unixMs),
  ),
  define("persist", "key", "write fast", "2.2.0", "Removes the lifetime of a key.", persist),
];

/** Writes -2 for a missing key, -1 for a key that never expires, else the result of `convert`. */
function replyExpiry(
  context: CommandContext,
  convert: (expiresAtMs: number, context: CommandContext) => number,
): void {
  const expiresAtMs = expiresAtOf(context, argument(context, 1));
  if (expiresAtMs === undefined) context.reply.integer(-2);
  else context.reply.integer(expiresAtMs === NEVER ? -1 : convert(expiresAtMs, context));
}

const CONDITIONS = grammar(
  {
    nx: oneOf(flag("nx")),
    xx: oneOf(flag("xx")),
    gt: oneOf(flag("gt")),
    lt: oneOf(flag("lt")),
  },
  (word) => new Failure(`ERR Unsupported option ${word.toShown()}`),
);
type Conditions = Exclude<ReturnType<typeof CONDITIONS.parse>, Failure>;

const NX_WITH_OTHERS = new Failure(
  "ERR NX and XX, GT or LT options at the same time are not compatible",
);
const GT_WITH_LT = new Failure("ERR GT and LT options at the same time are not compatible");

function expire(context: CommandContext, form: TimeForm): void | Failure {
  const conditions = CONDITIONS.parse(context, 3);
  if (conditions instanceof Failure) return conditions;
  const { nx, xx, gt, lt } = conditions;
  if (nx && (xx || gt || lt)) return NX_WITH_OTHERS;
  if (gt && lt) return GT_WITH_LT;
  const value = readInteger(argument(context, 2));
  if (value === undefined) return NOT_AN_INTEGER;
  const expiresAtMs = toExpiresAt(context, value, form);
  if (expiresAtMs instanceof Failure) return expiresAtMs;
  let isSet = false;
  const change = (entry: Entry | undefined): Change => {
    if (entry === undefined || !allows(conditions, entry.expiresAtMs, expiresAtMs)) return "keep";
    isSet = true;
    return expiresAtMs <= context.nowMs ? "delete" : { expiresAtMs };
  };
  const failure = update(context, argument(context, 1), change);
  if (failure !== undefined) return failure;
  context.reply.integer(isSet ? 1 : 0);
}

/** GT and LT treat an entry that never expires as the latest of all. */
function allows({ nx, xx, gt, lt }: Conditions, oldMs: number, newMs: number): boolean {
  if (nx && oldMs !== NEVER) return false;
  if (xx && oldMs === NEVER) return false;
  if (gt && newMs <= oldMs) return false;
  return !(lt && newMs >= oldMs);
}

function persist(context: CommandContext): void | Failure {
  let isSet = false;
  const failure = update(context, argument(context, 1), (entry) => {
    if (entry === undefined || entry.expiresAtMs === NEVER) return "keep";
    isSet = true;
    return { expiresAtMs: context.cache.expiresAtMs(NEVER, context.nowMs) };
  });
  if (failure !== undefined) return failure;
  context.reply.integer(isSet ? 1 : 0);
}
