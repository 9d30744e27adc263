// What a command of the Redis protocol is, and what it is run with.

import type { Access } from "../../security/tokens.ts";
import type {
  ByteBuffer,
  Bytes,
  Cache,
  Change,
  Entry,
  TimedValue,
  Revision,
} from "../../cache/cache.ts";
import { type Config, MAX_RESP_KEY_BYTES } from "../../config/config.ts";
import type { Service } from "../../service/service.ts";
import type { Clients, Description } from "../clients.ts";
import type { Argument } from "../protocol/parser.ts";
import type { Reply } from "../protocol/reply.ts";
import { Pattern } from "../protocol/glob.ts";
import type { Settings } from "../config-parameters.ts";
import type { Slices } from "../slices.ts";
import type { RespCounters } from "../counters.ts";

/** One row of the table of commands: dispatch, checks, COMMAND and the documents come from it. */
export interface Command {
  /** In lower case; of a subcommand without that of its command. */
  readonly name: string;
  /** Arguments with the name; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  /** What its client must be allowed; without it the flags say "write" or "readonly". */
  readonly access?: Access;
  /** Places of the first and the last key and the step between; the last counts from the end if negative. */
  readonly keys?: readonly [first: number, last: number, step: number];
  /** The arguments as documents write them. */
  readonly syntax: string;
  readonly summary: string;
  readonly since: string;
  readonly complexity?: string;
  readonly run?: (context: CommandContext) => void;
  readonly subcommands?: readonly Command[];
}

export type CommandFlag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "noscript"
  | "loading"
  | "stale"
  | "fast"
  | "no_auth"
  | "allow_busy";

/** What a connection remembers from one command to the next. */
export interface Session extends Description {
  readonly id: number;
  /** In the table of clients. */
  readonly row: number;
  /** What its client may do. */
  access: Access;
  version: 2 | 3;
  name: string;
  libName: string;
  libVersion: string;
  /** Whether answers are sent; "skip-next" and then "skip" leave out that of one command. */
  replies: "on" | "off" | "skip-next" | "skip";
  /** Once the answers that are due are written the connection closes. */
  isClosing: boolean;
}

/** What all commands of a worker share, and the command that is being answered. */
export interface CommandContext {
  readonly cache: Cache;
  readonly config: Config;
  readonly reply: Reply;
  readonly clients: Clients;
  readonly settings: Settings;
  readonly counters: RespCounters;
  readonly service: Service;
  /** For values that a command puts together. */
  readonly scratch: ByteBuffer;
  session: Session;
  /** The command's name, for a subcommand "client|id". */
  name: string;
  args: readonly Argument[];
  /** Of `args`; the rest is left from other commands. */
  count: number;
  /** Time of the cache's clock. */
  nowMs: number;
  readonly updating: Updating;
  readonly slices: Slices;
  /** Set by a command that cannot answer yet: what writes its answer. The connection waits for it. */
  pending: Promise<() => void> | undefined;
}

/** The argument at a place that the command's arity, or its own check, has shown to be there. */
export function argument(context: CommandContext, place: number): Argument {
  const found = context.args[place];
  if (found === undefined || place >= context.count) throw new Error(`no argument ${place}`);
  return found;
}

/** Arguments from a place on. O(arguments). */
export function argumentsFrom(context: CommandContext, place: number, step = 1): Bytes[] {
  const found: Bytes[] = [];
  for (let at = place; at < context.count; at += step) found.push(argument(context, at));
  return found;
}

/** A pattern that stays as it is while the command waits; undefined after an error has been answered. */
export function readPattern(context: CommandContext, text: Bytes): Pattern | undefined {
  const pattern = patternOf(text);
  if (pattern instanceof Pattern) return pattern;
  context.reply.error(pattern.error);
  return undefined;
}

export function patternOf(text: Bytes): Pattern | Failure {
  try {
    return new Pattern(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new Failure(`ERR ${error.message}`);
  }
}

export const SYNTAX_ERROR = "ERR syntax error";
export const NOT_AN_INTEGER = "ERR value is not an integer or out of range";
export const TOO_LARGE = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
/** Clients know the code, and some the text. */
export const LOADING = "LOADING Redis is loading the dataset in memory";
export const FULL = "OOM command not allowed when used memory > 'maxmemory'.";

/** What a command answers instead of changing an entry. */
export class Failure {
  readonly error: string;

  constructor(error: string) {
    this.error = error;
  }
}

/** Stores the value; false after an error has been answered. */
export function store(
  context: CommandContext,
  key: Bytes,
  value: Bytes,
  expiresAtMs: number,
  usesReserve = false,
): boolean {
  if (!fits(context, key, value)) {
    context.reply.error(TOO_LARGE);
    return false;
  }
  if (context.cache.put(key, value, expiresAtMs, context.nowMs, usesReserve)) return true;
  context.reply.error(FULL);
  return false;
}

/**
 * What becomes of an entry. The call is handed over so that a change can be one function for all
 * calls: a closure for each is garbage.
 */
export type Step = (entry: Entry | undefined, context: CommandContext) => Change | Failure;

/** What `update` is doing; there is one at a time. */
export class Updating {
  key: Bytes = NO_BYTES;
  step: Step = () => "keep";
  /** Answered if it is not done. */
  error = FULL;
  readonly #call: () => CommandContext;

  constructor(context: () => CommandContext) {
    this.#call = context;
  }

  /** What the cache is given. One for all calls, as each of them would leave 140 B of garbage. */
  readonly change = (entry: Entry | undefined): Change => {
    const context = this.#call();
    const wanted = this.step(entry, context);
    if (wanted instanceof Failure) this.error = wanted.error;
    else if (typeof wanted === "object" && !this.#fits(context, entry, wanted))
      this.error = TOO_LARGE;
    else return wanted;
    return "keep";
  };

  #fits(context: CommandContext, entry: Entry | undefined, wanted: TimedValue | Revision): boolean {
    if (wanted.value !== undefined) return fits(context, this.key, wanted.value);
    const { part, at = 0 } = wanted;
    // The key of an entry that is there fits.
    if (entry !== undefined && part === undefined) return true;
    const end = at + (part === undefined ? 0 : part.end - part.start);
    const keyBytes = this.key.end - this.key.start;
    return end <= context.cache.maxValueBytes && keyBytes <= MAX_RESP_KEY_BYTES;
  }
}
const NO_BYTES: Bytes = { bytes: Buffer.alloc(0), start: 0, end: 0 };

/**
 * Changes an entry in one step. False after an error has been answered, in place of what `step` may
 * have answered: its own, or that the value does not fit.
 */
export function update(context: CommandContext, key: Bytes, step: Step): boolean {
  const { reply, updating } = context;
  const mark = reply.out.end;
  updating.key = key;
  updating.step = step;
  updating.error = FULL;
  if (context.cache.update(key, context.nowMs, updating.change) && updating.error === FULL)
    return true;
  reply.out.end = mark;
  reply.error(updating.error);
  return false;
}

/** When the live entry ends, or undefined if there is none. It is no hit. */
export function expiresAtOf({ cache, nowMs }: CommandContext, key: Bytes): number | undefined {
  return cache.look(key, nowMs)?.expiresAtMs;
}

export function fits({ cache }: CommandContext, key: Bytes, value: Bytes): boolean {
  return (
    value.end - value.start <= cache.maxValueBytes && key.end - key.start <= MAX_RESP_KEY_BYTES
  );
}
