// The commands of a node with --upstream: which run here, which go to the upstream, and which are left out.
//
//   here        connections, CONFIG, INFO, SLOWLOG, ... : what concerns this node
//   near        GET and MGET: from the near cache, or loaded into it
//   by key      all other commands on keys, as the client sent them
//   split       commands on keys of several slots whose replies add up
//   everywhere  DBSIZE, KEYS, FLUSHALL, FLUSHDB, SCAN, RANDOMKEY

import { Claim, NoUpstreamRoomError } from "../../upstream/claim.ts";
import { EngineError, type EngineReply, UnreachableError } from "../../upstream/engine.ts";
import { inParts, PART_COMMANDS } from "../../upstream/parts.ts";
import { scanFrom } from "../../upstream/scan.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import { type Bytes, MISS } from "../../cache/cache.ts";
import {
  argument,
  type Command,
  type CommandContext,
  type CommandEntry,
  type UpstreamCommands,
  type UpstreamRoute,
} from "./context.ts";
import { Failure, NO_ROOM } from "./failure.ts";
import { keyIndexesOf } from "./keys.ts";
import type { Argument } from "../protocol/parser.ts";
import { NoRoomError, type Reply } from "../protocol/reply.ts";
import { COMMAND_TABLE } from "./table.ts";
import { endTransaction } from "./transactions.ts";

const LEFT_OUT: Readonly<Record<string, string>> = {
  scripting: "scripts are of the single machine",
  pubsub: "messages are of the single machine; connect to the upstream for them",
};
const LEFT_OUT_COMMANDS: ReadonlySet<string> = new Set([
  ...["rc.get", "rc.set", "rc.release", "rc.invalidate", "swapdb", "move", "save", "bgsave"],
  ...["lastsave", "client|tracking", "client|caching", "function|flush", "function|list"],
  ...["digest", "delex", "delifeq", "debug|object", "monitor"],
]);
/** These have keys by their row, but run here. */
const HERE: ReadonlySet<string> = new Set(["unwatch", "multi", "discard"]);
const SUMMED: ReadonlySet<string> = new Set(["del", "unlink", "exists", "touch"]);
const CROSSSLOT = new Failure("CROSSSLOT Keys in request don't hash to the same slot");
const NO_DATABASE = new Failure(
  "ERR another database is not possible with --upstream: the upstream is used with database 0 only",
);
const NO_WATCH = new Failure(leftOut("WATCH", "watches are of the single machine"));
const WATCHED = new Failure(
  "EXECABORT Transaction discarded: WATCH is not possible with --upstream",
);

/** Returns the commands of one worker. */
export function createUpstreamCommands(upstream: Upstream): UpstreamCommands {
  const { entries, groupOf } = COMMAND_TABLE;
  return { upstream, routes: entries.map((entry) => routeOf(entry, groupOf(entry.name))) };
}

function routeOf(entry: CommandEntry, group: string): UpstreamRoute | undefined {
  const { name, command } = entry;
  const special = SPECIAL[name];
  if (special !== undefined) return special;
  if (HERE.has(name)) return undefined;
  const reason = LEFT_OUT[group];
  if (reason !== undefined || LEFT_OUT_COMMANDS.has(name)) {
    const failure = new Failure(leftOut(name.replace("|", " ").toUpperCase(), reason));
    return { isSent: false, run: () => failure };
  }
  if (SUMMED.has(name)) return sent((context, upstream) => sendSplit(context, upstream, command));
  if (!entry.hasKeys) return undefined;
  return sent((context, upstream) => sendByKey(context, upstream, command));
}

const sent = (run: UpstreamRoute["run"]): UpstreamRoute => ({ run, isSent: true });

const SPECIAL: Readonly<Record<string, UpstreamRoute>> = {
  get: sent(get),
  mget: sent(mget),
  watch: { isSent: false, run: watch },
  exec: { isSent: false, run: exec },
  select: { isSent: false, run: select },
  dbsize: sent((context, upstream) => everywhere(context, upstream, sumOf)),
  keys: sent((context, upstream) => everywhere(context, upstream, (replies) => replies.flat())),
  flushall: sent(flush),
  flushdb: sent(flush),
  scan: sent(scan),
  randomkey: sent(randomKey),
};

function leftOut(name: string, reason = "it is of the single machine"): string {
  return `ERR ${name} is not possible with --upstream: ${reason}`;
}

/** Sends the command, and writes its reply when it has come. Throws NoRoomError if the command must wait. */
function answer<T>(
  context: CommandContext,
  sendIt: (claim: Claim) => Promise<T>,
  write: (result: T, reply: Reply) => void | Failure,
  claim = claimFor(context),
): void | Failure {
  const { reply } = context;
  let pending: Promise<T>;
  try {
    pending = sendIt(claim);
  } catch (error) {
    claim.release();
    return failureOf(error);
  }
  // The reply claims its own room, so it is written after the release.
  context.pending = pending.then(
    (result) => () => {
      claim.release();
      return write(result, reply);
    },
    (error: unknown) => () => {
      claim.release();
      return failureOf(error);
    },
  );
}

/**
 * Claims room for the command. Without room its connection waits, and the command runs again: in the lane at
 * the latest, where the connection bounds its own bytes.
 */
function claimFor(context: CommandContext, commands = 1): Claim {
  const { reply, service } = context;
  const claim = new Claim(service.budget);
  const bytes = bytesOf(context);
  if (!reply.hasLane && !claim.tryCommand(bytes, commands)) throw new NoRoomError(bytes);
  return claim;
}

/** As `claimFor`, for a command that `inParts` sends as this many. */
function claimForParts(context: CommandContext, commands: number): Claim {
  // Its later parts would be sent behind the commands behind it, so it has no part in a batch.
  const isAlone = commands > PART_COMMANDS;
  if (context.isBatched && isAlone) throw new NoRoomError(0);
  const claim = claimFor(context, Math.min(commands, PART_COMMANDS));
  context.isAlone = isAlone;
  return claim;
}

function failureOf(error: unknown): Failure {
  if (error instanceof EngineError) return new Failure(error.message);
  if (error instanceof NoUpstreamRoomError) return new Failure(NO_ROOM);
  if (!(error instanceof UnreachableError)) throw error;
  return new Failure(`ERR ${error.toText()}`);
}

/** Writes a reply of the upstream as it came. */
function writeReply(value: EngineReply, reply: Reply): void {
  if (value === null) reply.nil();
  else if (Buffer.isBuffer(value)) reply.bulk({ bytes: value, start: 0, end: value.length });
  else if (value instanceof Error) reply.error(value.message);
  else if (typeof value === "string") {
    // Integers come as text, since they may have 64 bits; no status line is a number.
    if (/^-?\d+$/.test(value)) reply.integer(BigInt(value));
    else reply.simple(value);
  } else {
    reply.array(value.length);
    for (const part of value) writeReply(part, reply);
  }
}

/** Copies the arguments: the client's buffer is used again before they are sent. */
function wordsOf(context: CommandContext): Buffer[] {
  const words: Buffer[] = [];
  for (let index = 0; index < context.count; index++) {
    const { bytes, start, end } = argument(context, index);
    words.push(Buffer.from(bytes.subarray(start, end)));
  }
  return words;
}

function bytesOf({ args, count }: CommandContext): number {
  let bytes = 0;
  for (let index = 0; index < count; index++) {
    const { start, end } = args[index] ?? { start: 0, end: 0 };
    bytes += end - start;
  }
  return bytes;
}

function sliceOf(bytes: Buffer) {
  return { bytes, start: 0, end: bytes.length };
}

function keysOf(command: Command, context: CommandContext, words: readonly Buffer[]): Buffer[] {
  const indexes = keyIndexesOf(command, context.args, context.count) ?? [];
  return indexes.map((index) => words[index] ?? Buffer.alloc(0));
}

function get(context: CommandContext, upstream: Upstream): void | Failure {
  const { reply, nowMs, isBatched } = context;
  const key = argument(context, 1);
  if (!isBatched) {
    const length = upstream.read(key, nowMs, reply.beginBulk());
    if (length !== MISS) {
      reply.endBulk(length);
      return;
    }
    reply.dropBulk();
  }
  return answer(context, (claim) => claim.reply(upstream.load(key, !isBatched)), writeReply);
}

function mget(context: CommandContext, upstream: Upstream): void | Failure {
  const { reply, nowMs, isBatched } = context;
  const count = context.count - 1;
  const mark = reply.out.end;
  reply.array(count);
  let found = 0;
  while (found < count && !isBatched) {
    const length = upstream.read(argument(context, found + 1), nowMs, reply.beginBulk());
    if (length === MISS) {
      reply.dropBulk();
      break;
    }
    reply.endBulk(length);
    found++;
  }
  if (found === count) return;
  reply.out.end = mark;
  const [, ...keys] = wordsOf(context);
  const claim = claimForParts(context, count);
  const load = (key: Buffer) => claim.reply(upstream.load(sliceOf(key), !isBatched));
  return answer(context, () => inParts(keys, load), writeReply, claim);
}

function sendByKey(context: CommandContext, upstream: Upstream, command: Command): void | Failure {
  if (namesDatabase(command, context.args, context.count)) return NO_DATABASE;
  const words = wordsOf(context);
  const keys = keysOf(command, context, words).map(sliceOf);
  const [first] = keys;
  if (first === undefined) return new Failure("ERR the command names no key");
  if (!upstream.isOneSlot(keys)) return CROSSSLOT;
  const isWrite = command.flags.includes("write");
  const kind = isWrite ? "write" : "read";
  const changed = isWrite ? keys : [];
  return answer(
    context,
    (claim) => claim.reply(upstream.send(kind, first, words, changed)),
    writeReply,
  );
}

/** Whether COPY has the option DB with another database than 0. */
function namesDatabase({ name }: Command, args: readonly Argument[], count: number): boolean {
  if (name !== "copy") return false;
  const options = args.slice(3, count).map((arg) => arg.toWord());
  return options.some(
    (word, n) => word === "db" && n + 1 < options.length && options[n + 1] !== "0",
  );
}

/** Sends the keys of each slot in a command of their own, and adds the replies up. */
function sendSplit(context: CommandContext, upstream: Upstream, command: Command): void | Failure {
  const [name = Buffer.alloc(0), ...keys] = wordsOf(context);
  const isWrite = command.flags.includes("write");
  const parts = upstream.bySlot(keys.map(sliceOf));
  const claim = claimForParts(context, parts.length);
  const send = (slices: readonly Bytes[]): Promise<EngineReply> => {
    const [first = sliceOf(name)] = slices;
    const args = [name, ...slices.map(({ bytes }) => bytes)];
    return upstream.send(isWrite ? "write" : "read", first, args, isWrite ? slices : []);
  };
  return answer(
    context,
    () => inParts(parts, send),
    (replies, reply) => writeReply(sumOf(replies), reply),
    claim,
  );
}

function sumOf(replies: readonly EngineReply[]): string {
  return String(replies.reduce((sum, reply) => sum + Number(reply), 0));
}

function everywhere(
  context: CommandContext,
  upstream: Upstream,
  merge: (replies: readonly EngineReply[]) => EngineReply,
): void | Failure {
  return answer(
    context,
    (claim) => claim.reply(upstream.sendToAll(wordsOf(context)).then(merge)),
    writeReply,
  );
}

function flush(context: CommandContext, upstream: Upstream): void | Failure {
  return answer(
    context,
    () => upstream.flush(wordsOf(context)),
    (_, reply) => reply.ok(),
  );
}

const INVALID_CURSOR = new Failure("ERR invalid cursor");

function scan(context: CommandContext, upstream: Upstream): void | Failure {
  const [, cursor, ...options] = wordsOf(context);
  const text = String(cursor);
  if (!/^\d{1,20}$/.test(text)) return INVALID_CURSOR;
  const scanIt = async (): Promise<EngineReply> => {
    const page = await scanFrom(upstream, BigInt(text), options);
    return [Buffer.from(String(page.cursor)), page.keys];
  };
  return answer(context, (claim) => claim.reply(scanIt()), writeReply);
}

/** A primary without keys answers nil: the next one is asked. */
function randomKey(context: CommandContext, upstream: Upstream): void | Failure {
  const words = wordsOf(context);
  const ask = async (): Promise<EngineReply> => {
    const targets = upstream.targets();
    const first = Math.floor(Math.random() * targets.length);
    for (let n = 0; n < targets.length; n++) {
      const one = targets[(first + n) % targets.length];
      const key = one === undefined ? null : await upstream.sendTo(one.target, words);
      if (key !== null) return key;
    }
    return null;
  };
  return answer(context, (claim) => claim.reply(ask()), writeReply);
}

function select(context: CommandContext): void | Failure {
  if (argument(context, 1).toText() !== "0") return NO_DATABASE;
  context.reply.ok();
}

/** An EXEC after a refused WATCH must not run: its client relies on the watch. */
function watch({ session }: CommandContext): Failure {
  session.hasRefusedWatch = true;
  return NO_WATCH;
}

function exec(context: CommandContext, upstream: Upstream): void | Failure {
  const { session, table, queued } = context;
  const { transaction } = session;
  if (transaction === undefined) return new Failure("ERR EXEC without MULTI");
  const isWatched = session.hasRefusedWatch === true;
  const commands: Buffer[][] = [];
  const keys: Buffer[] = [];
  let refused: string | undefined;
  transaction.unload();
  transaction.forEach(queued, (number, { args, count }) => {
    const entry = table.entries[number];
    const route = context.upstream?.routes[number];
    if (entry === undefined || route === undefined || !entry.hasKeys || !route.isSent) {
      refused ??= `commands on keys only, not ${entry?.name.replace("|", " ").toUpperCase()}`;
      return true;
    }
    if (namesDatabase(entry.command, args, count)) refused ??= "keys of database 0 only";
    const words = args.slice(0, count).map(({ bytes, start, end }) => {
      return Buffer.from(bytes.subarray(start, end));
    });
    commands.push(words);
    for (const index of keyIndexesOf(entry.command, args, count) ?? []) {
      const key = words[index];
      if (key !== undefined) keys.push(key);
    }
    return true;
  });
  const { isBroken } = transaction;
  endTransaction(session);
  if (isBroken) return new Failure("EXECABORT Transaction discarded because of previous errors.");
  if (isWatched) return WATCHED;
  if (refused !== undefined) {
    return new Failure(`EXECABORT Transaction discarded: with --upstream it takes ${refused}`);
  }
  const slices = keys.map(sliceOf);
  const [first] = slices;
  if (first === undefined) {
    context.reply.array(0);
    return;
  }
  if (!upstream.isOneSlot(slices)) {
    return new Failure(
      "CROSSSLOT Transaction discarded: with --upstream all its keys must be in one slot",
    );
  }
  return answer(
    context,
    (claim) => {
      for (const words of commands) claim.command(words);
      return claim.reply(upstream.transact(first, commands, slices));
    },
    writeReply,
    // EXEC cannot run again: its transaction has ended.
    new Claim(context.service.budget),
  );
}
