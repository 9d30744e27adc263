// MONITOR, and the line that it shows for a command.

import { clientKey } from "../../cache/databases.ts";
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
  for (let index = 0; index < count; index++) {
    const isKey = index >= first && index <= last && (index - first) % step === 0;
    const word = argument(context, index);
    const { bytes, start, end } = isKey ? clientKey(word) : word;
    const isHidden = isSecret(context, name, index);
    line.appendByteString(isHidden ? ' "(redacted)"' : ` "${escaped(bytes.subarray(start, end))}"`);
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

function escaped(bytes: Buffer): string {
  let text = "";
  for (const byte of bytes) {
    const isPrintable = byte >= 32 && byte < 127;
    const hex = () => `\\x${byte.toString(16).padStart(2, "0")}`;
    text += ESCAPES.get(byte) ?? (isPrintable ? String.fromCharCode(byte) : hex());
  }
  return text;
}
