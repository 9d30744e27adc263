// MONITOR, and the line that it shows for a command.

import type { ByteBuffer, Bytes } from "../../cache/cache.ts";
import { clientKey } from "../../cache/databases.ts";
import { LINE_BYTES_MAX } from "../push/monitors.ts";
import {
  argument,
  type Command,
  type CommandContext,
  type CommandEntry,
  type Origin,
} from "./context.ts";
import { describeClient } from "./client-list.ts";
import { define, WRITE } from "./define.ts";
import { Failure } from "./failure.ts";
import { keyRangeOf } from "./keys.ts";
import { isScript } from "./rejections.ts";

const NO_CONNECTION = new Failure(
  "ERR MONITOR needs a connection of the Redis protocol, which can receive messages",
);
const QUOTE = 34;
const BACKSLASH = 92;
const ESCAPES: ReadonlyMap<number, string> = new Map([
  [QUOTE, '\\"'],
  [BACKSLASH, "\\\\"],
  [10, "\\n"],
  [13, "\\r"],
  [9, "\\t"],
  [7, "\\a"],
  [8, "\\b"],
]);

export const MONITOR_COMMAND: Command = define(
  "monitor",
  "",
  "admin noscript loading stale",
  "1.0.0",
  "Shows the commands of all workers as they run.",
  monitor,
  WRITE,
);

function monitor(context: CommandContext): void | Failure {
  const { session, push, reply } = context;
  if (!push.canReceive(session)) return NO_CONNECTION;
  push.monitors.add(session);
  describeClient(context);
  reply.ok();
}

/** Shows the command to the monitors, as Redis writes it: without secrets, and without commands of operators. */
export function reportCommand(
  context: CommandContext,
  { command, name }: CommandEntry,
  origin: Origin | undefined,
): void {
  if (command.flags.includes("admin")) return;
  const { session, args, count, push } = context;
  const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  const time = `${Math.floor(micros / 1e6)}.${String(micros % 1e6).padStart(6, "0")}`;
  const from = isScript(origin) ? "lua" : session.address;
  const { first, last, step } = { ...keyRangeOf(command, args, count) };
  const { line } = push.monitors;
  line.clear();
  line.appendByteString(`+${time} [${session.database} ${from}]`);
  // What does not fit the longest line is not written: an argument may have a megabyte.
  for (let index = 0; index < count && line.end < LINE_BYTES_MAX; index++) {
    const isKey = index >= first && index <= last && (index - first) % step === 0;
    const word = argument(context, index);
    line.appendByteString(' "');
    if (isSecret(context, name, index)) line.appendByteString("(redacted)");
    else appendEscaped(line, isKey ? clientKey(word) : word);
    line.appendByteString('"');
  }
  line.appendByteString("\r\n");
  push.monitors.report();
}

/** Whether the argument is a user name or a password. */
function isSecret(context: CommandContext, name: string, index: number): boolean {
  if (name === "auth") return index > 0;
  if (name !== "hello" || index < 3) return false;
  const isAuth = (at: number) => at >= 2 && argument(context, at).toWord() === "auth";
  return isAuth(index - 1) || isAuth(index - 2);
}

/** Appends bytes as Redis shows them: at least as many as the longest line has room for. */
function appendEscaped(line: ByteBuffer, { bytes, start, end }: Bytes): void {
  const last = Math.min(end, start + LINE_BYTES_MAX);
  let from = start;
  for (let at = start; at < last; at++) {
    const byte = bytes[at] ?? 0;
    const escape = ESCAPES.get(byte);
    if (escape === undefined && byte >= 32 && byte < 127) continue;
    line.appendRun(bytes, from, at);
    line.appendByteString(escape ?? `\\x${byte.toString(16).padStart(2, "0")}`);
    from = at + 1;
  }
  line.appendRun(bytes, from, last);
}
