// Arity and key positions that follow from the syntax of a command.

import { describe, expect, test } from "bun:test";

import { container, define } from "../../../../src/resp/commands/define.ts";

const run = () => {};

const CASES: readonly (readonly [
  name: string,
  syntax: string,
  arity: number,
  keys?: [number, number, number],
])[] = [
  ["dbsize", "", 1],
  ["ping", "[message]", -1],
  ["echo", "message", 2],
  ["get", "key", 2, [1, 1, 1]],
  ["set", "key value [NX | XX] [GET] [EX seconds | KEEPTTL]", -3, [1, 1, 1]],
  ["mget", "key [key ...]", -2, [1, -1, 1]],
  ["mset", "key value [key value ...]", -3, [1, -1, 2]],
  ["rename", "key newkey", 3, [1, 2, 1]],
  ["copy", "source destination [DB 0] [REPLACE]", -3, [1, 2, 1]],
  ["hello", "[protover [AUTH username password] [SETNAME clientname]]", -1],
  ["client reply", "ON | OFF | SKIP", 3],
  ["client setinfo", "LIB-NAME libname | LIB-VER libver", 4],
  ["client kill", "address | [ID id] [ADDR address]", -3],
  ["memory usage", "key [SAMPLES count]", -3, [2, 2, 1]],
];

describe("a command", () => {
  for (const [name, syntax, arity, keys] of CASES) {
    test(`${name} ${syntax} has arity ${arity}`, () => {
      const command = define(name, syntax, "readonly", "1.0.0", "", run);
      expect([command.arity, command.keys]).toEqual([arity, keys]);
    });
  }

  test("is named by the last word of its name", () => {
    expect(define("client id", "", "fast", "1.0.0", "", run).name).toBe("id");
  });

  test("takes an arity that its syntax does not show", () => {
    expect(define("quit", "", "fast", "1.0.0", "", run, { arity: -1 }).arity).toBe(-1);
  });

  test("cannot have an unknown flag", () => {
    expect(() => define("get", "key", "readnoly fast", "1.0.0", "", run)).toThrow("readnoly");
  });
});

test("a container needs a subcommand", () => {
  const client = container("client", "2.4.0", "", []);
  expect([client.arity, client.run, client.keys]).toEqual([-2, undefined, undefined]);
});
