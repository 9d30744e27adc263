// MULTI, EXEC, DISCARD, WATCH and UNWATCH.
//
// EXEC is one step of the cache: it holds the shards of all keys that its commands and WATCH name, in
// ascending order, and all shards for a command that may use any key. Each command runs, whatever the
// others return. The errors are those of redis 7, src/multi.c.

import { WatchedKeys } from "../../cache/watched-keys.ts";
import {
  argument,
  type Command,
  type CommandContext,
  type CommandEntry,
  type Session,
} from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { Failure } from "./failure.ts";
import { addPrefixes, removePrefixes } from "./key-prefixes.ts";
import { keyRangeOf } from "./keys.ts";
import { NoRoomError, OutputLimitError, Reply } from "../protocol/reply.ts";
import { Transaction } from "../transaction.ts";

const NESTED = new Failure("ERR MULTI calls can not be nested");
const EXEC_WITHOUT_MULTI = new Failure("ERR EXEC without MULTI");
const DISCARD_WITHOUT_MULTI = new Failure("ERR DISCARD without MULTI");
const WATCH_INSIDE_MULTI = new Failure("ERR WATCH inside MULTI is not allowed");
const DISCARDED = new Failure("EXECABORT Transaction discarded because of previous errors.");
const NOT_IN_TRANSACTION = "ERR Command not allowed inside a transaction";
const NO_ROOM_TO_QUEUE =
  "ERR no room for the transaction: requests and answers of --max-pending-bytes are on their way; try again later";
const NO_ROOM_TO_WATCH = new Failure(
  "ERR no room to watch more keys: a worker watches at most 16384 keys, and their bytes count to --max-pending-bytes",
);
const INTERNAL_ERROR = "ERR internal error; the log of the service has more";
/** A larger buffer for dropped replies is not kept. */
const KEPT_BYTES_MAX = 64 * 1024;

/** Commands that a transaction does not queue. */
export const RUN_AT_ONCE: ReadonlySet<string> = new Set([
  ...["multi", "exec", "discard", "watch", "quit", "reset"],
]);

const FLAGS = "noscript loading stale";
const READ = { access: "read" } as const;

export const TRANSACTION_COMMANDS: readonly Command[] = [
  define(
    "multi",
    "",
    `${FLAGS} fast allow_busy`,
    "1.2.0",
    "Queues the following commands until EXEC.",
    multi,
    READ,
  ),
  define(
    "exec",
    "",
    `${FLAGS} skip_slowlog`,
    "1.2.0",
    "Runs the queued commands in one step, unless a watched key has changed.",
    exec,
    { ...READ, complexity: "that of the queued commands" },
  ),
  define(
    "discard",
    "",
    `${FLAGS} fast allow_busy`,
    "2.0.0",
    "Drops the queued commands and the watches.",
    discard,
    READ,
  ),
  define(
    "watch",
    "key [key ...]",
    `${FLAGS} fast allow_busy`,
    "2.2.0",
    "Lets the next EXEC do nothing if one of the keys has changed by then.",
    watch,
    { ...READ, ...LINEAR },
  ),
  define(
    "unwatch",
    "",
    `${FLAGS} fast allow_busy`,
    "2.2.0",
    "Ends the watches of the connection.",
    ({ session, reply }) => {
      endWatches(session);
      reply.ok();
    },
    READ,
  ),
];

/** Drops the transaction and the watches of a connection. */
export function endTransaction(session: Session): void {
  session.transaction?.release();
  session.transaction = undefined;
  endWatches(session);
}

function endWatches(session: Session): void {
  session.watched?.clear();
  session.hasRefusedWatch = false;
}

/** Queues the current command. Returns false if it was rejected. */
export function queue(
  context: CommandContext,
  transaction: Transaction,
  { number, command }: CommandEntry,
  isInline: boolean,
): boolean {
  const { reply, counters, args, count } = context;
  if (command.flags.includes("no_multi")) reply.error(NOT_IN_TRANSACTION);
  else {
    // If EXEC fails anyway, the command takes no memory.
    const { isBroken } = transaction;
    const excess = isBroken ? undefined : transaction.append(number, args, count, isInline);
    if (excess === undefined) {
      reply.queued();
      return true;
    }
    reply.error(excess === "room" ? NO_ROOM_TO_QUEUE : tooLong(context, transaction.limitBytes));
  }
  counters.rejected(number);
  return false;
}

function tooLong({ settings }: CommandContext, limitBytes: number): string {
  const option = limitBytes < settings.queryLimit ? "--max-pending-bytes" : "--resp-query-limit";
  return `ERR the transaction is longer than ${option} (${limitBytes} bytes); split it`;
}

function multi(context: CommandContext): void | Failure {
  const { session, reply, service, settings, config } = context;
  if (session.transaction !== undefined) return NESTED;
  const limitBytes = Math.min(settings.queryLimit, config.maxPendingBytes);
  session.transaction = new Transaction(service.budget, limitBytes);
  reply.ok();
}

function discard({ session, reply }: CommandContext): void | Failure {
  if (session.transaction === undefined) return DISCARD_WITHOUT_MULTI;
  endTransaction(session);
  reply.ok();
}

function watch(context: CommandContext): void | Failure {
  const { session, cache, service, reply, nowMs } = context;
  if (session.transaction !== undefined) return WATCH_INSIDE_MULTI;
  session.watched ??= new WatchedKeys(cache, (from, to) => service.budget.tryResize(from, to));
  for (let index = 1; index < context.count; index++) {
    if (!session.watched.add(argument(context, index), nowMs)) return NO_ROOM_TO_WATCH;
  }
  reply.ok();
}

function exec(context: CommandContext): void | Failure {
  const { session, reply, cache, shards } = context;
  const { transaction, watched } = session;
  if (transaction === undefined) return EXEC_WITHOUT_MULTI;
  if (transaction.isBroken) {
    endTransaction(session);
    return DISCARDED;
  }
  shards.clear();
  transaction.unload();
  watched?.addShardsTo(shards);
  addShards(context, transaction);
  const outcome = cache.atomicallyOver(shards, () => {
    const isRun = watched === undefined || watched.areUnchanged(context.nowMs);
    const run = isRun ? runQueued(context, transaction) : undefined;
    watched?.clear();
    return run;
  });
  endTransaction(session);
  if (outcome === undefined) reply.nilArray();
  else if (outcome.error !== undefined) throw outcome.error;
  else return outcome.failure;
}

/** Adds the shards of the keys of all queued commands to the set; all shards if a command may use any key. */
function addShards(context: CommandContext, transaction: Transaction): void {
  const { table, shards, queued, session, cache } = context;
  transaction.forEach(queued, (number, { args, count }) => {
    const { command, holds, name } = table.entries[number] as CommandEntry;
    // The keys of later commands are those of another database.
    if (holds === "all" || name === "select") {
      shards.addAll();
      return false;
    }
    if (holds === "none") return true;
    const keys = keyRangeOf(command, args, count);
    const prefixed = addPrefixes(keys, args, session.database, true);
    for (let index = keys.first; index <= keys.last; index += keys.step) {
      const key = args[index];
      if (key !== undefined) shards.add(cache.route(key));
    }
    // The keys get them again when the command runs.
    if (prefixed > 0) removePrefixes(keys, args);
    return true;
  });
}

interface Outcome {
  /** Why the replies could not be written; the commands have run. */
  failure?: Failure;
  /** An error that is not a reply. */
  error?: unknown;
}

/**
 * Runs all queued commands and writes their replies. If the replies find no room and no command can have
 * changed anything, throws NoRoomError, so that EXEC runs again. Else the commands run to the end without
 * their replies.
 */
function runQueued(context: CommandContext, transaction: Transaction): Outcome {
  const { reply, table, queued, config } = context;
  const outcome: Outcome = {};
  const mark = reply.out.end;
  let dropped: Reply | undefined;
  let isUnchanged = true;
  reply.array(transaction.count);
  transaction.forEach(queued, (number, parsed) => {
    const entry = table.entries[number] as CommandEntry;
    const { command } = entry;
    const isReading = command.flags.includes("readonly");
    if (dropped === undefined) {
      const start = reply.out.end;
      try {
        context.runQueued(entry, parsed, reply);
        isUnchanged &&= isReading;
        return true;
      } catch (error) {
        reply.out.end = start;
        if (error instanceof NoRoomError && isUnchanged) throw error;
        if (!(error instanceof NoRoomError || error instanceof OutputLimitError)) {
          outcome.error ??= error;
          reply.error(INTERNAL_ERROR);
          return true;
        }
        outcome.failure = withoutReplies(error, reply, config.respOutputLimit);
        dropped = new Reply(Infinity, () => true);
        dropped.version = reply.version;
      }
    }
    // Nobody gets the reply of a command that only reads.
    if (!isReading) context.runQueued(entry, parsed, dropped);
    dropped.out.clear();
    if (dropped.out.bytes.length > KEPT_BYTES_MAX) dropped.out.replace(KEPT_BYTES_MAX);
    return true;
  });
  for (let n = Math.min(transaction.count, queued.length); n > 0; n--) queued[n - 1]?.release();
  if (dropped !== undefined) reply.out.end = mark;
  return outcome;
}

function withoutReplies(error: Error, { limitBytes }: Reply, outputLimit: number): Failure {
  if (error instanceof NoRoomError) {
    return new Failure(
      "ERR the transaction has run, but there is no room for its answers in --max-pending-bytes",
    );
  }
  const option = limitBytes < outputLimit ? "--max-pending-bytes" : "--resp-output-limit";
  return new Failure(
    `ERR the transaction has run, but its answers are longer than ${option} (${limitBytes} bytes)`,
  );
}
