// The options of a command: words in any order and any case, some with arguments behind them.
//
//   const OPTIONS = grammar({
//     condition: oneOf(flag("nx"), flag("xx")),
//     count: repeatable(option("count", (value) => readCount(value))),
//   });
//   const options = OPTIONS.parse(context, 3);
//   if (options instanceof Failure) return options;

import { argument, type CommandContext } from "./context.ts";
import { Failure, SYNTAX_ERROR } from "./failure.ts";
import type { Argument } from "../protocol/parser.ts";

/** A word that a client may write, and the value that it gives. */
interface Word<T> {
  readonly word: string;
  /** Number of arguments behind the word. */
  readonly argumentCount: number;
  readonly read: (context: CommandContext, index: number) => T | Failure;
}

interface Rule<T> {
  readonly words: readonly Word<T>[];
  /** Whether a word with an argument may be repeated; the last one counts. */
  readonly isRepeatable: boolean;
}

type ValueOf<W> = W extends Word<infer T> ? T : never;
type Rules = Readonly<Record<string, Rule<unknown>>>;
type Options<R extends Rules> = {
  readonly [M in keyof R]?: R[M] extends Rule<infer T> ? T : never;
};
type Chosen = { rule: Rule<unknown>; member: string; word: Word<unknown> };
type UnknownOption = (word: Argument) => Failure;

/** A word without an argument. Its value is the word. */
export function flag<const W extends string>(word: W): Word<W> {
  return { word, argumentCount: 0, read: () => word };
}

/** A word with one argument. */
export function option<T>(
  word: string,
  read: (value: Argument, context: CommandContext) => T | Failure,
): Word<T> {
  return {
    word,
    argumentCount: 1,
    read: (context, index) => read(argument(context, index + 1), context),
  };
}

/** A word with two arguments. */
export function pair<T>(
  word: string,
  read: (first: Argument, second: Argument, context: CommandContext) => T | Failure,
): Word<T> {
  return {
    word,
    argumentCount: 2,
    read: (context, index) =>
      read(argument(context, index + 1), argument(context, index + 2), context),
  };
}

/** Words that exclude each other. A flag may be repeated, a word with an argument may not. */
export function oneOf<const W extends readonly Word<unknown>[]>(
  ...words: W
): Rule<ValueOf<W[number]>> {
  return { words: words as readonly Word<ValueOf<W[number]>>[], isRepeatable: false };
}

/** A word that may be repeated; the last one counts. */
export function repeatable<T>(word: Word<T>): Rule<T> {
  return { words: [word], isRepeatable: true };
}

export function grammar<R extends Rules>(rules: R, unknown: UnknownOption = () => SYNTAX_ERROR) {
  return new Grammar(rules, unknown);
}

class Grammar<R extends Rules> {
  readonly #words = new Map<string, Chosen>();
  readonly #unknown: UnknownOption;

  constructor(rules: R, unknown: UnknownOption) {
    this.#unknown = unknown;
    for (const [member, rule] of Object.entries(rules)) {
      for (const word of rule.words) this.#words.set(word.word, { rule, member, word });
    }
  }

  /** Reads the options from an index on. Returns the first failure. */
  parse(context: CommandContext, from: number): Options<R> | Failure {
    const values: Record<string, unknown> = {};
    const earlier = new Map<Rule<unknown>, Word<unknown>>();
    for (let index = from; index < context.count;) {
      const chosen = this.#words.get(argument(context, index).toWord());
      if (chosen === undefined || !isAllowed(chosen, earlier.get(chosen.rule)))
        return this.#unknown(argument(context, index));
      const { rule, member, word } = chosen;
      if (index + word.argumentCount >= context.count)
        return this.#unknown(argument(context, index));
      const value = word.read(context, index);
      if (value instanceof Failure) return value;
      values[member] = value;
      earlier.set(rule, word);
      index += 1 + word.argumentCount;
    }
    return values as Options<R>;
  }
}

function isAllowed({ rule, word }: Chosen, earlier: Word<unknown> | undefined): boolean {
  if (earlier === undefined || rule.isRepeatable) return true;
  return earlier === word && word.argumentCount === 0;
}
