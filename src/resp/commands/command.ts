// COMMAND and its subcommands: they describe the commands of the table.

import type { Bytes } from "../../cache/cache.ts";
import { argument, type Command, type CommandContext, type CommandTable } from "./context.ts";
import { type CommandEntry, takesCount } from "./context.ts";
import { argumentsOf, writeArguments } from "./command-arguments.ts";
import { categoriesOf, keyFlagsOf, type KeySpec, keySpecsOf, tipsOf } from "./command-details.ts";
import { define, READ } from "./define.ts";
import { Failure, SYNTAX_ERROR } from "./failure.ts";
import { grammar, oneOf, pair } from "./grammar.ts";
import { hasKeys, keyIndexesOf } from "./keys.ts";
import { matches } from "../../cache/glob.ts";
import type { Argument } from "../protocol/parser.ts";
import { Reply } from "../protocol/reply.ts";
import { inParts, type StepBounds } from "./slices.ts";

const FLAGS = "loading stale";
const NO_SUCH_COMMAND = new Failure("ERR Invalid command specified");
const WRONG_COUNT = new Failure("ERR Invalid number of arguments specified for command");
const INVALID_ARGUMENTS = new Failure("ERR Invalid arguments specified for command");
const NO_KEYS = new Failure("ERR The command has no key arguments");

/** One name takes about 30 µs. */
const NAMES_PER_STEP: StepBounds = { one: 32, part: 32 };

export const COMMAND_COMMAND: Command = define(
  "command",
  "",
  FLAGS,
  "2.8.13",
  "All commands, or what a subcommand says of them.",
  (context) => appendKept(context, "command", writeAllCommands),
  {
    access: "read",
    // COMMAND takes a subcommand, or nothing.
    arity: -1,
    subcommands: [
      define(
        "command count",
        "",
        FLAGS,
        "2.8.13",
        "How many there are.",
        ({ reply, table }) => reply.integer(table.commands.length),
        READ,
      ),
      define(
        "command docs",
        "[command-name ...]",
        FLAGS,
        "2.8.13",
        "What they are for.",
        docs,
        READ,
      ),
      define(
        "command info",
        "[command-name ...]",
        FLAGS,
        "2.8.13",
        "Their arity, flags and keys.",
        info,
        READ,
      ),
      define(
        "command getkeys",
        "command [arg ...]",
        FLAGS,
        "2.8.13",
        "The keys of a command.",
        getKeys,
        // As in Redis: a command with keys has at least one argument.
        { access: "read", arity: -4 },
      ),
      define(
        "command getkeysandflags",
        "command [arg ...]",
        FLAGS,
        "7.0.0",
        "The keys of a command, and how it uses them.",
        getKeysAndFlags,
        { access: "read", arity: -4 },
      ),
      define(
        "command list",
        "[FILTERBY MODULE name | ACLCAT category | PATTERN pattern]",
        FLAGS,
        "2.8.13",
        "Their names.",
        list,
        READ,
      ),
    ],
  },
);

/** The reply to write to, and the table to describe. */
type Target = Pick<CommandContext, "reply" | "table">;

/**
 * Replies that never change, by name and protocol version. COMMAND takes 0.7 ms to write and 1 µs to
 * copy.
 */
const KEPT_REPLIES = new Map<string, Reply>();

function appendKept(context: CommandContext, name: string, write: (to: Target) => void): void {
  const { reply, table } = context;
  const id = `${name} ${reply.version}`;
  let kept = KEPT_REPLIES.get(id);
  if (kept === undefined) {
    kept = new Reply(Infinity, () => true);
    kept.version = reply.version;
    write({ reply: kept, table });
    KEPT_REPLIES.set(id, kept);
  }
  reply.append(kept);
}

function writeAllCommands(to: Target): void {
  const { commands } = to.table;
  to.reply.array(commands.length);
  for (const command of commands) writeInfo(to, command, command.name);
}

function info(context: CommandContext): void | Failure {
  if (context.count === 2) return appendKept(context, "info", writeAllInfos);
  return writeNamed(context, "array", writeInfoElement);
}

function writeAllInfos(to: Target): void {
  const { topEntries } = to.table;
  to.reply.array(topEntries.length);
  for (const entry of topEntries) writeInfoElement(to, entry);
}

/** Returns the number of elements that it has written: 1. */
function writeInfoElement(to: Target, entry: CommandEntry | undefined): number {
  if (entry === undefined) to.reply.nil();
  else writeInfo(to, entry.command, entry.name);
  return 1;
}

/**
 * Writes the elements of each command that the arguments name, in slices. `writeElement` returns the
 * number of elements that it has written.
 */
function writeNamed(
  context: CommandContext,
  kind: "array" | "map",
  writeElement: (to: Target, entry: CommandEntry | undefined) => number,
): void | Failure {
  const { reply, table } = context;
  const elements = reply.aside();
  let count = 0;
  // The first word is INFO or DOCS.
  let isFirst = true;
  const writePart = (words: readonly Bytes[]): void => {
    for (const { bytes, start, end } of isFirst ? words.slice(1) : words) {
      const name = bytes.toString("utf8", start, end).toLowerCase();
      count += writeElement({ reply: elements, table }, table.byName.get(name));
    }
    isFirst = false;
  };
  const write = (): void => {
    reply[kind](count);
    reply.append(elements);
  };
  return inParts(context, writePart, write, { bounds: NAMES_PER_STEP, asides: [elements] });
}

function writeInfo(to: Target, command: Command, name: string): void {
  const { reply } = to;
  const [first, last, step] = command.keys ?? [0, 0, 0];
  reply.array(10);
  reply.text(name);
  reply.integer(command.arity);
  writeFlags(reply, command.flags);
  for (const number of [first, last, step]) reply.integer(number);
  writeFlags(reply, categoriesOf(to.table, command, name));
  const tips = tipsOf(name);
  reply.set(tips.length);
  for (const tip of tips) reply.text(tip);
  const specs = keySpecsOf(command, name);
  reply.set(specs.length);
  for (const spec of specs) writeKeySpec(reply, spec);
  const { subcommands } = command;
  reply.array(subcommands.length);
  for (const subcommand of subcommands) writeInfo(to, subcommand, `${name}|${subcommand.name}`);
}

function writeFlags(reply: Reply, flags: readonly string[]): void {
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
}

function writeKeySpec(reply: Reply, { flags, first, last, step, isCounted }: KeySpec): void {
  reply.map(3);
  reply.text("flags");
  writeFlags(reply, flags);
  writeSearch(reply, "begin_search", "index", { index: first });
  if (isCounted)
    writeSearch(reply, "find_keys", "keynum", { keynumidx: 0, firstkey: 1, keystep: step });
  else writeSearch(reply, "find_keys", "range", { lastkey: last, keystep: step, limit: 0 });
}

function writeSearch(
  reply: Reply,
  name: string,
  type: string,
  spec: Readonly<Record<string, number>>,
): void {
  reply.text(name);
  reply.map(2);
  for (const text of ["type", type, "spec"]) reply.text(text);
  const members = Object.entries(spec);
  reply.map(members.length);
  for (const [member, value] of members) {
    reply.text(member);
    reply.integer(value);
  }
}

function docs(context: CommandContext): void | Failure {
  if (context.count === 2) return appendKept(context, "docs", writeAllDocs);
  return writeNamed(context, "map", writeDocsMember);
}

function writeAllDocs(to: Target): void {
  const { topEntries } = to.table;
  to.reply.map(topEntries.length);
  for (const entry of topEntries) writeDocsMember(to, entry);
}

/** Returns the number of members that it has written: 0 for an unknown command. */
function writeDocsMember(to: Target, entry: CommandEntry | undefined): number {
  if (entry === undefined) return 0;
  writeDocs(to, entry.command, entry.name, to.table.groupOf(entry.name));
  return 1;
}

function writeDocs(to: Target, command: Command, name: string, group: string): void {
  const { reply } = to;
  const { subcommands } = command;
  reply.text(name);
  const tree = subcommands.length > 0 ? [] : argumentsOf(command.syntax);
  reply.map(4 + (tree.length > 0 ? 1 : 0) + (subcommands.length > 0 ? 1 : 0));
  for (const [member, value] of [
    ["summary", command.summary],
    ["since", command.since],
    ["group", group],
    ["complexity", command.complexity],
  ] as const) {
    reply.text(member);
    reply.text(value);
  }
  if (tree.length > 0) {
    reply.text("arguments");
    writeArguments(reply, tree);
  }
  if (subcommands.length === 0) return;
  reply.text("subcommands");
  reply.map(subcommands.length);
  for (const subcommand of subcommands)
    writeDocs(to, subcommand, `${name}|${subcommand.name}`, group);
}

function getKeys(context: CommandContext): void | Failure {
  const { reply } = context;
  return writeKeys(context, (key) => reply.bulk(key));
}

function getKeysAndFlags(context: CommandContext): void | Failure {
  const { reply } = context;
  return writeKeys(context, (key, flags) => {
    reply.array(2);
    reply.bulk(key);
    writeFlags(reply, flags);
  });
}

/** Calls `write` for each key of the command in the arguments, with its flags. */
function writeKeys(
  context: CommandContext,
  write: (key: Argument, flags: readonly string[]) => void,
): void | Failure {
  const { reply, table } = context;
  const count = context.count - 2;
  const args = Array.from({ length: count }, (_, n) => argument(context, n + 2));
  const top = table.find(argument(context, 2));
  const subcommand = top && count > 1 ? table.find(argument(context, 3), top) : undefined;
  const entry = subcommand ?? top;
  if (entry === undefined) return NO_SUCH_COMMAND;
  const { command, name } = entry;
  if (!hasKeys(command)) return NO_KEYS;
  if (!takesCount(command, count)) return WRONG_COUNT;
  const indexes = keyIndexesOf(command, args, count);
  if (indexes === undefined) return INVALID_ARGUMENTS;
  const specs = keySpecsOf(command, name);
  // The options of a command are behind its keys.
  const words = args.slice(2).map((word) => word.toWord());
  reply.array(indexes.length);
  for (const index of indexes) {
    const spec = specs.findLast(({ first }) => index >= first);
    write(argument(context, index + 2), spec === undefined ? [] : keyFlagsOf(spec, name, words));
  }
}

type Filter = (name: string, table: CommandTable) => boolean;

const LIST_FILTERS: ReadonlyMap<string, (value: Argument) => Filter> = new Map([
  ["module", () => () => false],
  ["aclcat", inCategory],
  ["pattern", matchesPattern],
]);

function inCategory(category: Argument): Filter {
  const categoryName = `@${category.toWord()}`;
  return (name, table) => {
    const command = table.byName.get(name)?.command;
    return command !== undefined && categoriesOf(table, command, name).includes(categoryName);
  };
}

/** As in Redis without regard to case: the names are in lower case. */
function matchesPattern(pattern: Argument): Filter {
  const bytes = Buffer.from(pattern.toWord());
  const lowerCase = { bytes, start: 0, end: bytes.length };
  return (name) => {
    const nameBytes = Buffer.from(name);
    return matches(lowerCase, { bytes: nameBytes, start: 0, end: nameBytes.length });
  };
}

const LIST_OPTIONS = grammar({
  filter: oneOf(
    pair("filterby", (kind, value) => LIST_FILTERS.get(kind.toWord())?.(value) ?? SYNTAX_ERROR),
  ),
});

function list(context: CommandContext): void | Failure {
  const { reply, table } = context;
  const options = LIST_OPTIONS.parse(context, 2);
  if (options instanceof Failure) return options;
  const { filter = () => true } = options;
  const names = [...table.byName.keys()].filter((name) => filter(name, table));
  reply.array(names.length);
  for (const name of names) reply.text(name);
}
