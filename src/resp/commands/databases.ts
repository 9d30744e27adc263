// SELECT, MOVE, SWAPDB, and the deletion of a database.

import { clientKey, storedKey } from "../../cache/databases.ts";
import { clearDatabase, swapDatabases } from "../../cache/whole-databases.ts";
import { argument, type Command, type CommandContext } from "./context.ts";
import { define, LINEAR, READ } from "./define.ts";
import { readDatabase } from "./database-number.ts";
import { Failure, FULL, SYNTAX_ERROR } from "./failure.ts";
import { SAME_KEY, copyLocked } from "./generic.ts";

const INVALID_FIRST = new Failure("ERR invalid first DB index");
const INVALID_SECOND = new Failure("ERR invalid second DB index");

export const SELECT: Command = define(
  "select",
  "index",
  "loading stale fast",
  "1.0.0",
  "Chooses the database of the connection, 0 to 15.",
  select,
  READ,
);

export const DATABASE_COMMANDS: readonly Command[] = [
  define(
    "move",
    "key db",
    "write fast",
    "1.0.0",
    "Moves a key to another database, if it is not there.",
    move,
  ),
  define(
    "swapdb",
    "index1 index2",
    "write fast",
    "4.0.0",
    "Exchanges the keys of two databases, in one step.",
    swap,
    LINEAR,
  ),
  define("flushall", "[ASYNC | SYNC]", "write", "1.0.0", "Deletes every entry.", flushAll, LINEAR),
  define(
    "flushdb",
    "[ASYNC | SYNC]",
    "write",
    "1.0.0",
    "Deletes the entries of the selected database.",
    flushDatabase,
    LINEAR,
  ),
];

function select(context: CommandContext): void | Failure {
  const { session, clients, reply, config } = context;
  const database = readDatabase(argument(context, 1), config.databases);
  if (database instanceof Failure) return database;
  if (session.database !== database) {
    session.database = database;
    clients.describe(session.row, session);
  }
  reply.ok();
}

function move(context: CommandContext): void | Failure {
  const { session, cache, reply, config, nowMs } = context;
  const from = argument(context, 1);
  const database = readDatabase(argument(context, 2), config.databases);
  if (database instanceof Failure) return database;
  if (database === session.database) return SAME_KEY;
  const to = storedKey(database, clientKey(from));
  const isMoved = cache.atomically([from, to], () => {
    const isCopied = copyLocked(context, from, to, false);
    if (isCopied === true) cache.delete(from, nowMs);
    return isCopied;
  });
  if (isMoved instanceof Failure) return isMoved;
  reply.integer(isMoved ? 1 : 0);
}

function swap(context: CommandContext): void | Failure {
  const { cache, reply, config, nowMs } = context;
  const one = readDatabase(argument(context, 1), config.databases, INVALID_FIRST);
  if (one === INVALID_FIRST) return one;
  const other = readDatabase(argument(context, 2), config.databases, INVALID_SECOND);
  if (other === INVALID_SECOND) return other;
  if (one instanceof Failure) return one;
  if (other instanceof Failure) return other;
  if (!swapDatabases(cache, one, other, nowMs)) return FULL;
  cache.feed.flushed();
  reply.ok();
}

function hasFlushMode(context: CommandContext): boolean {
  const { count } = context;
  return count === 1 || (count === 2 && /^a?sync$/.test(argument(context, 1).toWord()));
}

function flushAll(context: CommandContext): void | Failure {
  if (!hasFlushMode(context)) return SYNTAX_ERROR;
  const { cache, reply } = context;
  cache.clear();
  cache.feed.flushed();
  reply.ok();
}

function flushDatabase(context: CommandContext): void | Failure {
  const { cache, session, reply, nowMs } = context;
  if (!hasFlushMode(context)) return SYNTAX_ERROR;
  clearDatabase(cache, session.database, nowMs);
  cache.feed.flushed();
  reply.ok();
}
