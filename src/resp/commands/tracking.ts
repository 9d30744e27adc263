// CLIENT TRACKING and its relatives, and the part of dispatch that they need.

import type { Bytes } from "../../cache/cache.ts";
import { byteString } from "../push/pubsub.ts";
import type { TrackingMode, TrackingState } from "../push/subscriber.ts";
import { NO_ROW } from "../clients.ts";
import { describeClient } from "./client-list.ts";
import {
  argument,
  type Command,
  type CommandContext,
  type CommandEntry,
  type Origin,
} from "./context.ts";
import { isScript } from "./rejections.ts";
import { define, READ } from "./define.ts";
import { Failure, NOT_AN_INTEGER, SYNTAX_ERROR } from "./failure.ts";
import { keyRangeOf } from "./keys.ts";
import { reportCommand } from "./monitor.ts";
import { readNumber } from "../protocol/numbers.ts";

const FLAGS = "noscript loading stale";
const PREFIX_BYTES_MAX = 2 ** 16;

const ONE_REDIRECT = new Failure("ERR A client can only redirect to a single other client");
const NO_REDIRECT = new Failure("ERR The client ID you want redirect to does not exist");
const PREFIX_NEEDS_BCAST = new Failure("ERR PREFIX option requires BCAST mode to be enabled");
const SWITCH_BCAST = new Failure(
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
);
const SWITCH_OPT = new Failure(
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
);
const OPT_WITH_BCAST = new Failure("ERR OPTIN and OPTOUT are not compatible with BCAST");
const OPTIN_WITH_OPTOUT = new Failure("ERR You can't specify both OPTIN mode and OPTOUT mode");
const CACHING_WITHOUT_TRACKING = new Failure(
  "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
);
const YES_WITHOUT_OPTIN = new Failure(
  "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
);
const NO_WITHOUT_OPTOUT = new Failure(
  "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
);
const PREFIX_TOO_LONG = new Failure(`ERR a prefix may have ${PREFIX_BYTES_MAX} bytes`);
const NO_ROOM = new Failure(
  "ERR no room for the prefixes: --max-subscription-bytes bounds those of all clients",
);
const NO_CONNECTION = new Failure(
  "ERR CLIENT TRACKING needs a connection of the Redis protocol, which can receive messages",
);

/** Subcommands of CLIENT. */
export const TRACKING_COMMANDS: readonly Command[] = [
  define(
    "client tracking",
    "ON | OFF [REDIRECT client-id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
    FLAGS,
    "6.0.0",
    "Whether this connection is told which keys have changed.",
    tracking,
    READ,
  ),
  define(
    "client caching",
    "YES | NO",
    FLAGS,
    "6.0.0",
    "Whether the keys of the next command are tracked.",
    caching,
    READ,
  ),
  define(
    "client trackinginfo",
    "",
    FLAGS,
    "6.2.0",
    "How keys are tracked for this connection.",
    trackingInfo,
    READ,
  ),
  define(
    "client getredir",
    "",
    FLAGS,
    "6.0.0",
    "The connection that is told of changes instead.",
    ({ reply, session }) => reply.integer(session.subscriber?.tracking?.mode.redirect ?? -1),
    READ,
  ),
];

interface TrackingOptions {
  readonly mode: TrackingMode;
  readonly prefixes: readonly string[];
}

function tracking(context: CommandContext): void | Failure {
  const { session, push, reply } = context;
  const options = readOptions(context);
  if (options instanceof Failure) return options;
  const word = argument(context, 2).toWord();
  if (word === "off") push.tracking.disable(session);
  else if (word !== "on") return SYNTAX_ERROR;
  else {
    if (!push.canReceive(session)) return NO_CONNECTION;
    const failure = checkOptions(session.subscriber?.tracking, options);
    if (failure !== undefined) return failure;
    if (!push.tracking.enable(session, options.mode, options.prefixes)) return NO_ROOM;
  }
  describeClient(context);
  reply.ok();
}

function readOptions(context: CommandContext): TrackingOptions | Failure {
  let redirect = 0;
  const prefixes: string[] = [];
  const words = new Set<string>();
  for (let index = 3; index < context.count; index++) {
    const word = argument(context, index).toWord();
    const hasMore = index + 1 < context.count;
    if (word === "redirect" && hasMore) {
      if (redirect !== 0) return ONE_REDIRECT;
      const id = readNumber(argument(context, ++index));
      if (id === undefined) return NOT_AN_INTEGER;
      if (context.clients.rowOf(id) === NO_ROW) return NO_REDIRECT;
      redirect = id;
    } else if (word === "prefix" && hasMore) {
      const prefix = byteString(argument(context, ++index));
      if (prefix.length > PREFIX_BYTES_MAX) return PREFIX_TOO_LONG;
      prefixes.push(prefix);
    } else if (["bcast", "optin", "optout", "noloop"].includes(word)) words.add(word);
    else return SYNTAX_ERROR;
  }
  const mode = {
    isBroadcast: words.has("bcast"),
    isOptIn: words.has("optin"),
    isOptOut: words.has("optout"),
    isNoLoop: words.has("noloop"),
    redirect,
  };
  return { mode, prefixes };
}

/** Returns why these options do not fit each other or those in use, in the order of Redis. */
function checkOptions(
  state: TrackingState | undefined,
  { mode, prefixes }: TrackingOptions,
): Failure | undefined {
  const { isBroadcast, isOptIn, isOptOut } = mode;
  if (!isBroadcast && prefixes.length > 0) return PREFIX_NEEDS_BCAST;
  if (state !== undefined && state.mode.isBroadcast !== isBroadcast) return SWITCH_BCAST;
  if (isBroadcast && (isOptIn || isOptOut)) return OPT_WITH_BCAST;
  if (isOptIn && isOptOut) return OPTIN_WITH_OPTOUT;
  if ((isOptIn && state?.mode.isOptOut) || (isOptOut && state?.mode.isOptIn)) return SWITCH_OPT;
  return isBroadcast ? checkPrefixes([...(state?.prefixes ?? [])], prefixes) : undefined;
}

/** Two prefixes of a client must not match the same key. O(prefixes²). */
function checkPrefixes(existing: readonly string[], added: readonly string[]): Failure | undefined {
  for (const [index, prefix] of added.entries()) {
    const other = existing.find((one) => overlaps(one, prefix));
    if (other !== undefined) return overlapFailure(prefix, `an existing prefix '${other}'`);
    const later = added.slice(index + 1).find((one) => overlaps(one, prefix));
    if (later !== undefined) return overlapFailure(prefix, `another provided prefix '${later}'`);
  }
  return undefined;
}

function overlaps(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

function overlapFailure(prefix: string, other: string): Failure {
  return new Failure(
    `ERR Prefix '${prefix}' overlaps with ${other}. Prefixes for a single client must not overlap.`,
  );
}

function caching(context: CommandContext): void | Failure {
  const state = context.session.subscriber?.tracking;
  if (state === undefined) return CACHING_WITHOUT_TRACKING;
  const word = argument(context, 2).toWord();
  if (word === "yes" && !state.mode.isOptIn) return YES_WITHOUT_OPTIN;
  if (word === "no" && !state.mode.isOptOut) return NO_WITHOUT_OPTOUT;
  if (word !== "yes" && word !== "no") return SYNTAX_ERROR;
  state.isCaching = true;
  context.reply.ok();
}

function trackingInfo({ reply, session }: CommandContext): void {
  const state = session.subscriber?.tracking;
  const { mode } = state ?? {};
  const flags = [
    state === undefined ? "off" : "on",
    ...(mode?.isBroadcast ? ["bcast"] : []),
    ...(mode?.isOptIn ? ["optin", ...(state?.isCaching ? ["caching-yes"] : [])] : []),
    ...(mode?.isOptOut ? ["optout", ...(state?.isCaching ? ["caching-no"] : [])] : []),
    ...(mode?.isNoLoop ? ["noloop"] : []),
    ...(state?.isBroken ? ["broken_redirect"] : []),
  ];
  reply.map(3);
  reply.text("flags");
  reply.set(flags.length);
  for (const flag of flags) reply.text(flag);
  reply.text("redirect");
  reply.integer(mode?.redirect ?? -1);
  reply.text("prefixes");
  const prefixes = [...(state?.prefixes ?? [])];
  reply.array(prefixes.length);
  for (const prefix of prefixes) {
    const bytes = Buffer.from(prefix, "latin1");
    reply.bulk({ bytes, start: 0, end: bytes.length });
  }
}

/** Runs a command that monitors see, or of a client with a Subscriber. */
export function runWatched(
  context: CommandContext,
  entry: CommandEntry,
  origin: Origin | undefined,
): void | Failure {
  if (!context.push.monitors.isOn) return runForSubscriber(context, entry, origin);
  // The commands of a transaction come before its EXEC.
  const isLast = entry.name === "exec";
  if (!isLast) reportCommand(context, entry, origin);
  const failure = runForSubscriber(context, entry, origin);
  if (isLast) reportCommand(context, entry, origin);
  return failure;
}

/**
 * Runs a command of a client with a Subscriber. A read registers its keys first. Changes get the number of the
 * client, so that it is not told of its own ones if it has asked for that.
 */
function runForSubscriber(
  context: CommandContext,
  entry: CommandEntry,
  origin: Origin | undefined,
): void | Failure {
  const { cache, session } = context;
  const { command, name } = entry;
  const state = session.subscriber?.tracking;
  if (state === undefined) return command.run?.(context);
  if (state.remembers) rememberKeys(context, entry, state, origin);
  cache.feed.origin = session.id;
  try {
    return command.run?.(context);
  } finally {
    if (origin === undefined) {
      cache.feed.origin = 0;
      const isKept = session.transaction !== undefined || name.startsWith("client|");
      if (!isKept) state.isCaching = false;
    }
  }
}

/** Registers the keys that the command reads. As in Redis, a script that reads anything has read all keys that it names. */
function rememberKeys(
  { session, args, count, push }: CommandContext,
  { command, name }: CommandEntry,
  state: TrackingState,
  origin: Origin | undefined,
): void {
  const isRead = command.flags.includes("readonly");
  let keys: Bytes[] = [];
  if (isScript(origin)) {
    if (isRead) keys = state.scriptKeys.splice(0);
  } else if (isRead || SCRIPTS.has(name)) {
    const { first, last, step } = keyRangeOf(command, args, count);
    for (let index = first; index <= last; index += step) keys.push(args[index] ?? NO_KEY);
  }
  if (!SCRIPTS.has(name)) for (const key of keys) push.tracking.remember(session, key);
  else state.scriptKeys = keys;
}

const SCRIPTS: ReadonlySet<string> = new Set(["eval", "evalsha", "eval_ro", "evalsha_ro"]);
const NO_KEY: Bytes = { bytes: Buffer.alloc(0), start: 0, end: 0 };
