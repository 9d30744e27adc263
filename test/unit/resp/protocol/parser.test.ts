import { describe, expect, test } from "bun:test";

import { COMMANDS } from "../../../../src/resp/commands/table.ts";
import {
  COMMAND,
  ERROR,
  MORE,
  NOTHING,
  Parser,
  ParsedCommand,
} from "../../../../src/resp/protocol/parser.ts";
import { random } from "../../../lib/random.ts";

const LIMITS = { maxBulkBytes: 1000 };

/** One call of every command, with the minimum number of arguments. */
const CALLS: readonly string[][] = COMMANDS.flatMap(({ name, arity, subcommands = [] }) => [
  [name, ...fillers(Math.abs(arity) - 1)],
  ...subcommands.map((one) => [name, one.name, ...fillers(Math.abs(one.arity) - 2)]),
]);

describe("an incomplete command", () => {
  test("needs more bytes at every prefix, for every command, as an array and inline", () => {
    for (const call of CALLS) {
      for (const whole of [encode(call), `${call.join(" ")}\r\n`]) {
        const bytes = Buffer.from(whole);
        for (let end = 0; end < bytes.length; end++) {
          expect(new Parser(LIMITS).next(bytes, end)).toBe(MORE);
        }
        const parser = new Parser(LIMITS);
        expect(parser.next(bytes, bytes.length)).toBe(COMMAND);
        expect(argumentsOf(parser)).toEqual(call);
        expect(parser.position).toBe(bytes.length);
      }
    }
  });

  test("continues at its last position, however the stream is cut", () => {
    const { below } = random();
    const calls = [...CALLS, ["set", "k", "\r\n$*3\r\n"], ["get", ""], ...CALLS];
    const form = (call: string[], n: number) =>
      n <= CALLS.length + 1 ? encode(call) : `${call.join(" ")}\r\n`;
    const stream = Buffer.from(calls.map(form).join(""));
    for (let round = 0; round < 50; round++) {
      const parser = new Parser(LIMITS);
      const seen: string[][] = [];
      let bytes = Buffer.alloc(0);
      for (let from = 0; from < stream.length;) {
        const cut = Math.min(stream.length, from + 1 + below(round === 0 ? 1 : 40));
        bytes = Buffer.concat([bytes, stream.subarray(from, cut)]);
        from = cut;
        while (parser.next(bytes, bytes.length) === COMMAND) seen.push(argumentsOf(parser));
        bytes = bytes.subarray(parser.position);
        parser.rebase();
      }
      expect(seen).toEqual(calls);
    }
  });

  test("has its minimum size after its length is known", () => {
    const parser = new Parser(LIMITS);
    const bytes = Buffer.from("*2\r\n$3\r\nGET\r\n$900\r\nabc");
    expect(parser.next(bytes, bytes.length)).toBe(MORE);
    expect(parser.wantedBytes).toBe(bytes.length - 3 + 900 - parser.position);
  });
});

test("empty lines and empty arrays are no commands", () => {
  for (const text of ["\r\n", "\n", "   \r\n", "*0\r\n", "*-1\r\n"]) {
    const parser = new Parser(LIMITS);
    expect([text, parser.next(Buffer.from(text), text.length)]).toEqual([text, NOTHING]);
    expect(parser.position).toBe(text.length);
  }
});

test("inline commands have quotes as redis reads them", () => {
  const lines: Readonly<Record<string, string[]>> = {
    "SET  key\tvalue ": ["SET", "key", "value"],
    'SET k "a b"': ["SET", "k", "a b"],
    [String.raw`SET k "\x41\n\t\"\\"`]: ["SET", "k", 'A\n\t"\\'],
    [String.raw`SET k 'it\'s \n'`]: ["SET", "k", String.raw`it's \n`],
    'SET "" x': ["SET", "", "x"],
  };
  for (const [line, words] of Object.entries(lines)) {
    const parser = new Parser(LIMITS);
    expect(parser.next(Buffer.from(`${line}\n`), line.length + 1)).toBe(COMMAND);
    expect(argumentsOf(parser)).toEqual(words);
  }
});

test("invalid bytes get redis's errors", () => {
  const long = "x".repeat(70_000);
  const malformed: Readonly<Record<string, string>> = {
    "*x\r\n": "invalid multibulk length",
    "*01\r\n": "invalid multibulk length",
    "*+1\r\n": "invalid multibulk length",
    "*1 \r\n": "invalid multibulk length",
    "*3000000000\r\n": "invalid multibulk length",
    "*99999999999999999999\r\n": "invalid multibulk length",
    "*1\r\n+OK\r\n": "expected '$', got '+'",
    "*1\r\nfoo\r\n": "expected '$', got 'f'",
    "*1\r\n$x\r\n": "invalid bulk length",
    "*1\r\n$-1\r\n": "invalid bulk length",
    "*1\r\n$1001\r\n": "invalid bulk length",
    "*1\r\n$ 1\r\n": "invalid bulk length",
    'GET "k\r\n': "unbalanced quotes in request",
    "GET 'k\r\n": "unbalanced quotes in request",
    'GET "k"x\r\n': "unbalanced quotes in request",
    [long]: "too big inline request",
    [`*1${long}`]: "too big mbulk count string",
    [`*1\r\n$1${long}`]: "too big bulk count string",
  };
  for (const [text, error] of Object.entries(malformed)) {
    const parser = new Parser(LIMITS);
    const shown = text.slice(0, 40);
    expect([shown, parser.next(Buffer.from(text), text.length)]).toEqual([shown, ERROR]);
    expect(parser.error).toBe(`ERR Protocol error: ${error}`);
  }
});

test("a command of 100,000 arguments is parsed in the order of its chunks", () => {
  const call = ["mset", ...fillers(100_000)];
  const stream = Buffer.from(encode(call));
  const parser = new Parser(LIMITS);
  for (let end = 10_000; end < stream.length; end += 10_000) {
    expect(parser.next(stream, end)).toBe(MORE);
  }
  expect(parser.next(stream, stream.length)).toBe(COMMAND);
  expect(argumentsOf(parser)).toEqual(call);
});

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

function fillers(count: number): string[] {
  return Array.from({ length: Math.max(0, count) }, (_, n) => `arg${n}`);
}

/** Returns the arguments of the parsed command. */
function argumentsOf(parser: Parser): string[] {
  const { args, count } = parser.take(new ParsedCommand());
  return args.slice(0, count).map((argument) => argument.toText());
}
