// The errors of commands that are rejected before they run, and the help of commands with subcommands.

import {
  argument,
  type Command,
  type CommandContext,
  type CommandEntry,
  type Origin,
  type Session,
} from "./context.ts";
import { wrongNumberOfArguments } from "./failure.ts";
import { whyUnknown } from "./other-types.ts";
import { isRestricted } from "../push/subscriber.ts";

/** Maximum length of the client's text that an error repeats, in bytes. */
const SHOWN_LENGTH_MAX = 128;

export const NO_TOKEN = "NOAUTH Authentication required.";
export const DEBUG_NOT_ALLOWED =
  "ERR DEBUG command not allowed. Start the service with --enable-debug-command to allow it.";
export const UNKNOWN_IN_SCRIPT = "ERR Unknown Redis command called from script";
const WRONG_COUNT_IN_SCRIPT = "ERR Wrong number of args calling Redis command from script";
const NOT_FROM_SCRIPT = "ERR This Redis command is not allowed from script";
const WRITE_IN_READ_ONLY_SCRIPT = "ERR Write commands are not allowed from read-only scripts.";
export const NO_PERMISSION_IN_SCRIPT =
  "ERR The user executing the script can't run this command or subcommand";

/** The commands of a subscriber that speaks version 2. */
const IN_SUBSCRIPTION: ReadonlySet<string> = new Set([
  ...["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"],
  ...["ping", "quit", "reset"],
]);

/** Returns the error for a subscriber that may not run this command, or undefined. */
export function inSubscription(session: Session, name: string): string | undefined {
  if (!isRestricted(session) || IN_SUBSCRIPTION.has(name)) return undefined;
  return (
    `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET ` +
    "are allowed in this context"
  );
}

/** Whether a client has sent the command itself, so that MULTI queues it. */
export function isFromClient(origin: Origin | undefined): boolean {
  return origin === undefined || origin === "http";
}

export function isScript(origin: Origin | undefined): boolean {
  return origin === "script" || origin === "read-only script";
}

/** Returns the error for a script that may not run this command, or undefined. */
export function inScript(
  { service: { state } }: CommandContext,
  { command, access }: CommandEntry,
  origin: Origin | undefined,
): string | undefined {
  const isDenied = command.flags.includes("noscript") && state.get("scriptsMayRunAll") === 0;
  if (isDenied) return NOT_FROM_SCRIPT;
  const isWrite = origin === "read-only script" && access === "write";
  return isWrite ? WRITE_IN_READ_ONLY_SCRIPT : undefined;
}

export function wrongCount({ name }: CommandEntry, origin: Origin | undefined): string {
  if (isScript(origin)) return WRONG_COUNT_IN_SCRIPT;
  const { message } = wrongNumberOfArguments(name);
  // As in Redis: clients read the code of an EXEC that did not run.
  return name === "exec"
    ? message.replace("ERR", "EXECABORT Transaction discarded because of:")
    : message;
}

/** A script gets Redis's shorter text. Both say why commands of other types are unknown. */
export function unknownCommand(call: CommandContext, origin?: Origin): string {
  const name = argument(call, 0).toShown().slice(0, SHOWN_LENGTH_MAX);
  const why = whyUnknown(name.toLowerCase());
  if (isScript(origin)) return `${UNKNOWN_IN_SCRIPT}${why}`;
  let shown = "";
  for (let index = 1; index < call.count && shown.length < SHOWN_LENGTH_MAX; index++) {
    shown += `'${argument(call, index)
      .toShown()
      .slice(0, SHOWN_LENGTH_MAX - shown.length)}' `;
  }
  return `ERR unknown command '${name}', with args beginning with: ${shown}${why}`;
}

export function unknownSubcommand(call: CommandContext, name: string): string {
  const shown = argument(call, 1).toShown().slice(0, SHOWN_LENGTH_MAX);
  return `ERR unknown subcommand '${shown}'. Try ${name.toUpperCase()} HELP.`;
}

export function writeHelp({ reply }: CommandContext, { name, subcommands = [] }: Command): void {
  const lines = subcommands.flatMap((subcommand) => [
    `${subcommand.name.toUpperCase()} ${subcommand.syntax}`.trim(),
    `    ${subcommand.summary}`,
  ]);
  reply.array(lines.length + 3);
  reply.simple(`${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
  for (const line of [...lines, "HELP", "    Print this help."]) reply.simple(line);
}
