// The table of all commands, and the commands that tell of it. Dispatch, the check of
// the number of arguments, COMMAND and docs/protocol.md come from this table.

import type { Access } from "../../security/tokens.ts";
import type { Bytes } from "../../cache/cache.ts";
import { ADMIN_COMMANDS } from "./server.ts";
import { argument, type CommandContext, type Command, SYNTAX_ERROR } from "./context.ts";
import { CONNECTION_COMMANDS } from "./connection.ts";
import { COUNTING_COMMANDS } from "./increment.ts";
import { EXPIRY_COMMANDS } from "./expiry.ts";
import { matches } from "../protocol/glob.ts";
import { KEY_COMMANDS } from "./generic.ts";
import { KEYSPACE_COMMANDS } from "./keyspace.ts";
import type { Argument } from "../protocol/parser.ts";
import { Reply } from "../protocol/reply.ts";
import { RANGE_COMMANDS } from "./string-ranges.ts";
import { inParts, type StepBounds } from "./slices.ts";
import { STRING_COMMANDS } from "./strings.ts";

const COMMAND_COMMAND: Command = {
  name: "command",
  arity: -1,
  access: "read",
  flags: ["loading", "stale"],
  syntax: "",
  summary: "All commands, or what a subcommand says of them.",
  since: "2.8.13",
  run: (context) =>
    answerKept(context, "command", (whole) => {
      whole.reply.array(COMMANDS.length);
      for (const command of COMMANDS) answerInfo(whole, command, command.name);
    }),
  subcommands: [
    subcommand("count", 2, "", "How many there are.", ({ reply }) =>
      reply.integer(COMMANDS.length),
    ),
    subcommand("docs", -2, "[command-name ...]", "What they are for.", docs),
    subcommand("info", -2, "[command-name ...]", "Their arity, flags and keys.", info),
    subcommand("getkeys", -4, "command [arg ...]", "The keys of a command.", getKeys),
    subcommand(
      "list",
      -2,
      "[FILTERBY MODULE name | ACLCAT category | PATTERN pattern]",
      "Their names.",
      list,
    ),
  ],
};

const GROUPS: Readonly<Record<string, readonly Command[]>> = {
  string: [...STRING_COMMANDS, ...RANGE_COMMANDS, ...COUNTING_COMMANDS],
  generic: [...KEY_COMMANDS, ...EXPIRY_COMMANDS, ...KEYSPACE_COMMANDS],
  connection: CONNECTION_COMMANDS,
  server: [COMMAND_COMMAND, ...ADMIN_COMMANDS],
};
/** As redis has them. */
const SERVER_KEYSPACE = ["dbsize", "flushall", "flushdb", "memory"];

export const COMMANDS: readonly Command[] = Object.values(GROUPS).flat();

/** A command as it is run and counted: one of the table, or a subcommand as "client|id". */
export interface Entry {
  readonly name: string;
  readonly number: number;
  readonly command: Command;
  /** What its client must be allowed. */
  readonly access: Access;
  readonly subcommands: ReadonlyMap<string, Entry>;
}

const ENTRIES: Entry[] = [];
/** By their numbers. */
export const COMMAND_NAMES: readonly string[] = (() => {
  const add = (command: Command, name: string): Entry => {
    const number = ENTRIES.length;
    const subcommands = new Map<string, Entry>();
    const entry = { name, number, command, access: accessOf(command, name), subcommands };
    ENTRIES.push(entry);
    for (const inner of command.subcommands ?? []) {
      subcommands.set(inner.name, add(inner, `${name}|${inner.name}`));
    }
    return entry;
  };
  for (const command of COMMANDS) add(command, command.name);
  return ENTRIES.map(({ name }) => name);
})();

/** Throws if nobody has decided. */
function accessOf({ access, flags, run }: Command, name: string): Access {
  if (access !== undefined) return access;
  if (flags.includes("write")) return "write";
  // Without a subcommand it does nothing.
  if (flags.includes("readonly") || run === undefined) return "read";
  throw new Error(`it is not decided who may run ${name}`);
}

/** Top-level commands by a hash of their names in lower case; about a quarter full. */
const SLOTS = 512;
const TABLE: (Entry | undefined)[] = Array.from({ length: SLOTS });
for (const entry of ENTRIES) {
  if (entry.name.includes("|")) continue;
  const bytes = Buffer.from(entry.name);
  let slot = slotOf(bytes, 0, bytes.length);
  while (TABLE[slot] !== undefined) slot = (slot + 1) % SLOTS;
  TABLE[slot] = entry;
}

/** What was found last: clients often send the same command again and again. */
let lastFound: Entry | undefined;

/**
 * The command of this name in any case, of all or of `within`. O(length). No string is made of the
 * name: measured in one run, 16 ns, by way of a string and a Map 70 ns. With `lastFound` a GET in a
 * pipeline of 16 takes 0.96 × the time, without sockets.
 */
export function findCommand(name: Argument, within?: Entry): Entry | undefined {
  if (within !== undefined) return within.subcommands.get(name.toWord());
  const { bytes, start, end } = name;
  if (lastFound !== undefined && isNamed(lastFound.name, bytes, start, end)) return lastFound;
  for (let slot = slotOf(bytes, start, end); ; slot = (slot + 1) % SLOTS) {
    const entry = TABLE[slot];
    if (entry === undefined) return undefined;
    if (isNamed(entry.name, bytes, start, end)) return (lastFound = entry);
  }
}

function slotOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + ((bytes[at] ?? 0) | 32)) | 0;
  return (hash >>> 0) % SLOTS;
}

function isNamed(name: string, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let place = 0; place < name.length; place++) {
    if (((bytes[start + place] ?? 0) | 32) !== name.charCodeAt(place)) return false;
  }
  return true;
}

/** Whether a command may have so many arguments, its name counted. */
export function takesCount({ arity }: Command, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity;
}

function subcommand(
  name: string,
  arity: number,
  syntax: string,
  summary: string,
  run: (context: CommandContext) => void,
): Command {
  const flags = ["loading", "stale"] as const;
  return { name, arity, access: "read", flags, syntax, summary, since: "2.8.13", run };
}

/** The group of a command, or of a subcommand as "client|id": that of its command. */
function groupOf(fullName: string): string {
  const [name = ""] = fullName.split("|");
  if (SERVER_KEYSPACE.includes(name)) return "server";
  const found = Object.entries(GROUPS).find(([, commands]) => {
    return commands.some((command) => command.name === name);
  });
  return found?.[0] ?? "generic";
}

const BY_NAME: ReadonlyMap<string, Entry> = new Map(ENTRIES.map((entry) => [entry.name, entry]));

const TOP_ENTRIES = ENTRIES.filter(({ name }) => !name.includes("|"));

/** Where the answer is written. */
type Answering = Pick<CommandContext, "reply">;

/** One takes some 30 µs. */
const NAMES_A_STEP: StepBounds = { one: 32, part: 32 };

/** Answers that never change, by name and version of the protocol. COMMAND: 0.7 ms to write, 1 µs to copy. */
const KEPT = new Map<string, Reply>();

function answerKept(context: CommandContext, name: string, write: (to: Answering) => void): void {
  const { reply } = context;
  const key = `${name} ${reply.version}`;
  let kept = KEPT.get(key);
  if (kept === undefined) {
    kept = new Reply(Infinity, () => true);
    kept.version = reply.version;
    write({ reply: kept });
    KEPT.set(key, kept);
  }
  reply.append(kept);
}

function info(context: CommandContext): void {
  if (context.count === 2) answerKept(context, "info", answerAllInfos);
  else answerNamed(context, "array", infoOf);
}

function answerAllInfos({ reply }: Answering): void {
  reply.array(TOP_ENTRIES.length);
  for (const entry of TOP_ENTRIES) infoOf({ reply }, entry);
}

/** Returns how many elements it has written: 1. */
function infoOf({ reply }: Answering, entry: Entry | undefined): number {
  if (entry === undefined) reply.nil();
  else answerInfo({ reply }, entry.command, entry.name);
  return 1;
}

/** Answers for each of the commands that the arguments name, in slices. `answer` returns the number of elements. */
function answerNamed(
  context: CommandContext,
  kind: "array" | "map",
  answer: (to: Answering, entry: Entry | undefined) => number,
): void {
  const { reply } = context;
  const found = reply.aside();
  let count = 0;
  let isFirst = true; // INFO or DOCS
  const answerPart = (words: readonly Bytes[]): void => {
    for (const { bytes, start, end } of isFirst ? words.slice(1) : words) {
      const name = bytes.toString("utf8", start, end).toLowerCase();
      count += answer({ reply: found }, BY_NAME.get(name));
    }
    isFirst = false;
  };
  const write = (): void => {
    reply[kind](count);
    reply.append(found);
  };
  inParts(context, answerPart, write, { bounds: NAMES_A_STEP, asides: [found] });
}

function answerInfo(context: Answering, command: Command, name: string): void {
  const { reply } = context;
  const [first, last, step] = command.keys ?? [0, 0, 0];
  reply.array(10);
  reply.text(name);
  reply.integer(command.arity);
  reply.set(command.flags.length);
  for (const flag of command.flags) reply.simple(flag);
  for (const place of [first, last, step]) reply.integer(place);
  const categories = categoriesOf(command, name);
  reply.set(categories.length);
  for (const category of categories) reply.simple(category);
  reply.array(0);
  reply.array(command.keys ? 1 : 0);
  if (command.keys) answerKeySpec(context, command);
  const inner = command.subcommands ?? [];
  reply.array(inner.length);
  for (const one of inner) answerInfo(context, one, `${name}|${one.name}`);
}

function answerKeySpec({ reply }: Answering, { flags, keys = [0, 0, 0] }: Command): void {
  const [first, last, step] = keys;
  reply.map(3);
  reply.text("flags");
  reply.set(1);
  reply.simple(flags.includes("write") ? "RW" : "RO");
  reply.text("begin_search");
  reply.map(2);
  reply.text("type");
  reply.text("index");
  reply.text("spec");
  reply.map(1);
  reply.text("index");
  reply.integer(first);
  reply.text("find_keys");
  reply.map(2);
  reply.text("type");
  reply.text("range");
  reply.text("spec");
  reply.map(3);
  reply.text("lastkey");
  reply.integer(last < 0 ? last : last - first);
  reply.text("keystep");
  reply.integer(step);
  reply.text("limit");
  reply.integer(0);
}

function categoriesOf({ flags }: Command, name: string): string[] {
  const group = groupOf(name);
  const isAdmin = flags.includes("admin");
  return [
    ...(flags.includes("write") ? ["@write"] : []),
    ...(flags.includes("readonly") ? ["@read"] : []),
    ...(group === "server" ? [] : [group === "generic" ? "@keyspace" : `@${group}`]),
    ...(isAdmin ? ["@admin", "@dangerous"] : []),
    flags.includes("fast") ? "@fast" : "@slow",
  ];
}

function docs(context: CommandContext): void {
  if (context.count === 2) answerKept(context, "docs", answerAllDocs);
  else answerNamed(context, "map", docsOf);
}

function answerAllDocs({ reply }: Answering): void {
  reply.map(TOP_ENTRIES.length);
  for (const entry of TOP_ENTRIES) docsOf({ reply }, entry);
}

/** Returns how many members it has written: none for an unknown command. */
function docsOf({ reply }: Answering, entry: Entry | undefined): number {
  if (entry === undefined) return 0;
  answerDocs({ reply }, entry.command, entry.name, groupOf(entry.name));
  return 1;
}

function answerDocs(context: Answering, command: Command, name: string, group: string): void {
  const { reply } = context;
  const { subcommands = [] } = command;
  reply.text(name);
  reply.map(subcommands.length > 0 ? 5 : 4);
  for (const [member, value] of [
    ["summary", command.summary],
    ["since", command.since],
    ["group", group],
    ["complexity", command.complexity ?? "O(1)"],
  ] as const) {
    reply.text(member);
    reply.text(value);
  }
  if (subcommands.length === 0) return;
  reply.text("subcommands");
  reply.map(subcommands.length);
  for (const one of subcommands) answerDocs(context, one, `${name}|${one.name}`, group);
}

function getKeys(context: CommandContext): void {
  const { reply } = context;
  const count = context.count - 2;
  const top = findCommand(argument(context, 2));
  const inner = top && count > 1 ? findCommand(argument(context, 3), top) : undefined;
  const command = (inner ?? top)?.command;
  if (command === undefined) {
    reply.error("ERR Invalid command specified");
    return;
  }
  if (!takesCount(command, count)) {
    reply.error("ERR Invalid number of arguments specified for command");
    return;
  }
  if (command.keys === undefined) {
    reply.error("ERR The command has no key arguments");
    return;
  }
  const [first, last, step] = command.keys;
  const end = last < 0 ? count + last : last;
  const keys: Argument[] = [];
  for (let place = first; place <= end; place += step) keys.push(argument(context, place + 2));
  reply.array(keys.length);
  for (const key of keys) reply.bulk(key);
}

function list(context: CommandContext): void {
  const { reply } = context;
  let names = COMMANDS.map(({ name }) => name);
  if (context.count > 2) {
    if (context.count !== 5 || argument(context, 2).toWord() !== "filterby") {
      reply.error(SYNTAX_ERROR);
      return;
    }
    const value = argument(context, 4);
    const filters: Readonly<Record<string, (name: string) => boolean>> = {
      module: () => false,
      aclcat: (name) => {
        const command = COMMANDS.find((one) => one.name === name);
        return command !== undefined && categoriesOf(command, name).includes(`@${value.toWord()}`);
      },
      pattern: (name) => {
        const bytes = Buffer.from(name);
        return matches(value, { bytes, start: 0, end: bytes.length });
      },
    };
    const wanted = argument(context, 3).toWord();
    const filter = Object.hasOwn(filters, wanted) ? filters[wanted] : undefined;
    if (filter === undefined) {
      reply.error(SYNTAX_ERROR);
      return;
    }
    names = names.filter(filter);
  }
  reply.array(names.length);
  for (const name of names) reply.text(name);
}

/** The table of commands as docs/protocol.md shows it. */
export function commandsMarkdown(): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = ENTRIES.filter(
    ({ command }) => command.subcommands === undefined || command.run,
  ).map(({ name, command }) => {
    const context = `${name.replace("|", " ").toUpperCase()} ${command.syntax}`.trim();
    return `| \`${cell(context)}\` | ${cell(command.summary)} |`;
  });
  return ["| command | what it does |", "| --- | --- |", ...rows].join("\n");
}
