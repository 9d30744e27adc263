// ACL: the two users that the tokens of the service stand for. "default" may run all commands; "read-only" is the
// client with the read token. Users cannot be changed here: the tokens are options of the service.

import { type Access, mayDo, type Tokens } from "../../security/tokens.ts";
import { ACL_CATEGORIES, categoriesOf } from "./command-details.ts";
import {
  argument,
  type Command,
  type CommandContext,
  type CommandTable,
  takesCount,
  wrongSubcommand,
} from "./context.ts";
import { container, define, READ, WRITE } from "./define.ts";
import { Failure, NOT_AN_INTEGER, wrongNumberOfArguments } from "./failure.ts";
import { readNumber } from "../protocol/numbers.ts";

export const DEFAULT_USER = "default";
export const READ_ONLY_USER = "read-only";

const BITS_DEFAULT = 256;
const BITS_MAX = 4096;
const INVALID_BITS = new Failure(
  `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${BITS_MAX}`,
);
const FIXED_USERS = new Failure(
  "ERR users cannot be changed: the tokens are the options --auth-token and --read-token of the service",
);

const CLIENT = "noscript loading stale";
const ADMIN = "admin noscript loading stale";

export const ACL_COMMAND: Command = container("acl", "6.0.0", "The users: one for each token.", [
  define("acl whoami", "", CLIENT, "6.0.0", "The user of this connection.", whoami, READ),
  define(
    "acl cat",
    "[category]",
    CLIENT,
    "6.0.0",
    "The categories of commands, or the commands of one.",
    cat,
    READ,
  ),
  define("acl genpass", "[bits]", CLIENT, "6.0.0", "A random text for a token.", genpass, READ),
  define("acl users", "", ADMIN, "6.0.0", "The names of the users.", users, WRITE),
  define("acl list", "", ADMIN, "6.0.0", "The users and what they may do.", list, WRITE),
  define("acl getuser", "username", ADMIN, "6.0.0", "What a user may do.", getUser, WRITE),
  define(
    "acl dryrun",
    "username command [arg ...]",
    ADMIN,
    "7.0.0",
    "Whether a user may run a command.",
    dryRun,
    WRITE,
  ),
  define("acl log", "[count | RESET]", ADMIN, "6.0.0", "An empty list.", log, WRITE),
  define("acl setuser", "username [rule ...]", ADMIN, "6.0.0", "An error.", fixed, WRITE),
  define("acl deluser", "username [username ...]", ADMIN, "6.0.0", "An error.", fixed, WRITE),
  define("acl load", "", ADMIN, "6.0.0", "An error.", fixed, WRITE),
  define("acl save", "", ADMIN, "6.0.0", "An error.", fixed, WRITE),
]);

interface User {
  readonly name: string;
  readonly access: Access;
}
const ALL: User = { name: DEFAULT_USER, access: "write" };
const READING: User = { name: READ_ONLY_USER, access: "read" };

function usersOf({ hasReadToken }: Tokens): readonly User[] {
  return hasReadToken ? [ALL, READING] : [ALL];
}

/** Returns the rules of a user: all commands, or each command that its access allows. */
function rulesOf({ access }: User, { byName }: CommandTable): string {
  if (access === "write") return "+@all";
  const allowed = [...byName].filter(
    ([, entry]) => entry.command.run !== undefined && mayDo(access, entry.access),
  );
  return ["-@all", ...allowed.map(([name]) => `+${name}`)].join(" ");
}

function findUser({ service }: CommandContext, name: string): User | undefined {
  return usersOf(service.tokens).find((user) => user.name === name);
}

function fixed(): Failure {
  return FIXED_USERS;
}

function whoami({ reply, session }: CommandContext): void {
  reply.text(session.access === "read" ? READ_ONLY_USER : DEFAULT_USER);
}

function users({ reply, service }: CommandContext): void {
  const all = usersOf(service.tokens);
  reply.array(all.length);
  for (const { name } of all) reply.text(name);
}

function flagsOf({ areNeeded }: Tokens): string[] {
  return areNeeded ? ["on"] : ["on", "nopass"];
}

/** Writes the lines of an ACL file, without tokens and their digests. */
function list({ reply, service, table }: CommandContext): void {
  const all = usersOf(service.tokens);
  const flags = flagsOf(service.tokens).join(" ");
  reply.array(all.length);
  for (const user of all) {
    reply.text(`user ${user.name} ${flags} ~* &* ${rulesOf(user, table)}`);
  }
}

function getUser(context: CommandContext): void {
  const { reply, service, table } = context;
  const user = findUser(context, argument(context, 2).toText());
  if (user === undefined) return reply.nil();
  reply.map(6);
  reply.text("flags");
  const flags = flagsOf(service.tokens);
  reply.set(flags.length);
  for (const flag of flags) reply.text(flag);
  reply.text("passwords");
  reply.array(0);
  for (const text of ["commands", rulesOf(user, table), "keys", "~*", "channels", "&*"])
    reply.text(text);
  reply.text("selectors");
  reply.array(0);
}

function cat(context: CommandContext): void | Failure {
  const { reply, table, count } = context;
  if (count > 3) return wrongSubcommand(context);
  if (count === 2) {
    reply.array(ACL_CATEGORIES.length);
    for (const name of ACL_CATEGORIES) reply.text(name);
    return;
  }
  const category = argument(context, 2);
  if (!ACL_CATEGORIES.includes(category.toWord()))
    return new Failure(`ERR Unknown category '${category.toShown()}'`);
  const wanted = `@${category.toWord()}`;
  const names = [...table.byName]
    .filter(([name, { command }]) => categoriesOf(table, command, name).includes(wanted))
    .map(([name]) => name);
  reply.array(names.length);
  for (const name of names) reply.text(name);
}

function genpass(context: CommandContext): void | Failure {
  if (context.count > 3) return wrongSubcommand(context);
  const bits = context.count === 2 ? BITS_DEFAULT : readNumber(argument(context, 2));
  if (bits === undefined) return NOT_AN_INTEGER;
  if (bits < 1 || bits > BITS_MAX) return INVALID_BITS;
  const digits = Math.ceil(bits / 4);
  const text = crypto.getRandomValues(new Uint8Array(Math.ceil(digits / 2))).toHex();
  context.reply.text(text.slice(0, digits));
}

function dryRun(context: CommandContext): void | Failure {
  const { reply, table, count } = context;
  const user = findUser(context, argument(context, 2).toText());
  if (user === undefined)
    return new Failure(`ERR User '${argument(context, 2).toShown()}' not found`);
  const top = table.find(argument(context, 3));
  const subcommand = top && count > 4 ? table.find(argument(context, 4), top) : undefined;
  const entry = subcommand ?? top;
  if (entry === undefined)
    return new Failure(`ERR Command '${argument(context, 3).toShown()}' not found`);
  if (!takesCount(entry.command, count - 3)) return wrongNumberOfArguments(entry.name);
  if (mayDo(user.access, entry.access)) reply.ok();
  else reply.text(`This user has no permissions to run the '${entry.name}' command`);
}

function log(context: CommandContext): void | Failure {
  const { reply, count } = context;
  if (count > 3) return wrongSubcommand(context);
  if (count === 3) {
    const word = argument(context, 2);
    if (word.toWord() === "reset") return reply.ok();
    if (readNumber(word) === undefined) return NOT_AN_INTEGER;
  }
  reply.array(0);
}
