// Plain commands: those that a session runs without a check of its own, one after another in one loop.

import { PREFIX_MARK } from "../cache/databases.ts";
import { type CommandContext, type CommandEntry, takesCount } from "./commands/context.ts";
import { COMMAND_NAMES } from "./commands/table.ts";
import { WRITE_BYTES } from "./output.ts";
import type { PreparedCommands } from "./prepared-commands.ts";
import type { Argument, ParsedCommand } from "./protocol/parser.ts";
import { NoRoomError, OutputLimitError } from "./protocol/reply.ts";

/** Commands that handle a few values only. The clock is not read after each of them. None of them waits. */
const QUICK: ReadonlySet<string> = new Set([
  ...["get", "set", "setnx", "setex", "psetex", "getset", "getdel", "incr", "decr", "incrby"],
  ...["decrby", "ping", "echo", "ttl", "pttl", "expire", "pexpire", "strlen", "append", "multi"],
]);
const QUICK_BY_NUMBER = Uint8Array.from(COMMAND_NAMES, (name) => (QUICK.has(name) ? 1 : 0));

/** Whether the command with this number is a quick one. */
export function isQuick(command: number): boolean {
  return QUICK_BY_NUMBER[command] === 1;
}

/**
 * Whether a plain command of this session needs no further check. Only other commands change this.
 * `isLimited`: as `isLimited` in pause.ts.
 */
export function isPlainSession(
  { session, push, upstream }: CommandContext,
  isLimited: boolean,
): boolean {
  if (upstream !== undefined) return false;
  if (session.access !== "write" || session.database !== 0 || session.replies !== "on")
    return false;
  const isUsual = session.subscriber === undefined && session.transaction === undefined;
  return isUsual && !isLimited && !push.monitors.isOn;
}

/** Whether the command is quick, and has one key, which needs no prefix: only its session could stop it. */
function isPlainCommand(entry: CommandEntry, args: readonly Argument[], count: number): boolean {
  if (!entry.hasOneKey || !isQuick(entry.number) || !takesCount(entry.command, count)) return false;
  const { bytes, start } = args[1] as Argument;
  return bytes[start] !== PREFIX_MARK;
}

/**
 * Runs the commands from the index `from` to `to`, while they are plain and their replies fit into the buffer, and
 * writes their numbers to `ran`. The session is plain. Returns the index of the first command that has not run:
 * a throw for want of room leaves it to the caller, who finds the same. Measured without sockets in pipelines of
 * 16, on a busy machine, against one call of the pipeline for each: GET 0.96 x the time, INCR 0.98 x.
 */
export function runPlain(
  call: CommandContext,
  prepared: PreparedCommands,
  bounds: { readonly from: number; readonly to: number },
  ran: Int32Array,
): number {
  const { reply, counters } = call;
  prepared.reach(bounds.from);
  const { commands, entries } = prepared;
  const to = Math.min(bounds.to, prepared.end);
  let index = bounds.from;
  let mark = 0;
  try {
    for (; index < to; index++) {
      const entry = entries[index];
      const { args, count } = commands[index] as ParsedCommand;
      mark = reply.out.end;
      if (entry === undefined || mark >= WRITE_BYTES || !isPlainCommand(entry, args, count)) break;
      call.args = args;
      call.count = count;
      call.name = entry.name;
      reply.hasFailed = false;
      const failure = entry.command.run?.(call);
      if (failure !== undefined) reply.error(failure.message);
      counters.called(entry.number, reply.hasFailed);
      ran[index] = entry.number;
    }
  } catch (error) {
    if (!(error instanceof NoRoomError || error instanceof OutputLimitError)) throw error;
    reply.out.end = mark;
  }
  return index;
}
