// The grammar that parses the options of commands.

import { expect, test } from "bun:test";

import type { CommandContext } from "../../../../src/resp/commands/context.ts";
import { Failure, SYNTAX_ERROR } from "../../../../src/resp/commands/failure.ts";
import {
  flag,
  grammar,
  oneOf,
  option,
  pair,
  repeatable,
} from "../../../../src/resp/commands/grammar.ts";
import { Argument } from "../../../../src/resp/protocol/parser.ts";

const NOT_A_DIGIT = new Failure("ERR not a digit");
const OPTIONS = grammar({
  condition: oneOf(flag("nx"), flag("xx")),
  expiry: oneOf(
    option("ex", (text) => text.toText()),
    flag("keepttl"),
  ),
  count: repeatable(
    option("count", (text) => (/^\d$/.test(text.toText()) ? Number(text.toText()) : NOT_A_DIGIT)),
  ),
  login: repeatable(pair("auth", (user, password) => [user.toText(), password.toText()])),
});

/** Parses the words behind a command's name. The grammar reads only the arguments of a context. */
function parse(line: string) {
  const args = `COMMAND ${line}`.trim().split(" ").map(toArgument);
  return OPTIONS.parse({ args, count: args.length } as unknown as CommandContext, 1);
}

function toArgument(text: string): Argument {
  const bytes = Buffer.from(text);
  const argument = new Argument(bytes);
  argument.end = bytes.length;
  return argument;
}

test("options come in any order and any case", () => {
  const expected = { condition: "nx" as const, expiry: "10", count: 5, login: ["me", "pw"] };
  expect(parse("nx EX 10 Count 5 AUTH me pw")).toEqual(expected);
  expect(parse("AUTH me pw COUNT 5 ex 10 NX")).toEqual(expected);
  expect(parse("")).toEqual({});
});

test("words of one rule exclude each other", () => {
  expect(parse("NX XX")).toBe(SYNTAX_ERROR);
  expect(parse("EX 10 KEEPTTL")).toBe(SYNTAX_ERROR);
  expect(parse("KEEPTTL EX 10")).toBe(SYNTAX_ERROR);
});

test("a flag may be repeated, an option of oneOf may not", () => {
  expect(parse("NX NX KEEPTTL KEEPTTL")).toEqual({ condition: "nx", expiry: "keepttl" });
  expect(parse("EX 10 EX 20")).toBe(SYNTAX_ERROR);
});

test("of a repeatable option the last one counts", () => {
  expect(parse("COUNT 1 COUNT 2")).toEqual({ count: 2 });
});

test("an unknown word and a missing argument are syntax errors", () => {
  for (const line of ["FOO", "NX FOO", "EX", "COUNT", "AUTH", "AUTH me"]) {
    expect([line, parse(line)]).toEqual([line, SYNTAX_ERROR]);
  }
});

test("names of members of every object are unknown words", () => {
  for (const line of ["__proto__ 1", "constructor", "toString 1"]) {
    expect([line, parse(line)]).toEqual([line, SYNTAX_ERROR]);
  }
});

test("the first failure is returned", () => {
  expect(parse("COUNT x FOO")).toBe(NOT_A_DIGIT);
  expect(parse("FOO COUNT x")).toBe(SYNTAX_ERROR);
});

test("a grammar can word its own error", () => {
  const options = grammar({}, (word) => new Failure(`ERR unknown ${word.toText()}`));
  const args = ["COMMAND", "Foo"].map(toArgument);
  const failure = options.parse({ args, count: 2 } as unknown as CommandContext, 1);
  expect(failure).toEqual(new Failure("ERR unknown Foo"));
});
