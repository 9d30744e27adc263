// The arguments of a command as COMMAND DOCS describes them: a tree that is read from the syntax of the command.
//
//   "key value [NX | XX] [EX seconds]" →
//     key, string, optional oneof of the tokens NX and XX, optional integer behind the token EX

import type { Reply } from "../protocol/reply.ts";

export interface ArgumentDocs {
  readonly name: string;
  readonly type: string;
  readonly token?: string;
  readonly flags?: readonly ("optional" | "multiple")[];
  readonly arguments?: readonly ArgumentDocs[];
}

const TYPES: Readonly<Record<string, readonly string[]>> = {
  key: ["key", "newkey", "source", "destination"],
  integer: [
    ...["seconds", "milliseconds", "increment", "offset", "start", "end", "cursor", "count"],
    ...["numkeys", "id", "protover", "min-match-len", "ttl", "frequency", "index", "bit"],
  ],
  pattern: ["pattern"],
  "unix-time": ["unix-time-seconds", "unix-time-milliseconds"],
};

/** Returns the arguments of a syntax. O(length). */
export function argumentsOf(syntax: string): ArgumentDocs[] {
  const words = syntax.match(/\[|\]|\||[^\s[\]|]+/g) ?? [];
  return new SyntaxReader(words).alternatives();
}

class SyntaxReader {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Reads to the end or to a closing bracket: one sequence, or several with bars between them. */
  alternatives(): ArgumentDocs[] {
    const sequences = [this.#sequence()];
    while (this.#words[this.#at] === "|") {
      this.#at++;
      sequences.push(this.#sequence());
    }
    const [first = []] = sequences;
    if (sequences.length === 1) return first;
    const choices = sequences.map((sequence) => oneOf(sequence));
    return [{ name: nameOf(choices), type: "oneof", arguments: choices }];
  }

  #sequence(): ArgumentDocs[] {
    const found: ArgumentDocs[] = [];
    for (;;) {
      const word = this.#words[this.#at];
      if (word === undefined || word === "|" || word === "]" || word === "...") return found;
      this.#at++;
      if (word === "[") this.#optional(found);
      else if (isToken(word)) found.push(this.#tokenWithArguments(word));
      else found.push({ name: word, type: typeOf(word) });
    }
  }

  /** A repetition such as "key [key ...]" makes what is before it multiple. */
  #optional(before: ArgumentDocs[]): void {
    const inside = this.alternatives();
    const isRepeated = this.#words[this.#at] === "...";
    if (isRepeated) this.#at++;
    this.#at++;
    const earlier = before.slice(-inside.length);
    if (isRepeated && nameOf(earlier) === nameOf(inside)) {
      before.splice(-inside.length, inside.length, { ...oneOf(earlier), flags: ["multiple"] });
    } else if (inside.length > 0) {
      before.push({
        ...oneOf(inside),
        flags: isRepeated ? ["optional", "multiple"] : ["optional"],
      });
    }
  }

  /** The words behind a token, up to the next token, are its arguments. */
  #tokenWithArguments(token: string): ArgumentDocs {
    const inside: ArgumentDocs[] = [];
    for (;;) {
      const word = this.#words[this.#at];
      if (word === undefined || /^(\[|\]|\||\.\.\.)$/.test(word) || isToken(word)) break;
      this.#at++;
      inside.push({ name: word, type: typeOf(word) });
    }
    if (inside.length === 0) return { name: token.toLowerCase(), type: "pure-token", token };
    return { ...oneOf(inside), token };
  }
}

/** Returns the only argument, or a block of several. */
function oneOf(sequence: readonly ArgumentDocs[]): ArgumentDocs {
  const [first] = sequence;
  if (first !== undefined && sequence.length === 1) return first;
  return { name: nameOf(sequence), type: "block", arguments: sequence };
}

function nameOf(parts: readonly ArgumentDocs[]): string {
  return parts.length > NAMED_PARTS_MAX ? "options" : parts.map(({ name }) => name).join("_");
}
const NAMED_PARTS_MAX = 3;

function isToken(word: string): boolean {
  return /^[A-Z]/.test(word);
}

function typeOf(word: string): string {
  return Object.entries(TYPES).find(([, names]) => names.includes(word))?.[0] ?? "string";
}

export function writeArguments(reply: Reply, docs: readonly ArgumentDocs[]): void {
  reply.array(docs.length);
  for (const argument of docs) writeArgument(reply, argument);
}

function writeArgument(reply: Reply, argument: ArgumentDocs): void {
  const { name, type, token, flags, arguments: inside } = argument;
  const members = [token, flags, inside].filter((member) => member !== undefined).length;
  reply.map(2 + members + (type === "key" ? 1 : 0));
  for (const text of ["name", name, "type", type]) reply.text(text);
  if (type === "key") {
    reply.text("key_spec_index");
    // The second key of RENAME and COPY has a range of its own.
    reply.integer(name === "newkey" || name === "destination" ? 1 : 0);
  }
  if (token !== undefined) for (const text of ["token", token]) reply.text(text);
  if (flags !== undefined) {
    reply.text("flags");
    reply.set(flags.length);
    for (const flag of flags) reply.simple(flag);
  }
  if (inside !== undefined) {
    reply.text("arguments");
    writeArguments(reply, inside);
  }
}
