// The errors of commands that are rejected before they run, and the help of commands with subcommands.

import {
  argument,
  type Command,
  type CommandContext,
  type CommandEntry,
  type Origin,
} from "./context.ts";
import { wrongNumberOfArguments } from "./failure.ts";

/** Maximum length of the client's text that an error repeats, in bytes. */
const SHOWN_LENGTH_MAX = 128;

export const UNKNOWN_IN_SCRIPT = "ERR Unknown Redis command called from script";
const WRONG_COUNT_IN_SCRIPT = "ERR Wrong number of args calling Redis command from script";
export const NOT_FROM_SCRIPT = "ERR This Redis command is not allowed from script";
export const WRITE_IN_READ_ONLY_SCRIPT =
  "ERR Write commands are not allowed from read-only scripts.";
export const NO_PERMISSION_IN_SCRIPT =
  "NOPERM The user executing the script can't run this command or subcommand";

export function isScript(origin: Origin | undefined): boolean {
  return origin === "script" || origin === "read-only script";
}

export function wrongCount({ name }: CommandEntry, origin: Origin | undefined): string {
  return isScript(origin) ? WRONG_COUNT_IN_SCRIPT : wrongNumberOfArguments(name).message;
}

export function unknownCommand(call: CommandContext): string {
  let shown = "";
  for (let index = 1; index < call.count && shown.length < SHOWN_LENGTH_MAX; index++) {
    shown += `'${argument(call, index)
      .toShown()
      .slice(0, SHOWN_LENGTH_MAX - shown.length)}' `;
  }
  const name = argument(call, 0).toShown().slice(0, SHOWN_LENGTH_MAX);
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
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
