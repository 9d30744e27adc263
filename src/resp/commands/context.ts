// The row of a command in the table, and the context in which a command runs.

import type { Access } from "../../security/tokens.ts";
import type {
  ByteBuffer,
  Bytes,
  Cache,
  Change,
  Entry,
  Revision,
  ShardSet,
  TimedValue,
} from "../../cache/cache.ts";
import { prefixBytesOf } from "../../cache/databases.ts";
import { type Config, RESP_KEY_BYTES_MAX } from "../../config/config.ts";
import type { Waiters } from "../../caching/waiters.ts";
import type { Service } from "../../service/service.ts";
import type { Clients, Description } from "../clients.ts";
import type { Argument, ParsedCommand } from "../protocol/parser.ts";
import type { Reply } from "../protocol/reply.ts";
import { Pattern } from "../../cache/glob.ts";
import { Failure, FULL, TOO_LARGE } from "./failure.ts";
import type { Settings } from "../config-parameters.ts";
import type { Slices } from "../slices.ts";
import type { Transaction } from "../transaction.ts";
import type { WatchedKeys } from "../../cache/watched-keys.ts";
import type { RespCounters } from "../counters.ts";
import type { Push } from "../push/push.ts";
import type { Receiver } from "../push/subscriber.ts";
import type { Upstream } from "../../upstream/upstream.ts";

/** One row of the table of commands. Dispatch, checks, COMMAND and the documents use it. */
export interface Command {
  /** In lower case; a subcommand has its own name only: "id" for CLIENT ID. */
  readonly name: string;
  /** Number of arguments, the name included; negative: at least this number. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  /** Access that the client needs. If undefined, the flag "write" or "readonly" decides. */
  readonly access: Access | undefined;
  /**
   * Indexes of the first and the last key, and the step between keys. A negative last index counts
   * from the end.
   */
  readonly keys: readonly [first: number, last: number, step: number] | undefined;
  /** The index of the argument with the number of keys that follow it, and the step between keys. */
  readonly countedKeys: { readonly at: number; readonly step: number } | undefined;
  /** The arguments as the documents write them. */
  readonly syntax: string;
  readonly summary: string;
  readonly since: string;
  readonly complexity: string;
  /** The dispatcher writes a returned failure. Undefined if the command needs a subcommand. */
  readonly run: ((context: CommandContext) => void | Failure) | undefined;
  readonly subcommands: readonly Command[];
}

export type CommandFlag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "noscript"
  | "pubsub"
  | "loading"
  | "stale"
  | "fast"
  | "no_auth"
  | "allow_busy"
  | "no_multi"
  | "no_async_loading"
  | "movablekeys"
  | "skip_slowlog"
  | "skip_monitor"
  | "no_mandatory_keys";

/** A command as it runs and is counted: a command of the table, or a subcommand as "client|id". */
export interface CommandEntry {
  readonly name: string;
  /** The name with bit 5 of each byte set, as the dispatcher compares it: "_" is a byte of its own. */
  readonly folded: string;
  readonly number: number;
  readonly command: Command;
  /** Access that the client needs. */
  readonly access: Access;
  /** The shards that a transaction holds for the command: those of its keys, all, or none. */
  readonly holds: "keys" | "all" | "none";
  readonly hasKeys: boolean;
  /** Whether the first argument is the only key. */
  readonly hasOneKey: boolean;
  /** The command of a subcommand. */
  readonly container: CommandEntry | undefined;
  readonly subcommands: ReadonlyMap<string, CommandEntry>;
}

/** The table of all commands, as COMMAND reads it. */
export interface CommandTable {
  /** All entries by their numbers. */
  readonly entries: readonly CommandEntry[];
  readonly commands: readonly Command[];
  /** Entries of commands, without those of subcommands. */
  readonly topEntries: readonly CommandEntry[];
  /** All entries; a subcommand is "client|id". */
  readonly byName: ReadonlyMap<string, CommandEntry>;
  readonly find: (name: Argument, within?: CommandEntry) => CommandEntry | undefined;
  readonly groupOf: (name: string) => string;
}

/** Whether a command may have this number of arguments, its name included. */
export function takesCount({ arity }: Command, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity;
}

/** The state that a connection keeps from one command to the next. */
export interface Session extends Description, Receiver {
  readonly id: number;
  /** Row in the table of clients. */
  readonly row: number;
  /** Access of the client. */
  access: Access;
  version: 2 | 3;
  flags: string;
  subscriptions: string;
  redirect: number;
  name: string;
  libName: string;
  libVersion: string;
  /** Whether replies are sent. "skip-next" becomes "skip", which drops the reply of one command. */
  replies: "on" | "off" | "skip-next" | "skip";
  /** The connection closes once the replies that are due are written. */
  isClosing: boolean;
  /** Number of the selected database. */
  database: number;
  /** The queued commands between MULTI and EXEC. */
  transaction: Transaction | undefined;
  /** The keys of WATCH. */
  watched: WatchedKeys | undefined;
  /** Whether WATCH was refused, so that EXEC must fail. */
  hasRefusedWatch?: boolean;
  /** Ends the wait of the command that waits for a value. */
  cancelWait?: (() => void) | undefined;
}

/** The parts that all commands of a worker share, and the command that is running. */
export interface CommandContext {
  readonly cache: Cache;
  readonly config: Config;
  /** The reply of the running command. A command inside another one may have its own. */
  reply: Reply;
  readonly clients: Clients;
  readonly settings: Settings;
  readonly counters: RespCounters;
  readonly service: Service;
  readonly waiters: Waiters;
  readonly push: Push;
  readonly table: CommandTable;
  /** Buffer for values that a command builds. */
  readonly scratch: ByteBuffer;
  session: Session;
  /** Name of the command; of a subcommand "client|id". */
  name: string;
  args: readonly Argument[];
  /** Number of valid entries of `args`; later entries belong to earlier commands. */
  count: number;
  /** Time of the cache's clock. */
  nowMs: number;
  readonly updater: Updater;
  readonly scripts: Scripts;
  readonly slices: Slices;
  /** The shards of the transaction that runs. */
  readonly shards: ShardSet;
  /** The pool of its commands. */
  readonly queued: readonly ParsedCommand[];
  /** Runs a command of the transaction, with the checks of a command that the client sends. */
  readonly runQueued: (entry: CommandEntry, command: ParsedCommand, reply: Reply) => void;
  /**
   * Set by a command that cannot reply yet. Resolves with the function that writes the reply. The
   * connection waits for it.
   */
  pending: Pending | undefined;
  /** Runs another command inside the current one. */
  readonly runInside: RunInside;
  /** Undefined without --upstream. */
  readonly upstream?: UpstreamCommands | undefined;
  /** Whether a command before this one of the same batch has been sent, and has no reply yet. */
  isBatched: boolean;
  /** Whether the pending command sends more later, so that the commands behind it must wait. */
  isAlone: boolean;
}

/** The commands of a node with --upstream. */
export interface UpstreamCommands {
  readonly upstream: Upstream;
  /** By the numbers of the commands; undefined for those that run here. */
  readonly routes: readonly (UpstreamRoute | undefined)[];
}

/** How a command of a node with --upstream runs. */
export interface UpstreamRoute {
  readonly run: (context: CommandContext, upstream: Upstream) => void | Failure;
  /** Whether the command sends something, so that it may be sent together with those before it. */
  readonly isSent: boolean;
}

/** How a script is named and what it may do. */
export interface ScriptForm {
  /** The script is named by its SHA-1, rather than given. */
  readonly isSha: boolean;
  readonly isReadOnly: boolean;
}

/** The scripts, as commands use them. */
export interface Scripts {
  /** Runs the script of the current command: script or SHA-1, number of keys, keys, other arguments. */
  run(context: CommandContext, form: ScriptForm): void | Failure;
  /** Compiles and keeps a script. Returns its SHA-1. */
  load(source: Bytes, nowMs: number): string | Failure;
  exist(shas: readonly string[]): boolean[];
  /** Number of cached scripts, and the bytes of their records. */
  stats(): { readonly count: number; readonly bytes: number };
  clear(): void;
  /** Ends the scripts of all workers that have written nothing. */
  kill(): "killed" | "have written" | "none";
}

/** The parts that a worker makes before its dispatcher. */
export type SharedParts = Pick<
  CommandContext,
  | "cache"
  | "config"
  | "reply"
  | "clients"
  | "settings"
  | "counters"
  | "service"
  | "waiters"
  | "push"
  | "scripts"
  | "upstream"
>;

/** Resolves with the function that writes the reply of a command. */
export type Pending = Promise<() => void | Failure>;

/**
 * Where a command comes from that a client did not send itself on its connection. A script gets the
 * error texts that Redis has for scripts, and may not run commands with the flag "noscript".
 */
export type Origin = "transaction" | "script" | "read-only script" | "http";

/**
 * Runs the first `count` arguments as a command of `session`, with the checks of a command that the
 * client sends. Writes the reply, which may be an error, to `reply`; its errors NoRoomError and
 * OutputLimitError are thrown. Returns a promise if the command cannot reply yet; inside a step of the
 * cache that throws. The current command continues as before.
 */
export type RunInside = (
  session: Session,
  args: readonly Argument[],
  count: number,
  reply: Reply,
  origin: Origin,
) => Pending | undefined;

/** Returns an argument whose presence the arity, or a check of the command, has shown. */
export function argument(context: CommandContext, index: number): Argument {
  const found = context.args[index];
  if (found === undefined || index >= context.count) throw new Error(`no argument ${index}`);
  return found;
}

/** The error of Redis for a subcommand with too many arguments. */
export function wrongSubcommand(context: CommandContext): Failure {
  const [container = ""] = context.name.split("|");
  const shown = argument(context, 1).toShown().slice(0, 128);
  return new Failure(
    `ERR unknown subcommand or wrong number of arguments for '${shown}'. Try ${container.toUpperCase()} HELP.`,
  );
}

/** Returns the arguments from an index on. O(arguments). */
export function argumentsFrom(context: CommandContext, index: number): Bytes[] {
  const found = new Array<Bytes>(context.count - index);
  for (let n = index; n < context.count; n++) found[n - index] = argument(context, n);
  return found;
}

/** Returns a pattern that stays valid while the command waits. */
export function readPattern(text: Bytes): Pattern | Failure {
  try {
    return new Pattern(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new Failure(`ERR ${error.message}`);
  }
}

/** Stores the value. */
export function store(
  context: CommandContext,
  key: Bytes,
  value: Bytes,
  expiresAtMs: number,
  usesReserve = false,
): Failure | undefined {
  if (!fits(context, key, value)) return TOO_LARGE;
  const isStored = context.cache.put(key, value, expiresAtMs, context.nowMs, usesReserve);
  return isStored ? undefined : FULL;
}

/**
 * Returns the change of an entry. The context is a parameter so that one function can serve all
 * commands: a closure for each command is garbage.
 */
export type ChangeEntry = (entry: Entry | undefined, context: CommandContext) => Change | Failure;

/** The update that is running. A worker runs one at a time. */
export class Updater {
  key: Bytes = NO_BYTES;
  changeEntry: ChangeEntry = () => "keep";
  failure: Failure | undefined;
  readonly #context: () => CommandContext;

  constructor(context: () => CommandContext) {
    this.#context = context;
  }

  /** The callback of the cache. One for all updates: a closure for each leaves 140 B of garbage. */
  readonly change = (entry: Entry | undefined): Change => {
    const context = this.#context();
    const change = this.changeEntry(entry, context);
    if (change instanceof Failure) this.failure = change;
    else if (typeof change === "object" && !this.#fits(context, entry, change))
      this.failure = TOO_LARGE;
    else return change;
    return "keep";
  };

  #fits(context: CommandContext, entry: Entry | undefined, change: TimedValue | Revision): boolean {
    if (change.value !== undefined) return fits(context, this.key, change.value);
    const { part, at = 0 } = change;
    // The key of an existing entry fits.
    if (entry !== undefined && part === undefined) return true;
    const end = at + (part === undefined ? 0 : part.end - part.start);
    return end <= context.cache.maxValueBytes && isKeyShort(this.key);
  }
}
const NO_BYTES: Bytes = { bytes: Buffer.alloc(0), start: 0, end: 0 };

/**
 * Changes an entry in one step. A failure discards the reply that `changeEntry` has written: it is
 * that of `changeEntry`, or that the value does not fit.
 */
export function update(
  context: CommandContext,
  key: Bytes,
  changeEntry: ChangeEntry,
): Failure | undefined {
  const { cache, reply, updater, nowMs } = context;
  const mark = reply.out.end;
  updater.key = key;
  updater.changeEntry = changeEntry;
  updater.failure = undefined;
  if (cache.update(key, nowMs, updater.change) && updater.failure === undefined) return undefined;
  reply.out.end = mark;
  return updater.failure ?? FULL;
}

/** Returns when the live entry expires, or undefined if there is none. It counts no hit. */
export function expiresAtOf({ cache, nowMs }: CommandContext, key: Bytes): number | undefined {
  return cache.look(key, nowMs)?.expiresAtMs;
}

export function fits({ cache }: CommandContext, key: Bytes, value: Bytes): boolean {
  return value.end - value.start <= cache.maxValueBytes && isKeyShort(key);
}

function isKeyShort(key: Bytes): boolean {
  const bytes = key.end - key.start;
  return bytes <= RESP_KEY_BYTES_MAX || bytes - prefixBytesOf(key) <= RESP_KEY_BYTES_MAX;
}
