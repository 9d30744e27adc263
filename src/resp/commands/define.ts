// Defines commands. The arity and the key positions of a command follow from its syntax.

import type { Command, CommandContext, CommandFlag } from "./context.ts";
import type { Failure } from "./failure.ts";

/** The arguments of a syntax that are keys. */
const KEY_WORDS: ReadonlySet<string> = new Set(["key", "newkey", "source", "destination"]);

const FLAGS: ReadonlySet<string> = new Set<CommandFlag>([
  "write",
  "readonly",
  "denyoom",
  "admin",
  "noscript",
  "pubsub",
  "loading",
  "stale",
  "fast",
  "no_auth",
  "allow_busy",
  "no_multi",
  "no_async_loading",
  "movablekeys",
  "skip_slowlog",
  "skip_monitor",
  "no_mandatory_keys",
]);

/** The parts of a row that neither its flags nor its syntax say. */
type Details = Partial<Pick<Command, "access" | "arity" | "complexity" | "keys" | "subcommands">>;

export const LINEAR = { complexity: "O(N)" } as const;
export const OPEN = { access: "open" } as const;
export const READ = { access: "read" } as const;
export const WRITE = { access: "write" } as const;

/**
 * Returns a command. `name` is in lower case; a subcommand is written behind its command: "client id".
 * `flags` are separated by spaces. It has more than five parameters, because each call is one row of a
 * table. All commands have the same members in the same order, so that dispatch is monomorphic.
 */
export function define(
  name: string,
  syntax: string,
  flags: string,
  since: string,
  summary: string,
  run: (context: CommandContext) => void | Failure,
  details: Details = {},
): Command {
  const words = name.split(" ");
  return {
    name: words[words.length - 1] ?? name,
    arity: details.arity ?? arityOf(syntax, words.length),
    flags: readFlags(flags),
    access: details.access,
    keys: details.keys ?? keyPositionsOf(syntax, words.length),
    countedKeys: countedKeysOf(syntax, words.length),
    syntax,
    summary,
    since,
    complexity: details.complexity ?? "O(1)",
    run,
    subcommands: details.subcommands ?? [],
  };
}

/** Returns a command that does nothing without one of its subcommands. */
export function container(
  name: string,
  since: string,
  summary: string,
  subcommands: readonly Command[],
  flags?: string,
): Command {
  return {
    name,
    // The name and a subcommand, which checks its own arguments.
    arity: -2,
    flags: flags === undefined ? [] : readFlags(flags),
    access: undefined,
    keys: undefined,
    countedKeys: undefined,
    syntax: "subcommand",
    summary,
    since,
    complexity: "O(1)",
    run: undefined,
    subcommands,
  };
}

/** The number of arguments, those of the name included; negative if brackets allow more. */
function arityOf(syntax: string, nameWords: number): number {
  const count = nameWords + requiredWords(syntax).length;
  return syntax.includes("[") ? -count : count;
}

/** The words outside of brackets; of several forms those of the first. */
function requiredWords(syntax: string): string[] {
  let depth = 0;
  let outside = "";
  for (const character of syntax) {
    if (character === "[") depth++;
    else if (character === "]") depth--;
    else if (depth === 0) outside += character;
  }
  const [firstForm = ""] = outside.split(" | ");
  return firstForm.split(" ").filter(Boolean);
}

/** "key" → [1, 1, 1]; "key [key ...]" → [1, -1, 1]; "key value [key value ...]" → [1, -1, 2]. */
function keyPositionsOf(syntax: string, nameWords: number): Command["keys"] {
  if (countedKeysOf(syntax, nameWords) !== undefined) return undefined;
  const required = requiredWords(syntax);
  const first = required.findIndex((word) => KEY_WORDS.has(word));
  if (first < 0) return undefined;
  const repeated = /\[(key[^\]]*) \.\.\.\]/.exec(syntax)?.[1];
  if (repeated !== undefined) return [nameWords + first, -1, repeated.split(" ").length];
  const last = required.findLastIndex((word) => KEY_WORDS.has(word));
  return [nameWords + first, nameWords + last, 1];
}

/** "numkeys key value [key value ...]" → { at: 1, step: 2 }. */
function countedKeysOf(syntax: string, nameWords: number): Command["countedKeys"] {
  const at = requiredWords(syntax).indexOf("numkeys");
  if (at < 0) return undefined;
  const repeated = /\[(key[^\]]*) \.\.\.\]/.exec(syntax)?.[1] ?? "key";
  return { at: nameWords + at, step: repeated.split(" ").length };
}

function readFlags(text: string): CommandFlag[] {
  return text.split(" ").map((flag) => {
    if (isFlag(flag)) return flag;
    throw new Error(`no flag of a command: "${flag}"`);
  });
}

function isFlag(word: string): word is CommandFlag {
  return FLAGS.has(word);
}
