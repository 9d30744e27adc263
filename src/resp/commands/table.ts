// The table of all commands. Dispatch, the check of the number of arguments, COMMAND and
// docs/protocol.md come from this table.
// Typed arrays: indexes are in range by construction.

import type { Access } from "../../security/tokens.ts";
import { ACL_COMMAND } from "./acl.ts";
import { BIT_COMMANDS } from "./bits.ts";
import { CACHING_COMMANDS } from "./caching.ts";
import { COMMAND_COMMAND } from "./command.ts";
import type { Command, CommandEntry, CommandTable } from "./context.ts";
import { COMPARE_COMMANDS } from "./compare.ts";
import { CONNECTION_COMMANDS } from "./connection.ts";
import { COUNTING_COMMANDS } from "./increment.ts";
import { DEBUG_COMMAND } from "./debug.ts";
import { DUMP_COMMANDS } from "./dump.ts";
import { DATABASE_COMMANDS } from "./databases.ts";
import { EXPIRY_COMMANDS } from "./expiry.ts";
import { KEY_COMMANDS } from "./generic.ts";
import { KEYSPACE_COMMANDS } from "./keyspace.ts";
import { LCS_COMMAND } from "./lcs.ts";
import { MONITOR_COMMAND } from "./monitor.ts";
import { MSETEX_COMMAND } from "./msetex.ts";
import { hasKeys } from "./keys.ts";
import type { Argument } from "../protocol/parser.ts";
import { PUBSUB_COMMANDS } from "./pubsub.ts";
import { RANGE_COMMANDS } from "./string-ranges.ts";
import { SCRIPTING_COMMANDS } from "./scripting.ts";
import { SERVER_COMMANDS } from "./server.ts";
import { STRING_COMMANDS } from "./strings.ts";
import { TRANSACTION_COMMANDS } from "./transactions.ts";

const GROUPS: Readonly<Record<string, readonly Command[]>> = {
  string: [
    ...STRING_COMMANDS,
    ...RANGE_COMMANDS,
    ...COUNTING_COMMANDS,
    ...COMPARE_COMMANDS,
    LCS_COMMAND,
    MSETEX_COMMAND,
    ...CACHING_COMMANDS,
  ],
  bitmap: BIT_COMMANDS,
  generic: [
    ...KEY_COMMANDS,
    ...EXPIRY_COMMANDS,
    ...KEYSPACE_COMMANDS,
    ...DATABASE_COMMANDS,
    ...DUMP_COMMANDS,
  ],
  connection: CONNECTION_COMMANDS,
  transactions: TRANSACTION_COMMANDS,
  server: [COMMAND_COMMAND, ACL_COMMAND, MONITOR_COMMAND, DEBUG_COMMAND, ...SERVER_COMMANDS],
  pubsub: PUBSUB_COMMANDS,
  scripting: SCRIPTING_COMMANDS,
};
/** Commands on keys that Redis counts as commands on the server. */
const SERVER_KEYSPACE = ["dbsize", "flushall", "flushdb", "swapdb", "memory"];

export const COMMANDS: readonly Command[] = Object.values(GROUPS).flat();

const ENTRIES: CommandEntry[] = [];
for (const command of COMMANDS) addEntry(command, command.name);

/** Names of all entries, by their numbers. */
export const COMMAND_NAMES: readonly string[] = ENTRIES.map(({ name }) => name);

/** Returns the name of the command with this number, or "unknown". */
export function commandName(command: number): string {
  return COMMAND_NAMES[command] ?? "unknown";
}

function addEntry(command: Command, name: string, container?: CommandEntry): CommandEntry {
  const number = ENTRIES.length;
  const subcommands = new Map<string, CommandEntry>();
  const folded = String.fromCharCode(...Buffer.from(name, "latin1").map((byte) => byte | 32));
  const entry = {
    ...{ name, folded, number, command, access: accessOf(command, name) },
    ...{
      holds: heldShards(command),
      hasKeys: hasKeys(command),
      hasOneKey: hasOneKey(command),
      container,
      subcommands,
    },
  };
  ENTRIES.push(entry);
  for (const subcommand of command.subcommands) {
    subcommands.set(subcommand.name, addEntry(subcommand, `${name}|${subcommand.name}`, entry));
  }
  return entry;
}

function hasOneKey({ keys }: Command): boolean {
  return keys !== undefined && keys.every((index) => index === 1);
}

/** A command on keys that its row does not locate may use any key, and so may a script. */
function heldShards(command: Command): CommandEntry["holds"] {
  const { flags, syntax } = command;
  // The other key of MOVE and COPY may be in another database.
  if (flags.includes("no_mandatory_keys") || /\bdb\b/i.test(syntax)) return "all";
  if (hasKeys(command)) return "keys";
  return flags.includes("write") || flags.includes("readonly") ? "all" : "none";
}

/** Throws if neither the row nor its flags say which access the command needs. */
function accessOf({ access, flags, run }: Command, name: string): Access {
  if (access !== undefined) return access;
  if (flags.includes("write")) return "write";
  // A container does nothing without a subcommand.
  if (flags.includes("readonly") || run === undefined) return "read";
  throw new Error(`the row of ${name} needs an access: read, write or open`);
}

const TOP_ENTRIES = ENTRIES.filter(({ name }) => !name.includes("|"));

/** A hash table of the top-level commands by their names in lower case, about a quarter full. */
const SLOT_COUNT = 512;
const SLOTS: (CommandEntry | undefined)[] = Array.from({ length: SLOT_COUNT });
for (const entry of TOP_ENTRIES) {
  const bytes = Buffer.from(entry.name);
  let slot = slotOf(bytes, 0, bytes.length);
  while (SLOTS[slot] !== undefined) slot = (slot + 1) % SLOT_COUNT;
  SLOTS[slot] = entry;
}

/** The entry that was found last: clients often repeat a command. */
let lastFound: CommandEntry | undefined;

/**
 * Finds a command by its name in any case, among all or among the subcommands of `within`. O(length).
 * No string is made of the name: measured in one run, 16 ns; with a string and a Map 70 ns. With
 * `lastFound` a GET in a pipeline of 16 takes 0.96 × the time, without sockets.
 */
export function findCommand(name: Argument, within?: CommandEntry): CommandEntry | undefined {
  if (within !== undefined) return within.subcommands.get(name.toWord());
  const { bytes, start, end } = name;
  if (lastFound !== undefined && isNamed(lastFound.folded, bytes, start, end)) return lastFound;
  for (let slot = slotOf(bytes, start, end); ; slot = (slot + 1) % SLOT_COUNT) {
    const entry = SLOTS[slot];
    if (entry === undefined) return undefined;
    if (isNamed(entry.folded, bytes, start, end)) return (lastFound = entry);
  }
}

function slotOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0;
  for (let n = start; n < end; n++) hash = (Math.imul(hash, 31) + (bytes[n]! | 32)) | 0;
  return (hash >>> 0) % SLOT_COUNT;
}

function isNamed(folded: string, bytes: Buffer, start: number, end: number): boolean {
  if (folded.length !== end - start) return false;
  for (let n = 0; n < folded.length; n++) {
    if ((bytes[start + n]! | 32) !== folded.charCodeAt(n)) return false;
  }
  return true;
}

/** Returns the group of a command; of a subcommand, "client|id", that of its command. */
function groupOf(fullName: string): string {
  const [name = ""] = fullName.split("|");
  if (SERVER_KEYSPACE.includes(name)) return "server";
  const found = Object.entries(GROUPS).find(([, commands]) => {
    return commands.some((command) => command.name === name);
  });
  return found?.[0] ?? "generic";
}

export const COMMAND_TABLE: CommandTable = {
  entries: ENTRIES,
  commands: COMMANDS,
  topEntries: TOP_ENTRIES,
  byName: new Map(ENTRIES.map((entry) => [entry.name, entry])),
  find: findCommand,
  groupOf,
};

/** Returns the table of commands as docs/protocol.md shows it. */
export function commandsMarkdown(): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = ENTRIES.filter(({ command }) => command.run !== undefined).map(
    ({ name, command }) => {
      const usage = `${name.replace("|", " ").toUpperCase()} ${command.syntax}`.trim();
      return `| \`${cell(usage)}\` | ${cell(command.summary)} |`;
    },
  );
  return ["| command | what it does |", "| --- | --- |", ...rows].join("\n");
}
