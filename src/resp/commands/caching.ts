// The commands that Redis does not have: leases, stale values and tags.

import { ByteBuffer, type Bytes, MISS, NEVER } from "../../cache/cache.ts";
import { type Found, hashTags, TAG_BYTES_MAX, type TagHash, TAGS_MAX } from "../../cache/leases.ts";
import { isToken } from "../../cache/token.ts";
import { readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";
import { argument, argumentsFrom, type Command, type CommandContext, fits } from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { MILLISECONDS, readExpiry, SECONDS } from "./expiry.ts";
import { Failure, FULL, NOT_AN_INTEGER, SYNTAX_ERROR, TOO_LARGE } from "./failure.ts";
import { flag, grammar, oneOf, option } from "./grammar.ts";

/** Seconds of the longest lease, and of the longest wait, as over HTTP. */
const LEASE_SECONDS_MAX = 3600;
const WAIT_SECONDS_MAX = 60;

const BAD_LEASE = new Failure(
  `ERR LEASE must be a whole number of seconds from 1 to ${LEASE_SECONDS_MAX}`,
);
const BAD_WAIT = new Failure(
  `ERR WAIT must be a whole number of seconds from 0 to ${WAIT_SECONDS_MAX}`,
);
const WAIT_WITHOUT_LEASE = new Failure("ERR WAIT needs LEASE: RC.GET key LEASE 10 WAIT 3");
const BAD_STALE = new Failure("ERR STALE must be a whole number of seconds, 0 or more");
const BAD_TAG_COUNT = new Failure(
  `ERR TAGS must be followed by the number of tags, 0 to ${TAGS_MAX}, and by as many tags`,
);
const BAD_TAG = new Failure(`ERR a tag must have 1 to ${TAG_BYTES_MAX} bytes`);
const BAD_TOKEN = new Failure("ERR LEASE must be a token, as RC.GET returns it");

export const CACHING_COMMANDS: readonly Command[] = [
  define(
    "rc.get",
    "key [LEASE seconds [WAIT seconds]] [STALE]",
    "write",
    "1.0.0",
    "The value of a key, or the right to compute it.",
    get,
  ),
  define(
    "rc.set",
    "key value [EX seconds | PX milliseconds] [STALE seconds] [TAGS count tag [tag ...]] [LEASE token]",
    "write denyoom",
    "1.0.0",
    "Sets the value of a key with a stale time and tags; with a lease only if it is valid.",
    set,
  ),
  define(
    "rc.release",
    "key token",
    "write fast",
    "1.0.0",
    "Ends a lease without a value: 1, or 0 if the lease is void.",
    release,
  ),
  define(
    "rc.invalidate",
    "tag [tag ...]",
    "write fast",
    "1.0.0",
    "Makes each entry with one of the tags a miss.",
    invalidate,
    LINEAR,
  ),
];

const GET_OPTIONS = grammar({
  lease: oneOf(option("lease", (seconds) => readSeconds(seconds, 1, LEASE_SECONDS_MAX, BAD_LEASE))),
  wait: oneOf(option("wait", (seconds) => readSeconds(seconds, 0, WAIT_SECONDS_MAX, BAD_WAIT))),
  stale: oneOf(flag("stale")),
});

interface GetRequest {
  readonly leaseMs: number | undefined;
  readonly servesStale: boolean;
}

function get(context: CommandContext): void | Failure {
  const options = GET_OPTIONS.parse(context, 2);
  if (options instanceof Failure) return options;
  const { lease, wait = 0, stale } = options;
  if (wait > 0 && lease === undefined) return WAIT_WITHOUT_LEASE;
  const leaseMs = lease === undefined ? undefined : lease * 1000;
  const request = { leaseMs, servesStale: stale !== undefined || leaseMs !== undefined };
  // Inside a step no other client could store the value.
  if (wait > 0 && !context.cache.isInStep) return getOrWait(context, request, wait * 1000);
  const { reply } = context;
  const mark = reply.out.end;
  reply.map(4);
  reply.text("value");
  const { cache, nowMs } = context;
  const found = cache.leases.get(argument(context, 1), nowMs, reply.beginBulk(), request);
  if (found.isFull) {
    reply.out.end = mark;
    return FULL;
  }
  reply.endBulk(found.length);
  writeFacts(context, found);
}

/** Writes the rest of the reply: token, stale, milliseconds left. */
function writeFacts({ reply, cache }: CommandContext, found: Found): void {
  reply.text("lease");
  if (found.lease === undefined) reply.nil();
  else reply.text(found.lease);
  reply.text("stale");
  reply.integer(found.isStale ? 1 : 0);
  reply.text("ms");
  reply.integer(leftMs(found, cache.clock.now()));
}

/** Milliseconds for which the value is fresh, or stale, or the lease of another client is open; -1: for good, -2: no key. */
function leftMs(
  { length, isStale, expiresAtMs, meta, leaseEndsAtMs }: Found,
  nowMs: number,
): number {
  const left = (atMs: number) => Math.max(0, Math.ceil(atMs - nowMs));
  if (length === MISS) return leaseEndsAtMs > 0 ? left(leaseEndsAtMs) : -2;
  if (isStale) return left(meta?.staleUntilMs ?? 0);
  return expiresAtMs === NEVER ? -1 : left(expiresAtMs);
}

/** Replies once there is a value or a lease, or after `waitMs`. */
function getOrWait(context: CommandContext, request: GetRequest, waitMs: number): void | Failure {
  const { cache, waiters, session, scratch } = context;
  // The arguments are valid until the command returns.
  const key = new ByteBuffer(16);
  const { bytes, start, end } = argument(context, 1);
  key.appendRun(bytes, start, end);
  const { promise, resolve } = Promise.withResolvers<() => void | Failure>();
  let isReady = false;
  let found: Found | undefined;
  const finish = (): void => {
    isReady = true;
    session.cancelWait = undefined;
    resolve(() => writeFound(context, key, found));
  };
  const attempt = (): number => {
    // A client that has left gets no lease.
    if (session.isClosing) return 0;
    scratch.clear();
    found = cache.leases.get(key, cache.clock.now(), scratch, request);
    if (found.length === MISS && found.leaseEndsAtMs > 0) return found.leaseEndsAtMs;
    finish();
    return 0;
  };
  const cancel = waiters.wait(key, waitMs, attempt, finish);
  if (cancel === undefined) {
    context.service.rejections.add("resp", "waiters");
    return new Failure(
      `ERR ${context.config.maxWaiters} requests wait already, the limit of --max-waiters; try again later`,
    );
  }
  if (isReady) return writeFound(context, key, found);
  session.cancelWait = () => {
    cancel();
    finish();
  };
  context.pending = promise;
}

/** Writes what was found; the value is read again, because the reply has room for it only now. */
function writeFound(context: CommandContext, key: Bytes, found: Found | undefined): void | Failure {
  if (found === undefined) return;
  if (found.isFull) return FULL;
  const { reply, cache } = context;
  reply.map(4);
  reply.text("value");
  let { length } = found;
  if (length === MISS) reply.nil();
  else {
    const servesStale = found.isStale;
    const again = cache.leases.get(key, cache.clock.now(), reply.beginBulk(), { servesStale });
    ({ length } = again);
    reply.endBulk(length);
  }
  writeFacts(context, { ...found, length });
}

function set(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const [key, value] = [argument(context, 1), argument(context, 2)];
  const options = readSetOptions(context);
  if (options instanceof Failure) return options;
  if (!fits(context, key, value)) return TOO_LARGE;
  const outcome = cache.leases.put(key, { value, ...options }, nowMs);
  if (outcome === "full") return FULL;
  if (outcome === "created" || outcome === "replaced") reply.ok();
  else reply.nil();
}

interface SetOptions {
  readonly expiresAtMs: number;
  readonly staleMs: number | undefined;
  readonly tags: readonly TagHash[];
  readonly lease: string | undefined;
}

/** Reads the options of RC.SET. TAGS has as many arguments as its first one says. */
function readSetOptions(context: CommandContext): SetOptions | Failure {
  let expiresAtMs: number | undefined;
  let staleMs: number | undefined;
  let lease: string | undefined;
  let tags: readonly TagHash[] | undefined;
  for (let index = 3; index < context.count; index += 2) {
    const word = argument(context, index).toWord();
    if (index + 1 >= context.count) return SYNTAX_ERROR;
    const next = argument(context, index + 1);
    if ((word === "ex" || word === "px") && expiresAtMs === undefined) {
      const read = readExpiry(context, next, word === "ex" ? SECONDS : MILLISECONDS);
      if (read instanceof Failure) return read;
      expiresAtMs = read;
    } else if (word === "stale" && staleMs === undefined) {
      const seconds = readNumber(next);
      if (seconds === undefined) return NOT_AN_INTEGER;
      if (seconds < 0) return BAD_STALE;
      staleMs = seconds * 1000;
    } else if (word === "lease" && lease === undefined) {
      const token = readToken(next);
      if (token instanceof Failure) return token;
      lease = token;
    } else if (word === "tags" && tags === undefined) {
      const read = readTags(context, index + 1);
      if (read instanceof Failure) return read;
      tags = read;
      index += read.length;
    } else return SYNTAX_ERROR;
  }
  expiresAtMs ??= context.cache.expiresAtMs(undefined, context.nowMs);
  return { expiresAtMs, staleMs, lease, tags: tags ?? [] };
}

/** Reads a number of tags, and the tags behind it. */
function readTags(context: CommandContext, at: number): TagHash[] | Failure {
  const count = readNumber(argument(context, at));
  if (count === undefined || count < 0 || count > TAGS_MAX) return BAD_TAG_COUNT;
  if (at + count >= context.count) return BAD_TAG_COUNT;
  const tags: Bytes[] = [];
  for (let n = 1; n <= count; n++) tags.push(argument(context, at + n));
  return tags.every(isTag) ? hashTags(tags) : BAD_TAG;
}

function isTag({ start, end }: Bytes): boolean {
  return end > start && end - start <= TAG_BYTES_MAX;
}

function readToken(text: Argument): string | Failure {
  const token = text.toText();
  return isToken(token) ? token : BAD_TOKEN;
}

function release(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const token = readToken(argument(context, 2));
  if (token instanceof Failure) return token;
  reply.integer(cache.leases.release(argument(context, 1), token, nowMs) === undefined ? 1 : 0);
}

function invalidate(context: CommandContext): void | Failure {
  const tags = argumentsFrom(context, 1);
  if (!tags.every(isTag)) return BAD_TAG;
  context.cache.leases.invalidate(hashTags(tags));
  context.reply.ok();
}

function readSeconds(text: Argument, min: number, max: number, failure: Failure): number | Failure {
  const seconds = readNumber(text);
  return seconds !== undefined && seconds >= min && seconds <= max ? seconds : failure;
}
