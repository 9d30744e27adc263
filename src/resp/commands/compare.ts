// Commands that compare a value with an old value or with a digest, and then change it. The digest is XXH3 with
// 64 bits (Yann Collet, https://xxhash.com), as 16 hexadecimal digits.

import type { Bytes, Entry } from "../../cache/cache.ts";
import { argument, type Command, type CommandContext, update } from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { Failure, wrongNumberOfArguments } from "./failure.ts";
import { option } from "./grammar.ts";
import type { Argument } from "../protocol/parser.ts";

const NOT_A_DIGEST = new Failure(
  "ERR IFDEQ and IFDNE take the 16 hexadecimal digits that DIGEST replies",
);
const INVALID_CONDITION = new Failure("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
const DIGEST_DIGITS = 16;

export const COMPARE_COMMANDS: readonly Command[] = [
  define(
    "digest",
    "key",
    "readonly fast",
    "8.4.0",
    "The XXH3 digest of a value as 16 hexadecimal digits.",
    digest,
    LINEAR,
  ),
  define(
    "delex",
    "key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]",
    "write fast",
    "8.4.0",
    "Deletes a key if its value, or its digest, is equal or not equal to the given one.",
    delex,
    LINEAR,
  ),
  define(
    "delifeq",
    "key value",
    "write fast",
    "9.0.0",
    "Deletes a key if it has this value.",
    (context) => deleteIf(context, { kind: "ifeq", operand: argument(context, 2) }),
    LINEAR,
  ),
];

type Kind = "ifeq" | "ifne" | "ifdeq" | "ifdne";

/** A condition on the value of an entry. */
export interface Comparison {
  readonly kind: Kind;
  /** The value or the digest to compare with. */
  readonly operand: Argument;
}

/** The options of SET that compare. */
export const COMPARISON_OPTIONS = [
  comparison("ifeq"),
  comparison("ifne"),
  comparison("ifdeq"),
  comparison("ifdne"),
] as const;

function comparison(kind: Kind) {
  return option(kind, (operand: Argument): Comparison => ({ kind, operand }));
}

/** Returns whether the entry meets the condition. A failure says that a digest is malformed. O(length). */
export function meets({ kind, operand }: Comparison, { value }: Entry): boolean | Failure {
  if (kind === "ifeq" || kind === "ifne") return isEqual(value, operand) === (kind === "ifeq");
  const text = operand.toShown();
  if (text.length !== DIGEST_DIGITS || !/^[\da-f]*$/i.test(text)) return NOT_A_DIGEST;
  return (digestOf(value) === text.toLowerCase()) === (kind === "ifdeq");
}

function isEqual(a: Bytes, b: Bytes): boolean {
  if (a.end - a.start !== b.end - b.start) return false;
  return a.bytes.compare(b.bytes, b.start, b.end, a.start, a.end) === 0;
}

function digestOf({ bytes, start, end }: Bytes): string {
  return Bun.hash.xxHash3(bytes.subarray(start, end)).toString(16).padStart(DIGEST_DIGITS, "0");
}

function digest(context: CommandContext): void | Failure {
  const { cache, reply } = context;
  return update(context, argument(context, 1), (entry) => {
    cache.countGet(entry !== undefined);
    if (entry === undefined) reply.nil();
    else reply.text(digestOf(entry.value));
    return "keep";
  });
}

function delex(context: CommandContext): void | Failure {
  const { cache, nowMs, reply, count } = context;
  if (count === 2) return reply.integer(cache.delete(argument(context, 1), nowMs) ? 1 : 0);
  if (count !== 4) return wrongNumberOfArguments("delex");
  const kind = argument(context, 2).toWord();
  if (!isKind(kind)) return INVALID_CONDITION;
  return deleteIf(context, { kind, operand: argument(context, 3) });
}

function isKind(word: string): word is Kind {
  return ["ifeq", "ifne", "ifdeq", "ifdne"].includes(word);
}

function deleteIf(context: CommandContext, condition: Comparison): void | Failure {
  const { reply } = context;
  return update(context, argument(context, 1), (entry) => {
    const isMet = entry === undefined ? false : meets(condition, entry);
    if (isMet instanceof Failure) return isMet;
    reply.integer(isMet ? 1 : 0);
    return isMet ? "delete" : "keep";
  });
}
